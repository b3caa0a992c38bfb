"""Data sets, sample sets and training batches."""

import importlib.util

import numpy as np
import pytest

from keras_pvec.reproduction.data import (
    DatasetUnavailableError,
    EvaluationBatches,
    ImageData,
    ImageDataSpec,
    ImageSplit,
    TrainingBatches,
    load_data,
)
from keras_pvec.reproduction.data.augmentation import random_crops
from keras_pvec.reproduction.data.images import scale_pixels


def position_data(n=50, size=12):
    """Images whose every pixel tells where it came from: 1 + row * size + column."""
    grid = 1 + np.arange(size * size, dtype=np.uint8).reshape(size, size, 1)
    images = np.repeat(grid[None], n, axis=0)
    labels = np.arange(n, dtype=np.int64)
    split = ImageSplit(images, labels, 255)
    return ImageData("positions", split, split.take(5), n, augment=True)


def first_batches(data, n, **options):
    options = {
        "batch_size": 16,
        "seed": 0,
        "augment": False,
        "task": "classification",
    } | (options)
    batches = TrainingBatches(data, **options)
    return [batches[i] for i in range(n)]


def test_digits_are_scikit_learns():
    data = load_data("digits")
    assert data.input_shape == (8, 8, 1)
    assert (len(data.train), len(data.test), data.n_classes) == (1437, 360, 10)
    pixels = data.train.pixels()
    assert pixels.min() == 0
    assert pixels.max() == 1
    mean, variance = data.channel_moments()
    np.testing.assert_allclose(mean, [pixels.mean(dtype=float)])
    np.testing.assert_allclose(variance, [pixels.var(dtype=float)], rtol=1e-6)


def test_subsets_are_fixed_and_nested_in_the_whole():
    data = load_data("digits")
    few, again = data.subset(100, 50), load_data("digits").subset(100, 50)
    assert few.fingerprint() == again.fingerprint() != data.fingerprint()
    assert (len(few.train), len(few.test)) == (100, 50)
    known = {image.tobytes() for image in data.train.images}
    assert all(image.tobytes() in known for image in few.train.images)
    with pytest.raises(ValueError, match=r"1437.*5000"):
        data.subset(5000)


def test_sample_sets():
    data = load_data("digits").subset(200)
    samples = data.samples("train", 50)
    np.testing.assert_array_equal(samples.x, data.train.pixels()[:50])
    np.testing.assert_array_equal(samples.y, data.train.labels[:50])
    assert samples.name == "digits/train[50]"
    assert len(data.samples("test")) == 360
    with pytest.raises(ValueError, match="201"):
        data.samples("train", 201)
    with pytest.raises(ValueError, match="'validation'"):
        data.samples("validation")


def test_every_epoch_is_another_order_of_all_images():
    batches = first_batches(position_data(), 8)  # 50 images make 4 batches of 16
    labels = [y for _, y in batches]
    assert [len(y) for y in labels] == [16, 16, 16, 2] * 2
    epochs = [np.concatenate(labels[:4]), np.concatenate(labels[4:])]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(50))
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != np.arange(50)).any()


@pytest.mark.parametrize("augment", [True, False])
def test_batches_depend_on_seed_and_epoch_alone(augment):
    data = position_data()
    straight = first_batches(data, 8, augment=augment)
    resumed = first_batches(data, 4, augment=augment, first_epoch=1)
    for (x, y), (x2, y2) in zip(straight[4:], resumed, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    other = first_batches(data, 1, augment=augment, seed=1)[0]
    assert (other[1] != straight[0][1]).any()


def test_augmentation_shifts_and_flips_and_nothing_else():
    data = position_data(400)
    seen = set()
    for x, _ in first_batches(data, 25, augment=True):
        for image in np.rint(x[..., 0] * 255).astype(int):
            origin = image - 1
            known = np.argwhere(image > 0)
            rows, columns = np.divmod(origin[image > 0], 12)
            down = known[:, 0] - rows
            flipped = columns[0] > columns[-1] if rows[0] == rows[-1] else None
            if len(set(columns[rows == rows[0]])) > 1:
                first_row = columns[rows == rows[0]]
                flipped = bool(first_row[0] > first_row[1])
            across = known[:, 1] - (11 - columns if flipped else columns)
            assert len(set(down)) == len(set(across)) == 1  # a rigid shift
            seen.add((int(down[0]), int(across[0]), flipped))
            # What moved in is zero, what stayed is all there.
            assert len(known) == (12 - abs(down[0])) * (12 - abs(across[0]))
    assert {shift for shift, _, _ in seen} == set(range(-4, 5))
    assert {shift for _, shift, _ in seen} == set(range(-4, 5))
    assert {flipped for _, _, flipped in seen} == {True, False}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_crops_are_those_of_padded_images(dtype, rng):
    """Image by image with `np.pad`, with the same random numbers."""
    images = rng.integers(1, 256, (75, 9, 7, 3)).astype(dtype)
    cropped = random_crops(images, np.random.default_rng(1), padding=2)
    same = np.random.default_rng(1)
    top, left = same.integers(0, 5, (2, 75))
    flip = same.integers(0, 2, 75)
    for i, image in enumerate(images):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        window = padded[top[i] :, left[i] :][:9, :7]
        np.testing.assert_array_equal(
            cropped[i], window[:, ::-1] if flip[i] else window
        )
    assert cropped.dtype == images.dtype


def test_pixels_are_scaled_exactly_and_aligned(rng):
    levels = np.arange(256, dtype=np.uint8).reshape(2, 8, 16, 1)
    for largest in (255, 16):
        scaled = scale_pixels(levels, largest)
        # The nearest float32 to the quotient.
        expected = (levels.astype(np.float64) / largest).astype(np.float32)
        np.testing.assert_array_equal(scaled, expected)
        assert scaled.dtype == np.float32
        assert scaled.flags.c_contiguous
        # A multiple of 64 bytes is used by TensorFlow and JAX without a copy.
        assert scaled.ctypes.data % 64 == 0


def test_label_noise_is_exact_and_always_the_same():
    data = load_data("digits")
    noisy, again = data.with_label_noise(0.3), data.with_label_noise(0.3)
    assert noisy.fingerprint() == again.fingerprint() != data.fingerprint()
    wrong = noisy.train.labels != data.train.labels
    assert wrong.sum() == round(0.3 * len(data.train))
    assert set(np.unique(noisy.train.labels)) == set(range(10))
    np.testing.assert_array_equal(noisy.test.labels, data.test.labels)
    # More noise adds to less.
    more = data.with_label_noise(0.5).train.labels != data.train.labels
    assert (more >= wrong).all()
    with pytest.raises(ValueError, match=r"1\.5"):
        data.with_label_noise(1.5)


def test_evaluation_batches_are_the_images_in_order():
    data = position_data()
    batches = EvaluationBatches(data.train, batch_size=16, task="classification")
    batches = [batches[i] for i in range(len(batches))]
    assert [len(y) for _, y in batches] == [16, 16, 16, 2]
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in batches]), data.train.pixels()
    )
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in batches]), data.train.labels
    )
    views = EvaluationBatches(data.test, batch_size=2, task="contrastive")
    draws = [[views[i][0]["draws"] for i in range(3)] for _ in range(2)]
    for first, again in zip(*draws, strict=True):
        np.testing.assert_array_equal(first, again)
    assert (draws[0][0] != draws[0][1]).all()
    with pytest.raises(ValueError, match="regression"):
        EvaluationBatches(data.test, batch_size=2, task="regression")
    with pytest.raises(ValueError, match="batch_size"):
        EvaluationBatches(data.test, batch_size=0, task="classification")


@pytest.mark.parametrize("n", [48, 50, 65])
def test_batches_that_devices_share_are_filled_up(n):
    data, batch_size = position_data(n), 16
    options = {"batch_size": batch_size, "task": "classification"}
    plain = TrainingBatches(data, seed=0, augment=False, **options)
    shared = TrainingBatches(data, seed=0, augment=False, n_shares=4, **options)
    assert shared.steps_per_epoch == plain.steps_per_epoch
    missing = -n % batch_size % 4
    evaluation = [
        EvaluationBatches(data.train, n_shares=shares, **options) for shares in (4, 1)
    ]
    last = shared.steps_per_epoch - 1
    for batches, expected in ((shared, plain), evaluation):
        first_labels = expected[0][1][:missing]
        np.testing.assert_array_equal(batches[0][0], expected[0][0])
        labels = np.concatenate([expected[last][1], first_labels])
        np.testing.assert_array_equal(batches[last][1], labels)
        assert len(labels) % 4 == 0
    with pytest.raises(ValueError, match=r"3.*16"):
        EvaluationBatches(data.train, n_shares=3, **options)


def test_draws_are_uniform_and_those_of_seed_epoch_and_step():
    data = position_data(64)
    options = {"batch_size": 32, "augment": True, "task": "contrastive"}
    batches = TrainingBatches(data, seed=3, **options)
    (batch,) = batches[5]
    assert batch["pixels"].shape == (32, 12, 12, 1)
    # Not cropped: the model makes the views.
    np.testing.assert_array_equal(batch["pixels"][0], data.train.pixels()[0])
    draws = np.stack([batches[i][0]["draws"] for i in range(40)])
    assert draws.min() >= 0
    assert draws.max() < 1
    n = draws.size
    assert abs(draws.mean() - 0.5) < 5 / np.sqrt(12 * n)
    later = TrainingBatches(data, seed=3, first_epoch=2, **options)
    np.testing.assert_array_equal(later[1][0]["draws"], batch["draws"])
    other = TrainingBatches(data, seed=4, **options)
    assert (other[5][0]["draws"] != batch["draws"]).all()
    assert len(np.unique(draws[:, 0, 0, 0])) == 40


def test_any_batch_can_be_asked_for_at_any_time():
    """Threads of a loader do not ask in order."""
    data = position_data()
    batches = TrainingBatches(
        data, batch_size=16, seed=1, augment=True, task="classification"
    )
    straight = [batches[i] for i in range(12)]
    for i in (7, 0, 11, 3):
        for a, b in zip(batches[i], straight[i], strict=True):
            np.testing.assert_array_equal(a, b)


def test_reconstruction_targets_are_the_augmented_images():
    for x, y in first_batches(position_data(), 2, augment=True, task="reconstruction"):
        np.testing.assert_array_equal(x, y)


def test_unknown_and_unavailable_data(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"'imagenet'.*cifar100"):
        load_data("imagenet")

    def no_network(*_):
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(DatasetUnavailableError, match=r"fashion_mnist.*TFDS_DATA_DIR"):
        load_data("fashion_mnist", data_dir=tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_spec_loads_what_it_says():
    spec = ImageDataSpec("digits", None, 200, 50, label_noise=0.5)
    data = spec.load()
    expected = load_data("digits").subset(200, 50).with_label_noise(0.5)
    assert data.fingerprint() == expected.fingerprint()
    assert spec.load() is data
    assert ImageDataSpec("digits").load().fingerprint() != data.fingerprint()


def test_digits_without_the_package_that_holds_them(monkeypatch):
    find_spec = importlib.util.find_spec

    def without_sklearn(name):
        return None if name == "sklearn" else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", without_sklearn)
    with pytest.raises(DatasetUnavailableError, match="scikit-learn"):
        load_data("digits")
