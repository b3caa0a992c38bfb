"""The fingerprint of a sample set: over content and order, and nothing else."""

import hashlib

import numpy as np
import pytest

import keras_pvec as kp


def test_fingerprint_is_sha256_of_kind_and_bytes(rng):
    x = rng.random((3000, 4)).astype("<f4")
    expected = hashlib.sha256(b"x <f4 (3000, 4);" + x.tobytes()).hexdigest()
    assert kp.SampleSet(x).sha256 == expected


def test_fingerprint_sees_content_order_shape_and_dtype(rng):
    x = rng.random((20, 6)).astype(np.float32)
    base = kp.SampleSet(x).sha256
    changed = x.copy()
    changed[7, 3] += 1e-3
    others = [changed, x[::-1], x.reshape(20, 3, 2), x.astype(np.float64), x[:19]]
    assert len({base, *(kp.SampleSet(other).sha256 for other in others)}) == 6


def test_fingerprint_ignores_name_labels_and_memory_layout(rng):
    x = rng.random((20, 6))
    base = kp.SampleSet(x).sha256
    assert kp.SampleSet(np.asfortranarray(x), np.arange(20), name="b").sha256 == base


def test_changing_the_array_later_does_no_harm(rng):
    x = rng.random((20, 6))
    samples = kp.SampleSet(x)
    before = kp.data_p_vector(samples)
    x *= rng.random((20, 6))
    assert kp.angle(before, kp.data_p_vector(samples)) == 0
    with pytest.raises(ValueError, match="read-only"):
        samples.x[0, 0] = 1


def test_several_inputs(rng):
    a, b = rng.random((10, 3)), rng.random((10, 2))
    samples = kp.SampleSet({"a": a, "b": b})
    assert len(samples) == 10
    assert samples.sha256 == kp.SampleSet({"b": b, "a": a}).sha256
    assert samples.sha256 != kp.SampleSet({"a": b, "b": a}).sha256
    blocks = list(samples.batches(4))
    assert [len(block["a"]) for block in blocks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([k["b"] for k in blocks]), b)


def test_brightness_and_contrast_of_each_sample(rng):
    images = rng.integers(0, 256, (2500, 4, 5, 3), dtype=np.uint8)
    found = kp.SampleSet(images).statistics()
    exact = images.astype(np.longdouble)
    np.testing.assert_allclose(found["mean"], exact.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(found["std"], exact.std(axis=(1, 2, 3)))
    np.testing.assert_allclose(found["channel_mean"], exact.mean(axis=(1, 2)))
    np.testing.assert_allclose(found["channel_std"], exact.std(axis=(1, 2)))
    # Vectors have no channels; several inputs, or words, no brightness.
    assert set(kp.SampleSet(rng.random((9, 4))).statistics()) == {"mean", "std"}
    assert kp.SampleSet({"a": images, "b": images}).statistics() == {}
    assert kp.SampleSet(np.array(["a", "b", "c"])).statistics() == {}


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: kp.SampleSet(np.ones((1, 3))), "1"),
        (lambda: kp.SampleSet((np.ones((3, 1)), np.ones((4, 1)))), r"x\[1\]: 4"),
        (lambda: kp.SampleSet(np.ones((3, 1)), np.ones(4)), "y: 4"),
        (lambda: kp.SampleSet({}), "dict"),
        (lambda: kp.SampleSet(iter([1, 2])), "list_iterator"),
        (lambda: kp.SampleSet(np.array(3.0)), r"\(\)"),
    ],
)
def test_bad_samples(make, named):
    with pytest.raises(ValueError, match=named):
        make()
