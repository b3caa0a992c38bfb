"""SimCLR's views of images whose every change can be read off again."""

import colorsys

import keras
import numpy as np
import pytest

from keras_pvec.reproduction.models import two_views
from keras_pvec.reproduction.models.two_views import TwoViews


def views_of(images, seed=0, flip=True):
    draws = np.random.default_rng(seed).random((len(images), 2, 16)).astype("float32")
    views = TwoViews(flip=flip)(images.astype("float32"), draws)
    return keras.ops.convert_to_numpy(views)


def ramps(n, height=16, width=20):
    """Channels that rise with row, with column, and not at all: a crop that is
    resized bilinearly rises linearly again, by as much as the box is long."""
    rows, columns = np.meshgrid(
        np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij"
    )
    image = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    return np.repeat(image[None], n, axis=0).astype("float32")


@pytest.fixture
def crops_only(monkeypatch):
    monkeypatch.setattr(two_views, "_JITTER_PROBABILITY", 0.0)
    monkeypatch.setattr(two_views, "_GRAYSCALE_PROBABILITY", 0.0)


def test_views_are_decided_by_the_draws_and_differ(rng):
    images = rng.random((6, 8, 8, 3))
    views = views_of(images)
    assert views.shape == (6, 2, 8, 8, 3)
    np.testing.assert_array_equal(views, views_of(images))
    assert (views != views_of(images, 1)).any(axis=(1, 2, 3, 4)).all()
    assert (views[:, 0] != views[:, 1]).any(axis=(1, 2, 3)).all()
    assert views.min() >= 0
    assert views.max() <= 1


def test_crops_have_the_area_and_the_shape_of_the_paper(crops_only):
    views = views_of(ramps(2000)).reshape(-1, 16, 20, 3)
    np.testing.assert_allclose(views[..., 2], 1, atol=1e-6)
    top, bottom = views[:, 0, 0, 0], views[:, -1, 0, 0]
    left, right = views[:, 0, 0, 1], views[:, 0, -1, 1]
    # Straight all along.
    between = np.linspace(top, bottom, 16, axis=1)
    np.testing.assert_allclose(views[:, :, 0, 0], between, atol=1e-5)
    height, width = bottom - top, right - left
    assert (height > 0).all()  # never upside down
    flipped = width < 0
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(views))
    width = np.abs(width)
    # Sides that had to be cut to the image make the area smaller and the box oblong.
    whole = (height < 0.999) & (width < 0.999)
    area, ratio = (height * width)[whole], (width / height)[whole]
    assert 0.08 - 1e-3 < area.min() < 0.1
    assert area.max() > 0.9
    assert 3 / 4 - 1e-3 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 4 / 3 + 1e-3
    assert abs(np.log(ratio).mean()) < 0.02
    # Boxes are anywhere in the image.
    assert np.minimum(top, 1 - bottom).min() > -1e-5
    assert top[whole].max() > 0.6


def test_images_that_mean_another_thing_mirrored_are_not_flipped(crops_only):
    views = views_of(ramps(200), flip=False)
    assert (views[..., -1, 1] > views[..., 0, 1]).all()


def test_gray_images_keep_their_hue_and_change_by_brightness_alone():
    """Of a constant gray image, contrast, saturation and hue leave all as it was."""
    views = views_of(np.full((3000, 4, 4, 3), 0.5)).reshape(-1, 48)
    assert np.ptp(views, axis=1).max() < 1e-6
    factor = views[:, 0] / 0.5
    # The weights of the colours in gray add up to 0.9999.
    unchanged = np.isclose(factor, 1, atol=2e-4).mean()
    assert abs(unchanged - 0.2) < 5 * 0.4 / np.sqrt(len(views))
    assert 0.6 - 1e-4 < factor.min() < 0.62
    assert 1.38 < factor.max() < 1.4 + 1e-4


def test_one_of_five_views_is_gray(monkeypatch):
    monkeypatch.setattr(two_views, "_JITTER_PROBABILITY", 0.0)
    red = np.zeros((3000, 4, 4, 3))
    red[..., 0] = 1
    views = views_of(red).reshape(-1, 16, 3)[:, 0]
    gray = np.isclose(views, 0.2989, atol=1e-3).all(axis=1)  # ITU-R BT.601
    assert abs(gray.mean() - 0.2) < 5 * 0.4 / np.sqrt(len(views))
    np.testing.assert_allclose(views[~gray], [[1, 0, 0]] * (~gray).sum(), atol=1e-6)


def test_hue_and_saturation_turn_colours(monkeypatch):
    monkeypatch.setattr(two_views, "_JITTER_PROBABILITY", 1.0)
    monkeypatch.setattr(two_views, "_GRAYSCALE_PROBABILITY", 0.0)
    monkeypatch.setattr(two_views, "_BRIGHTNESS", 0.0)
    monkeypatch.setattr(two_views, "_CONTRAST", 0.0)
    before = colorsys.rgb_to_hsv(0.3, 0.5, 0.6)
    image = np.full((2000, 3, 3, 3), [0.3, 0.5, 0.6])
    after = np.array(
        [colorsys.rgb_to_hsv(*view) for view in views_of(image)[:, 0, 0, 0]]
    )
    turn = after[:, 0] - before[0]
    assert -0.1 - 1e-4 < turn.min() < -0.095
    assert 0.095 < turn.max() < 0.1 + 1e-4
    factor = after[:, 1] / before[1]
    assert 0.6 - 1e-4 < factor.min() < 0.61
    assert 1.39 < factor.max() < 1.4 + 1e-4
    np.testing.assert_allclose(after[:, 2], before[2], atol=1e-5)


def test_images_of_one_channel(rng):
    views = views_of(rng.random((5, 28, 28, 1)), flip=False)
    assert views.shape == (5, 2, 28, 28, 1)


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_views_are_the_same(jit, rng):
    """In a graph and under XLA, in half precision around it."""
    tf = pytest.importorskip("tensorflow")
    images = rng.random((4, 9, 7, 3)).astype("float32")
    draws = rng.random((4, 2, 16)).astype("float32")
    layer = TwoViews()
    compiled = tf.function(layer, jit_compile=jit)
    np.testing.assert_allclose(compiled(images, draws), layer(images, draws), atol=1e-5)
    assert TwoViews.from_config(layer.get_config()).flip


def test_hue_turns_as_in_the_standard_library(rng):
    """Every pixel by itself, by `colorsys`, with saturation and hue changed."""
    pixels = rng.random((50, 3))
    pixels[0] = pixels[1, 0]  # gray
    pixels[2] = 0
    pixels[3, :2] = pixels[3].max() + 0.1  # two largest channels
    saturation, turn = 1.4, -0.08
    changed = two_views._change_colour(
        keras.ops.convert_to_tensor(pixels, "float32"), saturation, turn
    )
    for before, after in zip(pixels, keras.ops.convert_to_numpy(changed), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        expected = colorsys.hsv_to_rgb((h + turn) % 1, min(s * saturation, 1), v)
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_crops_read_pixels_between_pixels(crops_only, rng):
    """Bilinear interpolation by SciPy at the corners-aligned positions of the box."""
    from scipy.ndimage import map_coordinates

    image = rng.random((12, 12, 3)).astype("float32")
    draws = rng.random((1, 2, 16)).astype("float32")
    draws[..., 4] = 1  # not flipped
    draws[..., 10] = 1  # not gray
    views = keras.ops.convert_to_numpy(TwoViews()(image[None], draws))[0]
    for view, (area, ratio, top, left) in zip(views, draws[0, :, :4], strict=True):
        area = 0.08 + 0.92 * area
        ratio = np.exp(np.log(3 / 4) + np.log(16 / 9) * ratio)
        tall, wide = min(np.sqrt(area / ratio), 1), min(np.sqrt(area * ratio), 1)
        rows = 11 * (top * (1 - tall) + tall * np.linspace(0, 1, 12))
        columns = 11 * (left * (1 - wide) + wide * np.linspace(0, 1, 12))
        grid = np.meshgrid(rows, columns, indexing="ij")
        for channel in range(3):
            expected = map_coordinates(image[..., channel], grid, order=1)
            np.testing.assert_allclose(view[..., channel], expected, atol=1e-4)
