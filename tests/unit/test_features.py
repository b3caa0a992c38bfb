"""Features of chosen layers, against the model's own outputs."""

import keras
import numpy as np
import pytest
from frameworks import BACKEND, as_numpy, needs_tensorflow
from keras import layers

import keras_pvec as kp
from keras_pvec.features import FeatureExtractor


def gather(extractor, samples, **options):
    blocks = list(extractor.blocks(samples, **options))
    return {
        label: np.concatenate([as_numpy(block[label]) for block in blocks])
        for label in blocks[0]
    }


def small_model():
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


class Nested(keras.Model):
    """A subclassed model with a functional model inside, and no `training` argument."""

    def __init__(self):
        super().__init__(name="nested")
        self.encoder = small_model()
        self.heads = [layers.Dense(5, name="head"), layers.Dense(2, name="head")]

    def call(self, x):
        x = self.encoder(x)
        return self.heads[1](self.heads[0](x))


@pytest.fixture
def samples(rng):
    return kp.SampleSet(rng.random((23, 6, 6, 2)).astype("float32"))


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_features_are_the_layers_outputs_in_order(batch_size, samples):
    model = small_model()
    names = ["conv", "avg_pool", "logits"]
    parts = keras.Model(model.inputs, [model.get_layer(n).output for n in names])
    expected = parts.predict(samples.x, verbose=0)
    found = gather(FeatureExtractor(model, names, batch_size=batch_size), samples)
    assert list(found) == names
    for name, array in zip(names, expected, strict=True):
        np.testing.assert_allclose(found[name], array.reshape(23, -1), atol=1e-6)


def test_default_is_the_input_of_the_last_dense_layer(samples):
    assert list(gather(FeatureExtractor(small_model()), samples)) == ["avg_pool"]
    perceptron = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Flatten(name="flat"), layers.Dense(4)]
    )
    found = gather(FeatureExtractor(perceptron), samples)
    np.testing.assert_array_equal(found["flat"], samples.x.reshape(23, -1))
    linear = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="fc")])
    x = kp.SampleSet(np.ones((5, 4), "float32"))
    np.testing.assert_array_equal(gather(FeatureExtractor(linear), x)["fc.input"], x.x)


def test_names_regexes_objects_and_inputs_choose_layers(samples):
    model = small_model()
    assert list(gather(FeatureExtractor(model, r"re:^(conv|relu)$"), samples)) == [
        "conv",
        "relu",
    ]
    relu = model.get_layer("relu")
    found = gather(FeatureExtractor(model, [relu, "relu.input", "norm"]), samples)
    np.testing.assert_array_equal(found["relu.input"], found["norm"])
    np.testing.assert_array_equal(found["relu"], np.maximum(found["norm"], 0))
    whole = gather(FeatureExtractor(model, model), samples)[model.name]
    np.testing.assert_allclose(whole, model.predict(samples.x, verbose=0), atol=1e-6)


def test_nested_and_subclassed_models(samples):
    model = Nested()
    model(samples.x)
    found = gather(FeatureExtractor(model, "avg_pool"), samples)
    assert found["avg_pool"].shape == (23, 4)
    with pytest.raises(ValueError, match=r"\./head, \./head#2"):
        FeatureExtractor(model, "head")
    assert gather(FeatureExtractor(model, "./head#2"), samples)["./head#2"].shape == (
        (23, 2)
    )
    by_object = gather(FeatureExtractor(model, model.heads[0]), samples)
    assert next(iter(by_object.values())).shape == (23, 5)
    default = gather(FeatureExtractor(model), samples)
    np.testing.assert_array_equal(*by_object.values(), *default.values())


def test_pooling_averages_over_positions(samples):
    model = small_model()
    found = gather(FeatureExtractor(model, ["relu", "logits"], pooling="avg"), samples)
    pooled = gather(FeatureExtractor(model, "avg_pool"), samples)["avg_pool"]
    np.testing.assert_allclose(found["relu"], pooled, atol=1e-6)
    assert found["logits"].shape == (23, 3)


def test_fixed_batch_size_is_respected(rng):
    model = keras.Sequential(
        [keras.Input(batch_shape=(8, 3)), layers.Dense(2, name="fc")]
    )
    samples = kp.SampleSet(rng.random((19, 3)).astype("float32"))
    found = gather(FeatureExtractor(model, "fc"), samples)["fc"]
    weights, bias = model.get_weights()
    np.testing.assert_allclose(found, samples.x @ weights + bias, atol=1e-6)


def test_several_inputs_and_a_shared_layer(rng):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = layers.Dense(4, name="shared")
    joined = layers.Concatenate(name="joined")([shared(a), shared(b)])
    model = keras.Model({"a": a, "b": b}, layers.Dense(1, name="out")(joined))
    samples = kp.SampleSet(
        {k: rng.random((10, 3)).astype("float32") for k in ("b", "a")}
    )
    found = gather(FeatureExtractor(model, batch_size=4), samples)["joined"]
    kernel, bias = shared.get_weights()
    expected = [samples.x[k] @ kernel + bias for k in ("a", "b")]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-6)
    with pytest.raises(ValueError, match="'shared'"):
        gather(FeatureExtractor(model, "shared"), samples)


@keras.saving.register_keras_serializable("tests")
class Noisy(layers.Layer):
    """Draws from its own seed and updates its own state, in inference as well."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(1)

    def build(self, shape):
        self.counter = self.add_weight(name="counter", trainable=False)
        self.built = True

    def call(self, x):
        self.counter.assign_add(1.0)
        self.add_loss(keras.ops.mean(x))
        return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)


def test_the_model_is_left_as_it_was(samples, tmp_path):
    inputs = keras.Input((6, 6, 2))
    x = layers.Flatten()(inputs)
    x = layers.BatchNormalization()(Noisy(name="noisy")(x))
    model = keras.Model(inputs, layers.Dense(3, activity_regularizer="l2")(x))
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    attributes = {id(layer): set(vars(layer)) for layer in model.layers}
    n_losses = len(model.losses)
    with pytest.warns(UserWarning, match="random in 'noisy', 'dense"):
        gather(FeatureExtractor(model, "re:noisy|dense"), samples)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert {id(layer): set(vars(layer)) for layer in model.layers} == attributes
    assert len(model.losses) == n_losses
    model.save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.skipif(BACKEND == "torch", reason="not traced on PyTorch")
def test_one_trace_for_all_blocks_and_moments(samples):
    n_traces = [0]

    class Traced(layers.Layer):
        def call(self, x):
            n_traces[0] += 1
            return x

    model = keras.Sequential([keras.Input((6, 6, 2)), layers.Flatten(), Traced()])
    n_traces[0] = 0
    extractor = FeatureExtractor(model, "re:.", batch_size=10)
    for _ in range(3):
        gather(extractor, samples)
    assert n_traces == [1]


@needs_tensorflow
def test_a_tf_function_inside_is_seen_through(samples):
    import tensorflow as tf

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.out = layers.Flatten(), layers.Dense(3, name="out")

        @tf.function
        def call(self, x):
            return self.out(self.flat(x) + 1)

    model = Compiled()
    expected = model(samples.x).numpy()
    found = gather(FeatureExtractor(model, ["out", "out.input"]), samples)
    np.testing.assert_allclose(found["out"], expected, atol=1e-5)
    np.testing.assert_allclose(found["out.input"], samples.x.reshape(23, -1) + 1)


@needs_tensorflow
def test_a_raw_tf_variable_and_an_own_call_are_left_alone(samples):
    import tensorflow as tf

    class Counting(layers.Layer):
        def build(self, shape):
            self.count = tf.Variable(0.0)

        def call(self, x):
            self.count.assign_add(1.0)
            return x

    counting, out = Counting(), layers.Dense(2, name="out")
    model = keras.Sequential([keras.Input((6, 6, 2)), layers.Flatten(), counting, out])
    inner = out.call
    out.call = doubled = lambda x, training=None: 2 * inner(x)
    before = float(counting.count)
    found = gather(FeatureExtractor(model, "out"), samples)["out"]
    assert float(counting.count) == before
    assert out.call is doubled
    np.testing.assert_allclose(found, model.predict(samples.x, verbose=0), atol=1e-5)


class Looping(keras.Model):
    def __init__(self):
        super().__init__()
        self.cell = layers.Dense(4, name="cell")
        self.recurrent = layers.RNN(layers.SimpleRNNCell(4), name="rnn")
        self.state = layers.LSTM(3, return_state=True, name="state")
        self.unused = layers.Dense(4, name="unused")

    def build(self, shape):
        for layer in (self.recurrent, self.state, self.unused):
            layer.build(shape)
        self.cell.build((None, 4))
        self.built = True

    def call(self, x, training=False):
        if training:
            x = self.unused(x)
        self.state(x)
        return self.cell(self.recurrent(x))


def test_a_broad_expression_passes_over_what_cannot_be_watched(rng):
    model = Looping()
    samples = kp.SampleSet(rng.random((6, 5, 4)).astype("float32"))
    model(samples.x)
    with pytest.warns(UserWarning, match="'(simple_rnn|lstm)_cell"):
        found = gather(FeatureExtractor(model, "re:rnn|cell"), samples)
    assert set(found) == {"rnn", "cell"}


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("missing", "'missing'.*cell"),  # and the layers that there are
        ("re:^x", r"'re:\^x'"),
        ("re:(", r"'re:\('"),
        ([], "cell"),
        (3, "3"),
        ("unused", "'unused'"),
        ("re:simple_rnn_cell", "'simple_rnn_cell"),
        ("state", "'state'.*(list|tuple)"),
        (lambda: layers.Dense(2, name="other"), "'other'"),
    ],
)
def test_choices_that_cannot_be_watched(choice, named, rng):
    model = Looping()
    samples = kp.SampleSet(rng.random((6, 5, 4)).astype("float32"))
    model(samples.x)
    choice = choice() if callable(choice) else choice
    with pytest.raises(kp.LayerChoiceError, match=named):
        gather(FeatureExtractor(model, choice), samples)


def test_models_that_cannot_be_watched():
    with pytest.raises(ValueError, match="sequential"):
        FeatureExtractor(keras.Sequential([layers.Dense(2)]))
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(name="flat")])
    samples = kp.SampleSet(np.ones((4, 4, 4, 1), "float32"))
    with pytest.raises(kp.LayerChoiceError, match="flat"):
        gather(FeatureExtractor(model), samples)
    for bad in ({"pooling": "max"}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            FeatureExtractor(small_model(), **bad)
