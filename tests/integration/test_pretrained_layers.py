"""Several layers, accuracies and KerasHub presets of pretrained networks."""

import functools
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between, lapack_vector, resized
from PIL import Image

import keras_pvec as kp
from keras_pvec.reproduction.imagenet import PretrainedConfig, run_imagenet
from keras_pvec.reproduction.pretrained import (
    FEATURES,
    Images,
    Network,
    WeightsUnavailableError,
    depth_names,
    find_networks,
    measure_networks,
)
from keras_pvec.reproduction.pretrained.depths import maps_by_depth

# Keras's remarks on weights that do not fit, and on inputs of an unusual size.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping nested container"),
    pytest.mark.filterwarnings("ignore:`input_shape` is undefined"),
]
SIDE = 64


@pytest.fixture(scope="module")
def pictures():
    """Nine images with a large gradient of their own."""
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 256, (9, 2, 2, 3), dtype=np.uint8)
    bilinear = Image.Resampling.BILINEAR
    return [
        np.asarray(Image.fromarray(c).resize((SIDE, SIDE), bilinear)) for c in corners
    ]


def mobilenet(alpha=0.25, classes=1000):
    build = functools.partial(
        keras.applications.MobileNet,
        alpha=alpha,
        input_shape=(SIDE, SIDE, 3),
        classes=classes,
    )
    preprocess = keras.applications.mobilenet.preprocess_input
    return Network(f"MobileNet-{alpha}", build, preprocess)


def by_hand(network, layer, pictures):
    """The mean over positions of what a layer gives, with weights of seed 3."""
    keras.utils.set_random_seed(3)
    model = network.build(weights=None)
    pixels = np.stack([resized(p, (SIDE, SIDE)) for p in pictures])
    x = network.preprocess(pixels.astype(np.float32))
    cut = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    maps, scores = cut.predict(x, verbose=0)
    return maps.mean(axis=(1, 2)), scores


def test_depths():
    assert depth_names(1) == [FEATURES]
    assert depth_names(3) == ["1/8", "1/16", FEATURES]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Before the convolution that halves the resolution.
        ("MobileNet-0.25-128", {"1/8": "conv_pw_5_relu", "1/16": "conv_pw_11_relu"}),
        (
            "MobileNetV2-0.35-96",
            {"1/8": "block_6_expand_relu", "1/16": "block_13_expand_relu"},
        ),
    ],
)
def test_layers_at_each_depth(name, expected):
    (network,) = find_networks([name])
    found = maps_by_depth(network.build(weights=None), 224)
    assert {depth: found[depth].name for depth in expected} == expected


def test_layers_of_a_network_for_images_of_any_size():
    (network,) = find_networks(["MobileNetV3Small"])
    model = network.build(weights=None)
    assert model.input_shape[1] is None
    found = maps_by_depth(model, 224)
    assert {"1/2", "1/4", "1/8", "1/16", "1/32"} <= set(found)


def test_several_layers_against_a_computation_by_hand(pictures):
    network = mobilenet()
    maps, scores = by_hand(network, "conv_pw_11_relu", pictures)
    # The true class is the best of the first four images, and the worst of the others.
    order = np.argsort(-scores, axis=1, kind="stable")
    labels = np.where(np.arange(9) < 4, order[:, 0], order[:, -1])
    keras.utils.set_random_seed(3)
    measured = measure_networks(
        [network], Images(pictures), n_layers=3, labels=labels, batch_size=4
    )[network.name]
    assert list(measured.p_vectors) == ["1/8", "1/16", FEATURES]
    p = measured.p_vectors["1/16"]
    assert (p.n_samples, p.n_features) == maps.shape
    assert degrees_between(p.vector, lapack_vector(maps)) < 0.02
    assert measured.accuracy == (4 / 9, 4 / 9)
    keras.utils.set_random_seed(3)
    alone = measure_networks([network], Images(pictures))[network.name]
    assert alone.accuracy is None
    assert kp.angle(alone.features, measured.features) < 1e-3


def test_equal_scores_are_no_accuracy(pictures):
    """A network whose output is constant is right where `argmax` is."""

    def build(weights):
        inputs = keras.Input((SIDE, SIDE, 3))
        features = keras.layers.GlobalAveragePooling2D()(inputs)
        zeros = keras.layers.Dense(20, kernel_initializer="zeros")(features)
        return keras.Model(inputs, zeros)

    network = Network("constant", build, keras.applications.resnet.preprocess_input)
    labels = np.array([0, 1, 4, 5, 6, 7, 8, 9, 19])
    found = measure_networks([network], Images(pictures), labels=labels)["constant"]
    assert found.accuracy == (1 / 9, 3 / 9)


def test_classes_that_a_network_does_not_have(pictures):
    network = mobilenet(classes=7)
    labels = np.arange(9)
    found = measure_networks([network], Images(pictures), labels=labels)
    assert found[network.name].accuracy is None


def test_a_network_without_such_maps(pictures):
    def build(weights):
        inputs = keras.Input((SIDE, SIDE, 3))
        maps = keras.layers.Conv2D(4, 3, strides=8)(inputs)
        features = keras.layers.GlobalAveragePooling2D()(maps)
        return keras.Model(inputs, keras.layers.Dense(3)(features))

    network = Network("plain", build, keras.applications.resnet.preprocess_input)
    found = measure_networks([network], Images(pictures), n_layers=1)
    assert list(found["plain"].p_vectors) == [FEATURES]
    with pytest.raises(ValueError, match=r"plain.*1/16"):
        measure_networks([network], Images(pictures), n_layers=2)


def test_the_program(pictures, tmp_path, capsys):
    ids = ["n01440764", "n01443537", "n01484850"] * 3
    for i, (wordnet_id, picture) in enumerate(zip(ids, pictures, strict=True)):
        Image.fromarray(picture).save(tmp_path / f"{wordnet_id}_{i}.png")
    weights = tmp_path / "weights"
    weights.mkdir()
    names = ("MobileNet-0.25-64", "MobileNet-0.5-64")
    keras.utils.set_random_seed(5)
    for network in find_networks(names):
        model = network.build(weights=None)
        model.save_weights(weights / f"{network.name}.weights.h5")
    config = PretrainedConfig(
        names,
        weights=str(weights),
        images=str(tmp_path),
        num_layers=2,
        num_untrained=1,
        out_dir=tmp_path / "out",
    )
    folder = run_imagenet(config).folder
    accuracies = pd.read_csv(folder / "accuracies.csv")
    assert accuracies["run"].tolist() == [*names]
    assert (accuracies["n_samples"] == 9).all()
    assert accuracies[["top1", "top5"]].le(1).all(axis=None)
    table = pd.read_csv(folder / "null_ladder_by_layer.csv")
    assert set(table["layer"]) == {"1/16", FEATURES}
    literal = table[table["centring"] == "uncentred"]
    assert len(literal) == 2
    assert literal["untrained_angle_deg"].notna().all()
    features = literal[literal["layer"] == FEATURES]["angle_deg"]
    plain = pd.read_csv(folder / "null_ladder.csv")["angle_deg"]
    np.testing.assert_allclose(features, plain, atol=1e-3)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """The folder of a small KerasHub preset with random weights."""
    hub = pytest.importorskip("keras_hub")
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(SIDE, SIDE, 3),
    )
    converter = hub.layers.ResNetImageConverter(
        image_size=(SIDE, SIDE), scale=1 / 255, offset=-0.5
    )
    preprocessor = hub.models.ResNetImageClassifierPreprocessor(converter)
    keras.utils.set_random_seed(7)
    classifier = hub.models.ResNetImageClassifier(
        backbone=backbone, num_classes=10, preprocessor=preprocessor
    )
    folder = tmp_path_factory.mktemp("presets") / "small"
    classifier.save_to_preset(str(folder))
    return folder, classifier


def test_a_preset_of_keras_hub(preset, pictures):
    folder, classifier = preset
    (network,) = find_networks([f"hub:{folder}"])
    assert network.name == "hub:small"
    measured = measure_networks([network], Images(pictures), weights=str(folder))
    pixels = np.stack(pictures).astype(np.float32)
    maps = classifier.backbone.predict(pixels / 255 - 0.5, verbose=0)
    expected = lapack_vector(maps.mean(axis=(1, 2)))
    found = measured["hub:small"].features
    assert degrees_between(found.vector, expected) < 0.02
    keras.utils.set_random_seed(1)
    random = measure_networks([network], Images(pictures))["hub:small"].features
    assert kp.angle(random, found) > 0.1


def test_a_preset_that_is_not_there(preset):
    with pytest.raises(WeightsUnavailableError, match="no_such_preset"):
        measure_networks(
            find_networks(["hub:no_such_preset"]),
            Images([np.zeros((4, 4, 3), np.uint8)] * 2),
            weights="imagenet",
        )


def test_keras_hub_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(WeightsUnavailableError, match="keras-hub"):
        find_networks(["hub:resnet_18_imagenet"])
    with pytest.raises(ValueError, match="hub:"):
        find_networks(["hub:"])
