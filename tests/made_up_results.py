"""Results of claims under many readings, made up so that the answers are known."""

import numpy as np

from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Centring,
    ClaimResult,
    Counted,
    Effect,
    Interval,
    Null,
    Obstacle,
    Quantity,
    Rung,
    Share,
    Verdict,
    not_tested,
)


def result(claim, reading, verdict, effect, n_met=5, null_meets=False):
    """A result with an interval of 2 degrees to each side."""
    angle = Effect(Quantity.ANGLE, effect, 10, Interval(effect - 2, effect + 2))
    met = Share(n_met, 10, Counted.PAIRS, Interval(n_met / 10 - 0.1, n_met / 10 + 0.1))
    rung = Rung(Null.PERMUTATION, (), meets=null_meets)
    return ClaimResult(claim, reading, verdict, (angle,), met, (rung,))


def centring_decides(claim="C1"):
    """Not reproduced where columns are centred, reproduced elsewhere; the angle is 10
    degrees, 40 more for centred columns, and 3 more for every other change."""
    spec = CLAIMS[claim]
    results = []
    for reading in spec.readings:
        changes = reading.changes(spec.primary)
        centred = changes.pop("centring", None) is Centring.COLUMNS
        verdict = Verdict.NOT_REPRODUCED if centred else Verdict.REPRODUCED
        effect = 10.0 + 40.0 * centred + 3.0 * len(changes)
        results.append(result(claim, reading, verdict, effect))
    return results


def all_verdicts(seed=0):
    """All claims under all of their readings, with each verdict and missing weights."""
    rng = np.random.default_rng(seed)
    verdicts = [v for v in Verdict if v is not Verdict.NOT_TESTED]
    results = []
    for claim, spec in CLAIMS.items():
        for i, reading in enumerate(spec.readings):
            if reading.measurement == "logits":
                missing = Obstacle(Cause.NO_WEIGHTS, names=("mlp", "resnet-18"))
                results.append(not_tested(claim, missing, reading))
            else:
                verdict = verdicts[(i // 3) % len(verdicts)]
                n_met = int(rng.integers(0, 11))
                effect = float(rng.uniform(5, 80))
                results.append(result(claim, reading, verdict, effect, n_met))
    return results
