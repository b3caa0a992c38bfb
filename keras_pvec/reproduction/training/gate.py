"""Whether a network is well trained, a precondition of some claims."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from keras_pvec.reproduction.training.reference_accuracies import ReferenceAccuracy

# Largest change of the loss over the last tenth of the epochs, relative to its total
# decrease. Relative to the loss itself, the loss of an interpolating network, which is
# almost zero, keeps changing by a few percent; that change is reported as well.
_LOSS_CHANGE = 0.01
_LAST_SHARE = 0.1
# How far the accuracy may be below the reference.
_ACCURACY_MARGIN = 0.05


@dataclasses.dataclass(frozen=True)
class TrainingQuality:
    """How well a network is trained, as recorded in `run.json`.

    Attributes:
        loss_change: Change of the training loss over the last tenth of the epochs,
            relative to its decrease since the first epoch; `None` if there are too few
            epochs or the loss is not finite.
        loss_change_by_itself: The same change relative to the loss before it.
        converged_by_itself: Whether `loss_change_by_itself` is below 1% as well.
        accuracy: Accuracy on the test images; for networks trained without labels, that
            of a linear classifier on their features.
        reference_accuracy: The accuracy that a well-trained network of that size
            reaches; `None` if it is not known.
        reference_source: Where the reference was published.
        well_trained: Whether the loss has converged and the accuracy is close to the
            reference; `None` if that is not known.
    """

    loss_change: float | None
    loss_change_by_itself: float | None
    converged_by_itself: bool | None
    accuracy: float | None
    reference_accuracy: float | None
    reference_source: str | None
    well_trained: bool | None


def rate_training(
    losses: Sequence[float],
    accuracy: float | None,
    reference: ReferenceAccuracy | None,
) -> TrainingQuality:
    """Rates a finished training by its loss and its accuracy.

    Args:
        losses: Training loss of each epoch.
        accuracy: Accuracy on the test images, in [0, 1]; `None` if it is not known.
        reference: The accuracy to compare with; `None` if it is not known.

    Returns:
        The rating, to be recorded in `run.json`.
    """
    losses = [float(loss) for loss in losses]
    change, by_itself = _loss_changes(losses)
    converged = _is_small(change) if all(map(math.isfinite, losses)) else False
    accurate = None
    if accuracy is not None and reference is not None:
        accurate = accuracy >= reference.accuracy - _ACCURACY_MARGIN
    verdicts = (converged, accurate)
    return TrainingQuality(
        loss_change=change,
        loss_change_by_itself=by_itself,
        converged_by_itself=_is_small(by_itself),
        accuracy=accuracy,
        reference_accuracy=None if reference is None else reference.accuracy,
        reference_source=None if reference is None else reference.source,
        well_trained=(
            False if False in verdicts else None if None in verdicts else True
        ),
    )


def _is_small(change: float | None) -> bool | None:
    return None if change is None else change < _LOSS_CHANGE


def _loss_changes(losses: Sequence[float]) -> tuple[float | None, float | None]:
    """Change over the last tenth of the epochs, relative to the total decrease of the
    loss and to the loss before the change."""
    n_last = math.ceil(_LAST_SHARE * len(losses))
    if len(losses) < n_last + 1 or not all(map(math.isfinite, losses)):
        return None, None
    before = losses[-1 - n_last]
    change = abs(losses[-1] - before)
    if change == 0:
        return 0.0, 0.0
    decrease = losses[0] - min(losses)
    # A loss that has not decreased has not converged, however small the change.
    return change / max(decrease, change), change / max(abs(before), 1e-300)
