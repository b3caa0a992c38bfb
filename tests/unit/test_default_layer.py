"""Which layer is watched by default: the input of the head."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from small_models import SMALL_MODELS

import keras_pvec as kp
from keras_pvec.features import FeatureExtractor
from keras_pvec.reproduction.models import MODELS

IMAGES = kp.SampleSet(np.random.default_rng(0).random((3, 16, 16, 3)).astype("float32"))
WORDS = kp.SampleSet(np.arange(21).reshape(3, 7) % 10)
VECTORS = kp.SampleSet(np.random.default_rng(0).random((3, 5)).astype("float32"))


def default_of(model, samples):
    """The label and number of features of the default layer."""
    extractor = FeatureExtractor(model, run_eagerly=True)
    ((label, features),) = next(extractor.blocks(samples)).items()
    assert extractor.default.watched.label == label
    return label, features.shape[1]


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "mlp": ("features", 8),
        "resnet": ("avg_pool", 32),
        "wide_resnet": ("avg_pool", 64),
        "vgg": ("avg_pool", 32),
        "densenet": ("avg_pool", 64),
        "autoencoder": ("bottleneck", 128),
        "denoising_autoencoder": ("bottleneck", 128),
        "dense_autoencoder": ("decoder_2", 8),
        "simclr": ("hidden", 8),
    }.items(),
)
def test_networks_of_the_reproduction(name, expected):
    model = MODELS[name].build((16, 16, 3), 10, **SMALL_MODELS[name])
    assert default_of(model, IMAGES) == expected


def squeeze_and_excite(x):
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Dense(2, activation="relu", name="squeeze")(weights)
    weights = layers.Dense(6, activation="sigmoid", name="excite")(weights)
    return layers.Multiply(name="scaled")([x, weights])


def test_a_squeeze_is_no_head():
    inputs = keras.Input((16, 16, 3))
    x = squeeze_and_excite(layers.Conv2D(6, 3, strides=4, name="stem")(inputs))
    with pytest.warns(UserWarning, match="'pool'"):
        pooled = layers.GlobalAveragePooling2D(name="pool")(x)
        assert default_of(keras.Model(inputs, pooled), IMAGES) == ("pool", 6)
    convolution = layers.Conv2D(4, 1, activation="softmax", name="map")(x)
    assert default_of(keras.Model(inputs, convolution), IMAGES)[0] == "scaled"
    dense = layers.Dense(4, name="logits")(layers.Flatten(name="flat")(x))
    assert default_of(keras.Model(inputs, dense), IMAGES)[0] == "flat"


def test_the_mlp_of_a_transformer_is_no_head():
    inputs = keras.Input((7,), dtype="int32")
    embedding = layers.Embedding(10, 4)
    x = embedding(inputs)
    x = x + layers.Dense(4, name="outer")(layers.Dense(16, name="inner")(x))
    x = layers.LayerNormalization(name="last_norm")(x)
    untied = keras.Model(inputs, layers.Dense(10, name="words")(x))
    assert default_of(untied, WORDS) == ("last_norm", 28)
    tied = keras.Model(inputs, ops.matmul(x, ops.transpose(embedding.embeddings)))
    with pytest.warns(UserWarning, match="'last_norm'"):
        assert default_of(tied, WORDS) == ("last_norm", 28)


class Flat(keras.Model):
    """All of its layers are its own, with operations between them."""

    def __init__(self, finish):
        super().__init__()
        self.inner, self.outer = layers.Dense(8, name="inner"), layers.Dense(5)
        self.norm, self.out = layers.LayerNormalization(name="norm"), layers.Dense(2)
        self.finish = finish

    def call(self, x):
        x = self.norm(x + self.outer(self.inner(x)))
        return self.finish(self.out(x))


@pytest.mark.parametrize(
    "finish",
    [ops.softmax, lambda x: x[:, 0], lambda x: ops.mean(x, axis=1), lambda x: (x, x)],
)
def test_operations_after_the_head(finish):
    model = Flat(finish)
    model(VECTORS.x)
    assert default_of(model, VECTORS) == ("norm", 5)


class TiedHead(keras.Model):
    """Calls its embedding a second time, for the output."""

    def __init__(self):
        super().__init__()
        self.words = ReversibleEmbedding(10, 4, name="words")
        self.norm = layers.LayerNormalization(name="norm")

    def call(self, words):
        return self.words(self.norm(self.words(words)), reverse=True)


class ReversibleEmbedding(layers.Embedding):
    def call(self, x, reverse=False):
        if reverse:
            return ops.matmul(x, ops.transpose(self.embeddings))
        return super().call(x)


def test_a_head_that_is_called_twice():
    model = TiedHead()
    model(WORDS.x)
    assert default_of(model, WORDS) == ("norm", 28)


def test_a_shared_encoder_before_a_distance():
    encoder = keras.Sequential([layers.Dense(4, activation="relu")], name="encoder")
    pair = [keras.Input((5,)), keras.Input((5,))]
    distance = layers.Dot(1, name="distance")([encoder(x) for x in pair])
    samples = kp.SampleSet([VECTORS.x, VECTORS.x[::-1]])
    with pytest.warns(UserWarning, match="'encoder@2'"):
        model = keras.Model(pair, distance)
        assert default_of(model, samples) == ("encoder@2", 4)


@pytest.mark.parametrize(
    "head",
    [
        layers.TimeDistributed(layers.Dense(3)),
        layers.TimeDistributed(keras.Sequential([layers.Dense(4), layers.Dense(3)])),
        layers.SpectralNormalization(layers.Dense(3)),
        keras.Sequential([layers.Dropout(0.1), layers.Dense(3)]),
    ],
)
def test_wrapped_heads(head):
    memory = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="memory")
    model = keras.Sequential([keras.Input((5, 1)), memory, head])
    series = kp.SampleSet(VECTORS.x[..., None])
    assert default_of(model, series) == ("memory", 40)


def test_recurrent_network_without_a_head():
    model = keras.Sequential([keras.Input((5, 1)), layers.LSTM(4, name="memory")])
    series = kp.SampleSet(VECTORS.x[..., None])
    with pytest.warns(UserWarning, match="'memory'"):
        assert default_of(model, series) == ("memory", 4)
