"""Each study on made-up runs whose outcome is known."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import keras_pvec as kp
from keras_pvec.reproduction import claims, studies
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.studies import GENERALIZATION_VARIANTS, STUDIES, Options
from keras_pvec.runs import RunFolder, log_row

N_SAMPLES = {"train": 48, "test": 36}
LAYERS = ["avg_pool", *(f"block_{i}" for i in range(1, 7))]
SETTINGS_LAYERS = ["avg_pool", r"re:^block_\d+$"]

# Angles to the common direction: rise and fall within the first epoch, then fall.
WITHIN = {(0, 1): 80.0, (0, 2): 78.0}
ENDS = {(-1, 0): 75.0, (0, 3): 62.0, (1, 6): 30.0, (2, 9): 8.0, (3, 12): 0.0}
ON_TEST = 0.95  # angles on test samples are this much smaller


def block_angle(moment, block):
    """Early in training it rises with depth, late it falls."""
    return 20 + 5 * block if moment[0] <= 0 else 50 - 5 * block


def turned(u, v, degrees):
    """The direction at an angle to `u` in the plane of `u` and `v`."""
    radians = np.radians(degrees)
    return np.cos(radians) * u + np.sin(radians) * v


class World:
    """Samples of one split, and directions that networks may share on them.

    `end` and `start` are orthogonal to each other and to the constant vector, and the
    distributions of their values differ. The data are near `end`, or lean to the
    constant vector by an angle.
    """

    def __init__(self, split, seed, lean=0.0):
        self.rng = np.random.default_rng(seed)
        self.n = N_SAMPLES[split]
        self.factor = ON_TEST if split == "test" else 1.0
        two_lumps = np.repeat([1.0, -1.0], self.n // 2)
        skewed = self.rng.exponential(size=self.n) ** 2
        basis = np.stack([np.ones(self.n), two_lumps, skewed], axis=1)
        self.constant, self.start, self.end = np.linalg.qr(basis)[0].T
        self.data = turned(self.near_end(5), self.constant, lean)
        self.input = turned(self.near_end(15), self.constant, lean)
        self.untrained = self.start

    def near_end(self, degrees):
        """A direction at an angle to `end`, else random, orthogonal to `start` and to
        the constant vector."""
        known = [self.constant, self.start, self.end]
        other = np.linalg.qr(np.stack([*known, self.random()], axis=1))[0][:, 3]
        return turned(self.end, other, degrees)

    def random(self):
        return self.rng.standard_normal(self.n)

    def p_vector(self, end, degrees, layer, k):
        """Of features led by a direction at an angle to `end`; the other singular
        vectors are random at every moment."""
        leading = turned(end, self.start, degrees)
        others = self.rng.standard_normal((self.n, 6))
        u = np.linalg.qr(np.column_stack([leading, others]))[0]
        v = np.linalg.qr(self.rng.standard_normal((9, 7)))[0]
        values = np.array([10.0, 5, 4, 3, 2, 1, 0.5])
        return kp.p_vector((u * values) @ v.T, k=k, layer=layer)

    def references(self):
        return {
            name: kp.p_vector(getattr(self, name)[:, None], layer=name)
            for name in ("data", "input", "untrained")
        }


def write_split(path, world, moments, info):
    folder = RunFolder(path)
    folder.note(**info)
    references = world.references()
    for moment, p_vectors in moments.items():
        rows = [
            log_row(moment, p, name, kp.compare(p, q))
            for p in p_vectors.values()
            for name, q in references.items()
        ]
        folder.write_moment(moment, p_vectors, rows)


def write_run(path, worlds, model, seed):
    """A complete run, as a training leaves it behind."""
    settings = {"model": model, "seed": seed, "layers": SETTINGS_LAYERS, "variant": ""}
    for split, world in worlds.items():
        end = world.near_end(3)
        moments = {}
        for moment, angle in sorted({**WITHIN, **ENDS}.items(), key=lambda m: m[0][1]):
            angles = {"avg_pool": world.factor * angle}
            if moment in ENDS:
                angles |= {
                    layer: world.factor * block_angle(moment, i)
                    for i, layer in enumerate(LAYERS[1:], start=1)
                }
            moments[moment] = {
                layer: world.p_vector(end, degrees, layer, 5)
                for layer, degrees in angles.items()
            }
        folder = path if split == "train" else path / split
        write_split(folder, world, moments, {"settings": settings})
    evaluation = {s: {"accuracy": 0.8, "loss": 0.5} for s in N_SAMPLES}
    RunFolder(path).note(evaluation=evaluation, n_parameters=1000)
    return kp.open_run(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worlds = {split: World(split, seed=3) for split in N_SAMPLES}
    return [
        write_run(folder / model / f"seed_{seed}", worlds, model, seed)
        for model, n_seeds in (
            ("resnet-50", 2), ("wide_resnet", 2), ("autoencoder", 1), ("simclr", 1)
        )
        for seed in range(n_seeds)
    ]  # fmt: skip


VARIANT_ANGLES = 3 * 1.13 ** np.arange(2 * len(GENERALIZATION_VARIANTS))


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Classifiers whose test accuracy is a power of their angle to the data, but for a
    little."""
    folder = tmp_path_factory.mktemp("variants")
    rng = np.random.default_rng(3)
    worlds = {split: World(split, seed=8, lean=50) for split in N_SAMPLES}
    angles = rng.permutation(VARIANT_ANGLES)
    jobs = [(m, v.name) for m in ("mlp", "vgg") for v in GENERALIZATION_VARIANTS]
    runs = []
    for angle, (model, variant) in zip(angles, jobs, strict=True):
        path = folder / model / variant
        settings = {"model": model, "seed": 0, "variant": variant}
        settings["layers"] = ["avg_pool"]
        for split, world in worlds.items():
            start = np.linalg.qr(np.stack([world.data, world.random()], axis=1))[0][
                :, 1
            ]
            moments = {}
            for moment, degrees in (((-1, 0), 80.0), ((3, 12), world.factor * angle)):
                u = turned(world.data, start, degrees)
                p = kp.p_vector(u[:, None], layer="avg_pool")
                moments[moment] = {"avg_pool": p}
            place = path if split == "train" else path / split
            write_split(place, world, moments, {"settings": settings})
        accuracy = 0.9 * (angle / 3) ** -0.4 * (1 + 0.01 * rng.uniform(-1, 1))
        evaluation = {
            "train": {"accuracy": 0.95, "loss": rng.uniform(0.1, 0.2)},
            "test": {"accuracy": accuracy, "loss": 1.0},
        }
        n_parameters = int(rng.integers(1000, 2000))
        RunFolder(path).note(evaluation=evaluation, n_parameters=n_parameters)
        runs.append(kp.open_run(path))
    return runs


CONVERGENCE = {
    "angle_to_final",
    "angle_to_untrained",
    "angle_matrix",
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


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_runs_made_as_the_claims_say_reproduce_them(findings, name, options):
    found = findings(name, *options).claims
    assert tuple(found["claim"]) == STUDIES[name].claims
    verdicts = dict(zip(found["claim"], found["verdict"], strict=True))
    # The made-up null angles follow the angles, and may relate to accuracy as well.
    if verdicts.get("C11") == claims.NULL_EXPLAINS:
        del verdicts["C11"]
    assert set(verdicts.values()) == {claims.REPRODUCED}


def logged(run, split, matrix):
    """Angles of the features to the raw data, as they stand in the file."""
    folder = run.path if split == "train" else run.path / "test"
    log = pd.read_csv(folder / "log.csv")
    rows = (log["layer"] == "avg_pool") & (log["reference"] == matrix)
    return log[rows].set_index(["epoch", "step"])["angle_deg"]


@pytest.mark.parametrize("matrix", ["data", "input"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_split_and_data_matrix_take_effect(findings, runs, split, matrix):
    table = findings("data_angle", split, matrix).tables["angle_to_data"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    ends = list(ENDS)
    expected = np.concatenate([logged(run, split, matrix)[ends] for run in runs])
    np.testing.assert_allclose(table["angle_deg"], expected)

    table = findings("layerwise", split, matrix).tables["angle_by_block"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    assert set(table["reference"]) == {matrix}
    assert list(table["layer"].unique()) == LAYERS[1:]


@pytest.mark.parametrize(("split", "matrix"), OPTIONS)
def test_options_of_generalization(findings, variants, split, matrix):
    table = findings("generalization", split, matrix).tables["generalization"]
    assert set(table["n_samples"]) == {N_SAMPLES[split]}
    expected = [logged(run, split, matrix)[3, 12] for run in variants]
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
    assert drift["run"].nunique() == 6
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
        expected = np.concatenate([logged(run, split, matrix)[:4] for run in runs])
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
        f"{name}, seed 0" for name in ("wide_resnet", "autoencoder", "simclr")
    ]
    assert list(table["reference"].unique()) == references
    pairs = table.groupby(["run", "reference"]).size()
    assert len(pairs) == 3 * 6 - 3  # none with itself
    assert ("wide_resnet, seed 1", "wide_resnet, seed 0") in pairs.index
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
    np.testing.assert_allclose(tables["table_3"]["explained"], np.tile(shares, 6))


def test_correlations_with_accuracy_and_gap(findings):
    table = findings("generalization").tables["rank_correlations"]
    assert list(table["target"].unique()) == ["test_accuracy", "gap"]
    tau = table.set_index(["target", "predictor", "factor"])["tau"]
    # All train to the same accuracy, so that the gap mirrors that on test images.
    assert tau["test_accuracy", "angle_deg", "all"] == pytest.approx(-1)
    assert tau["gap", "angle_deg", "all"] == pytest.approx(1)
    factors = {v.name.partition("=")[0] for v in GENERALIZATION_VARIANTS} - {"base"}
    assert set(table["factor"]) == {"all", "model", *factors}


def test_one_run_has_no_pairs(runs):
    found = STUDIES["convergence"].analyse(runs[:1], Options("made up"))
    assert set(found.figures) == {"angle_to_final", "angle_to_untrained"}
    assert found.tables["angle_matrix"].empty
    verdicts = [claims.NOT_TESTED, claims.REPRODUCED, claims.REPRODUCED]
    assert list(found.claims["verdict"]) == verdicts


@pytest.mark.parametrize(
    ("models", "lacking"),
    [
        (["resnet-50"], "wide_resnet, autoencoder, simclr"),
        (["wide_resnet", "simclr"], "autoencoder"),
    ],
)
def test_a_reference_was_not_finished(runs, models, lacking):
    others = [run for run in runs if TrainingRecord.of(run).settings["model"] in models]
    found = STUDIES["common_subspace"].analyse(others, Options("made up"))
    assert found.figures == {}
    assert found.tables == {}
    assert list(found.claims["verdict"]) == [claims.NOT_TESTED]
    assert list(found.claims["measured"]) == [f"lacks references: {lacking}"]


def test_runs_without_blocks(variants):
    """Of which the features alone were logged."""
    found = STUDIES["layerwise"].analyse(variants[:2], Options("made up"))
    assert found.figures == {}
    assert found.tables["angle_by_block"].empty
    assert list(found.claims["verdict"]) == [claims.NOT_TESTED]


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


@pytest.fixture
def networks():
    """Six degrees from a common direction, so twelve at most from each other."""
    world = World("train", seed=9)
    return {
        name: kp.p_vector(world.near_end(6)[:, None], layer="top")
        for name in ("ResNet50", "VGG16", "Xception")
    }


def test_pretrained_networks(networks):
    found = studies.pretrained(networks, "imagenet", "20 images of x")
    assert set(found.figures) == {"angle_matrix", "measures"}
    assert set(found.tables) == {*found.figures, "influential_samples"}
    pairs = found.tables["angle_matrix"]
    names = [("ResNet50", "VGG16"), ("ResNet50", "Xception"), ("VGG16", "Xception")]
    assert list(zip(pairs["run"], pairs["other"], strict=True)) == names
    for row in pairs.itertuples():
        u, v = (networks[name].vector for name in (row.run, row.other))
        np.testing.assert_allclose(row.angle_deg, np.degrees(np.arccos(abs(u @ v))))
    assert list(found.claims["claim"]) == ["C13"]
    assert list(found.claims["verdict"]) == [claims.REPRODUCED]


def test_a_network_that_lies_apart(networks):
    apart = kp.p_vector(World("train", seed=9).start[:, None], layer="top")
    found = studies.pretrained({**networks, "VGG19": apart}, "imagenet", "x")
    assert list(found.claims["verdict"]) == [claims.NOT_REPRODUCED]


def test_random_weights_do_not_test_the_claim(networks):
    found = studies.pretrained(networks, "none", "x")
    assert list(found.claims["verdict"]) == [claims.NOT_TESTED]
    assert found.claims["measured"][0].startswith("with random weights ")
    assert set(found.figures) == {"angle_matrix", "measures"}


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_one_network_has_nobody_to_compare_with(networks, weights):
    alone = dict([*networks.items()][:1])
    found = studies.pretrained(alone, weights, "x")
    assert found.figures == {}
    assert found.tables["angle_matrix"].empty
    assert list(found.claims["verdict"]) == [claims.NOT_TESTED]


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


def test_claims_are_shared_out_among_the_studies():
    named = {claim for study in STUDIES.values() for claim in study.claims}
    assert named == {f"C{i}" for i in range(1, 13)}  # C13 is of ready-trained networks


def test_tensorflow_is_not_needed():
    code = (
        "import sys; import keras_pvec.reproduction.studies; "
        "from keras_pvec.reproduction import analysis, claims, figures; "
        "assert 'tensorflow' not in sys.modules; assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tables_survive_a_file(findings, tmp_path):
    """What stands in the files of results is what was found."""
    for name in EXPECTED:
        for table in findings(name).tables.values():
            table.to_csv(tmp_path / "table.csv", index=False)
            read = pd.read_csv(tmp_path / "table.csv")
            assert list(read) == list(table)
            assert len(read) == len(table)
