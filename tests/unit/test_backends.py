"""The library on each Keras backend: what it imports, and numbers that agree."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from frameworks import BACKEND, as_numpy, needs_torch
from keras import layers
from oracles import degrees_between, lapack_vector

import keras_pvec as kp

SAMPLES = kp.SampleSet(
    np.random.default_rng(0).random((60, 8, 8, 1)).astype("float32"), name="toy"
)
FRAMEWORKS = ("tensorflow", "jax", "torch")


def run_without(blocked, program):
    """Runs a program in a process that cannot import some frameworks."""
    # Not an error, because frameworks look for each other.
    hide = f"""
        import sys
        from importlib.machinery import PathFinder

        class Hiding(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                if name.split(".")[0] in {tuple(blocked)!r}:
                    return None
                return super().find_spec(name, path, target)

        sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
    """
    code = textwrap.dedent(hide) + textwrap.dedent(program)
    environment = {**os.environ, "KERAS_BACKEND": BACKEND}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_no_other_framework_is_imported(tmp_path):
    others = [name for name in FRAMEWORKS if name != BACKEND]
    run_without(
        others,
        f"""
        import keras, numpy as np
        import keras_pvec as kp

        samples = kp.SampleSet(np.random.default_rng(0).random((30, 5)))
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        references = {{"data": kp.data_p_vector(samples)}}
        logger = kp.PVectorLogger({str(tmp_path)!r}, samples, references=references)
        model.fit(samples.x, np.ones((30, 1)), callbacks=[logger], verbose=0)
        kp.model_p_vectors(model, samples, method="exact")
        kp.p_vector(samples.x)
        assert len(logger.run.moments) == 2
        """,
    )


def test_one_error_names_what_to_install():
    run_without(
        FRAMEWORKS,
        """
        import keras_pvec as kp

        kp.p_vector  # stored runs are read and arrays measured without a framework
        try:
            kp.PVectorLogger
        except ModuleNotFoundError as error:
            assert f"[{error.name}]" in str(error)
        else:
            raise AssertionError
        """,
    )


def test_a_program_without_its_backend_ends_with_one_sentence():
    run_without(
        FRAMEWORKS,
        f"""
        try:
            import keras_pvec.reproduction.flags
        except SystemExit as end:
            assert {BACKEND!r} in end.code and "pip install" in end.code
            assert end.code.isprintable()  # one line
        else:
            raise AssertionError
        """,
    )


def with_fixed_weights():
    """A network whose weights NumPy has drawn, so that they are the same everywhere."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Flatten()(inputs)
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    x = layers.BatchNormalization(name="norm", epsilon=1e-3)(x)
    x = layers.Dropout(0.5)(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x))
    rng = np.random.default_rng(1)
    model.set_weights([rng.random(w.shape) - 0.3 for w in model.get_weights()])
    norm = model.get_layer("norm")
    norm.set_weights([np.abs(w) + 0.5 for w in norm.get_weights()])
    return model


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_the_same_weights_give_the_p_vectors_of_numpy(method):
    model = with_fixed_weights()
    kernel, bias = map(np.float64, model.get_layer("hidden").get_weights())
    gamma, beta, mean, var = map(np.float64, model.get_layer("norm").get_weights())
    hidden = np.maximum(SAMPLES.x.reshape(60, -1) @ kernel + bias, 0)
    norm = (hidden - mean) / np.sqrt(var + 1e-3) * gamma + beta
    found = kp.model_p_vectors(
        model, SAMPLES, ["norm", "hidden"], method=method, batch_size=25
    )
    assert list(found) == ["norm", "hidden"]  # not sorted
    for name, features in {"norm": norm, "hidden": hidden}.items():
        assert degrees_between(found[name].vector, lapack_vector(features)) < 1e-4


def test_half_precision():
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(12, dtype="mixed_bfloat16", name="hidden"),
        ]
    )
    p = kp.model_p_vectors(model, SAMPLES, "hidden")["hidden"]
    outputs = as_numpy(keras.ops.cast(model(SAMPLES.x), "float32"))
    assert degrees_between(p.vector, lapack_vector(outputs)) < 1e-2


def test_quantized_layers():
    model = with_fixed_weights()
    plain = kp.model_p_vectors(model, SAMPLES, "hidden")["hidden"]
    hidden = model.get_layer("hidden")
    hidden.quantize("int8")
    found = kp.model_p_vectors(model, SAMPLES, "hidden")["hidden"]
    kernel = next(w for w in hidden.weights if w.dtype == "int8")
    assert kernel.shape == (64, 12)
    outputs = as_numpy(hidden(SAMPLES.x.reshape(60, -1)))
    assert degrees_between(found.vector, lapack_vector(outputs)) < 1e-3
    # Eight bits are a resolution of 0.4 percent of the largest entries.
    assert 1e-3 < degrees_between(found.vector, plain.vector) < 1


class Counts(keras.Model):
    """Counts how often it has run, in a tensor that Keras does not know of."""

    def __init__(self):
        super().__init__()
        self.count = keras.ops.convert_to_tensor(np.float32([1.0]))
        self.flat = layers.Flatten(name="flat")
        self.out = layers.Dense(3, name="out")
        # Otherwise Keras runs `call` symbolically, which JAX forbids here.
        self.flat.build((None, 8, 8, 1))
        self.out.build((None, 64))

    def call(self, x):
        self.count = self.count + 1.0
        return self.out(self.flat(x))


@pytest.mark.skipif(BACKEND == "tensorflow", reason="tensors of graphs are symbolic")
@pytest.mark.parametrize("run_eagerly", [True, False])
def test_tensors_that_are_plain_attributes_are_left_as_they_were(run_eagerly):
    keras.utils.set_random_seed(0)
    model = Counts()
    model.compile("sgd", "mse", run_eagerly=run_eagerly, jit_compile=False)
    model(SAMPLES.x)
    before = float(as_numpy(model.count)[0])
    for _ in range(2):
        found = kp.model_p_vectors(model, SAMPLES, ["flat", "out"], batch_size=20)
        assert float(as_numpy(model.count)[0]) == before
    flat = SAMPLES.x.reshape(60, -1)
    assert degrees_between(found["flat"].vector, lapack_vector(flat)) < 1e-3
    # An array of a trace would be an error here.
    model(SAMPLES.x)
    assert float(as_numpy(model.count)[0]) == before + 1


@needs_torch
def test_a_plain_tensor_that_is_changed_in_place_is_left_as_it_was():
    import torch

    class Raw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = torch.zeros(2)

        def forward(self, x):
            self.seen[0] += len(x)
            return x + 1

    module = Raw()
    model = keras.Sequential(
        [keras.layers.TorchModuleWrapper(module), layers.Flatten(name="flat")]
    )
    model(SAMPLES.x)
    before = module.seen.clone()
    kp.model_p_vectors(model, SAMPLES, "flat")
    assert torch.equal(module.seen, before)
    assert before[0] > 0


@needs_torch
def test_modules_of_pytorch_are_left_as_they_were():
    import torch

    module = torch.nn.Sequential(
        torch.nn.Linear(64, 6),
        torch.nn.BatchNorm1d(6),
        torch.nn.ReLU(inplace=True),
    )

    class Raw(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat = layers.Flatten()
            self.linear = layers.Dense(6, name="linear")
            self.inner = module
            self.out = layers.Dense(2, name="out")

        def call(self, x):
            features = self.linear(self.flat(x))
            torch.nn.functional.relu_(features)  # in place
            module.train()  # updates its statistics
            module(self.flat(x))
            return self.out(features + torch.randn_like(features))

    model = Raw()
    model(SAMPLES.x)
    module[1].eval()
    buffers = [buffer.clone() for buffer in module.buffers()]
    state = torch.get_rng_state()
    found = kp.model_p_vectors(model, SAMPLES, "linear")["linear"]
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert not module[1].training
    for buffer, before in zip(module.buffers(), buffers, strict=True):
        assert torch.equal(buffer, before)
    kernel, bias = model.linear.get_weights()
    truth = SAMPLES.x.reshape(60, -1) @ kernel + bias  # before the ReLU
    assert degrees_between(found.vector, lapack_vector(truth)) < 1e-3


@needs_torch
@pytest.mark.slow
def test_torch_compile_compiles_once(tmp_path):
    import torch
    from torch._dynamo.utils import counters

    def frames(callbacks):
        keras.utils.set_random_seed(1)
        torch.compiler.reset()
        counters.clear()
        model = with_fixed_weights()
        model.compile("sgd", "mse", jit_compile=True)
        model.fit(SAMPLES.x, np.ones((60, 3)), epochs=3, verbose=0, callbacks=callbacks)
        return counters["stats"]["unique_graphs"], model.get_weights()

    graphs, weights = frames([kp.PVectorLogger(tmp_path, SAMPLES, "norm", log_freq=1)])
    expected_graphs, expected = frames([])
    assert graphs == expected_graphs
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)
