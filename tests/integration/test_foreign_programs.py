"""Programs of other people's kinds, trained by Keras's own training step.

Each is trained with and without the callback; see `tests/foreign.py`.
"""

import keras
import numpy as np
import pytest
from foreign import check_program, output_of, seeded
from frameworks import BACKEND, needs_tensorflow
from keras import layers, ops

import keras_pvec as kp

if BACKEND == "tensorflow":
    import tensorflow as tf

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 8, 8, 1)).astype("float32")
CLASSES = RNG.integers(0, 3, 40)
SAMPLES = kp.SampleSet(IMAGES[:20], name="images")
WORDS = RNG.integers(1, 30, (40, 7)) * (np.arange(7) < RNG.integers(2, 8, (40, 1)))
TEXT = kp.SampleSet(WORDS[:20], name="text")
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def fit(model, x, y, callbacks, loss=CROSSENTROPY, *, epochs=1, **compile_options):
    model.compile("adam", loss, **compile_options)
    model.fit(x, y, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks)
    return model


def test_sequential_images_with_batch_statistics_and_dropout(tmp_path):
    def train(callbacks):
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.RandomFlip(),
                layers.Conv2D(4, 3, name="filters"),
                layers.BatchNormalization(name="norm"),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dropout(0.4, name="dropped"),
                layers.GaussianNoise(0.1, name="noisy"),
                layers.Dense(3),
            ]
        )
        # PyTorch has one step per execution.
        options = {} if BACKEND == "torch" else {"steps_per_execution": 5}
        return fit(model, IMAGES, CLASSES, callbacks, **options)

    names = ["norm", "noisy"]
    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {name: output_of(model, name, SAMPLES.x) for name in names},
        layers=names,
        log_freq=2,
    )


@pytest.mark.slow
def test_functional_residual_network_compiled_by_xla(tmp_path):
    def train(callbacks):
        inputs = keras.Input((8, 8, 1))
        x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
        for i in range(2):
            y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
            x = layers.Add(name=f"block_{i}")([x, layers.Conv2D(4, 1)(y)])
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        model = keras.Model(inputs, layers.Dense(3)(x))
        return fit(model, IMAGES, CLASSES, callbacks, jit_compile=True)

    names = ["block_0", "block_1"]
    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {name: output_of(model, name, SAMPLES.x) for name in names},
        layers=r"re:^block_\d$",
    )


class Classifier(keras.Model):
    """Subclassed, and built by its first batch."""

    def __init__(self):
        super().__init__(name="classifier")
        self.filters = layers.Conv2D(4, 3, activation="relu", name="filters")
        self.pool = layers.GlobalMaxPooling2D(name="pool")
        self.out = layers.Dense(3, name="out")

    def call(self, images):
        return ops.log_softmax(self.out(self.pool(self.filters(images))))


def test_subclassed_images(tmp_path):
    _, run = check_program(
        tmp_path,
        lambda callbacks: fit(Classifier(), IMAGES, CLASSES, callbacks),
        SAMPLES,
        lambda model: {"pool": model.pool(model.filters(SAMPLES.x))},
    )
    assert run.info.notes["default_layer"] == "pool"


def test_masked_text(tmp_path):
    def train(callbacks):
        inputs = keras.Input((7,), dtype="int32")
        x = layers.Embedding(30, 6, mask_zero=True)(inputs)
        x = layers.GRU(5, return_sequences=True, name="recurrent")(x)
        x = layers.GlobalAveragePooling1D(name="sentence")(x)
        model = keras.Model(inputs, layers.Dense(3)(x))
        return fit(model, WORDS, CLASSES, callbacks)

    check_program(
        tmp_path,
        train,
        TEXT,
        lambda model: {"sentence": output_of(model, "sentence", TEXT.x)},
    )


class Patches(layers.Layer):
    """A class token before embedded patches, with learned positions."""

    def build(self, shape):
        self.projection = layers.Conv2D(6, 4, 4)
        self.token = self.add_weight(shape=(1, 1, 6), initializer="normal")
        self.positions = self.add_weight(shape=(1, 5, 6), initializer="normal")

    def call(self, images):
        x = ops.reshape(self.projection(images), (-1, 4, 6))
        token = ops.repeat(self.token, ops.shape(x)[0], axis=0)
        return ops.concatenate([token, x], axis=1) + self.positions


def attention_block(x, name):
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 3, dropout=0.1)(y, y)
    y = layers.Dense(12, activation="gelu")(layers.LayerNormalization()(x))
    return layers.Add(name=name)([x, layers.Dense(6)(y)])


@pytest.mark.slow
def test_vision_transformer(tmp_path):
    def train(callbacks):
        inputs = keras.Input((8, 8, 1))
        x = attention_block(Patches(name="patches")(inputs), "block")
        x = layers.LayerNormalization(name="last_norm")(x)
        model = keras.Model(inputs, layers.Dense(3, name="head")(x[:, 0]))
        return fit(model, IMAGES, CLASSES, callbacks)

    def capture(model):
        last = output_of(model, "last_norm", SAMPLES.x)
        return {"head.input": last[:, 0], "block": output_of(model, "block", SAMPLES.x)}

    check_program(tmp_path, train, SAMPLES, capture, layers=["head.input", "block"])


class Decoder(layers.Layer):
    """A block of a GPT."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.norms = [layers.LayerNormalization() for _ in range(2)]
        self.attention = layers.MultiHeadAttention(2, width)
        self.inner = layers.Dense(4 * width, activation="gelu", name="inner")
        self.outer = layers.Dense(width, name="outer")

    def call(self, x):
        y = self.norms[0](x)
        x = x + self.attention(y, y, use_causal_mask=True)
        return x + self.outer(self.inner(self.norms[1](x)))


class Gpt(keras.Model):
    """Its output weights are those of its embedding."""

    def __init__(self):
        super().__init__(name="gpt")
        self.words = layers.Embedding(30, 6, name="words")
        self.block = Decoder(6, name="decoder")

    def call(self, words):
        x = self.block(self.words(words))
        return ops.matmul(x, ops.transpose(self.words.embeddings))


def test_gpt_with_tied_embeddings(tmp_path):
    def capture(model):
        x = model.block(model.words(TEXT.x))
        return {"decoder": ops.reshape(x, (20, -1))}

    with pytest.warns(UserWarning, match="'decoder'"):
        check_program(
            tmp_path,
            lambda callbacks: fit(Gpt(), WORDS, np.roll(WORDS, -1, 1), callbacks),
            TEXT,
            capture,
        )


PAIRS = [IMAGES, IMAGES[::-1].copy()]


def train_siamese(callbacks):
    tower = keras.Sequential(
        [layers.Flatten(), layers.Dense(8, activation="relu", name="code")],
        name="tower",
    )
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    codes = [tower(one) for one in inputs]
    distance = ops.sum((codes[0] - codes[1]) ** 2, axis=1, keepdims=True)
    return fit(keras.Model(inputs, distance), PAIRS, CLASSES, callbacks, "mse")


def test_siamese_network_call_by_call(tmp_path):
    pairs = kp.SampleSet([x[:20] for x in PAIRS])
    check_program(
        tmp_path / "run",
        train_siamese,
        pairs,
        lambda model: {
            "tower@1": model.get_layer("tower")(pairs.x[0]),
            "tower/code@2": model.get_layer("tower")(pairs.x[1]),
        },
        layers=["tower@1", "tower/code@2"],
    )
    with pytest.raises(kp.LayerChoiceError, match=r"'tower@1', 'tower@2'"):
        seeded(train_siamese, [kp.PVectorLogger(tmp_path / "bare", pairs, "tower")])
    with pytest.raises(kp.LayerChoiceError, match=r"'tower@3'.*2"):
        seeded(train_siamese, [kp.PVectorLogger(tmp_path / "third", pairs, "tower@3")])


def test_transfer_learning_with_a_frozen_base(tmp_path):
    def train(callbacks):
        inputs = keras.Input((8, 8, 1))
        x = layers.Conv2D(4, 3, activation="relu", name="stem")(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        base = keras.Model(inputs, layers.Flatten(name="flat")(x), name="base")
        base.trainable = False
        new = layers.Dense(5, activation="relu", name="new")
        model = keras.Sequential([keras.Input((8, 8, 1)), base, new, layers.Dense(3)])
        fit(model, IMAGES, CLASSES, [])
        base.trainable = True
        return fit(model, IMAGES, CLASSES, callbacks)

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {
            "base/norm": output_of(model.get_layer("base"), "norm", SAMPLES.x),
            "new": output_of(model, "new", SAMPLES.x),
        },
        layers=["base/norm", "new"],
    )


def test_dict_of_inputs_and_several_outputs(tmp_path):
    x = {"words": WORDS, "image": IMAGES}
    y = {"class": CLASSES, "mean": IMAGES.mean((1, 2))}
    samples = kp.SampleSet({key: value[:20] for key, value in x.items()})

    def train(callbacks):
        inputs = {
            "words": keras.Input((7,), dtype="int32", name="words"),
            "image": keras.Input((8, 8, 1), name="image"),
        }
        words = layers.Flatten()(layers.Embedding(30, 2)(inputs["words"]))
        image = layers.Dense(4, activation="relu")(layers.Flatten()(inputs["image"]))
        joined = layers.Concatenate(name="joined")([words, image])
        outputs = {
            "class": layers.Dense(3, name="class")(joined),
            "mean": layers.Dense(1, name="mean")(image),
        }
        losses = {"class": CROSSENTROPY, "mean": "mse"}
        return fit(keras.Model(inputs, outputs), x, y, callbacks, losses)

    check_program(
        tmp_path,
        train,
        samples,
        lambda model: {"joined": output_of(model, "joined", samples.x)},
        layers="joined",
    )


@pytest.mark.slow
def test_stateful_recurrent_network(tmp_path):
    series = RNG.random((40, 5, 2)).astype("float32")
    samples = kp.SampleSet(series[:20])

    def train(callbacks):
        model = keras.Sequential(
            [layers.LSTM(4, stateful=True, name="memory"), layers.Dense(3)]
        )
        model.build((8, 5, 2))
        return fit(model, series, CLASSES, callbacks)

    def capture(model):
        layer = model.get_layer("memory")
        states = [np.array(state) for state in layer.states]
        parts = []
        for start in (0, 8, 16):
            for state, value in zip(layer.states, states, strict=True):
                state.assign(value)
            block = samples.x[start : start + 8]
            padded = np.concatenate([block, np.repeat(block[-1:], 8 - len(block), 0)])
            parts.append(np.array(layer(padded))[: len(block)])
        return {"memory": np.concatenate(parts)}

    # Without an Input, so the batch size is known from the layer's state alone.
    check_program(tmp_path, train, samples, capture, layers="memory", batch_size=256)


@pytest.mark.slow
def test_mixed_precision(tmp_path):
    def train(callbacks):
        dtype = keras.DTypePolicy("mixed_float16")
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Flatten(dtype=dtype),
                layers.Dense(6, activation="relu", dtype=dtype, name="half"),
                layers.Dense(3, dtype="float32"),
            ]
        )
        return fit(model, IMAGES, CLASSES, callbacks)

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {"half": output_of(model, "half", SAMPLES.x)},
        layers="half",
        max_degrees=0.1,
    )


class GraphNetwork(keras.Model):
    """Messages along the edges of a graph per sample; some nodes are masked out."""

    def __init__(self):
        super().__init__(name="graph_network")
        self.nodes = layers.Dense(6, activation="relu", name="nodes")
        self.message = layers.Dense(6, name="message")
        self.select = layers.Lambda(lambda x: tf.boolean_mask(*x), name="select")
        self.graph = layers.Lambda(
            lambda x: tf.math.unsorted_segment_mean(x[0], x[1], 8), name="graph"
        )
        self.out = layers.Dense(3, name="out")

    def call(self, graphs):
        x = self.nodes(graphs["nodes"])
        x = x + ops.matmul(graphs["edges"], self.message(x))
        mask = graphs["exists"]
        owner = tf.boolean_mask(
            tf.repeat(tf.range(tf.shape(mask)[0])[:, None], 6, axis=1), mask
        )
        return self.out(self.graph([self.select([x, mask]), owner]))


@needs_tensorflow
def test_graph_network_with_masked_nodes(tmp_path):
    graphs = {
        "nodes": RNG.random((40, 6, 4)).astype("float32"),
        "edges": RNG.integers(0, 2, (40, 6, 6)).astype("float32"),
        "exists": np.arange(6) < RNG.integers(2, 7, (40, 1)),
    }
    samples = kp.SampleSet({key: value[:20] for key, value in graphs.items()})

    def train(callbacks):
        return fit(GraphNetwork(), graphs, CLASSES, callbacks)

    def capture(model):
        parts = []
        for i in range(20):
            one = {key: value[i] for key, value in samples.x.items()}
            x = model.nodes(one["nodes"][None])[0]
            x = x + one["edges"] @ np.array(model.message(x[None])[0])
            parts.append(np.array(x)[one["exists"]].mean(axis=0))
        return {"graph": np.stack(parts)}

    _, run = check_program(tmp_path / "run", train, samples, capture)
    assert run.info.notes["default_layer"] == "graph"
    # 8 samples have more nodes than that, one row each.
    n_nodes = int(graphs["exists"][:8].sum())
    logger = kp.PVectorLogger(tmp_path / "nodes", samples, "select", batch_size=8)
    with pytest.raises(kp.LayerChoiceError, match=rf"'select'.*\b{n_nodes}\b.*\b8\b"):
        seeded(train, [logger])


class Unmanaged(layers.Layer):
    """State that Keras does not know of, and draws in inference as well."""

    def build(self, shape):
        self.count = tf.Variable(0.0, trainable=False)
        self.generators = [tf.random.Generator.from_seed(3)]

    def call(self, x):
        self.count.assign_add(1.0)
        noise = self.generators[0].normal(tf.shape(x)) + tf.random.normal(tf.shape(x))
        return x + noise / self.count


@needs_tensorflow
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_state_that_keras_does_not_track(run_eagerly, tmp_path):
    def train(callbacks):
        hidden = layers.Dense(5, name="hidden")
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Flatten(), hidden, Unmanaged()]
        )
        model.add(layers.Dense(3))
        return fit(model, IMAGES, CLASSES, callbacks, run_eagerly=run_eagerly)

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {"hidden": output_of(model, "hidden", SAMPLES.x)},
        layers="hidden",
        log_freq=2,
    )


@pytest.mark.slow
def test_quantized_base(tmp_path):
    def train(callbacks):
        base = layers.Dense(8, activation="relu", name="base")
        model = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Flatten(), base, layers.Dense(3)]
        )
        base.quantize("int8")
        base.trainable = False
        return fit(model, IMAGES, CLASSES, callbacks)

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {"base": output_of(model, "base", SAMPLES.x)},
        layers="base",
    )
