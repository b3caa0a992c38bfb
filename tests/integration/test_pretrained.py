"""P-vectors of `keras.applications` networks, against a computation by hand."""

import functools
import gc
import inspect
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from oracles import degrees_between, lapack_vector, resized
from PIL import Image
from stored_data import store_dataset

import keras_pvec as kp
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.pretrained import (
    Images,
    Network,
    WeightsUnavailableError,
    find_networks,
    image_files,
    imagenet_v2,
    measure_untrained,
    p_vectors,
)
from keras_pvec.reproduction.pretrained.networks import applications

# Keras's remarks on weights that do not fit, and on inputs of an unusual size.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping nested container"),
    pytest.mark.filterwarnings("ignore:`input_shape` is undefined"),
]


def mobilenet(side=32):
    """A narrow MobileNet for small images; it has a convolution for a last Dense."""
    build = functools.partial(
        keras.applications.MobileNet, alpha=0.25, input_shape=(side, side, 3)
    )
    return Network("MobileNet", build, keras.applications.mobilenet.preprocess_input)


def tiny(name="tiny", size=(6, 8)):
    """A network of our own, with the preprocessing of ResNet and VGG."""

    def build(weights):
        assert weights is None
        channels_first = keras.config.image_data_format() == "channels_first"
        inputs = keras.Input((3, *size) if channels_first else (*size, 3))
        maps = keras.layers.Conv2D(5, 3, activation="relu")(inputs)
        features = keras.layers.GlobalAveragePooling2D()(maps)
        return keras.Model(inputs, keras.layers.Dense(3)(features))

    return Network(name, build, keras.applications.resnet.preprocess_input)


# Index of the layer that gives the features, and their number.
FEATURES = {"MobileNet": (-5, 256), "tiny": (-2, 5)}


@pytest.fixture(scope="module")
def pictures():
    """Seven images of different sizes, each with a large gradient of its own."""
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(7):
        corners = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
        size = (90 - 5 * i, 40 + 7 * i)
        pictures.append(np.asarray(corners.resize(size, Image.Resampling.BILINEAR)))
    return pictures


@pytest.fixture(scope="module")
def images(pictures):
    return Images(pictures, name="mine")


def random_model(network, seed):
    keras.utils.set_random_seed(seed)
    return network.build(weights=None)


def features_by_hand(network, model, index, pictures):
    """What the layer at an index gives for images, through a cut-off model."""
    size = tuple(side or 224 for side in model.input_shape[1:3])
    pixels = [resized(picture, size).astype(np.float32) for picture in pictures]
    x = network.preprocess(np.stack(pixels))
    cut = keras.Model(model.input, model.layers[index].output)
    features = keras.ops.convert_to_numpy(cut(x, training=False))
    return features.reshape(len(pictures), -1)


def assert_is_p_vector_of(found, features):
    assert (found.n_samples, found.n_features) == features.shape
    # Pixels and features in float32, of two differently compiled models.
    assert degrees_between(found.vector, lapack_vector(features)) < 1e-2
    norm = np.linalg.norm(features.astype(np.float64))
    np.testing.assert_allclose(found.frobenius_norm, norm, rtol=1e-4)


@pytest.mark.parametrize(
    "network", [mobilenet(), tiny()], ids=lambda network: network.name
)
def test_networks_against_a_computation_by_hand(network, images, pictures):
    index, n_features = FEATURES[network.name]
    by_hand = features_by_hand(network, random_model(network, 3), index, pictures)
    keras.utils.set_random_seed(3)
    # Three batches, the last of them of a single image.
    found = p_vectors([network], images, batch_size=3, k=2)[network.name]
    assert found.n_features == n_features
    assert_is_p_vector_of(found, by_hand)
    second = degrees_between(found.vectors[:, 1], lapack_vector(by_hand, 1))
    assert second < found.error_deg[1] + 0.1


def test_photographs_through_a_network_as_it_is():
    """At its own size: MobileNetV3 takes any, and has two convolutions at the end."""
    folder = os.environ.get("IMAGENET_SAMPLE_DIR")
    if not folder or not os.path.isdir(folder):
        pytest.skip("IMAGENET_SAMPLE_DIR names no folder with real images")
    files = image_files(folder, 4)
    (network,) = find_networks(["MobileNetV3Small"])
    photographs = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    by_hand = features_by_hand(network, random_model(network, 3), -7, photographs)
    keras.utils.set_random_seed(3)
    found = p_vectors([network], Images(files))["MobileNetV3Small"]
    assert found.n_features == 576
    assert_is_p_vector_of(found, by_hand)


def test_networks_compare_and_nothing_is_left_of_them(images):
    def living():
        gc.collect()
        return {id(x) for x in gc.get_objects() if isinstance(x, keras.Model)}

    before = living()
    keras.utils.set_random_seed(0)
    found = p_vectors([tiny("a"), tiny("b", size=(9, 5))], images)
    assert list(found) == ["a", "b"]
    for vector in found.values():
        assert vector.samples_sha256 == images.sha256
        assert vector.samples_name == "mine"
        # Not "global_average_pooling2d_1", which depends on what was built before.
        assert vector.layer == "global_average_pooling2d"
    assert 0 < kp.angle(*found.values()) < 90
    assert living() <= before
    with pytest.raises(ValueError, match="'a'"):
        p_vectors([tiny("a"), tiny("a")], images)


def test_order_matters_and_permutes_the_vector(pictures):
    order = [3, 0, 2, 1]
    found = []
    for chosen in ([0, 1, 2, 3], order):
        keras.utils.set_random_seed(0)
        images = Images([pictures[i] for i in chosen])
        found.append(p_vectors([tiny()], images)["tiny"])
    straight, shuffled = found
    assert degrees_between(straight.vector[order], shuffled.vector) < 1e-3
    with pytest.raises(kp.SampleMismatchError):
        kp.angle(straight, shuffled)


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"max_feature_bytes": 0}])
def test_small_batches_and_features_that_are_not_held(options, images):
    found = []
    for chosen in ({}, options):
        keras.utils.set_random_seed(0)
        found.append(p_vectors([tiny()], images, **chosen)["tiny"].vector)
    assert degrees_between(*found) < 1e-2


def test_a_batch_size_below_one(images):
    with pytest.raises(ValueError, match="batch_size"):
        p_vectors([tiny()], images, batch_size=0)


def test_channels_first_gives_the_same(images):
    keras.utils.set_random_seed(0)
    usual = p_vectors([tiny()], images)["tiny"]
    keras.config.set_image_data_format("channels_first")
    try:
        keras.utils.set_random_seed(0)
        turned = p_vectors([tiny()], images)["tiny"]
    finally:
        keras.config.set_image_data_format("channels_last")
    assert degrees_between(usual.vector, turned.vector) < 1e-2


def test_features_without_a_p_vector_and_the_network_are_named(images):
    def build(weights):
        model = tiny().build(weights)
        model.layers[1].set_weights([np.zeros((3, 3, 3, 5)), np.zeros(5)])
        return model

    with pytest.raises(ValueError, match=r"dead.*global_average_pooling2d"):
        p_vectors([Network("dead", build, tiny().preprocess)], images)


def test_names_of_networks():
    names = ["ResNet50", "VGG16", "ResNet50"]
    assert [network.name for network in find_networks(names)] == ["ResNet50", "VGG16"]
    with pytest.raises(ValueError, match=r"'ResNet51'.*MobileNetV2, .*Xception"):
        find_networks(["MobileNet", "ResNet51"])
    with pytest.raises(ValueError, match="VGG16"):
        find_networks([])


def test_every_network_has_its_preprocessing():
    networks = applications()
    assert {"ResNet50", "NASNetMobile", "EfficientNetV2S"} <= set(networks)
    for network in networks.values():
        assert "data_format" in inspect.signature(network.preprocess).parameters
    # One of each kind: blue, green and red less their means; to [-1, 1]; standardized;
    # nothing at all.
    white = np.full((1, 1, 1, 3), 255, np.float32)
    for name, expected in [
        ("ResNet50", [255 - 103.939, 255 - 116.779, 255 - 123.68]),
        ("ResNet50V2", [1, 1, 1]),
        ("DenseNet121", (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]),
        ("EfficientNetB0", [255, 255, 255]),
    ]:
        found = networks[name].preprocess(white.copy())
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5)


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory, pictures):
    """Weights of a network in all formats and of one other, and the features that the
    former gives."""
    folder = tmp_path_factory.mktemp("weights")
    model = random_model(tiny(), seed=7)
    features = features_by_hand(tiny(), model, -2, pictures)
    model.save_weights(folder / "tiny.weights.h5")
    model.save(folder / "whole.keras")
    model.save(folder / "whole.h5")
    random_model(mobilenet(), seed=7).save_weights(folder / "MobileNet.weights.h5")
    return folder, features


@pytest.mark.parametrize("file", ["", "tiny.weights.h5", "whole.keras", "whole.h5"])
def test_weights_from_a_folder_or_a_file(file, weights_folder, images):
    folder, features = weights_folder
    keras.utils.set_random_seed(0)
    found = p_vectors([tiny()], images, weights=str(folder / file))
    assert_is_p_vector_of(found["tiny"], features)


def test_each_network_has_its_file_in_a_folder(weights_folder, images):
    folder, features = weights_folder
    found = p_vectors([mobilenet(), tiny()], images, weights=folder)
    assert list(found) == ["MobileNet", "tiny"]
    assert_is_p_vector_of(found["tiny"], features)


def test_weights_that_are_missing(weights_folder, images):
    folder, _ = weights_folder
    file = folder / "tiny.weights.h5"
    with pytest.raises(ValueError, match=file.name):
        p_vectors([tiny(), mobilenet()], images, weights=file)
    with pytest.raises(WeightsUnavailableError, match=r"VGG16\.weights\.h5"):
        p_vectors([tiny(), *find_networks(["VGG16"])], images, weights=folder)
    with pytest.raises(WeightsUnavailableError, match=r"gone\.h5"):
        p_vectors([tiny()], images, weights=folder / "gone.h5")


def test_weights_that_do_not_fit(weights_folder, images, tmp_path):
    folder, _ = weights_folder
    for file in ["tiny.weights.h5", "whole.h5"]:
        with pytest.raises(WeightsUnavailableError, match=rf"{file}.*MobileNet"):
            p_vectors([mobilenet()], images, weights=folder / file)
    (tmp_path / "tiny.h5").write_text("no weights")
    with pytest.raises(WeightsUnavailableError, match=r"tiny\.h5"):
        p_vectors([tiny()], images, weights=tmp_path)


class Unread:
    """Images that may be fingerprinted, once, but not run through a network."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 2

    def __iter__(self):
        self.reads += 1
        assert self.reads == 1
        yield from np.zeros((2, 4, 4, 3), np.uint8)


def test_weights_are_checked_before_any_network_is_run(weights_folder, tmp_path):
    folder, _ = weights_folder
    (tmp_path / "a.weights.h5").write_bytes((folder / "tiny.weights.h5").read_bytes())
    (tmp_path / "b.weights.h5").write_text("no weights")
    with pytest.raises(WeightsUnavailableError, match=r"b\.weights\.h5"):
        p_vectors([tiny("a"), tiny("b")], Images(Unread()), weights=tmp_path)


@pytest.fixture
def offline(monkeypatch):
    """No name resolves, as on a machine without a network."""

    def unresolved(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    monkeypatch.setattr("urllib.request.getproxies", dict)


def test_imagenet_weights_from_the_cache_of_keras(offline, images, pictures):
    """Offline, those in Keras's cache serve; others are missing."""
    cache = Path(os.environ["KERAS_HOME"]) / "models"
    network = mobilenet(128)
    with pytest.raises(WeightsUnavailableError, match="MobileNet"):
        p_vectors([network], images, weights="imagenet")
    model = random_model(network, seed=7)
    # The name under which Keras publishes a quarter of the width at this size.
    file = cache / "mobilenet_2_5_128_tf.h5"
    model.save(file)
    try:
        found = p_vectors([network], images, weights="imagenet")["MobileNet"]
    finally:
        file.unlink()
    assert_is_p_vector_of(found, features_by_hand(network, model, -5, pictures))


def test_imagenet_v2_that_is_not_there(tmp_path):
    with pytest.raises(DatasetUnavailableError, match=str(tmp_path)):
        imagenet_v2(tmp_path)


@pytest.fixture(scope="module")
def stored_imagenet_v2(tmp_path_factory, pictures):
    """Our own images under the name of ImageNetV2: the folder, and files of them in the
    order in which tensorflow-datasets has stored them."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    names = [f"{i}.jpeg" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(folder / name)
    builder = store_dataset(
        folder,
        "imagenet_v2",
        {"image": tfds.features.Image(), "file_name": tfds.features.Text()},
        {"test": [{"image": str(folder / n), "file_name": n} for n in names]},
        config="matched-frequency",
    )
    examples = tfds.as_numpy(builder.as_dataset("test"))
    return folder, [folder / example["file_name"].decode() for example in examples]


def test_imagenet_v2_on_disk(stored_imagenet_v2):
    folder, files = stored_imagenet_v2
    images = imagenet_v2(folder)
    assert (len(images), images.name) == (7, "imagenet_v2/test[7]")
    assert images.sha256 == Images(files).sha256 == imagenet_v2(folder).sha256
    few = imagenet_v2(folder, 3)
    assert few.sha256 == Images(files[:3]).sha256
    np.testing.assert_array_equal(
        np.concatenate(list(few.pixels(2, (30, 30)))),
        next(Images(files[:3]).pixels(3, (30, 30))),
    )
    with pytest.raises(ValueError, match=r"7 .* 8"):
        imagenet_v2(folder, 8)


def test_widths_and_input_sizes():
    """A narrow network is the same architecture; its number of weights is that of
    `alpha`, its input has the side that was named."""
    wide, narrow, small = find_networks(
        ["MobileNet", "MobileNet-0.25", "MobileNet-0.25-64"]
    )
    assert {n.architecture for n in (wide, narrow, small)} == {"MobileNet"}
    by_hand = keras.applications.MobileNet(
        alpha=0.25, weights=None, input_shape=(64, 64, 3)
    )
    built = small.build(weights=None)
    assert built.input_shape == by_hand.input_shape
    assert built.count_params() == by_hand.count_params()
    assert narrow.build(weights=None).count_params() == built.count_params()
    (resnet,) = find_networks(["ResNet50-160"])
    assert resnet.architecture == "ResNet50"


@pytest.mark.parametrize(
    "name", ["ResNet50-0.5", "MobileNet-0.0", "MobileNet-16", "MobileNet-0.5-", "Net"]
)
def test_names_that_are_no_network(name):
    with pytest.raises(ValueError, match=re.escape(name)):
        find_networks([name])


def test_untrained_copies_have_weights_of_their_own_seeds(images):
    found = measure_untrained([tiny("a"), tiny("b")], images, 2)
    assert [len(copies) for copies in found.values()] == [2, 2]
    first, second = (network.features for network in found["a"].values())
    assert degrees_between(first.vector, second.vector) > 1
    keras.utils.set_random_seed(2)
    again = p_vectors([tiny("a"), tiny("b")], images)
    np.testing.assert_array_equal(again["a"].vector, second.vector)


def test_brightness_and_contrast_are_those_of_the_pixels(images, pictures):
    found = images.statistics((20, 30), batch_size=3)
    pixels = np.stack([resized(picture, (20, 30)) for picture in pictures])
    flat = pixels.reshape(len(pixels), -1).astype(np.float64)
    np.testing.assert_allclose(found["mean"], flat.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found["std"], flat.std(axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        found["channel_mean"], pixels.mean(axis=(1, 2), dtype=float), rtol=1e-5
    )
