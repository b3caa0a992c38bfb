"""Archives: what was packed comes back, without keras_pvec too; damage is told."""

import dataclasses
import hashlib
import io
import itertools
import json
import shutil
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from run_folders import MOMENTS, N, p_vectors_of_features, write_run

import keras_pvec as kp
from keras_pvec.archive import ARCHIVE_VERSION, Features, MomentFeatures
from keras_pvec.cli import main
from keras_pvec.runs import Moment, RunFolder

LAYERS = ("features", "outer/../x|y")
SELECTED = np.arange(0, N, 7)


@pytest.fixture
def made(rng):
    return p_vectors_of_features(rng, 6)


@pytest.fixture
def runs(made, tmp_path):
    """Two runs; the first one also logged other samples."""
    first = write_run(tmp_path / "x" / "a", made[:3], {"data": made[3]}, LAYERS)
    write_run(first / "test", made[2:5], {"data": made[5]})
    second = write_run(tmp_path / "x" / "b" / "c", made[1:4], {"data": made[5]})
    quality = {"accuracy": 0.75, "well_trained": True}
    RunFolder(first).note(settings={"model": "mlp"}, training_quality=quality)
    RunFolder(first).update_info(versions={"keras": "3.15.1"})
    return [first, second]


@pytest.fixture
def archive(runs, tmp_path):
    return kp.load_archive(kp.pack_runs(runs, tmp_path / "packed.npz"))


def features_of(run):
    """Features of two moments, one row for each of `SELECTED`."""
    for i, moment in enumerate(run.moments[1:]):
        values = np.arange(len(SELECTED) * 3, dtype=np.float32).reshape(-1, 3)
        yield MomentFeatures(moment, SELECTED, {"features": values + 100 * i})


def assert_equal(p, q):
    for field in dataclasses.fields(kp.PVector):
        np.testing.assert_array_equal(
            getattr(p, field.name), getattr(q, field.name), field.name
        )


def test_runs_come_back(runs, archive):
    assert list(archive) == ["a", "a/test", "b/c"]
    assert archive["a/test"].path == archive["a"].on("test").path
    pairs = [
        (archive["a"], kp.open_run(runs[0])),
        (archive["a"].on("test"), kp.open_run(runs[0]).on("test")),
        (archive["b/c"], kp.open_run(runs[1])),
    ]
    for found, run in pairs:
        assert found.moments == run.moments
        assert found.layers == run.layers
        assert found.info == run.info
        pd.testing.assert_frame_equal(found.log, run.log)
        pd.testing.assert_frame_equal(found.metrics, run.metrics)
        np.testing.assert_array_equal(found.samples["labels"], run.samples["labels"])
        for moment in run.moments:
            p_vectors = run.p_vectors(moment)
            assert list(found.p_vectors(moment)) == list(p_vectors)
            for layer, p in p_vectors.items():
                assert_equal(found.p_vectors(moment)[layer], p)
        pd.testing.assert_frame_equal(
            found.angles(to=-1, layer="features"), run.angles(to=-1, layer="features")
        )
    p, q = archive["a"].p_vector(1, LAYERS[1]), archive["b/c"].p_vector()
    assert kp.compare(p, q) == kp.compare(
        pairs[0][1].p_vector(1, LAYERS[1]), pairs[2][1].p_vector()
    )


def test_numpy_and_pandas_read_it(runs, archive, made):
    with np.load(archive.path) as members:
        index = json.loads(members["archive.json"])
        assert index["version"] == ARCHIVE_VERSION
        layer = index["runs"][0]["p_vectors"].index(LAYERS[1])
        vectors = members[f"runs/0/p_vectors/{layer}/vectors"]
        moments = members[f"runs/0/p_vectors/{layer}/moments"]
        labels = members[f"samples/{index['runs'][0]['samples']}/labels"]
    np.testing.assert_array_equal(vectors, np.stack([p.vectors for p in made[:3]]))
    assert moments.tolist() == [list(moment) for moment in MOMENTS]
    np.testing.assert_array_equal(labels, np.arange(N))
    with zipfile.ZipFile(archive.path) as members:
        log = pd.read_csv(members.open("runs/0/log.csv"))
        table = pd.read_csv(members.open("runs.csv")).set_index("run")
        card = members.read("README.md").decode()
    pd.testing.assert_frame_equal(log, pd.read_csv(runs[0] / "log.csv"))
    assert table.loc["a", "training_quality.accuracy"] == 0.75
    assert table.loc["a", "settings.model"] == "mlp"
    assert card == archive.card


def test_the_same_runs_give_the_same_bytes(runs, archive, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(runs[0].parent, moved)
    copies = [moved / run.relative_to(runs[0].parent) for run in runs]
    again = kp.pack_runs(copies, tmp_path / "again.npz")
    assert again.read_bytes() == archive.path.read_bytes()


def test_the_card_holds_what_its_author_says(runs, tmp_path):
    description = kp.Description(title="Mine", licence="CC0-1.0", citation="Me 2022")
    out = kp.pack_runs(runs[0], tmp_path / "one.npz", description=description)
    archive = kp.load_archive(out)
    assert list(archive) == ["a", "a/test"]
    for text in ("# Mine\n", "CC0-1.0", "Me 2022", "keras 3.15.1"):
        assert text in archive.card


def test_features(runs, tmp_path):
    out = kp.pack_runs(runs, tmp_path / "packed.npz", features=features_of)
    run = kp.load_archive(out)["a"]
    assert run.feature_moments == {"features": [Moment(*m) for m in MOMENTS[1:]]}
    last, first = run.features(), run.features(MOMENTS[1], "features")
    assert last.moment == MOMENTS[2]
    np.testing.assert_array_equal(last.values, first.values + 100)
    np.testing.assert_array_equal(last.labels, SELECTED)
    assert last.values.dtype == np.float32
    with pytest.raises(kp.RunNotFoundError, match="outer"):
        run.features("final", LAYERS[1])
    with pytest.raises(kp.RunNotFoundError):
        run.features(-1)
    with np.load(out) as members:
        np.testing.assert_array_equal(
            members["runs/0/features/0/values"][1], last.values
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_indices": SELECTED + N},
        {"sample_indices": SELECTED[:-1]},
        {"values": {"features": np.zeros(len(SELECTED))}},
    ],
)
def test_features_that_do_not_fit(runs, tmp_path, changes):
    def wrong(run):
        for found in features_of(run):
            yield dataclasses.replace(found, **changes)

    with pytest.raises(ValueError, match=str(len(changes)) + "|features"):
        kp.pack_runs(runs, tmp_path / "packed.npz", features=wrong)
    assert not list(tmp_path.glob("packed*"))


def test_resi_has_the_channels_first():
    maps = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    common = {
        "run": "a",
        "layer": "b",
        "moment": Moment(0, 1),
        "sample_indices": np.arange(2),
    }
    found = Features(maps, **common).to_resi()
    assert found.shape == "nchw"
    assert found.representation.shape == (2, 5, 3, 4)
    assert found.representation[1, 4, 2, 3] == maps[1, 2, 3, 4]
    assert Features(maps[:, 0], **common).to_resi().shape == "ntd"
    rows = Features(maps[:, 0, 0], **common).to_resi()
    assert rows.shape == "nd"
    np.testing.assert_array_equal(rows.representation, maps[:, 0, 0])
    with pytest.raises(ValueError, match="5"):
        Features(maps[..., None], **common).to_resi()


def test_layers_that_failed_and_a_model_after_fit(runs, made, tmp_path):
    folder = RunFolder(runs[1])
    folder.note_failure(Moment(0, 10), "dead", "it is all zero")
    found = kp.load_archive(kp.pack_runs(runs[1], tmp_path / "packed.npz"))["c"]
    assert found.info.failures[0].layer == "dead"
    with pytest.raises(kp.RunNotFoundError, match="it is all zero"):
        found.p_vector(0, "dead")
    assert found.p_vectors_after_fit() == {}


def test_fields_that_earlier_versions_did_not_store(made, tmp_path):
    old = [
        dataclasses.replace(
            p,
            row_norms=None,
            certified_error_deg=None,
            centered_singular_value=None,
            samples_sha256=None,
        )
        for p in made[:4]
    ]
    # The middle one has no centred vector.
    old[1] = dataclasses.replace(old[1], centered_vector=None)
    run = write_run(tmp_path / "old", old[:3], {"data": old[3]})
    found = kp.load_archive(kp.pack_runs(run, tmp_path / "packed.npz"))["old"]
    for moment, p in zip(MOMENTS, old[:3], strict=True):
        assert_equal(found.p_vectors(moment)["features"], p)


def test_runs_of_different_samples_share_an_archive_and_do_not_compare(
    runs, rng, tmp_path
):
    others = [dataclasses.replace(p) for p in p_vectors_of_features(rng, 4)]
    other = write_run(tmp_path / "other", others[:3], {"data": others[3]})
    archive = kp.load_archive(kp.pack_runs([*runs, other], tmp_path / "packed.npz"))
    assert len(archive.index.samples) == 2
    p, q = archive["x/a"].p_vector(1, "features"), archive["other"].p_vector(1)
    with pytest.raises(kp.SampleMismatchError):
        kp.compare(p, q)


def test_only_a_moment_is_held(tmp_path, rng):
    """Twice as many moments take no more memory."""
    n, count = 20_000, 40
    x = rng.random((n, 6))
    samples = kp.SampleSet(x.astype("float32"), name="large")
    p = kp.p_vector(x, k=5, layer="features", samples=samples)
    folder = RunFolder(tmp_path / "run")
    for step in range(count):
        folder.write_moment(
            Moment(step, step),
            {"features": p},
            [kp.runs.log_row(Moment(step, step), p, "data", kp.compare(p, p))],
        )
    one = p.vectors.nbytes + 2 * n * 8
    tracemalloc.start()
    archive = kp.load_archive(kp.pack_runs(folder.path, tmp_path / "packed.npz"))
    archive["run"].p_vectors(Moment(7, 7))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert archive.path.stat().st_size > count * one
    assert peak < 8 * one


def test_bad_input(runs, archive, tmp_path):
    with pytest.raises(kp.RunConflictError, match=archive.path.name):
        kp.pack_runs(runs, archive.path)
    before = archive.path.read_bytes()
    kp.pack_runs(runs[1:], archive.path, overwrite=True)
    assert archive.path.read_bytes() != before
    with pytest.raises(kp.RunConflictError):  # the archive was replaced while open
        archive["a"].log  # noqa: B018
    with pytest.raises(kp.RunNotFoundError, match="missing"):
        kp.pack_runs([*runs, tmp_path / "missing"], tmp_path / "new.npz")
    with pytest.raises(ValueError, match="twice"):
        kp.pack_runs([runs[0], runs[0]], tmp_path / "new.npz")
    with pytest.raises(ValueError, match="empty"):
        kp.pack_runs([], tmp_path / "new.npz")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        kp.pack_runs(runs, tmp_path / "nowhere" / "new.npz")
    RunFolder(runs[1]).moment_path(MOMENTS[1]).write_bytes(b"PK\3\4")
    with pytest.raises(kp.DamagedRunError, match="step_00000010"):
        kp.pack_runs(runs, tmp_path / "new.npz")
    assert not list(tmp_path.glob("new*"))
    with pytest.raises(kp.RunNotFoundError, match=r"new\.npz"):
        kp.load_archive(tmp_path / "new.npz")
    loaded = kp.load_archive(archive.path)
    for name in ("a", "c/test"):
        with pytest.raises(kp.RunNotFoundError, match=name):
            loaded[name]
    with pytest.raises(kp.RunNotFoundError, match="test"):
        loaded["c"].on("test")
    with pytest.raises(kp.RunNotFoundError, match="99"):
        loaded["c"].p_vectors(Moment(99, 99))
    with pytest.raises(kp.RunNotFoundError):
        loaded["c"].features()


def rewritten(path, changes):
    """An archive with other content of some members; its checksums are those of the
    index that it then has."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
        if changes.get("archive.json"):
            before, after = (
                hashlib.sha256(index).hexdigest().encode()
                for index in (old.read("archive.json"), changes["archive.json"])
            )
            sums = old.read("SHA256SUMS").replace(before, after)
            changes = {"SHA256SUMS": sums, **changes}
        for member in old.infolist():
            kept = changes.get(member.filename, old.read(member))
            if kept is not None:
                new.writestr(member, kept)
    path.write_bytes(content.getvalue())
    return path


def test_a_later_version(archive):
    entries = archive.index.to_json() | {"version": ARCHIVE_VERSION + 1, "runs": "?"}
    path = rewritten(archive.path, {"archive.json": json.dumps(entries).encode()})
    with pytest.raises(kp.RunConflictError, match=str(ARCHIVE_VERSION + 1)):
        kp.load_archive(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"archive.json": None},
        {"archive.json": b"[]"},
        {"archive.json": b'{"format": "keras_pvec archive", "version": 1}'},
        {"SHA256SUMS": None},
        {"SHA256SUMS": b"no sums"},
        {"runs/0/log.csv": None},
        {"runs/0/log.csv": b"epoch\n"},
        {"runs/0/p_vectors/0/vectors.npy": b"\x93NUMPY"},
    ],
)
def test_members_that_were_changed(archive, changes):
    path = rewritten(archive.path, changes)
    with pytest.raises(kp.DamagedRunError, match=path.name):
        kp.load_archive(path).verify()


def test_damaged_bytes_are_told_or_do_not_matter(runs, archive, rng):
    """No flipped bit and no cut gives a wrong answer."""
    path = archive.path
    content = path.read_bytes()
    run = kp.open_run(runs[0])
    expected = run.angles(to=-1, layer="features")
    cuts = [content[:n] for n in (0, 3, 100, len(content) // 2, len(content) - 1)]
    flips = []
    for position in rng.integers(0, len(content), 150):
        flipped = bytearray(content)
        flipped[position] ^= 1 << rng.integers(8)
        flips.append(bytes(flipped))
    told = 0
    for damaged in itertools.chain(cuts, flips):
        path.write_bytes(damaged)
        try:
            loaded = kp.load_archive(path)
            angles = loaded["a"].angles(to=-1, layer="features")
            loaded.verify()
        except kp.DamagedRunError as error:
            assert error.file == str(path)
            told += 1
            continue
        pd.testing.assert_frame_equal(angles, expected)
    assert told > 120


def test_command(runs, tmp_path, capsys):
    out = tmp_path / "packed.npz"
    command = ["archive", *map(str, runs), f"--out={out}", "--licence=CC0-1.0"]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["runs"] == ["a", "a/test", "b/c"]
    assert facts["version"] == ARCHIVE_VERSION
    assert "CC0-1.0" in kp.load_archive(out).card
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and str(out) in err
    RunFolder(runs[1]).update_info(
        logged_with=dataclasses.replace(
            kp.open_run(runs[1]).info.logged_with, complete=False
        )
    )
    assert main([*command, "--overwrite"]) == 0
    assert "b/c" in capsys.readouterr().out
    assert main(["archive", str(tmp_path / "missing"), "--out=x.npz"]) == 1
