"""Studies of made-up runs under all their readings."""

import numpy as np
import pytest
from made_up_runs import N_SAMPLES, World, write_run, write_variants

import keras_pvec as kp
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Centring,
    ComparedWith,
    Extraction,
    Moments,
    RawData,
    Reading,
    ReadingChoice,
    Representation,
    SampleCount,
    Samples,
    Verdict,
    selected_readings,
)
from keras_pvec.reproduction.readings import RawImages, ReadingUnavailableError
from keras_pvec.reproduction.readings.stored import NOT_APPLICABLE, reading_path
from keras_pvec.reproduction.report.sentences import evidence
from keras_pvec.reproduction.studies import (
    STUDIES,
    Options,
    PretrainedNetworks,
    analyse_reading,
    analyse_readings,
    measured_readings,
    pretrained,
)
from keras_pvec.runs import LoggedWith, RunFolder


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    samples = {
        split: kp.SampleSet(rng.random((n, 4, 4, 1)).astype(np.float32))
        for split, n in N_SAMPLES.items()
    }
    return RawImages(samples, [0.5], [0.1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worlds = {split: World(split, seed=3) for split in N_SAMPLES}
    return [
        write_run(folder / model, worlds, model, 0)
        for model in ("wide_resnet16_1", "autoencoder", "simclr")
    ]


@pytest.fixture(scope="module")
def results(runs, images, tmp_path_factory):
    """Results of a study under all its readings; each is made once."""
    made = {}

    def make(name):
        if name not in made:
            study = STUDIES[name]
            chosen = runs
            if study.variants:
                chosen = write_variants(tmp_path_factory.mktemp("variants"), 6)
            options = Options("made up")
            made[name] = analyse_readings(
                study, chosen, options, ReadingChoice.ALL, images
            )
        return made[name]

    return make


@pytest.mark.parametrize("name", STUDIES)
def test_each_claim_has_a_result_under_each_reading(results, name):
    found = [(result.claim, result.reading) for result in results(name)]
    assert found == [
        (claim, reading)
        for claim in STUDIES[name].claims
        for reading in CLAIMS[claim].readings
    ]


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "generalization"])
def test_verdicts_of_readings(results, name):
    """Directions of the made-up runs are orthogonal to the constant vector, so that
    the column-centred reading agrees with the primary one."""
    primary = {
        result.claim: result.verdict
        for result in results(name)
        if result.reading == result.spec.primary
    }
    assert Verdict.NOT_REPRODUCED not in primary.values()
    for result in results(name):
        reading = result.reading
        changes = reading.changes(result.spec.primary)
        if not reading.is_stored or reading.moments is Moments.KEPT:
            assert result.verdict is Verdict.NOT_TESTED
            assert result.obstacle.cause is Cause.NO_WEIGHTS
            assert len(result.obstacle.names) == 3
        elif reading.n_samples is not SampleCount.ALL:
            assert result.verdict is Verdict.NOT_TESTED
            assert result.obstacle.cause is Cause.TOO_FEW_SAMPLES
            assert result.obstacle.needed == reading.n_samples.n
            assert result.obstacle.found in N_SAMPLES.values()
        elif set(changes) <= {"centring", "samples", "raw_data"}:
            assert result.verdict is primary[result.claim], reading


def test_a_mistake_is_not_reproduced(results):
    for result in results("convergence"):
        if result.reading.extraction is Extraction.MISALIGNED:
            assert result.verdict is not Verdict.REPRODUCED


def test_networks_are_compared_with_others(results):
    own, other = (
        next(
            result.effects[0].estimate
            for result in results("convergence")
            if result.claim == "C3" and result.reading == reading
        )
        for reading in (
            Reading(Samples.TRAIN),
            Reading(Samples.TRAIN, compared_with=ComparedWith.OTHER_ENDS),
        )
    )
    assert own != other


def test_findings_of_the_column_centred_reading(runs, images):
    reading = CLAIMS["C1"].readings[1]
    found = analyse_reading(
        STUDIES["convergence"], runs, Options("made up"), reading, images
    )
    assert found.figures.keys() == found.tables.keys() - {"influential_samples"}
    assert {result.reading.centring for result in found.claims} == {Centring.COLUMNS}
    np.testing.assert_allclose(
        found.tables["angle_to_final"]["null_angle_deg"], 90, atol=1e-5
    )


def test_samples_and_raw_data_of_a_reading(runs, images):
    reading = Reading(Samples.TEST, RawData.STANDARDISED)
    found = analyse_reading(
        STUDIES["data_angle"], runs, Options("made up"), reading, images
    )
    table = found.tables["angle_to_data"]
    assert set(table["n_samples"]) == {N_SAMPLES["test"]}
    assert set(table["reference"]) == {"input"}
    assert found.claims[0].reading == reading


def test_networks_without_such_features_are_left_out(tmp_path, images):
    worlds = {split: World(split, seed=3) for split in N_SAMPLES}
    reading = Reading(Samples.TRAIN, representation=Representation.LOGITS)
    runs = []
    for model in ("resnet18", "mlp", "autoencoder"):
        run = write_run(tmp_path / model, worlds, model, 0)
        path = reading_path(run.path, "logits")
        if model == "autoencoder":
            RunFolder(path).note(**{NOT_APPLICABLE: "logits"})
        else:
            write_run(path, worlds, model, 0)
            for place in (path, path / "test"):
                logged_with = LoggedWith(layers=("avg_pool",), k=5, complete=True)
                RunFolder(place).update_info(logged_with=logged_with)
        runs.append(run)
    study = STUDIES["convergence"]
    found = analyse_reading(study, runs, Options("made up"), reading, images)
    assert set(found.tables["angle_to_final"]["model"]) == {"resnet18", "mlp"}
    assert {result.without for result in found.claims} == {("autoencoder",)}
    assert all("autoencoder" in evidence(result) for result in found.claims)
    both = analyse_reading(study, runs[:2], Options("made up"), reading, images)
    assert {result.without for result in both.claims} == {()}
    with pytest.raises(ReadingUnavailableError) as caught:
        analyse_reading(study, runs[2:], Options("made up"), reading, images)
    assert caught.value.obstacle.cause is Cause.NOT_APPLICABLE
    assert caught.value.obstacle.names == ("autoencoder",)


def test_pretrained_networks_column_centred():
    rng = np.random.default_rng(1)
    x = [5 + rng.random((50, 6)) * 0.8 ** np.arange(6) for _ in range(3)]
    p_vectors = {str(i): kp.p_vector(one, k=2) for i, one in enumerate(x)}
    networks = PretrainedNetworks(p_vectors, {name: name for name in p_vectors})
    found = pretrained(networks, "made up")
    plain, under = found.readings
    assert plain.verdict is not Verdict.NOT_REPRODUCED
    assert under.verdict is Verdict.NOT_REPRODUCED
    assert under.reading == CLAIMS["C13"].readings[1]
    centred = found.tables["angle_matrix"]["centered_angle_deg"]
    assert under.effects[0].estimate == pytest.approx(centred.astype(float).mean())


def test_selected_readings():
    for spec in CLAIMS.values():
        primary = selected_readings(spec, ReadingChoice.PRIMARY)
        stored = selected_readings(spec, ReadingChoice.STORED)
        everything = selected_readings(spec, ReadingChoice.ALL)
        assert primary[0] is spec.primary
        assert [reading.centring for reading in primary] == list(Centring)
        assert primary == stored[:2] == everything[:2]
        assert set(primary) <= set(stored) <= set(everything) == set(spec.readings)
        assert all(reading.is_stored for reading in stored)
        for reading in everything:
            # One factor at a time, and centring.
            changes = reading.changes(spec.primary)
            assert len(changes.keys() - {"centring"}) <= 1
            assert spec.admits(reading)


def test_measurements_of_a_study():
    names = [
        reading.measurement
        for reading in measured_readings(STUDIES["convergence"], ReadingChoice.ALL)
    ]
    assert sorted(names) == [
        *("augmented", "augmented_apart", "batch_statistics"),
        *("flattened", "logits", "pre_activation"),
    ]
    assert measured_readings(STUDIES["convergence"], ReadingChoice.STORED) == ()
    (flattened,) = (
        reading
        for reading in measured_readings(STUDIES["layerwise"], ReadingChoice.ALL)
        if reading.representation is not Representation.POOLED
    )
    assert flattened.representation is Representation.FLATTENED
