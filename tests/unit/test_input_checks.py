"""Samples and features that would lose something, or hide it, are refused."""

import copy
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from frameworks import BACKEND
from keras import layers, ops

import keras_pvec as kp
from keras_pvec.input_checks import check_finite
from keras_pvec.samples import FiniteSource


def with_entry(value, dtype="float32"):
    x = np.ones((7, 3, 2), dtype)
    x[4, 2, 1] = value
    x[6, 0, 0] = value
    return x


MASKED = np.ma.masked_greater(np.arange(12.0).reshape(6, 2), 8)
UNUSABLE = {
    "nan": (with_entry(np.nan), r"NaN.* 4\b.* 1 more"),
    "inf": (with_entry(-np.inf, "float64"), r"infinity.* 4\b"),
    "half": (with_entry(np.nan, "float16"), r"NaN.* 4\b"),
    "masked": (MASKED, "3 masked"),
    "complex": (np.ones((4, 2)) + 1j, "complex128"),
    "complex list": ([[1j, 2.0], [3.0, 4.0]], "complex128"),
    "ragged": ([[1.0, 2.0], [3.0]], "pad_sequences"),
    "ragged objects": (np.array([np.ones(2), np.ones(3)], object), "ndarray"),
    "sparse": (scipy.sparse.eye(4).tocsr(), "toarray"),
    "words of a table": (pd.DataFrame({"a": ["x", "y"]}), "str.*astype"),
    "a table of two types": (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), "int.*str"),
    "dates": (np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"), "datetime64"),
    "structures": (np.zeros(3, [("a", "f4"), ("b", "f4")]), "'b'"),
    "bytes": (np.zeros((3, 2), "V8"), "V8"),
    "in one of two inputs": ({"a": np.ones((6, 1)), "b": MASKED}, r"x\['b'\].*masked"),
    "images and labels": ((np.ones((4, 3)), np.arange(4)), r"SampleSet\(x, y\)"),
    "images and one-hot labels": ((np.ones((4, 5, 5, 1)), np.eye(4)), r"\(4, 4\)"),
}
# Tensors whose rows have no array.
TENSORS = {}
if BACKEND == "tensorflow":
    import tensorflow as tf

    TENSORS["ragged tensor"] = (
        tf.ragged.constant([[1.0, 2.0], [3.0]]),
        "RaggedTensor",
    )
    TENSORS["sparse tensor"] = (tf.sparse.eye(4), "SparseTensor")
elif BACKEND == "jax":
    from jax.experimental import sparse

    TENSORS["sparse tensor"] = (sparse.eye(4), "BCOO")
elif BACKEND == "torch":
    import torch

    TENSORS["sparse tensor"] = (torch.eye(4).to_sparse(), "dense")
UNUSABLE |= TENSORS


class OnAnotherDevice:
    """A tensor that does not convert, as PyTorch's on a GPU."""

    shape, dtype = (4, 2), np.dtype("float32")

    def __array__(self, *args, **kwargs):
        raise TypeError("cuda:0")


def test_a_tensor_that_does_not_convert():
    with pytest.raises(ValueError, match=r"cuda:0.*OnAnotherDevice"):
        kp.SampleSet(OnAnotherDevice())


@pytest.mark.parametrize("name", UNUSABLE)
def test_samples_that_cannot_be_used(name):
    x, named = UNUSABLE[name]
    with pytest.raises(ValueError, match=named):
        kp.SampleSet(x)


@pytest.mark.parametrize(
    ("y", "named"),
    [
        ((np.ones(4), np.zeros(4)), "tuple of 2"),
        ({"a": np.ones(4), "b": np.ones((4, 2))}, "dict of 2"),
        (np.ma.masked_less(np.arange(4), 2), "2 masked"),
        ([[1], [2, 3], [4], [5]], "one shape"),
    ],
)
def test_labels_that_cannot_be_used(y, named):
    with pytest.raises(ValueError, match=named):
        kp.SampleSet(np.ones((4, 3)), y)


def test_samples_that_can_be_used(rng):
    x = rng.random((5, 3))
    expected = kp.SampleSet(x).sha256
    assert kp.SampleSet(np.ma.masked_array(x)).sha256 == expected  # nothing is masked
    assert kp.SampleSet(pd.DataFrame(x)).sha256 == expected
    assert kp.SampleSet(x.tolist()).sha256 == expected
    single = x.astype("float32")
    tensor = kp.SampleSet(ops.convert_to_tensor(single))
    assert tensor.sha256 == kp.SampleSet(single).sha256
    assert len(kp.SampleSet(pd.Series(["a", "bb"]).astype(str).to_numpy("U"))) == 2
    assert len(kp.SampleSet([x, x[:, 0]])) == 5  # two inputs
    assert len(kp.SampleSet((x, x))) == 5
    assert kp.SampleSet(x, pd.Series(list("abcde"))).y.dtype == object


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 2 has it")
def test_strings_of_any_length():
    words = kp.SampleSet(np.array(["a", "bb"], np.dtypes.StringDType()))
    assert words.sha256 == kp.SampleSet(["a", "bb"]).sha256


def test_blocks_are_checked_to_the_last_entry(rng):
    x = np.zeros((1030, 1024), np.float32)  # more than one block
    check_finite(x, "x")
    for sample, entry in ((0, 0), (1023, 1023), (1024, 0), (1029, 1023)):
        wrong = x.copy()
        wrong[sample, entry] = np.nan
        with pytest.raises(ValueError, match=rf"NaN in sample {sample + 10:,}\b"):
            check_finite(wrong, "x", first_sample=10)


@pytest.mark.parametrize(
    ("features", "named"),
    [
        (with_entry(np.nan), "NaN.* 4"),
        (MASKED, "3 masked"),
        ([np.ones((4, 2)), MASKED], "3 masked"),
        ([], "empty"),
        (np.ones((4, 2)) + 1j, "complex128"),
        *TENSORS.values(),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), "to_numpy"),
        (np.array([["a", "b"], ["c", "d"]]), "U1"),
    ],
)
@pytest.mark.parametrize("method", ["fast", "exact"])
def test_features_that_cannot_be_used(features, named, method):
    with pytest.raises(ValueError, match=named):
        kp.p_vector(features, method=method)
    if isinstance(features, list):
        with pytest.raises(ValueError, match=named):
            kp.p_vector(iter(features), method=method)


def test_comparisons_refuse_what_is_not_finite(rng):
    x = rng.random((20, 3))
    p = kp.p_vector(x)
    vectors = p.vectors.copy()
    vectors[3] = np.nan
    broken = kp.PVector(vectors, p.singular_values, p.error_deg, p.frobenius_norm, 3)
    for compare in (kp.compare, kp.angle, kp.compare_in_detail, kp.null_ladder):
        with pytest.raises(ValueError, match=r"second.*NaN.* 3\b"):
            compare(p, broken)
    with pytest.raises(ValueError, match="masked"):
        kp.linear_cka(x[:6], MASKED)
    with pytest.raises(ValueError, match="NaN"):
        kp.linear_cka(x, np.where(x > 0.9, np.nan, x))


class Lazy:
    """Samples that are read when they are needed."""

    name, sha256 = "lazy", "0" * 64

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def batches(self, batch_size):
        for start in range(0, len(self), batch_size):
            yield self.x[start : start + batch_size]


def dense_model():
    inputs = keras.Input((3,))
    hidden = layers.Dense(4, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, layers.Dense(2)(hidden), name="net")


def test_lazy_samples_are_checked_as_they_are_read(rng):
    x = rng.random((10, 3)).astype("float32")
    expected = kp.model_p_vectors(dense_model(), kp.SampleSet(x))["hidden"]
    assert expected.n_samples == 10
    kp.model_p_vectors(dense_model(), Lazy(x))
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"'lazy'.*NaN.* 7\b"):
        kp.model_p_vectors(dense_model(), Lazy(x), batch_size=4)
    assert len(FiniteSource(Lazy(x))) == 10


@pytest.mark.parametrize(
    "x",
    [
        np.ones((5, 4)),  # one feature too many
        [np.ones((5, 3)), np.ones((5, 1))],  # a model of one input
        {"a": np.ones((5, 3))},
        np.array([["a"] * 3] * 5),
    ],
)
def test_samples_that_the_model_does_not_take(x):
    with pytest.raises(ValueError, match=r"'net'.*'mine'.*\(5, ") as raised:
        kp.model_p_vectors(dense_model(), kp.SampleSet(x, name="mine"))
    assert raised.value.__cause__ is not None
    assert str(raised.value).isprintable()  # one line, without colours


def test_copies_of_samples_stay_read_only(rng):
    samples = kp.SampleSet([rng.random((6, 2)), rng.random((6, 1))], np.arange(6))
    assert copy.deepcopy(samples) is samples
    loaded = pickle.loads(pickle.dumps(samples))
    assert loaded.sha256 == samples.sha256
    with pytest.raises(ValueError, match="read-only"):
        loaded.x[1][0] = 1
