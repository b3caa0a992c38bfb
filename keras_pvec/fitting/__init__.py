"""What a callback learns about the `fit` that it runs in."""

from keras_pvec.fitting.claims import (
    LoggerClaim,
    check_claims,
    check_name,
    register_claim,
)
from keras_pvec.fitting.end import HistoryOrder, call_after_others, weights_sha256
from keras_pvec.fitting.steps import StepCounter, learning_rate_of, updates_of
from keras_pvec.fitting.training import Training
from keras_pvec.fitting.warning_filters import shown_warnings

__all__ = [
    "HistoryOrder",
    "LoggerClaim",
    "StepCounter",
    "Training",
    "call_after_others",
    "check_claims",
    "check_name",
    "learning_rate_of",
    "register_claim",
    "shown_warnings",
    "updates_of",
    "weights_sha256",
]
