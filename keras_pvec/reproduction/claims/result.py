"""What testing a claim gives: numbers and a verdict, no sentences."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import CLAIMS, ClaimSpec


class Verdict(enum.Enum):
    """How a claim fares."""

    REPRODUCED = "reproduced"
    PARTLY_REPRODUCED = "partly reproduced"
    NO_MORE_THAN_CHANCE = "met, but no more than chance"
    NOT_REPRODUCED = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    PRECONDITION_NOT_MET = "precondition not met"
    NOT_TESTED = "not tested"
    DESCRIBED = "described"


class Unit(enum.Enum):
    """The unit of an effect."""

    DEGREES = "degrees"
    NONE = ""


class Quantity(enum.Enum):
    """What an effect is the size of: its name in tables, its unit, and the range that
    its values, and so the interval of their mean, cannot leave."""

    ANGLE = "angle_deg", Unit.DEGREES, 0.0, 90.0
    CENTERED_ANGLE = "centered_angle_deg", Unit.DEGREES, 0.0, 90.0
    START_ANGLE = "start_angle_deg", Unit.DEGREES, 0.0, 90.0
    LATE_ANGLE = "late_angle_deg", Unit.DEGREES, 0.0, 90.0
    END_ANGLE = "end_angle_deg", Unit.DEGREES, 0.0, 90.0
    DECREASE = "decrease_deg", Unit.DEGREES, -90.0, 90.0
    RISE = "rise_deg", Unit.DEGREES, 0.0, 90.0
    FALL = "fall_deg", Unit.DEGREES, 0.0, 90.0
    PEAK_POSITION = "peak_position", Unit.NONE, 0.0, 1.0
    ANGLE_TREND = "angle_trend", Unit.NONE, -1.0, 1.0
    EARLY_DEPTH_TREND = "early_depth_trend", Unit.NONE, -1.0, 1.0
    LATE_DEPTH_TREND = "late_depth_trend", Unit.NONE, -1.0, 1.0
    LATE_TREND_PROBABILITY = "late_trend_probability", Unit.NONE, 0.0, 1.0
    DISTANCE_TREND = "distance_trend", Unit.NONE, -1.0, 1.0
    START_DISTANCE = "start_distance", Unit.NONE, 0.0, float("inf")
    FIRST_VECTOR_ANGLE = "first_vector_angle_deg", Unit.DEGREES, 0.0, 90.0
    OTHER_VECTORS_ANGLE = "other_vectors_angle_deg", Unit.DEGREES, 0.0, 90.0
    EXPLAINED = "explained_share", Unit.NONE, 0.0, 1.0
    END_EXPLAINED = "end_explained_share", Unit.NONE, 0.0, 1.0
    KENDALL_TAU = "kendall_tau", Unit.NONE, -1.0, 1.0
    PEARSON_R = "pearson_r", Unit.NONE, -1.0, 1.0
    EXPONENT = "exponent", Unit.NONE, float("-inf"), float("inf")

    def __init__(self, label: str, unit: Unit, lowest: float, highest: float) -> None:
        self.label = label
        self.unit = unit
        self.lowest = lowest
        self.highest = highest


class Interval(NamedTuple):
    """A 95% confidence interval."""

    low: float
    high: float


class Spread(NamedTuple):
    """How values are spread over units."""

    minimum: float
    median: float
    maximum: float


@dataclasses.dataclass(frozen=True)
class Effect:
    """The size of one quantity, in the unit of that quantity.

    Attributes:
        quantity: What it is the size of.
        estimate: The mean over the units; of coefficients, the coefficient. NaN where
            there is no value.
        n: Number of values, models or groups that it is estimated from.
        interval: Of the estimate; `None` where the values are too few or all alike.
        spread: Of the values; `None` for a coefficient.
        group: What the quantity is restricted to, e.g. a factor; `""` for everything.
    """

    quantity: Quantity
    estimate: float
    n: int
    interval: Interval | None = None
    spread: Spread | None = None
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Share:
    """How many units meet a criterion.

    Attributes:
        n_met: How many do.
        n: How many there are.
        counted: What they are.
        interval: Of `fraction`, as if the units were independent.
    """

    n_met: int
    n: int
    counted: Counted
    interval: Interval

    @property
    def fraction(self) -> float:
        """Share of the units that meet the criterion."""
        return self.n_met / self.n


class Null(enum.Enum):
    """A rung of the ladder: what else could have given the same result."""

    PERMUTATION = "permutation null"
    UNTRAINED_TWIN = "untrained twins"
    BLOCK_ORDER = "block permutation"
    CONSTANT_VECTOR = "constant vector"
    TRIVIAL_PREDICTORS = "trivial predictors"


@dataclasses.dataclass(frozen=True)
class Rung:
    """What a null gives for a claim.

    Attributes:
        null: Which null.
        effects: The same quantities as of the claim, under the null.
        met: How many of its units meet the criterion; `None` where units are not
            counted.
        meets: Whether the null meets the criterion as a whole.
    """

    null: Null
    effects: tuple[Effect, ...]
    met: Share | None = None
    meets: bool = False


class Caveat(enum.Enum):
    """What limits a result whatever its numbers are."""

    OWN_END = enum.auto()  # any path of shrinking steps approaches its own end
    ORDER_FREE = enum.auto()  # no order of the samples changes the quantity


class Cause(enum.Enum):
    """Why a claim was not tested."""

    TOO_FEW_NETWORKS = enum.auto()
    TOO_FEW_MOMENTS = enum.auto()
    TOO_FEW_BLOCKS = enum.auto()
    TOO_FEW_VECTORS = enum.auto()
    TOO_FEW_MODELS = enum.auto()
    MODELS_ALIKE = enum.auto()
    NO_FACTOR = enum.auto()
    MISSING_REFERENCES = enum.auto()
    RANDOM_WEIGHTS = enum.auto()
    NOT_SELECTED = enum.auto()
    NO_RUNS = enum.auto()
    NO_IMAGES = enum.auto()
    NO_WEIGHTS = enum.auto()
    NOT_APPLICABLE = enum.auto()
    TOO_FEW_SAMPLES = enum.auto()
    STUDY_FAILED = enum.auto()


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """What kept a claim from being tested.

    Attributes:
        cause: What kind of thing.
        needed: How many are needed, where something is too few.
        found: How many there are.
        names: What is missing, by name.
    """

    cause: Cause
    needed: int | None = None
    found: int | None = None
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ClaimResult:
    """What was measured of a claim under one reading, and the verdict.

    Attributes:
        claim: Id of the claim, a key of `CLAIMS`.
        reading: The reading, one that the claim admits.
        verdict: How the claim fares.
        effects: What was measured, the main quantity first.
        met: How many units meet the criterion; `None` where units are not counted.
        ladder: What the nulls give.
        caveats: What limits the result.
        obstacle: Why the claim was not tested.
    """

    claim: str
    reading: Reading
    verdict: Verdict
    effects: tuple[Effect, ...] = ()
    met: Share | None = None
    ladder: tuple[Rung, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    obstacle: Obstacle | None = None

    def __post_init__(self) -> None:
        if self.claim not in CLAIMS:
            raise ValueError(
                f"There is no claim {self.claim!r}; there are {', '.join(CLAIMS)}."
            )
        if not self.spec.admits(self.reading):
            raise ValueError(
                f"{self.claim} admits the readings {self.spec.readings}. Received: "
                f"{self.reading}"
            )
        if (self.verdict is Verdict.NOT_TESTED) != (self.obstacle is not None):
            raise ValueError(
                f"{self.claim}: an obstacle is given if, and only if, the claim was "
                f"not tested. Received: {self.verdict}, {self.obstacle}"
            )

    @property
    def spec(self) -> ClaimSpec:
        """The claim."""
        return CLAIMS[self.claim]

    @property
    def explained_by(self) -> tuple[Null, ...]:
        """The nulls that make a result no more than chance."""
        if self.verdict is not Verdict.NO_MORE_THAN_CHANCE:
            return ()
        return tuple(rung.null for rung in self.ladder if rung.meets)

    def rung(self, null: Null) -> Rung | None:
        """What a null gives, if it was held against this claim."""
        return next((rung for rung in self.ladder if rung.null is null), None)


def not_tested(
    claim: str, obstacle: Obstacle, reading: Reading | None = None
) -> ClaimResult:
    """The result of a claim of which these runs say nothing.

    Args:
        claim: Its id.
        obstacle: Why not.
        reading: Default the primary one of the claim.
    """
    return ClaimResult(
        claim,
        reading or CLAIMS[claim].primary,
        Verdict.NOT_TESTED,
        obstacle=obstacle,
    )
