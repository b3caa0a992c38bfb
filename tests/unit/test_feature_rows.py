"""One row of features per sample: counts, blocks, and features that are random."""

import keras
import numpy as np
import pytest
from frameworks import BACKEND, as_numpy, needs_tensorflow, needs_torch
from keras import layers, ops

import keras_pvec as kp
from keras_pvec.features import FeatureExtractor

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch

TOKENS = np.random.default_rng(0).random((64, 4, 6)).astype("float32")
SAMPLES = kp.SampleSet(TOKENS)


class Program(keras.Model):
    """Applies a function, as a layer, and ends in a Dense layer."""

    def __init__(self, function, **options):
        super().__init__()
        self.middle = layers.Lambda(function, name="middle", **options)
        self.out = layers.Dense(2, name="out")

    def call(self, x):
        self.middle(x)
        return self.out(x)


def measured(function, samples=SAMPLES, **options):
    model = Program(function)
    model(samples.x[:1])
    return kp.model_p_vectors(model, samples, "middle", **options)["middle"]


def keep_two(x):
    return tf.boolean_mask(
        x, tf.range(tf.shape(x)[1])[None] < 2 * tf.ones_like(x[:, :, 0], "int32")
    )


@needs_tensorflow
@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("batch_size", [64, 24])
def test_rows_that_are_not_samples_are_an_error(run_eagerly, batch_size):
    model = Program(keep_two)
    model(TOKENS)
    extractor = FeatureExtractor(
        model, "middle", batch_size=batch_size, run_eagerly=run_eagerly
    )
    named = rf"'middle'.*\b{2 * batch_size} rows for {batch_size} samples"
    with pytest.raises(kp.LayerChoiceError, match=named):
        list(extractor.blocks(SAMPLES))


@needs_tensorflow
def test_unknown_counts_that_are_right_are_accepted():
    def first_token(x):
        rows = tf.boolean_mask(x[:, 0], tf.reduce_all(x[:, 0] >= 0, axis=1))
        return tf.reshape(rows, (-1, 6))

    truth = kp.p_vector(TOKENS[:, 0], samples=SAMPLES)
    assert kp.angle(measured(first_token, batch_size=24), truth) < 1e-3


@needs_tensorflow
def test_unknown_rank():
    def hidden_shape(x):
        return tf.numpy_function(lambda a: a * 2, [x], tf.float32)

    truth = kp.p_vector(TOKENS, samples=SAMPLES)
    assert kp.angle(measured(hidden_shape, batch_size=24), truth) < 1e-3
    pooled = kp.p_vector(TOKENS.mean(axis=1), samples=SAMPLES)
    found = measured(hidden_shape, batch_size=24, pooling="avg")
    assert kp.angle(found, pooled) < 1e-3


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: ops.mean(x), "one number"),
        (lambda x: ops.mean(x, axis=(1, 2)), "64"),
        (lambda x: x[:3], r"\b3 rows for 64 samples"),
        pytest.param(
            lambda x: tf.RaggedTensor.from_tensor(x),
            "RaggedTensor",
            marks=needs_tensorflow,
        ),
        pytest.param(
            lambda x: tf.sparse.from_dense(x), "SparseTensor", marks=needs_tensorflow
        ),
        (lambda x: (x, x), "tuple"),
    ],
)
def test_what_is_not_a_row_per_sample(function, named):
    with pytest.raises(kp.LayerChoiceError, match=f"'middle'.*{named}"):
        measured(function)


@needs_tensorflow
def test_samples_of_different_lengths_are_an_error():
    lengths = np.repeat([3, 4], 32)

    def longest(x):
        n = tf.reduce_max(tf.reduce_sum(tf.cast(x[:, :, 0] >= 0, "int32"), axis=1))
        return x[:, :n]

    x = np.where(np.arange(4)[:, None] < lengths[:, None, None], TOKENS, -1)
    with pytest.raises(kp.LayerChoiceError, match=r"'middle'.*\b24\b.*\b18\b"):
        measured(longest, kp.SampleSet(x), batch_size=32)


@needs_tensorflow
def test_a_matching_layer_that_is_not_a_row_per_sample_is_skipped():
    model = Program(keep_two)
    model(TOKENS)
    with pytest.warns(UserWarning, match="'middle'"):
        found = kp.model_p_vectors(model, SAMPLES, "re:middle|out")
    assert list(found) == ["out"]


class Counting(layers.Layer):
    """Notes how many samples it is called on."""

    def __init__(self):
        super().__init__(name="counting")
        self.sizes = []

    def call(self, x):
        self.sizes.append(x.shape[0])
        return x


@pytest.mark.parametrize("n", [100, 20, 64])
def test_blocks_have_the_size_that_was_asked_for(n):
    counting = Counting()
    model = keras.Sequential([layers.Flatten(), counting, layers.Dense(2)])
    samples = kp.SampleSet(np.random.default_rng(1).random((n, 3)))
    # The model is built by this.
    p = kp.model_p_vectors(model, samples, "counting", batch_size=32)["counting"]
    sizes = [size for size in counting.sizes if size is not None]
    assert set(sizes) == {min(n, 32)}
    assert kp.angle(p, kp.p_vector(samples.x, samples=samples)) < 1e-3
    extractor = FeatureExtractor(model, "counting", batch_size=32)
    rows = [len(block["counting"]) for block in extractor.blocks(samples)]
    assert rows == [32] * (n // 32) + [n % 32] * (n % 32 > 0)


def test_a_stateful_network_takes_its_own_batch_size():
    memory = layers.LSTM(3, stateful=True, name="memory")
    model = keras.Sequential([memory, layers.Dense(2)])
    model.build((16, 4, 6))
    states = [as_numpy(state) for state in memory.states]
    p = kp.model_p_vectors(model, SAMPLES, "memory")["memory"]
    plain = layers.LSTM(3)
    plain.build((None, 4, 6))
    plain.set_weights(memory.get_weights())
    assert kp.angle(p, kp.p_vector(as_numpy(plain(TOKENS)), samples=SAMPLES)) < 1e-3
    for state, before in zip(memory.states, states, strict=True):
        np.testing.assert_array_equal(as_numpy(state), before)


class Noise(layers.Layer):
    def __init__(self, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seed)


class GeneratorNoise(layers.Layer):
    """Draws from a generator that Keras does not know of."""

    def build(self, shape):
        self.generator = tf.random.Generator.from_seed(3)

    def call(self, x):
        return x + self.generator.normal(tf.shape(x))


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize(
    "noise",
    [
        lambda: Noise(keras.random.SeedGenerator(1), name="noise"),
        pytest.param(
            lambda: Noise(None, name="noise"),  # Keras's global generator
            marks=pytest.mark.skipif(BACKEND == "jax", reason="refused by Keras"),
        ),
        pytest.param(
            lambda: layers.Lambda(
                lambda x: x + tf.random.normal(tf.shape(x)), name="noise"
            ),
            marks=needs_tensorflow,
        ),
        pytest.param(lambda: GeneratorNoise(name="noise"), marks=needs_tensorflow),
        pytest.param(
            lambda: layers.Lambda(lambda x: x + torch.randn_like(x), name="noise"),
            marks=needs_torch,
        ),
    ],
)
def test_random_features_are_told(noise, run_eagerly):
    model = keras.Sequential(
        [
            keras.Input((4, 6)),
            layers.Dropout(0.5, name="dropped"),  # not in inference
            noise(),
            layers.Dense(2, name="after"),
        ]
    )
    model.run_eagerly = run_eagerly
    with pytest.warns(UserWarning, match="'noise', 'after'") as told:
        found = kp.model_p_vectors(model, SAMPLES, ["dropped", "noise", "after"])
    assert len(found) == 3
    # Keras gives others, of its own conversions.
    (told,) = [warning for warning in told if warning.category is UserWarning]
    assert "'dropped'" not in str(told.message)
