"""The binaries as a user runs them: results, reuse, and one sentence for a mistake."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import keras_pvec as kp
from keras_pvec.reproduction.claims import CLAIMS, Cause, Obstacle, Verdict
from keras_pvec.reproduction.report.sentences import obstacle_text
from keras_pvec.runs import RunFolder

ROOT = Path(__file__).parents[2]
QUICK = [
    "--models=mlp,autoencoder",
    "--epochs=3",
    "--train_samples=200",
    "--num_samples=100",
]


def run(folder, *flags, program="convergence", environment=None):
    return subprocess.run(
        [sys.executable, str(ROOT / "experiments" / f"{program}.py"), *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("convergence")
    result = run(folder, *QUICK, "--seeds=0,1")
    assert result.returncode == 0, result.stderr
    return folder, result


def test_tables_figures_and_last_line(finished):
    folder, result = finished
    out = folder / "results" / "digits" / "convergence"
    drawn = [
        "angle_to_final",
        "angle_to_untrained",
        "angle_matrix",
        "measures",
        "influential_samples",
    ]
    assert {path.name for path in out.iterdir()} == {
        "claims.csv",
        "flags.json",
        *(f"{name}.{ending}" for name in drawn for ending in ("csv", "png", "pdf")),
    }
    assert result.stdout.splitlines()[-1] == f"Results in {out}"
    assert "Expected time" in result.stdout
    for claim in ("C1", "C2", "C3"):
        assert f"\n{claim} " in result.stdout
    assert json.loads((out / "flags.json").read_text())["epochs"] == 3


def test_help_lists_the_flags_that_are_saved(finished):
    folder, _ = finished
    told = run(folder, "--help").stdout
    assert "do networks of one data set converge" in told.lower()
    listed = set(re.findall(r"^ +--(?:\[no\])?(\w+):", told, re.MULTILINE))
    saved = json.loads(
        (folder / "results" / "digits" / "convergence" / "flags.json").read_text()
    )
    assert listed == set(saved) >= {"dataset", "seeds", "train", "layers"}


@pytest.mark.parametrize(
    ("program", "own"), [("reproduce", "only"), ("imagenet", "weights")]
)
def test_help_lists_the_flags_of_one_program_too(program, own, tmp_path):
    told = run(tmp_path, "--help", program=program).stdout
    assert f"--{own}:" in told
    assert "--device:" in told


def test_tables_agree_with_the_runs(finished):
    folder, _ = finished
    out = folder / "results" / "digits" / "convergence"
    angles = pd.read_csv(out / "angle_to_final.csv")
    pairs = pd.read_csv(out / "angle_matrix.csv")
    runs = {
        f"{model}, seed {seed}": kp.open_run(
            folder / "runs" / "digits" / "small" / model / f"seed_{seed}"
        )
        for model in ("mlp", "autoencoder")
        for seed in (0, 1)
    }
    assert len(pairs) == 6
    for row in pairs.itertuples():
        p, q = (
            runs[name].p_vector("final", runs[name].layers[0])
            for name in (row.run, row.other)
        )
        np.testing.assert_allclose(row.angle_deg, kp.angle(p, q))
    assert len(angles) == 4 * 4
    for row in angles.itertuples():
        run, layer = runs[row.run], runs[row.run].layers[0]
        p, final = run.p_vector(row.epoch, layer), run.p_vector("final", layer)
        np.testing.assert_allclose(row.angle_deg, kp.angle(p, final))
        assert row.null_low_deg <= row.null_angle_deg <= row.null_high_deg


def test_a_second_call_trains_nothing(finished):
    folder, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.npz")}
    result = run(folder, *QUICK, "--seeds=0,1")
    assert result.returncode == 0
    assert result.stdout.count("reuse") == 4
    assert "train  " not in result.stdout
    after = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.npz")}
    assert after == before


def test_what_is_there_is_looked_at_without_training(finished, tmp_path):
    """A second seed of one model is missing; of a study without any run nothing is
    said; where there is nothing at all, that is told."""
    folder, _ = finished
    flags = [*QUICK, "--seeds=0,1,2", "--notrain", f"--out_dir={tmp_path / 'out'}"]
    result = run(folder, *flags, program="reproduce")
    assert n_trained(result) == 0
    assert not (folder / "runs/digits/small/mlp/seed_2").exists()
    claims = pd.read_csv(tmp_path / "out" / "claims.csv").set_index("claim")
    assert claims.loc["C3", "n"] == 4
    assert claims.loc["C10", "verdict"] == Verdict.NOT_TESTED.value
    assert claims.loc["C10", "obstacle"] == obstacle_text(Obstacle(Cause.NO_RUNS))
    assert "more are missing" in (tmp_path / "out" / "report.md").read_text()
    nothing = run(tmp_path, *QUICK, "--notrain")
    assert nothing.returncode == 1
    assert "None of the runs is in runs" in nothing.stderr
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


def test_other_settings_are_refused(finished):
    folder, _ = finished
    result = run(folder, *QUICK, "--batch_size=32")
    assert result.returncode == 1
    assert "batch_size is 128 there and 32 now" in result.stderr
    assert "Traceback" not in result.stderr


def n_trained(result):
    assert result.returncode == 0, result.stderr
    return result.stdout.count("  train  ")


def test_programs_share_runs(finished):
    """What one trained the others reuse; each writes figures beside their tables."""
    folder, _ = finished
    one = ["--models=mlp", *QUICK[1:]]
    for program, names in (
        ("data_angle", ["angle_to_data"]),
        ("first_epoch", ["first_epoch"]),
        ("layerwise", ["angle_by_block"]),
        ("distribution", ["histograms", "densities", "drift"]),
        ("singular_vectors", ["singular_vector_angles", "explained_variance"]),
    ):
        result = run(folder, *one, program=program)
        assert n_trained(result) == 0, program
        out = folder / "results" / "digits" / program
        for name in names:
            for ending in ("csv", "png", "pdf"):
                assert (out / f"{name}.{ending}").stat().st_size > 0
        assert set(pd.read_csv(out / "claims.csv")["claim"])
        assert result.stdout.splitlines()[-1] == f"Results in {out}"


def test_flattened_features_are_another_run(finished):
    folder, _ = finished
    flags = ["--models=autoencoder", *QUICK[1:], "--pooling=flatten", "--epochs=1"]
    result = run(folder, *flags, program="layerwise")
    assert n_trained(result) == 1
    log = kp.open_run(folder / "runs/digits/small/autoencoder_flattened/seed_0").log
    of_block = log[log["layer"] == "block_1"]
    assert set(of_block["n_features"]) == {4 * 4 * 16}
    pooled = kp.open_run(folder / "runs/digits/small/autoencoder/seed_0").log
    assert set(pooled[pooled["layer"] == "block_1"]["n_features"]) == {16}


def test_the_whole_reproduction_shares_and_reuses(finished):
    folder, _ = finished
    flags = [*QUICK, "--only=C3,C4,C6,C13", "--num_images=4", "--pretrained=MobileNet"]
    result = run(folder, *flags, program="reproduce")
    assert n_trained(result) == 0
    out = folder / "results" / "digits"
    claims = pd.read_csv(out / "claims.csv")
    assert list(claims["claim"]) == [claim for claim in CLAIMS if claim != "C13"]
    left_out = obstacle_text(Obstacle(Cause.NOT_SELECTED))
    tested = claims[claims["obstacle"] != left_out]
    # C6 stands for both of its parts.
    assert set(tested["claim"]) == {"C1", "C2", "C3", "C4", "C6a", "C6b"}
    assert set(tested["study"]) == {"convergence", "first_epoch", "data_angle"}
    assert "C6b: " in (out / "report.md").read_text()
    page = (out / "report.html").read_text()
    assert page.count("<article ") == len(claims) + 1
    # Pretrained networks stand in the same report.
    alone = obstacle_text(Obstacle(Cause.TOO_FEW_NETWORKS, needed=2))
    assert alone in page
    assert f"C13 {Verdict.NOT_TESTED.value}: {alone}" in result.stdout
    assert page.count("<img ") == len(
        [
            path
            for study in (*tested["study"].unique(), "imagenet")
            for path in (out / study).glob("*.png")
        ]
    )


def test_a_run_whose_features_died_does_not_stop_the_others(finished, tmp_path):
    """Such as a kill, or features of zeros, leave behind."""
    folder, _ = finished
    shutil.copytree(folder / "runs", tmp_path / "runs")
    dead = tmp_path / "runs" / "digits" / "small" / "mlp" / "seed_0"
    p_vectors = sorted((dead / "pvectors").glob("*.npz"))
    moment = [int(n) for n in re.findall(r"-?\d+", p_vectors[-1].stem)]
    RunFolder(dead).note_failure(tuple(moment), "features", "All features are zero.")
    result = run(tmp_path, *QUICK, "--seeds=0,1", "--notrain")
    assert result.returncode == 0, result.stderr
    assert "Left out: " in result.stdout
    angles = pd.read_csv(
        tmp_path / "results" / "digits" / "convergence" / "angle_to_final.csv"
    )
    assert set(angles["run"]) == {
        "mlp, seed 1",
        "autoencoder, seed 0",
        "autoencoder, seed 1",
    }


def test_variants_of_a_classifier(tmp_path):
    flags = ["--models=mlp", "--epochs=1", *QUICK[2:]]
    result = run(tmp_path, *flags, program="generalization")
    assert n_trained(result) == 11  # digits are not augmented
    out = tmp_path / "results" / "digits" / "generalization"
    models = pd.read_csv(out / "generalization.csv")
    assert len(models) == 11
    by_variant = models.set_index("variant")
    assert (
        by_variant["n_features"]["width=2"] == 4 * by_variant["n_features"]["width=0.5"]
    )
    place = tmp_path / "runs" / "digits" / "small" / "variants" / "mlp"
    for variant, key, value in (
        ("base", "n_train", 200),
        ("train_share=0.2", "n_train", 40),
        ("label_noise=0.5", "n_train", 200),
    ):
        variant_run = kp.open_run(place / variant / "seed_0")
        # All are looked at on the same samples, which the fewest images hold.
        assert set(variant_run.log["n_samples"]) == {40}
        info = variant_run.info
        assert info[key] == value
        np.testing.assert_allclose(
            info["evaluation"]["test"]["accuracy"],
            by_variant["test_accuracy"][variant],
        )
    assert run(tmp_path, *flags, program="generalization").stdout.count("reuse") == 11


def test_one_failing_run_does_not_stop_the_others(tmp_path):
    place = tmp_path / "runs" / "digits" / "small" / "mlp"
    place.mkdir(parents=True)
    (place / "seed_0").write_text("a file where the run's folder has to be")
    result = run(tmp_path, *QUICK)
    assert result.returncode == 1
    assert "mlp/seed_0 failed (FileExistsError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in (place / "seed_0_error.txt").read_text()
    assert result.stdout.splitlines()[-1].startswith("Results in")
    table = pd.read_csv(tmp_path / "results/digits/convergence/angle_to_final.csv")
    assert set(table["run"]) == {"autoencoder, seed 0"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset=imagenet"], "cifar100"),
        (["--models=mlp,alexnet"], "mlp, resnet"),
        (["--models=resnet-18-64-2"], "resnet[-<depth>[-<width>]]"),
        (["--models=resnet-19"], "Received: 19"),
        (["--preset=huge"], "paper"),
        (["--layers=nope"], "no layer 'nope'"),
        (["--layers=re:("], "not a regular expression"),
        (["--epochs=-1"], "epochs"),
        (["--num_samples=99999"], "99999 samples were asked for"),
        (["--train_samples=99999"], "digits train has 1437 images"),
        (["--batch_size=0"], "batch_size"),
        (["--models=mlp,mlp"], "different models"),
        (["--seeds=0,00"], "different whole numbers"),
        (["--seeds=-1"], "not negative"),
        (["--log_freq=sometimes"], "first_epoch"),
        (["--split=validation"], "train|test"),
        (["--device=gpu"], "no GPU"),
        (["--nonsense=1"], "nonsense"),
        (["cifar100"], "Unexpected argument 'cifar100'"),
        (["--runs_dir=file/runs"], "Cannot write to file/runs"),
        (["--out_dir=file"], "Cannot write to file"),
        (["--dataset=fashion_mnist", "--data_dir=none"], "TFDS_DATA_DIR"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(flags, words, tmp_path):
    check_mistake("convergence", flags, words, tmp_path)


@pytest.mark.parametrize(
    ("program", "flags", "words"),
    [
        ("convergence", ["--models=simclr", "--noaugment"], "without augmentation"),
        ("generalization", ["--models=autoencoder"], "compares classifiers"),
        ("reproduce", ["--only=C99"], "C13"),
        ("reproduce", ["--datasets=imagenet"], "cifar100"),
        ("imagenet", ["--models=LeNet"], "no model 'LeNet'"),
        ("imagenet", ["--images=nowhere"], "no folder nowhere"),
        ("imagenet", ["--weights=nowhere"], "no such file"),
    ],
    ids=str,
)
def test_mistakes_of_other_programs(program, flags, words, tmp_path):
    check_mistake(program, flags, words, tmp_path)


def check_mistake(program, flags, words, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    # Python imports this module at its start: no name resolves any more.
    (tmp_path / "offline").mkdir()
    (tmp_path / "offline" / "sitecustomize.py").write_text(
        "import socket\n"
        "def getaddrinfo(*args, **kwargs):\n"
        "    raise OSError('offline')\n"
        "socket.getaddrinfo = getaddrinfo\n"
    )
    offline = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path / 'offline'}"}
    offline |= {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    result = run(tmp_path, *flags, program=program, environment=offline)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert any(word in result.stderr for word in words.split("|")), result.stderr
    left = {path.name for path in tmp_path.rglob("*") if path.suffix != ".pyc"}
    assert left - {"__pycache__"} == {"file", "offline", "sitecustomize.py"}
