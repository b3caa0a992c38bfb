"""Classes of images, from the names of their files or from a list."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.imagenet import PretrainedConfig
from keras_pvec.reproduction.pretrained import Images, labels_of_files, read_labels
from keras_pvec.reproduction.pretrained.labels import imagenet_classes

# Published indices of ImageNet classes: tench, goldfish, great white shark, toilet
# tissue.
IDS = {"n01440764": 0, "n01443537": 1, "n01484850": 2, "n15075141": 999}


def test_classes_of_imagenet_are_in_the_order_of_their_ids():
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert list(classes) == sorted(classes)
    assert {name: classes.index(name) for name in IDS} == IDS


def test_names_of_files_and_folders_tell_the_class():
    files = [
        "x/n01443537_goldfish.jpg",
        "val/n15075141/ILSVRC2012_val_1.JPEG",
        "n01440764.png",
    ]
    assert labels_of_files(files).tolist() == [1, 999, 0]


@pytest.mark.parametrize(
    "other", ["cat.jpg", "n99999999_nothing.jpg", "n014407641.jpg", "n01/x.jpg"]
)
def test_a_name_without_a_class(other):
    assert labels_of_files(["n01443537_goldfish.jpg", other]) is None


def test_a_list_in_order_and_a_list_of_files(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("5\nn01443537\n\n7\n9\n")
    assert read_labels(path, 3).tolist() == [5, 1, 7]
    files = [Path("a/one.jpg"), Path("b/two words.jpg")]
    path.write_text("b/two words.jpg n15075141\none.jpg 3\nother.jpg 8\n")
    assert read_labels(path, 2, files).tolist() == [3, 999]


@pytest.mark.parametrize(
    ("text", "files", "named"),
    [
        ("1\n2\n", None, "2 labels"),
        ("1\n2\nn99999999\n", None, "n99999999"),
        ("1\n2\n-3\n", None, "-3"),
        ("a.jpg 1\n", None, "files"),
        ("a.jpg 1\n", ["a.jpg", "b.jpg", "c.jpg"], r"b\.jpg"),
        (b"\xff\xfe", None, r"labels\.txt"),
    ],
)
def test_lists_that_do_not_fit(text, files, named, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    files = None if files is None else [*map(Path, files)]
    with pytest.raises(ValueError, match=named):
        read_labels(path, 3, files)
    with pytest.raises(ValueError, match="missing"):
        read_labels(tmp_path / "missing.txt", 3)


def test_images_know_their_files(tmp_path):
    pixels = np.zeros((4, 5, 3), np.uint8)
    files = [tmp_path / f"{i}.png" for i in range(2)]
    for file in files:
        Image.fromarray(pixels).save(file)
    assert Images(files).files() == files
    assert Images([pixels, pixels]).files() is None


@pytest.mark.parametrize(
    "settings", [{"labels": " "}, {"num_layers": 0}, {"num_layers": 6}]
)
def test_settings(settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=name):
        PretrainedConfig(**settings)
