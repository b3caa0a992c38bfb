"""Whether a network is well trained: the precondition of what is claimed of such."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from keras_pvec.reproduction.training.recipes import ReferenceAccuracy

# The loss may change by this much over the last tenth of the epochs, as a share of how
# far it came down. That of a network that fits its training images falls by
# some percent of next to nothing for ever; as a share of itself it is told as well.
_LOSS_CHANGE = 0.01
_LAST_SHARE = 0.1
# The accuracy may be this much below the reference.
_ACCURACY_MARGIN = 0.05


@dataclasses.dataclass(frozen=True)
class TrainingQuality:
    """What tells whether a network is well trained. It goes into `run.json`.

    Attributes:
        loss_change: Change of the training loss over the last tenth of the epochs, as a
            share of how far it came down since the first epoch; `None` if there are too
            few epochs to tell, or it is not finite.
        loss_change_by_itself: The same as a share of the loss before that change.
        converged_by_itself: Whether the latter is below one percent as well.
        accuracy: On the test images; of networks without labels that of a linear
            classifier on their features.
        reference_accuracy: What a well-trained network of that size reaches; `None` if
            that is not known.
        reference_source: Where it is from.
        well_trained: Whether both criteria are met; `None` if one cannot be told.
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
    """Holds a finished training against both criteria.

    Args:
        losses: Training loss of each epoch.
        accuracy: Accuracy on the test images, in [0, 1].
        reference: What to hold it against.
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
    """Change from the epoch before the last tenth to the end, as shares of how far the
    loss came down since the first epoch and of the loss before that change."""
    n_last = math.ceil(_LAST_SHARE * len(losses))
    if len(losses) < n_last + 1 or not all(map(math.isfinite, losses)):
        return None, None
    before = losses[-1 - n_last]
    change = abs(losses[-1] - before)
    if change == 0:
        return 0.0, 0.0
    decrease = losses[0] - min(losses)
    # A loss that never came down has not converged, however little it moves.
    return change / max(decrease, change), change / max(abs(before), 1e-300)
