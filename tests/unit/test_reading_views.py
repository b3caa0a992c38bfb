"""Runs under other readings, against LAPACK on the features that they were made of."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import subspace_angles

import keras_pvec as kp
from keras_pvec.comparison import SampleMismatchError
from keras_pvec.comparison.angles import line_angle_deg
from keras_pvec.reproduction import analysis
from keras_pvec.reproduction.claims import (
    Cause,
    Centring,
    ComparedWith,
    Extraction,
    Moments,
    RawData,
    Reading,
    Representation,
    SampleCount,
    Start,
    Vectors,
)
from keras_pvec.reproduction.readings import (
    FIRST_UPDATES,
    RawImages,
    ReadingUnavailableError,
    RunView,
    raw_data_p_vectors,
    reading_path,
)
from keras_pvec.runs import LoggedWith, Moment, RunFolder, log_row

N = 260
MOMENTS = [(-1, 0), (0, 50), (0, 300), (0, 390), (0, 400), (1, 800), (2, 1200)]
LAYERS = ("features", "block_1")
MEAN, VARIANCE = [0.5], [0.08]


def matrix(seed, n_features=8):
    rng = np.random.default_rng(seed)
    x = np.abs(rng.standard_normal((N, n_features)))
    return x * 0.5 ** np.arange(n_features)


class MadeUp:
    """A run with known features at each moment."""

    def __init__(self, path, seed, images):
        self.samples = images.samples["train"]
        self.features = {
            moment: {
                layer: matrix([seed, i, j]) + matrix([seed, 9, j]) * moment[1] / 500
                for j, layer in enumerate(LAYERS)
            }
            for i, moment in enumerate(MOMENTS)
        }
        folder = RunFolder(path)
        settings = {"model": "mlp", "seed": seed, "layers": list(LAYERS)}
        folder.note(settings=settings)
        references = raw_data_p_vectors(self.samples.x, MEAN, VARIANCE)
        references["untrained"] = kp.p_vector(matrix([seed, 77]), k=1)
        for when, by_layer in self.features.items():
            moment = Moment(*when)
            p_vectors = {
                layer: kp.p_vector(x, k=4, layer=layer, samples=self.samples)
                for layer, x in by_layer.items()
            }
            rows = [
                log_row(moment, p, name, kp.compare(p, q))
                for p in p_vectors.values()
                for name, q in references.items()
            ]
            folder.write_moment(moment, p_vectors, rows)
        folder.write_samples(np.arange(N) % 3, {"brightness": np.ones(N)})
        folder.update_info(
            logged_with=LoggedWith(layers=LAYERS, n_samples=N, k=4, complete=True)
        )
        self.run = kp.open_run(path)
        self.untrained = matrix([seed, 77])

    def leading(self, change, layer="features"):
        """Top left singular vectors of the changed features, by moment."""
        return {
            moment: left_vectors(change(x[layer]))[:, 0]
            for moment, x in self.features.items()
        }


def left_vectors(x):
    return np.linalg.svd(x, full_matrices=False)[0]


def centre(x):
    return x - x.mean(axis=0)


def angles(vectors, reference):
    return [line_angle_deg(u, reference) for u in vectors.values()]


@pytest.fixture(scope="module")
def images():
    x = np.random.default_rng(5).random((N, 3, 3, 1)).astype(np.float32)
    return RawImages({"train": kp.SampleSet(x, name="made up")}, MEAN, VARIANCE)


@pytest.fixture(scope="module")
def made(tmp_path_factory, images):
    folder = tmp_path_factory.mktemp("views")
    return [MadeUp(folder / str(seed), seed, images) for seed in range(3)]


@pytest.fixture
def view(made, images):
    def of(reading, index=0):
        runs = [one.run for one in made]
        return RunView(runs[index], reading, images=images, others=runs)

    return of


def test_the_primary_reading_changes_nothing(made, view):
    run, same = made[0].run, view(Reading())
    assert (same.path, same.info, same.layers) == (run.path, run.info, run.layers)
    assert same.moments == run.moments
    pd.testing.assert_frame_equal(
        analysis.angles_to_final([same]), analysis.angles_to_final([run])
    )
    for matrix_name in ("data", "input"):
        pd.testing.assert_frame_equal(
            analysis.angles_to_data([same], matrix_name),
            analysis.angles_to_data([run], matrix_name),
        )
    assert same.samples.keys() == run.samples.keys()


def test_column_centred(made, view):
    vectors = made[0].leading(centre)
    seen = view(Reading(centring=Centring.COLUMNS))
    table = seen.angles("final", "features")
    expected = angles(vectors, vectors[2, 1200])
    np.testing.assert_allclose(table["angle_deg"], expected, atol=0.05)
    np.testing.assert_allclose(table["null_angle_deg"], 90, atol=1e-5)
    pixels = made[0].samples.x.reshape(N, -1).astype(float)
    for name, x in (("data", pixels), ("input", (pixels - 0.5) / np.sqrt(0.08))):
        log = seen.log
        rows = log[(log["reference"] == name) & (log["layer"] == "features")]
        reference = left_vectors(centre(x))[:, 0]
        np.testing.assert_allclose(
            rows["angle_deg"], angles(vectors, reference), atol=0.1
        )
        cosines = np.cos(np.radians(rows["angle_deg"]))
        np.testing.assert_allclose(rows["z"], np.sqrt(N - 1) * cosines)
    untrained = analysis.angles_to_untrained([seen])["angle_deg"]
    reference = left_vectors(centre(made[0].untrained))[:, 0]
    assert untrained.iloc[-1] == pytest.approx(
        line_angle_deg(vectors[2, 1200], reference), abs=0.1
    )


def test_fewer_samples(made, view):
    n = 250
    vectors = made[0].leading(lambda x: x[:n])
    seen = view(Reading(n_samples=SampleCount.N_250))
    table = seen.angles("final", "features")
    errors = table["angle_error_deg"].to_numpy(float)
    assert errors.max() < 5
    expected = np.array(angles(vectors, vectors[2, 1200]))
    assert (np.abs(table["angle_deg"] - expected) <= errors + 1e-6).all()
    assert (table["n_samples"] == n).all()
    pixels = made[0].samples.x[:n].reshape(n, -1).astype(float)
    rows = seen.log[seen.log["reference"].eq("data") & seen.log["layer"].eq("features")]
    expected = angles(vectors, left_vectors(pixels)[:, 0])
    difference = np.abs(rows["angle_deg"].to_numpy(float) - expected)
    assert (difference <= rows["angle_error_deg"].to_numpy(float) + 1e-6).all()
    assert len(seen.samples["labels"]) == n
    # Nothing is compared with all samples by mistake.
    with pytest.raises(SampleMismatchError):
        kp.compare(
            seen.p_vector("final", "features"), view(Reading()).p_vector(1, "features")
        )


def test_more_samples_than_there_are(view):
    with pytest.raises(ReadingUnavailableError) as caught:
        view(Reading(n_samples=SampleCount.N_500)).p_vector("final", "features")
    obstacle = caught.value.obstacle
    assert obstacle.cause is Cause.TOO_FEW_SAMPLES
    assert (obstacle.needed, obstacle.found) == (500, N)


def test_spans(made, view):
    spans = {m: left_vectors(x["features"])[:, :4] for m, x in made[0].features.items()}
    seen = view(Reading(vectors=Vectors.SPAN))
    table = seen.angles("final", "features")
    expected = [
        np.degrees(subspace_angles(span, spans[2, 1200])[0]) for span in spans.values()
    ]
    np.testing.assert_allclose(table["angle_deg"], expected, atol=0.05)
    pixels = left_vectors(made[0].samples.x.reshape(N, -1).astype(float))[:, :4]
    rows = seen.log[seen.log["reference"].eq("data") & seen.log["layer"].eq("block_1")]
    spans = [left_vectors(x["block_1"])[:, :4] for x in made[0].features.values()]
    expected = [np.degrees(subspace_angles(span, pixels)[0]) for span in spans]
    np.testing.assert_allclose(rows["angle_deg"].astype(float), expected, atol=0.05)


def test_other_networks(made, view):
    vectors = made[0].leading(lambda x: x)
    ends = [one.leading(lambda x: x)[2, 1200] for one in made[1:]]
    expected = np.mean([angles(vectors, end) for end in ends], axis=0)
    seen = view(Reading(compared_with=ComparedWith.OTHER_ENDS))
    table = seen.angles("final", "features")
    np.testing.assert_allclose(table["angle_deg"].astype(float), expected, atol=0.01)
    assert list(table["reference"].unique()) == ["final"]
    alone = RunView(made[0].run, Reading(compared_with=ComparedWith.OTHER_ENDS))
    with pytest.raises(ReadingUnavailableError) as caught:
        alone.angles("final", "features")
    assert caught.value.obstacle.cause is Cause.TOO_FEW_NETWORKS


def test_the_largest_start(made, view):
    plain = made[0].run.angles("final", "features")
    seen = view(Reading(start=Start.LARGEST))
    table = analysis.angles_to_final([seen])
    early = plain[plain["step"] <= FIRST_UPDATES]
    assert table["angle_deg"].iloc[0] == early["angle_deg"].max()
    assert tuple(table[["epoch", "step"]].iloc[0]) == (-1, 0)
    assert len(table) == 4  # before training, and three epochs
    data = seen.log[seen.log["reference"].eq("data") & seen.log["layer"].eq("block_1")]
    log = made[0].run.log
    log = log[log["reference"].eq("data") & log["layer"].eq("block_1")]
    assert data["angle_deg"].iloc[0] == log["angle_deg"][log["step"] <= 391].max()
    assert len(data) == len(log)


def test_shuffled_rows(made, view):
    seen = view(Reading(extraction=Extraction.MISALIGNED))
    table = seen.angles("final", "features")
    assert table["angle_deg"].iloc[-1] < 1e-5
    # As far apart as the permutation null has them.
    z = table["z"].iloc[:-1].astype(float)
    assert (z.abs() < 4).all()
    plain = made[0].run.angles("final", "features")
    assert plain["z"].iloc[-2] > 10
    np.testing.assert_allclose(
        table["cos_ones"].astype(float), plain["cos_ones"].astype(float)
    )
    again = view(Reading(extraction=Extraction.MISALIGNED))
    pd.testing.assert_frame_equal(again.angles("final", "features"), table)
    data = seen.log[seen.log["reference"].eq("data")]
    assert (data["z"].astype(float).abs() < 5).all()


def test_kept_moments(tmp_path, images):
    one = MadeUp(tmp_path / "run", 0, images)
    reading = Reading(moments=Moments.KEPT)
    with pytest.raises(ReadingUnavailableError) as caught:
        RunView(one.run, reading)
    assert caught.value.obstacle.cause is Cause.NO_WEIGHTS
    kept = [(-1, 0), (0, 300), (2, 1200)]
    folder = RunFolder(one.run.path)
    for moment in kept:
        path = one.run.path / "weights" / folder.moment_path(moment).name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    seen = RunView(one.run, reading)
    assert seen.moments == kept
    for table, plain in (
        (seen.angles("final", "features"), one.run.angles("final", "features")),
        (seen.log, one.run.log),
    ):
        at_kept = [m in kept for m in zip(plain["epoch"], plain["step"], strict=True)]
        pd.testing.assert_frame_equal(
            table, plain[at_kept].reset_index(drop=True), check_dtype=False
        )


def test_images_of_other_samples(made):
    x = np.zeros((N, 3, 3, 1), np.float32)
    x[:, 0] = 1
    images = RawImages({"train": kp.SampleSet(x)}, MEAN, VARIANCE)
    seen = RunView(made[0].run, Reading(vectors=Vectors.SPAN), images=images)
    with pytest.raises(SampleMismatchError):
        _ = seen.log


def test_what_was_not_measured(made, tmp_path, images):
    reading = Reading(representation=Representation.LOGITS)
    with pytest.raises(ReadingUnavailableError) as caught:
        RunView(made[0].run, reading)
    assert caught.value.obstacle.cause is Cause.NO_WEIGHTS
    assert caught.value.obstacle.names == ("mlp",)


def test_measurements_are_seen_in_place_of_the_run(tmp_path, images):
    """Angles are those of the measurement; everything else is that of the run."""
    one = MadeUp(tmp_path / "run", 0, images)
    other = MadeUp(reading_path(tmp_path / "run", "logits"), 1, images)
    seen = RunView(one.run, Reading(representation=Representation.LOGITS))
    assert seen.path == one.run.path
    assert seen.info.notes["settings"]["seed"] == 0
    pd.testing.assert_frame_equal(
        seen.angles("final", "features"), other.run.angles("final", "features")
    )
    pd.testing.assert_frame_equal(
        analysis.angles_to_data([seen])[["angle_deg"]],
        analysis.angles_to_data([other.run])[["angle_deg"]],
    )
    both = Reading(representation=Representation.LOGITS, centring=Centring.COLUMNS)
    table = RunView(one.run, both).angles("final", "features")
    vectors = other.leading(centre)
    np.testing.assert_allclose(
        table["angle_deg"], angles(vectors, vectors[2, 1200]), atol=0.05
    )
    RunFolder(reading_path(tmp_path / "run", "logits")).note(not_applicable="logits")
    with pytest.raises(ReadingUnavailableError) as caught:
        RunView(one.run, both)
    assert caught.value.obstacle.cause is Cause.NOT_APPLICABLE


def test_names_of_measurements():
    assert Reading().is_stored
    assert Reading(raw_data=RawData.PIXELS, extraction=Extraction.MISALIGNED).is_stored
    assert Reading(representation=Representation.FLATTENED).measurement == "flattened"
    both = Reading(
        representation=Representation.LOGITS, extraction=Extraction.AUGMENTED
    )
    assert both.measurement == "logits-augmented"
    centred = dataclasses.replace(both, centring=Centring.COLUMNS)
    assert centred.measurement == both.measurement
    assert not centred.is_stored
