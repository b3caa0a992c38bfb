"""Each study on made-up runs whose outcome is known."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import (
    ENDS,
    LAYERS,
    N_SAMPLES,
    ON_TEST,
    World,
    logged_angles,
    write_run,
    write_variants,
)
from matplotlib.figure import Figure

import keras_pvec as kp
from keras_pvec.reproduction import studies
from keras_pvec.reproduction.analysis import model_of, pairwise_angles
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Caveat,
    Null,
    Obstacle,
    RawData,
    Reading,
    Samples,
    Verdict,
)
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS, STUDIES, Options
from keras_pvec.runs import RunFolder, log_row

# Fewer models than a correlation is given an interval for, which is what takes time.
N_VARIANTS = 7


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worlds = {split: World(split, seed=3) for split in N_SAMPLES}
    return [
        write_run(folder / model / f"seed_{seed}", worlds, model, seed)
        for model, n_seeds in (
            ("resnet50", 2), ("wide_resnet16_1", 2), ("autoencoder", 1), ("simclr", 1)
        )
        for seed in range(n_seeds)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return write_variants(tmp_path_factory.mktemp("variants"), N_VARIANTS)


CONVERGENCE = {
    "angle_to_final",
    "angle_to_untrained",
    "angle_matrix",
    "null_ladder",
    "measures",
    "influential_samples",
}
EXPECTED = {
    "convergence": (CONVERGENCE, CONVERGENCE),
    "first_epoch": ({"first_epoch", "peaks"}, {"first_epoch"}),
    "common_subspace": ({"angle_to_references"}, {"angle_to_references"}),
    "data_angle": ({"angle_to_data"}, {"angle_to_data"}),
    "layerwise": ({"angle_by_block"}, {"angle_by_block"}),
    "distribution": (
        {"histograms", "densities", "drift"},
        {"histograms", "densities", "drift"},
    ),
    "singular_vectors": (
        {"singular_vector_angles", "explained_variance", "table_2", "table_3"},
        {"singular_vector_angles", "explained_variance"},
    ),
    "generalization": (
        {"generalization", "rank_correlations"},
        {"generalization", "rank_correlations"},
    ),
}


@pytest.fixture(scope="module")
def findings(runs, variants):
    """Of a study with given options; each is made once."""
    made = {}

    def make(name, split="train", matrix="data"):
        key = name, split, matrix
        if key not in made:
            chosen = variants if STUDIES[name].variants else runs
            # Many panels, or many vectors, of each run.
            chosen = (
                chosen[:2] if name in ("distribution", "singular_vectors") else chosen
            )
            images = np.zeros((N_SAMPLES[split], 4, 4, 1))
            options = Options("made up", split, matrix, images)
            made[key] = STUDIES[name].analyse(chosen, options)
        return made[key]

    return make


def test_every_study_is_expected_here():
    assert set(EXPECTED) == set(STUDIES)
    assert [study.name for study in STUDIES.values()] == list(STUDIES)


OPTIONS = [("train", "data"), ("test", "input")]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_findings_belong_together(findings, name, options):
    found = findings(name, *options)
    tables, figures = EXPECTED[name]
    assert set(found.tables) == tables
    assert set(found.figures) == figures <= tables
    assert all(len(table) for table in found.tables.values())
    for figure in found.figures.values():
        assert isinstance(figure, Figure)
        title = " ".join(figure.get_suptitle().split())
        # A figure of one panel may have its title there.
        assert "made up" in (title or figure.axes[0].get_title())


# Four moments of the first epoch are too few; of four epochs, the first vector is near
# its end in the last one only.
OTHER_VERDICTS = {
    "first_epoch": (Verdict.NOT_TESTED, Verdict.NOT_TESTED),
    "distribution": (Verdict.DESCRIBED,),
    "singular_vectors": (Verdict.PARTLY_REPRODUCED, Verdict.DESCRIBED),
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_runs_made_as_the_claims_say_reproduce_them(findings, name, options):
    found = findings(name, *options).claims
    assert tuple(result.claim for result in found) == STUDIES[name].claims
    if name == "generalization":
        few = Obstacle(Cause.TOO_FEW_MODELS, needed=8, found=N_VARIANTS)
        assert [result.obstacle for result in found] == [few, few]
    else:
        verdicts = OTHER_VERDICTS.get(name, (Verdict.REPRODUCED,) * len(found))
        assert tuple(result.verdict for result in found) == verdicts


@pytest.mark.parametrize(("split", "matrix"), OPTIONS)
def test_results_have_the_reading_that_they_were_made_under(findings, split, matrix):
    samples, raw_data = Samples(split), RawData(matrix)
    expected = {
        "convergence": [Reading(samples)] * 3,
        # The paper names the samples of these.
        "first_epoch": [Reading(Samples.BOTH), Reading(Samples.TRAIN, raw_data)],
        "common_subspace": [Reading(samples)],
        "data_angle": [Reading(samples, raw_data)],
        "layerwise": [Reading(samples, raw_data)],
        "distribution": [Reading(samples)],
        "singular_vectors": [Reading(samples)] * 2,
        "generalization": [Reading(samples, raw_data)] * 2,
    }
    for name in EXPECTED:
        found = findings(name, split, matrix).claims
        assert [result.reading for result in found] == expected[name]


@pytest.mark.parametrize(
    "options", [{"split": "train and test"}, {"data_matrix": "pixels"}]
)
def test_options_that_there_are_not(options):
    (value,) = options.values()
    with pytest.raises(ValueError, match=value):
        Options("made up", **options)


@pytest.mark.parametrize("matrix", ["data", "input"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_split_and_data_matrix_take_effect(findings, runs, split, matrix):
    table = findings("data_angle", split, matrix).tables["angle_to_data"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    ends = list(ENDS)
    expected = np.concatenate([logged_angles(run, split, matrix)[ends] for run in runs])
    np.testing.assert_allclose(table["angle_deg"], expected)

    table = findings("layerwise", split, matrix).tables["angle_by_block"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    assert set(table["reference"]) == {matrix}
    assert list(table["layer"].unique()) == LAYERS[1:]


@pytest.mark.parametrize(("split", "matrix"), OPTIONS)
def test_options_of_generalization(findings, variants, split, matrix):
    table = findings("generalization", split, matrix).tables["generalization"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    expected = [logged_angles(run, split, matrix)[3, 12] for run in variants]
    np.testing.assert_allclose(table["angle_deg"], expected)


@pytest.mark.parametrize(("split", "matrix"), OPTIONS)
def test_split_takes_effect_where_no_data_are_looked_at(findings, split, matrix):
    factor = ON_TEST if split == "test" else 1.0
    n = N_SAMPLES[split]
    found = findings("convergence", split, matrix).tables
    expected = np.array([*ENDS.values()]) * factor
    first = found["angle_to_final"].head(5)
    np.testing.assert_allclose(first["angle_deg"], expected, atol=1e-4)
    for name in ("angle_to_final", "angle_to_untrained", "angle_matrix"):
        assert set(found[name]["n_samples"]) == {n}
    for name, table in (
        ("common_subspace", "angle_to_references"),
        ("singular_vectors", "singular_vector_angles"),
    ):
        table = findings(name, split, matrix).tables[table]
        assert set(table["n_samples"]) == {n}
    drift = findings("distribution", split, matrix).tables["drift"]
    assert drift["run"].nunique() == 2
    # Shares are of the samples of that split.
    shares = findings("distribution", split, matrix).tables["histograms"]["share"]
    np.testing.assert_allclose(shares * n, np.round(shares * n), atol=1e-9)


@pytest.mark.parametrize(("split", "matrix"), OPTIONS)
def test_the_first_epoch_is_looked_at_on_both_splits(findings, runs, split, matrix):
    table = findings("first_epoch", split, matrix).tables["first_epoch"]
    assert set(table["reference"]) == {"final", matrix}
    assert set(table["step"]) == {0, 1, 2, 3}
    for split, n in N_SAMPLES.items():
        of_split = table[table["split"] == split]
        assert set(of_split["n_samples"]) == {n}
        to_data = of_split[of_split["reference"] == matrix]
        expected = np.concatenate(
            [logged_angles(run, split, matrix)[:4] for run in runs]
        )
        np.testing.assert_allclose(to_data["angle_deg"], expected)
    peaks = findings("first_epoch").tables["peaks"]
    assert len(peaks) == 6 * 2 * 2
    to_final = peaks[(peaks["reference"] == "final") & (peaks["split"] == "train")]
    np.testing.assert_allclose(to_final["rise_deg"], 5, atol=1e-4)
    np.testing.assert_allclose(to_final["fall_deg"], 18, atol=1e-4)
    assert set(peaks["peak_step"]) == {1}


def test_references_are_the_first_seeds(findings):
    """Of a supervised, an unsupervised and a self-supervised network."""
    table = findings("common_subspace").tables["angle_to_references"]
    references = [
        f"{name}, seed 0" for name in ("wide_resnet16_1", "autoencoder", "simclr")
    ]
    assert list(table["reference"].unique()) == references
    pairs = table.groupby(["run", "reference"]).size()
    assert len(pairs) == 3 * 6 - 3  # none with itself
    assert ("wide_resnet16_1, seed 1", "wide_resnet16_1, seed 0") in pairs.index
    assert set(pairs) == {len(ENDS)}


def test_tables_2_and_3(findings):
    """The first direction at every checkpoint, and all of them after the last."""
    tables = findings("singular_vectors").tables
    assert set(tables["table_2"]["k"]) == {1}
    assert list(tables["table_2"]["epoch"].unique()) == [-1, 0, 1, 2, 3]
    assert set(tables["table_3"]["epoch"]) == {3}
    squares = np.array([10.0, 5, 4, 3, 2, 1, 0.5]) ** 2
    np.testing.assert_allclose(
        tables["table_2"]["explained"], squares[0] / squares.sum()
    )
    shares = np.cumsum(squares[:5]) / squares.sum()
    np.testing.assert_allclose(tables["table_3"]["explained"], np.tile(shares, 2))


def test_one_run_has_no_pairs(runs):
    found = STUDIES["convergence"].analyse(runs[:1], Options("made up"))
    assert set(found.figures) == {"angle_to_final", "angle_to_untrained"}
    assert found.tables["angle_matrix"].empty
    c1, c2, c3 = found.claims
    assert c1.obstacle == Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)
    assert c2.verdict is c3.verdict is Verdict.REPRODUCED


@pytest.mark.parametrize(
    ("models", "missing"),
    [
        (["resnet50"], ("wide_resnet", "autoencoder", "simclr")),
        (["wide_resnet16_1", "simclr"], ("autoencoder",)),
    ],
)
def test_a_reference_was_not_finished(runs, models, missing):
    others = [run for run in runs if model_of(run) in models]
    found = STUDIES["common_subspace"].analyse(others, Options("made up"))
    assert found.figures == {}
    assert found.tables == {}
    (c5,) = found.claims
    assert c5.obstacle == Obstacle(Cause.MISSING_REFERENCES, names=missing)


def test_runs_without_blocks(variants):
    """Of which the features alone were logged."""
    found = STUDIES["layerwise"].analyse(variants[:2], Options("made up"))
    assert found.figures == {}
    assert found.tables["angle_by_block"].empty
    (c7,) = found.claims
    assert c7.obstacle == Obstacle(Cause.TOO_FEW_BLOCKS, needed=3, found=0)


def test_a_split_that_was_not_logged_is_missed(tmp_path, runs):
    folder = RunFolder(tmp_path)
    p = runs[0].p_vector("final", "avg_pool")
    folder.write_moment(
        (0, 1), {"avg_pool": p}, [log_row((0, 1), p, "", kp.compare(p, p))]
    )
    with pytest.raises(kp.RunNotFoundError, match="test"):
        STUDIES["convergence"].analyse(
            [kp.open_run(tmp_path)], Options("made up", split="test")
        )


@pytest.mark.parametrize("split", ["train", "test"])
def test_networks_that_are_not_well_trained_count_on_no_split(tmp_path, split):
    worlds = {name: World(name, seed=3) for name in N_SAMPLES}
    runs = [write_run(tmp_path / m, worlds, m, 0) for m in ("mlp", "resnet50")]
    for run in runs:
        RunFolder(run.path).note(training_quality={"well_trained": False})
    found = STUDIES["convergence"].analyse(runs, Options("made up", split))
    assert found.claims[0].claim == "C1"
    assert found.claims[0].verdict is Verdict.PRECONDITION_NOT_MET


NAMES = ("ResNet50", "VGG16", "Xception")


@pytest.fixture
def networks():
    """Six degrees from a common direction, so twelve at most from each other."""
    world = World("train", seed=9)
    return {
        name: kp.p_vector(world.near_end(6)[:, None], layer="top") for name in NAMES
    }


def pretrained_networks(p_vectors, **options):
    return studies.PretrainedNetworks(
        p_vectors, {name: name for name in p_vectors}, **options
    )


def test_pretrained_networks(networks):
    found = studies.pretrained(pretrained_networks(networks), "20 images of x")
    assert set(found.figures) == {"angle_matrix", "null_ladder", "measures"}
    assert set(found.tables) == {*found.figures, "influential_samples"}
    pairs = found.tables["angle_matrix"]
    names = [("ResNet50", "VGG16"), ("ResNet50", "Xception"), ("VGG16", "Xception")]
    assert list(zip(pairs["run"], pairs["other"], strict=True)) == names
    for row in pairs.itertuples():
        u, v = (networks[name].vector for name in (row.run, row.other))
        np.testing.assert_allclose(row.angle_deg, np.degrees(np.arccos(abs(u @ v))))
    (c13,) = found.claims
    assert (c13.claim, c13.verdict) == ("C13", Verdict.REPRODUCED)


def test_a_network_that_lies_apart(networks):
    apart = kp.p_vector(World("train", seed=9).start[:, None], layer="top")
    found = studies.pretrained(pretrained_networks({**networks, "VGG19": apart}), "x")
    assert found.claims[0].verdict is Verdict.INCONCLUSIVE
    assert (found.claims[0].met.n_met, found.claims[0].met.n) == (3, 6)


def test_random_weights_do_not_test_the_claim(networks):
    found = studies.pretrained(pretrained_networks(networks, random_weights=True), "x")
    assert found.claims[0].obstacle == Obstacle(Cause.RANDOM_WEIGHTS)
    assert found.claims[0].met.n == 3
    assert set(found.figures) == {"angle_matrix", "null_ladder", "measures"}


@pytest.mark.parametrize(
    ("untrained_deg", "verdict"),
    [(40, Verdict.REPRODUCED), (3, Verdict.NOT_REPRODUCED)],
)
def test_pretrained_networks_are_held_against_untrained_ones(
    networks, untrained_deg, verdict
):
    """Trained networks that are no closer than untrained ones of the same kinds have
    learned nothing in common."""
    world = World("train", seed=10)
    untrained = {
        f"{name}, untrained": kp.p_vector(world.near_end(untrained_deg)[:, None])
        for name in NAMES
    }
    architectures = {name: name.partition(",")[0] for name in (*NAMES, *untrained)}
    given = studies.PretrainedNetworks(networks, architectures, untrained=untrained)
    found = studies.pretrained(given, "x")
    (c13,) = found.claims
    assert c13.verdict is verdict
    (rung,) = [rung for rung in c13.ladder if rung.null is Null.UNTRAINED]
    angles = pairwise_angles(untrained)["angle_deg"]
    assert rung.effects[0].estimate == pytest.approx(angles.mean())
    assert Caveat.NO_UNTRAINED_PAIRS not in c13.caveats


def test_widths_of_one_architecture_are_no_pair_of_different_networks(networks):
    architectures = dict.fromkeys(NAMES, "MobileNet")
    given = studies.PretrainedNetworks(networks, architectures)
    found = studies.pretrained(given, "x")
    assert len(found.tables["angle_matrix"]) == 3
    assert found.claims[0].obstacle == Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)


def test_accuracies_and_further_layers(networks):
    world = World("train", seed=11)
    inner = {name: kp.p_vector(world.near_end(9)[:, None]) for name in NAMES}
    untrained = {
        f"{name}, untrained": kp.p_vector(world.random()[:, None]) for name in NAMES
    }
    architectures = {name: name.partition(",")[0] for name in (*NAMES, *untrained)}
    given = studies.PretrainedNetworks(
        networks,
        architectures,
        accuracies={"VGG16": {"top1": 0.5, "top5": 0.75}},
        layers={"1/16": (inner, untrained), "features": (networks, untrained)},
    )
    found = studies.pretrained(given, "x")
    (row,) = found.tables["accuracies"].to_dict("records")
    assert row == {"run": "VGG16", "n_samples": world.n, "top1": 0.5, "top5": 0.75}
    table = found.tables["null_ladder_by_layer"]
    literal = table[table["centring"] == "uncentred"].set_index(
        ["layer", "run", "other"]
    )
    assert len(literal) == 6
    for depth, p_vectors in (("1/16", inner), ("features", networks)):
        angle = kp.angle(p_vectors["ResNet50"], p_vectors["VGG16"])
        found_angle = literal.loc[(depth, "ResNet50", "VGG16"), "angle_deg"]
        assert found_angle == pytest.approx(angle)
    names = ["ResNet50, untrained", "VGG16, untrained"]
    expected = kp.angle(*[untrained[name] for name in names])
    column = literal.loc[("1/16", "ResNet50", "VGG16"), "untrained_angle_deg"]
    assert column == pytest.approx(expected)


def test_pretrained_networks_are_also_rated_with_centred_features(networks):
    statistics = {"mean": np.linspace(0, 1, networks["VGG16"].n_samples)}
    given = pretrained_networks(networks, statistics=statistics)
    found = studies.pretrained(given, "x")
    assert [r.reading for r in found.readings] == [*CLAIMS["C13"].readings]
    assert found.readings[0] == found.claims[0]
    nulls = {rung.null for rung in found.claims[0].ladder}
    assert nulls == {Null.PERMUTATION, Null.IMAGE_STATISTICS}


@pytest.mark.parametrize("random_weights", [False, True])
def test_one_network_makes_no_pair(networks, random_weights):
    alone = dict([*networks.items()][:1])
    given = pretrained_networks(alone, random_weights=random_weights)
    found = studies.pretrained(given, "x")
    assert found.figures == {}
    assert found.tables["angle_matrix"].empty
    assert found.claims[0].obstacle == Obstacle(Cause.TOO_FEW_NETWORKS, needed=2)


def test_variants_differ_from_the_base_in_one_factor():
    names = [variant.name for variant in GENERALIZATION_VARIANTS]
    assert len(set(names)) == len(names)
    assert names.count("base") == 1
    base = GENERALIZATION_VARIANTS[names.index("base")]
    assert base == studies.Variant("base")
    fields = {"augment": "switch_augment"}
    for variant in GENERALIZATION_VARIANTS:
        different = [
            name
            for name, value in vars(variant).items()
            if name != "name" and value != getattr(base, name)
        ]
        if variant is base:
            continue
        factor, _, level = variant.name.partition("=")
        assert different == [fields.get(factor, factor)]
        if factor != "augment":
            assert float(level) == getattr(variant, factor)


def test_every_claim_is_tested_by_one_study():
    """C13 by a program of its own, since it needs no run."""
    named = [claim for study in STUDIES.values() for claim in study.claims]
    assert sorted(named) == sorted(set(CLAIMS) - {"C13"})


def test_tables_survive_a_file(findings, tmp_path):
    """What stands in the files of results is what was found."""
    for name in EXPECTED:
        for table in findings(name).tables.values():
            table.to_csv(tmp_path / "table.csv", index=False)
            read = pd.read_csv(tmp_path / "table.csv")
            assert list(read) == list(table)
            assert len(read) == len(table)
