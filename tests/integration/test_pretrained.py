"""P-vectors of `keras.applications` models, against a computation by hand."""

import gc
import inspect
import os
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from oracles import degrees_between, lapack_vector
from PIL import Image

import keras_pvec as kp
from keras_pvec.reproduction.data import DatasetUnavailableError
from keras_pvec.reproduction.pretrained import (
    Images,
    WeightsUnavailableError,
    image_files,
    imagenet_v2,
    p_vectors,
)

pytestmark = [
    # Keras's own remarks on a model of its own and on files that do not fit.
    pytest.mark.filterwarnings("ignore:`input_shape` is undefined"),
    pytest.mark.filterwarnings("ignore:Skipping nested container"),
]

APPLICATIONS = keras.applications


def write_images(folder, n=6, seed=0):
    """PNG files of different sizes, each with a large gradient of its own."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for i in range(n):
        height, width = 40 + 7 * i, 90 - 5 * i
        corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        image = Image.fromarray(corners).resize((width, height), Image.BILINEAR)
        image.save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def png_folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("png"))


@pytest.fixture(scope="module")
def photos():
    """Seven photographs of the folder that `IMAGENET_SAMPLE_DIR` names."""
    folder = os.environ.get("IMAGENET_SAMPLE_DIR")
    if not folder or not os.path.isdir(folder):
        pytest.skip("IMAGENET_SAMPLE_DIR names no folder with real images")
    return image_files(folder, 7)


def random_model(name, seed):
    keras.utils.set_random_seed(seed)
    return getattr(APPLICATIONS, name)(weights=None)


def features_by_hand(model, module, layer, files, size=224):
    """What the layer at an index gives for image files, through a cut-off model."""
    pixels = [
        tf.image.resize(
            tf.io.decode_image(Path(file).read_bytes(), channels=3), (size, size)
        ).numpy()
        for file in files
    ]
    x = getattr(APPLICATIONS, module).preprocess_input(np.stack(pixels))
    cut = keras.Model(model.input, model.layers[layer].output)
    return cut.predict(x, verbose=0).reshape(len(files), -1)


def assert_is_p_vector_of(found, features):
    assert (found.n_samples, found.n_features) == features.shape
    # float32 features of two differently compiled models.
    assert degrees_between(found.vector, lapack_vector(features)) < 1e-3
    norm = np.linalg.norm(features.astype(np.float64))
    np.testing.assert_allclose(found.frobenius_norm, norm, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "module", "layer", "n_features", "size"),
    [
        ("MobileNetV2", "mobilenet_v2", -2, 1280, 224),
        ("MobileNet", "mobilenet", -5, 1024, 224),  # a convolution for a last Dense
        ("MobileNetV3Small", "mobilenet_v3", -7, 576, 224),  # two of them
        ("ResNet50", "resnet", -2, 2048, 224),
        ("Xception", "xception", -2, 2048, 299),
    ],
)
def test_photographs_against_a_computation_by_hand(
    name, module, layer, n_features, size, photos
):
    model = random_model(name, seed=3)
    by_hand = features_by_hand(model, module, layer, photos, size)
    keras.utils.set_random_seed(3)
    # Three batches, the last of them of a single image.
    found = p_vectors(name, photos, batch_size=3)[name]
    assert found.n_features == n_features
    assert_is_p_vector_of(found, by_hand)


def test_synthetic_files_of_different_sizes(png_folder):
    files = image_files(png_folder)
    model = random_model("MobileNetV2", seed=1)
    by_hand = features_by_hand(model, "mobilenet_v2", -2, files)
    keras.utils.set_random_seed(1)
    found = p_vectors(["MobileNetV2"], files, batch_size=4, k=2)["MobileNetV2"]
    assert_is_p_vector_of(found, by_hand)
    second = lapack_vector(by_hand, 1)
    assert degrees_between(found.vectors[:, 1], second) < 0.1
    assert found.layer == "global_average_pooling2d"


def test_models_compare_and_nothing_is_left_of_them(png_folder):
    def living():
        gc.collect()
        return {id(x) for x in gc.get_objects() if isinstance(x, keras.Model)}

    before = living()
    images = Images(image_files(png_folder), name="png")
    keras.utils.set_random_seed(0)
    found = p_vectors(["MobileNet", "MobileNetV2", "MobileNet"], images)
    assert list(found) == ["MobileNet", "MobileNetV2"]
    for vector in found.values():
        assert vector.samples_sha256 == images.sha256
        assert vector.samples_name == "png"
    assert 0 < kp.angle(*found.values()) < 90
    assert living() <= before


def test_order_matters_and_permutes_the_vector(png_folder):
    files = image_files(png_folder, 4)
    order = [3, 0, 2, 1]
    keras.utils.set_random_seed(0)
    straight = p_vectors("MobileNet", files)["MobileNet"]
    keras.utils.set_random_seed(0)
    shuffled = p_vectors("MobileNet", [files[i] for i in order])["MobileNet"]
    assert degrees_between(straight.vector[order], shuffled.vector) < 1e-3
    with pytest.raises(kp.SampleMismatchError):
        kp.angle(straight, shuffled)


def test_array_and_files_of_the_same_images_agree(png_folder, tmp_path, rng):
    grey = rng.integers(0, 256, (5, 32, 48, 1), dtype=np.uint8)
    for i, image in enumerate(grey):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{i}.PNG")
    of_files = list(Images(image_files(tmp_path)).batches(2, (20, 30)))
    assert [len(batch) for batch in of_files] == [2, 2, 1]
    for array in (grey, np.repeat(grey, 3, axis=3)):
        of_array = list(Images(array).batches(2, (20, 30)))
        np.testing.assert_array_equal(
            np.concatenate(of_array), np.concatenate(of_files)
        )
    assert of_files[0].shape == (2, 20, 30, 3)
    assert of_files[0].dtype == np.float32
    unchanged = np.concatenate(list(Images(grey).batches(5, (32, 48))))
    np.testing.assert_array_equal(unchanged, np.repeat(grey, 3, axis=3))


def test_fingerprint_is_over_content_and_order(rng):
    array = rng.integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    sha256 = Images(array).sha256
    assert Images(array.copy(), name="other").sha256 == sha256
    assert Images(np.asfortranarray(array)).sha256 == sha256
    others = [array[::-1], array[:3], array.reshape(4, 6, 8, 3), array[..., :1]]
    assert len({sha256, *(Images(other).sha256 for other in others)}) == 5


def test_images_that_change_meanwhile(rng):
    array = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    images = Images(array, name="mine")
    list(images.batches(2, (8, 8)))
    array[1, 0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="images 'mine' have changed"):
        list(images.batches(2, (8, 8)))


def test_images_are_read_a_batch_at_a_time(png_folder, monkeypatch):
    images = Images(image_files(png_folder))
    read = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path)
    )
    batches = images.batches(2, (8, 8))
    assert read == []
    next(batches)
    assert read == ["0.png", "1.png"]


def test_image_files_are_found_in_a_fixed_order(tmp_path):
    for name in ["b.JPG", "a/z.png", "a.bmp", "a/b/c.jpeg", "B.png", "a/note.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [file.relative_to(tmp_path).as_posix() for file in image_files(tmp_path)]
    assert found == ["B.png", "a.bmp", "a/b/c.jpeg", "a/z.png", "b.JPG"]
    assert image_files(tmp_path, 2) == image_files(str(tmp_path))[:2]
    with pytest.raises(ValueError, match=r"9 images are needed, but .* holds 5,"):
        image_files(tmp_path, 9)
    with pytest.raises(ValueError, match="n=1"):
        image_files(tmp_path, 1)
    with pytest.raises(ValueError, match=r"no folder .*nowhere"):
        image_files(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"At least two images .* holds none"):
        image_files(tmp_path / "folder.png")
    (tmp_path / "folder.png" / "alone.png").touch()
    with pytest.raises(ValueError, match=r"At least two images .* holds 1,"):
        image_files(tmp_path / "folder.png")


@pytest.mark.parametrize("spoil", ["empty", "text", "truncated"])
def test_a_corrupt_file_is_named(spoil, tmp_path):
    folder = write_images(tmp_path / "images", 4)
    Image.open(folder / "2.png").save(folder / "2.jpg")
    content = (folder / "2.jpg").read_bytes()
    spoilt = {"empty": b"", "text": b"no image", "truncated": content[:-200]}
    (folder / "2.jpg").write_bytes(spoilt[spoil])
    with pytest.raises(ValueError, match=r"images/2\.jpg cannot be decoded .*\w\)"):
        p_vectors("MobileNet", image_files(folder))


def test_bmp_files(tmp_path, png_folder):
    with Image.open(png_folder / "0.png") as image:
        image.save(tmp_path / "a.bmp")
        image.convert("P").save(tmp_path / "b.bmp")
        pixels = np.asarray(image)
    batches = Images(image_files(tmp_path)).batches(1, pixels.shape[:2])
    np.testing.assert_array_equal(next(batches)[0], pixels)
    with pytest.raises(ValueError, match=r"b\.bmp is a BMP file with a colour table"):
        next(batches)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((4, 8, 8, 3)), "dtype uint8.*float64"),
        (np.zeros((4, 8, 8), np.uint8), "channels"),
        (np.zeros((4, 8, 8, 4), np.uint8), "1 or 3 channels"),
        (np.zeros((1, 8, 8, 3), np.uint8), "At least two"),
        ([], "At least two"),
        ("photos", "image_files"),
        (tf.data.Dataset.range(4), "scalar string"),
    ],
)
def test_what_images_are_not_made_of(source, message):
    with pytest.raises(ValueError, match=message):
        Images(source)


def test_names_and_batch_sizes(png_folder):
    files = image_files(png_folder)
    with pytest.raises(ValueError, match=r"'ResNet51'.*MobileNetV2, .*Xception"):
        p_vectors(["MobileNet", "ResNet51"], files)
    with pytest.raises(ValueError, match="No model"):
        p_vectors([], files)
    with pytest.raises(ValueError, match="batch_size"):
        p_vectors("MobileNet", files, batch_size=0)


def test_single_images_as_batches(png_folder):
    files = image_files(png_folder, 3)
    keras.utils.set_random_seed(0)
    together = p_vectors("MobileNet", files)["MobileNet"]
    keras.utils.set_random_seed(0)
    singly = p_vectors("MobileNet", files, batch_size=1)["MobileNet"]
    assert degrees_between(together.vector, singly.vector) < 1e-3


def test_channels_first_gives_the_same(png_folder):
    files = image_files(png_folder)
    keras.utils.set_random_seed(0)
    usual = p_vectors("MobileNetV2", files)["MobileNetV2"]
    keras.config.set_image_data_format("channels_first")
    try:
        keras.utils.set_random_seed(0)
        turned = p_vectors("MobileNetV2", files)["MobileNetV2"]
    finally:
        keras.config.set_image_data_format("channels_last")
    assert degrees_between(usual.vector, turned.vector) < 1e-2


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory, png_folder):
    """Weights of MobileNet and MobileNetV2, and the features that they give."""
    folder = tmp_path_factory.mktemp("weights")
    files = image_files(png_folder)
    features = {}
    for name, module, layer in [
        ("MobileNet", "mobilenet", -5),
        ("MobileNetV2", "mobilenet_v2", -2),
    ]:
        model = random_model(name, seed=7)
        features[name] = features_by_hand(model, module, layer, files)
        model.save_weights(folder / f"{name}.weights.h5")
    model.save(folder / "V2.keras")
    model.save(folder / "V2.h5")
    return folder, features


def test_weights_from_a_folder(weights_folder, png_folder):
    folder, features = weights_folder
    keras.utils.set_random_seed(0)
    found = p_vectors(list(features), image_files(png_folder), weights=folder)
    for name, by_hand in features.items():
        assert_is_p_vector_of(found[name], by_hand)


@pytest.mark.parametrize("file", ["V2.keras", "V2.h5"])
def test_weights_from_a_file(file, weights_folder, png_folder):
    folder, features = weights_folder
    files = image_files(png_folder)
    found = p_vectors("MobileNetV2", files, weights=str(folder / file))
    assert_is_p_vector_of(found["MobileNetV2"], features["MobileNetV2"])


def test_weights_that_are_missing_or_do_not_fit(weights_folder, png_folder, tmp_path):
    folder, _ = weights_folder
    files = image_files(png_folder)
    v2 = folder / "MobileNetV2.weights.h5"
    with pytest.raises(ValueError, match="serves a single model, but 2"):
        p_vectors(["MobileNet", "MobileNetV2"], files, weights=v2)
    with pytest.raises(WeightsUnavailableError, match=r"VGG16 .*weights0.*VGG16\.h5"):
        p_vectors(["MobileNet", "VGG16"], files, weights=folder)
    with pytest.raises(WeightsUnavailableError, match=r"looked for in .*gone\.h5"):
        p_vectors("MobileNet", files, weights=folder / "gone.h5")
    for file in ["MobileNetV2.weights.h5", "V2.h5"]:
        with pytest.raises(WeightsUnavailableError, match=f"{file} .* into MobileNet "):
            p_vectors("MobileNet", files, weights=folder / file)
    (tmp_path / "MobileNet.h5").write_text("no weights")
    with pytest.raises(WeightsUnavailableError, match=r"MobileNet\.h5 could not be"):
        p_vectors("MobileNet", files, weights=tmp_path)


@pytest.fixture
def offline(monkeypatch):
    """No name resolves, as on a machine without a network."""

    def unresolved(*args):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unresolved)
    monkeypatch.setattr("urllib.request.getproxies", dict)


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty folder in the place of `~/.keras`."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    # Keras has read the variable when it was imported.
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_imagenet_weights_without_a_network(offline, keras_cache, png_folder):
    start = time.monotonic()
    with pytest.raises(WeightsUnavailableError, match="no network") as caught:
        p_vectors(["VGG16", "MobileNet"], image_files(png_folder), weights="imagenet")
    assert time.monotonic() - start < 5
    for told in ["VGG16, MobileNet", str(keras_cache), "VGG16.weights.h5"]:
        assert told in str(caught.value)
    assert not any(keras_cache.iterdir())


def test_imagenet_weights_in_the_cache(
    offline, keras_cache, weights_folder, png_folder
):
    """Offline, what Keras has in its cache serves; what only looks so is told."""
    files = image_files(png_folder)
    folder, features = weights_folder
    keras_name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224"
    (keras_cache / f"{keras_name}.h5").write_bytes((folder / "V2.h5").read_bytes())
    found = p_vectors("MobileNetV2", files, weights="imagenet")["MobileNetV2"]
    assert_is_p_vector_of(found, features["MobileNetV2"])
    with pytest.raises(WeightsUnavailableError, match=r"MobileNet \(.*URL fetch"):
        p_vectors("MobileNet", files, weights="imagenet")


def test_keras_names_its_files_after_the_models(keras_cache, monkeypatch, offline):
    """Whatever Keras would look for in its cache is recognised there."""
    from keras_pvec.reproduction.pretrained import _may_be_cached

    def wanted(fname=None, origin=None, **_):
        raise FileNotFoundError(fname)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", wanted)
    for name in ["EfficientNetV2B0", "MobileNet", "MobileNetV3Small", "ResNet50V2"]:
        with pytest.raises(FileNotFoundError) as caught:
            getattr(APPLICATIONS, name)(weights="imagenet")
        assert not _may_be_cached(name)
        (keras_cache / str(caught.value)).touch()
        assert _may_be_cached(name), caught.value
        (keras_cache / str(caught.value)).unlink()


def test_every_model_has_its_preprocessing():
    from keras_pvec.reproduction.pretrained import _classifiers, _module_of

    assert {"ResNet50", "NASNetMobile", "EfficientNetV2S"} <= set(_classifiers())
    for name in _classifiers():
        preprocess = _module_of(name).preprocess_input
        assert "data_format" in inspect.signature(preprocess).parameters
    # One of each kind: red, green and blue turned round; to [-1, 1]; nothing at all.
    white = np.full((1, 1, 1, 3), 255, np.float32)
    for name, expected in [
        ("ResNet50", [255 - 103.939, 255 - 116.779, 255 - 123.68]),
        ("ResNet50V2", [1, 1, 1]),
        ("DenseNet121", (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]),
        ("EfficientNetB0", [255, 255, 255]),
    ]:
        found = _module_of(name).preprocess_input(white.copy())
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5)


def test_imagenet_v2_that_is_not_there(tmp_path):
    with pytest.raises(DatasetUnavailableError, match=rf"not in {tmp_path}\."):
        imagenet_v2(tmp_path)


def test_imagenet_v2_on_disk(tmp_path, png_folder, monkeypatch):
    """A data set of our own images, written by tensorflow-datasets' own builder."""
    import tensorflow_datasets as tfds

    builder = tfds.builder("imagenet_v2/matched-frequency", data_dir=tmp_path)
    files = []
    for i, file in enumerate(image_files(png_folder)):
        files.append(tmp_path / f"{i}.jpeg")
        Image.open(file).save(files[-1])
    examples = {
        file.name: {"image": str(file), "label": i, "file_name": file.name}
        for i, file in enumerate(files)
    }
    monkeypatch.setattr(
        type(builder), "_split_generators", lambda *_: {"test": examples.items()}
    )
    builder.download_and_prepare()

    images = imagenet_v2(tmp_path)
    assert (len(images), images.name) == (6, "imagenet_v2/test[6]")
    # tensorflow-datasets has an order of its own, but an order.
    stored = [
        x["file_name"].decode() for x in tfds.as_numpy(builder.as_dataset("test"))
    ]
    expected = Images([tmp_path / name for name in stored])
    assert images.sha256 == expected.sha256 == imagenet_v2(tmp_path).sha256
    few = imagenet_v2(tmp_path, 3)
    assert few.sha256 == Images([tmp_path / name for name in stored[:3]]).sha256
    np.testing.assert_array_equal(
        np.concatenate(list(few.batches(2, (30, 30)))),
        np.concatenate(list(expected.batches(6, (30, 30))))[:3],
    )
    with pytest.raises(ValueError, match="has 6 images; 7"):
        imagenet_v2(tmp_path, 7)
