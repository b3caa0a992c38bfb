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
from stored_data import store_dataset

from keras_pvec.reproduction.data import cache, load_data, tfds_reader
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
    with pytest.warns(UserWarning, match=r"\ba\b.*KERAS_PVEC_CACHE"):
        cache.write("a", splits, 7)
    assert list(folder.iterdir()) == []


def test_a_file_where_the_cache_should_be(splits, folder):
    folder.write_text("mine")
    with pytest.warns(UserWarning, match="KERAS_PVEC_CACHE"):
        cache.write("a", splits, 7)
    assert folder.read_text() == "mine"
    assert cache.read("a") is None


@pytest.fixture(scope="module")
def stored_mnist(tmp_path_factory):
    """A folder of tensorflow-datasets with a few random images in it."""
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)

    def examples(n):
        return [
            {"image": image, "label": i % 10}
            for i, image in enumerate(rng.integers(0, 256, (n, 8, 6, 1), np.uint8))
        ]

    folder = tmp_path_factory.mktemp("tfds")
    features = {
        "image": tfds.features.Image(shape=(8, 6, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    store_dataset(
        folder, "mnist", features, {"train": examples(30), "test": examples(12)}
    )
    return folder


def test_later_reads_need_neither_reader_nor_tensorflow(stored_mnist, folder):
    """In a process that cannot import either."""
    first = load_data("mnist", data_dir=stored_mnist)
    assert (len(first.train), len(first.test), first.n_classes) == (30, 12, 10)
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
        data = sources.load_data("mnist", data_dir={str(stored_mnist)!r})
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


def test_another_source_is_not_the_cached_one(stored_mnist, folder, tmp_path):
    shutil.copytree(stored_mnist / "mnist", tmp_path / "copy" / "mnist")
    load_data("mnist", data_dir=tmp_path / "copy")
    load_data("mnist", data_dir=stored_mnist)
    assert len(list(folder.iterdir())) == 1  # a copy is the same source
    (info,) = (tmp_path / "copy").glob("mnist/*/dataset_info.json")
    info.write_text(info.read_text() + "\n")
    load_data("mnist", data_dir=tmp_path / "copy")
    assert len(list(folder.iterdir())) == 2


def test_the_newest_version_is_read(stored_mnist, tmp_path):
    (version,) = (stored_mnist / "mnist").iterdir()
    for name in ("1.0.0", "9.0.0", "10.0.0", "9.0.0.incompleteABC"):
        shutil.copytree(version, tmp_path / "mnist" / name)
    found = tfds_reader.find_stored("mnist", tmp_path)
    assert found == tmp_path / "mnist" / "10.0.0"
    assert tfds_reader.find_stored("cifar10", tmp_path) is None


def test_strange_things_in_the_source_folder(stored_mnist, folder, tmp_path):
    shutil.copytree(stored_mnist / "mnist", tmp_path / "copy" / "mnist")
    (version,) = (tmp_path / "copy" / "mnist").iterdir()
    (version / ".ipynb_checkpoints").mkdir()
    (version / "gone").symlink_to(tmp_path / "nowhere")
    assert len(load_data("mnist", data_dir=tmp_path / "copy").test) == 12
    assert len(list(folder.iterdir())) == 1


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv(cache.CACHE_ENV)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert not str(cache.cache_dir()).startswith("~")
