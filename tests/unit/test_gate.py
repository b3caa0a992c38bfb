"""The gate: whether a network is well trained."""

import numpy as np
import pytest

from keras_pvec.reproduction.training import ReferenceAccuracy, rate_training

REFERENCE = ReferenceAccuracy(0.9, "a paper")
FALLING = list(np.linspace(2, 1, 18))
CONVERGED, FALLING_STILL = [*FALLING, 1.0, 0.9905], [*FALLING, 1.0, 0.97]


def test_changes_of_the_loss():
    """Over the last two of twenty epochs, relative to the decrease and to the loss."""
    quality = rate_training(CONVERGED, 0.851, REFERENCE)
    np.testing.assert_allclose(quality.loss_change, 0.0095 / 1.0095)
    np.testing.assert_allclose(quality.loss_change_by_itself, 0.0095)
    assert quality.reference_accuracy == 0.9
    assert quality.reference_source == "a paper"


@pytest.mark.parametrize(
    ("losses", "accuracy", "reference", "expected"),
    [
        (CONVERGED, 0.851, REFERENCE, True),
        (CONVERGED, 0.849, REFERENCE, False),
        (FALLING_STILL, 0.99, REFERENCE, False),
        # What is not known neither passes nor fails.
        (CONVERGED, 0.99, None, None),
        (CONVERGED, None, REFERENCE, None),
        (FALLING_STILL, 0.99, None, False),
        ([1.0], 0.99, REFERENCE, None),
        ([1.0], 0.5, REFERENCE, False),
        ([2.0, float("nan")], 0.99, REFERENCE, False),
        # The decrease counts from the first epoch, not from a spike.
        ([2.3, 60.0, *np.linspace(2.2, 1.0, 18)], 0.99, REFERENCE, False),
        ([1.0, 2.0, 3.0], 0.99, REFERENCE, False),
        ([1.0] * 20, 0.99, REFERENCE, True),
    ],
)
def test_both_criteria(losses, accuracy, reference, expected):
    assert rate_training(losses, accuracy, reference).well_trained is expected


def test_a_loss_that_cannot_be_rated():
    assert rate_training([1.0], 0.99, REFERENCE).loss_change is None
    assert rate_training([2.0, float("inf")], 0.99, REFERENCE).loss_change is None


def test_a_network_that_interpolates():
    """The loss falls by a tenth of almost nothing."""
    losses = [1.7, *np.geomspace(1, 1e-3, 18), 9e-4]
    quality = rate_training(losses, 0.99, REFERENCE)
    assert quality.well_trained is True
    assert quality.converged_by_itself is False
