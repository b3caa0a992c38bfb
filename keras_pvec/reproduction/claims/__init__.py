"""The claims of the paper: specs, ratings of tables, results.

Each `rate_c<id>` takes tables of `analysis` and gives a `ClaimResult`. Sentences are
made of results by `report`.
"""

from keras_pvec.reproduction.claims.between_networks import rate_c1, rate_c5, rate_c13
from keras_pvec.reproduction.claims.criteria import (
    Counted,
    Criterion,
    FallToReferences,
    FallToSmallEnd,
    FirstConvergesAlone,
    LargeStartThenFall,
    PowerLaw,
    RankCorrelation,
    RiseThenFall,
    Shown,
    SlopeFalls,
    SmallAngle,
    SmallEnd,
    UnitCriterion,
)
from keras_pvec.reproduction.claims.depth import rate_c7
from keras_pvec.reproduction.claims.first_epoch import rate_c4, rate_c6a
from keras_pvec.reproduction.claims.generalization import rate_c10, rate_c11
from keras_pvec.reproduction.claims.quantity import Quantity, Unit
from keras_pvec.reproduction.claims.reading import RawData, Reading, Samples
from keras_pvec.reproduction.claims.registry import (
    CLAIMS,
    PARTS,
    ClaimSpec,
    Source,
    claims_of,
)
from keras_pvec.reproduction.claims.resampling import Estimator
from keras_pvec.reproduction.claims.result import (
    Aspect,
    Cause,
    Caveat,
    ClaimResult,
    Effect,
    Interval,
    Null,
    Obstacle,
    Part,
    Rung,
    Share,
    Spread,
    Verdict,
    not_tested,
)
from keras_pvec.reproduction.claims.spectrum import rate_c9, rate_c12
from keras_pvec.reproduction.claims.trajectory import (
    rate_c2,
    rate_c3,
    rate_c6b,
    rate_c8,
)

__all__ = [
    "CLAIMS",
    "PARTS",
    "Aspect",
    "Cause",
    "Caveat",
    "ClaimResult",
    "ClaimSpec",
    "Counted",
    "Criterion",
    "Effect",
    "Estimator",
    "FallToReferences",
    "FallToSmallEnd",
    "FirstConvergesAlone",
    "Interval",
    "LargeStartThenFall",
    "Null",
    "Obstacle",
    "Part",
    "PowerLaw",
    "Quantity",
    "RankCorrelation",
    "RawData",
    "Reading",
    "RiseThenFall",
    "Rung",
    "Samples",
    "Share",
    "Shown",
    "SlopeFalls",
    "SmallAngle",
    "SmallEnd",
    "Source",
    "Spread",
    "Unit",
    "UnitCriterion",
    "Verdict",
    "claims_of",
    "not_tested",
    "rate_c1",
    "rate_c2",
    "rate_c3",
    "rate_c4",
    "rate_c5",
    "rate_c6a",
    "rate_c6b",
    "rate_c7",
    "rate_c8",
    "rate_c9",
    "rate_c10",
    "rate_c11",
    "rate_c12",
    "rate_c13",
]
