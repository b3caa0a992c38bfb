"""Cached arrays: read without their reader, never wrong, never in the way."""

import errno
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from keras_pvec.reproduction.data import cache, load_data
from keras_pvec.reproduction.data.images import ImageSplit

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(cache.CACHE_ENV, str(folder))
    return folder


@pytest.fixture
def splits(rng):
    def split(n):
        images = rng.integers(0, 256, (n, 4, 5, 3), dtype=np.uint8)
        return ImageSplit(images, rng.integers(0, 7, n), 255)

    return {"train": split(20), "test": split(6)}


def assert_same(found, splits):
    assert found.keys() == splits.keys()
    for name, split in splits.items():
        np.testing.assert_array_equal(found[name].images, split.images)
        np.testing.assert_array_equal(found[name].labels, split.labels)
        assert found[name].largest == split.largest


def test_what_is_written_is_read(splits, folder):
    assert cache.read("a") is None
    assert not folder.exists()
    cache.write("a", splits, 7)
    found, n_classes = cache.read("a")
    assert n_classes == 7
    assert_same(found, splits)
    # Shared among processes, not copied into each.
    assert isinstance(found["train"].images, np.memmap)
    assert [path.name for path in folder.iterdir()] == ["a"]
    # It does not share memory with what another process replaces.
    cache.write("a", {**splits, "test": splits["train"]}, 7)
    assert_same(found, splits)
    assert len(cache.read("a")[0]["test"]) == 20


def damage(folder, how):
    images = folder / "a" / "train_images.npy"
    manifest = folder / "a" / "manifest.json"
    if how == "flipped bit":
        content = bytearray(images.read_bytes())
        content[200] ^= 1
        images.write_bytes(content)
    elif how == "truncated":
        images.write_bytes(images.read_bytes()[:-1])
    elif how == "gone":
        images.unlink()
    elif how == "no manifest":
        manifest.unlink()
    elif how == "not JSON":
        manifest.write_text("{")
    elif how == "a list":
        manifest.write_text("[]")
    elif how == "another version":
        content = json.loads(manifest.read_text())
        manifest.write_text(json.dumps(content | {"format": 99}))
    elif how == "another range of pixels":
        text = manifest.read_text()
        assert '"largest": 255' in text
        manifest.write_text(text.replace('"largest": 255', '"largest": 254'))
    elif how == "a directory":
        images.unlink()
        images.mkdir()


@pytest.mark.parametrize(
    "how",
    [
        "flipped bit",
        "truncated",
        "gone",
        "no manifest",
        "not JSON",
        "a list",
        "another version",
        "another range of pixels",
        "a directory",
    ],
)
def test_damage_is_told_and_mended(how, splits, folder):
    cache.write("a", splits, 7)
    damage(folder, how)
    with pytest.warns(UserWarning, match=str(folder / "a")) as warned:
        assert cache.read("a") is None
    assert len(warned) == 1
    cache.write("a", splits, 7)
    assert_same(cache.read("a")[0], splits)
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_a_full_disk_costs_a_warning_and_leaves_nothing(splits, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.np, "save", full)
    with pytest.warns(UserWarning, match=r"No space left on device.*KERAS_PVEC_CACHE"):
        cache.write("a", splits, 7)
    assert list(folder.iterdir()) == []


def test_a_file_where_the_cache_should_be(splits, folder):
    folder.write_text("mine")
    with pytest.warns(UserWarning, match="could not be cached"):
        cache.write("a", splits, 7)
    assert folder.read_text() == "mine"
    assert cache.read("a") is None


def test_later_reads_need_neither_reader_nor_tensorflow(tfds_dir, folder):
    """In a process that cannot import either, from a copy of the folder as well."""
    first = load_data("mnist", data_dir=tfds_dir)
    program = f"""
        import sys
        import types

        # Keras would need one of its backends; reading needs none.
        sys.modules["keras"] = types.SimpleNamespace(
            utils=types.SimpleNamespace(PyDataset=object)
        )

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("tensorflow", "tensorflow_datasets"):
                    raise ImportError(name)

        sys.meta_path.insert(0, Blocked())
        from keras_pvec.reproduction.data import sources
        data = sources.load_data("mnist", data_dir={str(tfds_dir)!r})
        print(data.fingerprint())
    """
    environment = {cache.CACHE_ENV: str(folder)}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.strip() == first.fingerprint(), result.stderr
    assert len(list(folder.iterdir())) == 1


def test_another_source_is_not_the_cached_one(tfds_dir, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(Path(tfds_dir) / "mnist", copy / "mnist", copy_function=shutil.copy)
    load_data("mnist", data_dir=copy)
    load_data("mnist", data_dir=tfds_dir)
    assert len(list(folder.iterdir())) == 1  # a copy is the same source
    (info,) = copy.glob("mnist/*/dataset_info.json")
    info.chmod(0o644)
    info.write_text(info.read_text() + "\n")
    load_data("mnist", data_dir=copy)
    assert len(list(folder.iterdir())) == 2


def test_strange_things_in_the_source_folder(tfds_dir, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(Path(tfds_dir) / "mnist", copy / "mnist", copy_function=shutil.copy)
    (version,) = (copy / "mnist").iterdir()
    version.chmod(0o755)
    (version / ".ipynb_checkpoints").mkdir()
    (version / "gone").symlink_to(tmp_path / "nowhere")
    assert len(load_data("mnist", data_dir=copy).test) == 10000
    assert len(list(folder.iterdir())) == 1


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv(cache.CACHE_ENV)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert not str(cache.cache_dir()).startswith("~")
