"""The expected time of a training, for a machine of known speed."""

import dataclasses

import numpy as np
import pytest
from small_models import small_settings

from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.training import Speed, expected_seconds

SPEED = Speed(start_s=10.0, sample_s=1.0)


@pytest.fixture(scope="module")
def data():
    return load_data("digits").subset(200, 50)


@pytest.fixture
def settings(data):
    """Three epochs of four updates, logged on 100 samples."""
    return small_settings(data)


def test_forward_passes_are_counted(data, settings):
    """Three per training image, one per test image and per logged sample."""
    passes = 3 * (3 * 200 + 50) + 3 * 100
    expected = expected_seconds(settings, data, SPEED)
    np.testing.assert_allclose(expected, 10 + passes, rtol=1e-3)


@pytest.mark.parametrize(
    ("log_freq", "more_moments"), [(2, 6), ({"first_epoch": 1}, 4)]
)
def test_moments_within_epochs_are_counted(log_freq, more_moments, data, settings):
    epochs_only = expected_seconds(settings, data, SPEED)
    more = dataclasses.replace(settings, log_freq=log_freq)
    expected = epochs_only + more_moments * 100
    np.testing.assert_allclose(expected_seconds(more, data, SPEED), expected, rtol=1e-3)


def test_two_views_are_two_passes_and_finished_epochs_are_none(data, settings):
    nothing_logged = dataclasses.replace(settings, num_samples={})
    simclr = dataclasses.replace(nothing_logged, model="simclr")
    of_one = expected_seconds(nothing_logged, data, SPEED) - 10
    assert expected_seconds(simclr, data, SPEED) - 10 == 2 * of_one
    rest = expected_seconds(nothing_logged, data, SPEED, epochs_done=1) - 10
    np.testing.assert_allclose(rest, of_one * 2 / 3)
