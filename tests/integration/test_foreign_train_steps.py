"""Programs with a `train_step` of their own, most of them without a `call`.

A training step is written for one backend; these are for TensorFlow. Each is trained
with and without the callback; see `tests/foreign.py`.
"""

import keras
import numpy as np
import pytest
from foreign import check_program, output_of
from keras import layers, ops

import keras_pvec as kp

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("training steps of TensorFlow", allow_module_level=True)

IMAGES = np.random.default_rng(0).random((40, 8, 8, 1)).astype("float32")
SAMPLES = kp.SampleSet(IMAGES[:20], name="images")


class Sampling(layers.Layer):
    """Draws from a normal distribution, in inference as well."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(5)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log_variance) * noise


def make_encoder():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="stem")(inputs)
    x = layers.Dense(12, activation="relu", name="hidden")(layers.Flatten()(x))
    mean = layers.Dense(3, name="mean")(x)
    log_variance = layers.Dense(3, name="log_variance")(x)
    z = Sampling(name="z")([mean, log_variance])
    return keras.Model(inputs, [mean, log_variance, z], name="encoder")


def make_decoder():
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(16, activation="relu", name="decoded"),
            layers.Reshape((4, 4, 1)),
            layers.Conv2DTranspose(1, 3, 2, "same", activation="sigmoid"),
        ],
        name="decoder",
    )


class VariationalAutoencoder(keras.Model):
    def __init__(self):
        super().__init__(name="vae")
        self.encoder, self.decoder = make_encoder(), make_decoder()
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_variance, z = self.encoder(x, training=True)
            error = ops.sum((x - self.decoder(z, training=True)) ** 2, axis=(1, 2, 3))
            divergence = ops.exp(log_variance) + mean**2 - 1 - log_variance
            loss = ops.mean(error + 0.5 * ops.sum(divergence, axis=1))
        variables = self.trainable_variables
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


def train_vae(callbacks):
    model = VariationalAutoencoder()
    model.compile("adam")
    model.fit(IMAGES, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
    return model


def test_vae(tmp_path):
    check_program(
        tmp_path,
        train_vae,
        SAMPLES,
        lambda vae: {
            "hidden": output_of(vae.encoder, "hidden", SAMPLES.x),
            "mean": output_of(vae.encoder, "mean", SAMPLES.x),
        },
        layers=["hidden", "mean"],
        model=lambda vae: vae.encoder,
    )


def test_a_model_without_a_call_needs_a_part(tmp_path):
    with pytest.raises(kp.LayerChoiceError, match=r"'vae'.*encoder.*decoder"):
        train_vae([kp.PVectorLogger(tmp_path / "run", SAMPLES)])
    assert not (tmp_path / "run").exists()


class Adversarial(keras.Model):
    """A GAN: two networks, two optimizers, two updates a step."""

    def __init__(self):
        super().__init__(name="gan")
        self.discriminator = keras.Sequential(
            [
                layers.Conv2D(4, 3, strides=2, name="filters"),
                layers.LeakyReLU(),
                layers.Flatten(name="flat"),
                layers.Dropout(0.2),
                layers.Dense(1, name="score"),
            ],
            name="discriminator",
        )
        self.generator = keras.Sequential(
            [keras.Input((3,)), layers.Dense(64, "sigmoid"), layers.Reshape((8, 8, 1))]
        )
        self.seeds = keras.random.SeedGenerator(9)

    def compile(self):
        super().compile()
        self.optimizers = [keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-3)]
        self.loss_of = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real):
        n = ops.shape(real)[0]
        noise = keras.random.normal((2, n, 3), seed=self.seeds)
        both = ops.concatenate([real, self.generator(noise[0])])
        labels = ops.concatenate([ops.ones((n, 1)), ops.zeros((n, 1))])
        with tf.GradientTape() as tape:
            loss = self.loss_of(labels, self.discriminator(both, training=True))
        self._update(self.optimizers[0], self.discriminator, loss, tape)
        with tf.GradientTape() as tape:
            scores = self.discriminator(self.generator(noise[1]), training=True)
            generated = self.loss_of(ops.ones((n, 1)), scores)
        self._update(self.optimizers[1], self.generator, generated, tape)
        return {"d_loss": loss, "g_loss": generated}

    def _update(self, optimizer, network, loss, tape):
        variables = network.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))


def test_gan(tmp_path):
    networks = []

    def train(callbacks):
        model = networks.pop(0)
        model.compile()
        model.fit(IMAGES, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
        return model

    # The part is given as an object, which exists before the logger does.
    keras.utils.set_random_seed(1)
    networks.append(Adversarial())
    keras.utils.set_random_seed(1)
    networks.append(Adversarial())
    part = networks[0].discriminator
    part.build((None, 8, 8, 1))
    networks[1].discriminator.build((None, 8, 8, 1))
    _, run = check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda gan: {"flat": output_of(gan.discriminator, "flat", SAMPLES.x)},
        model=part,
        log_freq=3,
    )
    assert run.info.notes["default_layer"] == "flat"
    assert run.info.notes["watched_model"] == "discriminator"
    assert [step for _, step in run.moments] == [0, 3, 5, 6, 9, 10]


def augmented(images, seeds):
    return images + keras.random.normal(ops.shape(images), stddev=0.1, seed=seeds)


class Siamese(keras.Model):
    """SimSiam: a projector and a predictor, with a stopped gradient."""

    def __init__(self):
        super().__init__(name="simsiam")
        self.encoder = keras.Sequential(
            [
                layers.Flatten(),
                layers.Dense(16, use_bias=False, name="projection"),
                layers.BatchNormalization(name="norm"),
                layers.ReLU(name="representation"),
                layers.Dense(6, name="embedding"),
            ],
            name="encoder",
        )
        self.predictor = keras.Sequential(
            [layers.Dense(4, activation="relu"), layers.Dense(6)], name="predictor"
        )
        self.seeds = keras.random.SeedGenerator(2)

    def train_step(self, x):
        views = [augmented(x, self.seeds) for _ in range(2)]
        with tf.GradientTape() as tape:
            z = [self.encoder(view, training=True) for view in views]
            p = [self.predictor(one, training=True) for one in z]
            loss = similarity(p[0], z[1]) + similarity(p[1], z[0])
        variables = [
            *self.encoder.trainable_variables,
            *self.predictor.trainable_variables,
        ]
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}


def similarity(p, z):
    z = ops.stop_gradient(z)
    return -ops.mean(ops.sum(ops.normalize(p) * ops.normalize(z), axis=1)) / 2


def test_simsiam(tmp_path):
    def train(callbacks):
        model = Siamese()
        model.encoder.build((None, 8, 8, 1))
        model.predictor.build((None, 6))
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        model.fit(IMAGES, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
        return model

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {
            "representation": output_of(model.encoder, "representation", SAMPLES.x)
        },
        model=lambda simsiam: simsiam.encoder,
    )


class Contrastive(keras.Model):
    """A contrastive loss over the pairs of a batch, with a linear probe."""

    def __init__(self):
        super().__init__(name="contrastive")
        self.encoder = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Conv2D(4, 3, activation="relu"),
                layers.GlobalAveragePooling2D(name="pool"),
            ],
            name="encoder",
        )
        self.head = keras.Sequential([keras.Input((4,)), layers.Dense(5)], name="head")
        self.seeds = keras.random.SeedGenerator(2)

    def train_step(self, x):
        with tf.GradientTape() as tape:
            one, two = (
                ops.normalize(self.head(self.encoder(augmented(x, self.seeds))))
                for _ in range(2)
            )
            logits = ops.matmul(one, ops.transpose(two)) / 0.1
            targets = ops.arange(ops.shape(x)[0])
            losses = keras.losses.sparse_categorical_crossentropy(targets, logits, True)
            loss = ops.mean(losses)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}


@pytest.mark.slow
def test_contrastive(tmp_path):
    def train(callbacks):
        model = Contrastive()
        model.compile("adam", jit_compile=False)
        model.fit(IMAGES, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
        return model

    check_program(
        tmp_path,
        train,
        SAMPLES,
        lambda model: {"pool": output_of(model.encoder, "pool", SAMPLES.x)},
        layers="pool",
        model=lambda model: model.encoder,
    )


class Denoiser(keras.Model):
    """A network of a diffusion model, whose `call` takes two arguments."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.time = layers.Dense(4, activation="relu", name="time")
        self.down = layers.Conv2D(4, 3, padding="same", activation="swish", name="down")
        self.middle = layers.Conv2D(4, 3, padding="same", name="middle")
        self.up = layers.Conv2D(1, 3, padding="same", name="up")

    def call(self, image, noise_level):
        x = self.down(image) + self.time(noise_level)[:, None, None, :]
        return self.up(ops.silu(self.middle(x)))


class Diffusion(keras.Model):
    """A diffusion model: predicts noise, and keeps a moving average of its network."""

    def __init__(self):
        super().__init__(name="diffusion")
        self.network, self.average = Denoiser(name="network"), Denoiser(name="average")
        self.seeds = keras.random.SeedGenerator(4)
        for network in (self.network, self.average):
            network(np.zeros((2, 8, 8, 1), "float32"), np.zeros((2, 1), "float32"))
        self.average.set_weights(self.network.get_weights())

    def train_step(self, x):
        n = ops.shape(x)[0]
        level = keras.random.uniform((n, 1), seed=self.seeds)
        noise = keras.random.normal(ops.shape(x), seed=self.seeds)
        mixed = x + level[:, None, None] * noise
        with tf.GradientTape() as tape:
            loss = ops.mean((noise - self.network(mixed, level, training=True)) ** 2)
        variables = self.network.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for new, old in zip(self.network.weights, self.average.weights, strict=True):
            old.assign(0.9 * old + 0.1 * new)
        return {"noise_loss": loss}


def test_diffusion_watches_the_moving_average(tmp_path):
    levels = np.linspace(0, 1, 20, dtype="float32")[:, None]
    samples = kp.SampleSet([SAMPLES.x, levels])

    def train(callbacks):
        model = Diffusion()
        model.compile("adam")
        model.fit(IMAGES, epochs=2, batch_size=8, verbose=0, callbacks=callbacks)
        return model

    def capture(model):
        net = model.average
        x = net.down(SAMPLES.x) + net.time(levels)[:, None, None, :]
        return {"middle": ops.reshape(net.middle(x), (20, -1))}

    check_program(
        tmp_path,
        train,
        samples,
        capture,
        layers="middle",
        model=lambda diffusion: diffusion.average,
    )
