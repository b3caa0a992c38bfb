"""What testing a claim gives: numbers and a verdict, no sentences."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

from keras_pvec.reproduction.claims.criteria import Counted
from keras_pvec.reproduction.claims.quantity import Quantity
from keras_pvec.reproduction.claims.reading import Reading
from keras_pvec.reproduction.claims.registry import CLAIMS, ClaimSpec
from keras_pvec.reproduction.claims.resampling import Estimator


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
        estimate: The mean or median over the units, or a coefficient, as `estimator`
            says. NaN where there is no value.
        n: Number of values or models that it is estimated from.
        interval: Of the estimate, over networks; `None` where the values are all alike
            or of one network.
        spread: Of the values; `None` for a coefficient.
        group: What the quantity is restricted to, e.g. a reference; `""` for
            everything.
        estimator: What the estimate is.
    """

    quantity: Quantity
    estimate: float
    n: int
    interval: Interval | None = None
    spread: Spread | None = None
    group: str = ""
    estimator: Estimator = Estimator.MEAN


@dataclasses.dataclass(frozen=True)
class Share:
    """How many units meet a criterion.

    Attributes:
        n_met: How many do.
        n: How many there are.
        counted: What they are.
        interval: Of `fraction`, from resampled networks.
        n_networks: How many networks the units are made of.
    """

    n_met: int
    n: int
    counted: Counted
    interval: Interval
    n_networks: int = 1

    @property
    def fraction(self) -> float:
        """Share of the units that meet the criterion."""
        return self.n_met / self.n

    @property
    def is_unanimous(self) -> bool:
        """Whether all units agree."""
        return self.n_met in (0, self.n)


class Null(enum.Enum):
    """A rung of the ladder: what else could have given the same result."""

    PERMUTATION = "permutation null"
    WITHIN_CLASS = "permutation within classes"
    IMAGE_STATISTICS = "image statistics"
    UNTRAINED = "untrained pairs"
    BLOCK_ORDER = "block permutation"
    TRIVIAL_PREDICTORS = "trivial predictors"


@dataclasses.dataclass(frozen=True)
class Rung:
    """What a null gives for a claim.

    Attributes:
        null: Which null.
        effects: The same quantities as of the claim, under the null.
        met: How many of its units meet the criterion; `None` where units are not
            counted.
        meets: Whether the null reaches the level that the claim reaches.
        n_beyond: How many units of the claim meet the criterion where the null of the
            same unit does not; `None` where units are not counted.
    """

    null: Null
    effects: tuple[Effect, ...]
    met: Share | None = None
    meets: bool = False
    n_beyond: int | None = None


class Caveat(enum.Enum):
    """What limits a result whatever its numbers are."""

    OWN_END = enum.auto()  # any path of shrinking steps approaches its own end
    ORDER_FREE = enum.auto()  # no order of the samples changes the quantity
    QUALITY_UNKNOWN = enum.auto()  # whether runs are well trained is not known
    FEW_NETWORKS = enum.auto()  # all agree, but so few that half of others might not
    NULL_PARTLY_MEETS = enum.auto()  # at least half of the units, under some null
    NO_UNTRAINED_PAIRS = enum.auto()  # that part of the criterion could not be asked
    MULTIPLE_TESTS = enum.auto()  # intervals of differences are corrected for these


class Cause(enum.Enum):
    """Why a claim was not tested."""

    TOO_FEW_NETWORKS = enum.auto()
    TOO_FEW_MOMENTS = enum.auto()
    TOO_FEW_UPDATES = enum.auto()
    TOO_FEW_SEEDS = enum.auto()
    CANNOT_BE_MET = enum.auto()
    TOO_FEW_BLOCKS = enum.auto()
    TOO_FEW_VECTORS = enum.auto()
    TOO_FEW_MODELS = enum.auto()
    MODELS_ALIKE = enum.auto()
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


class Aspect(enum.Enum):
    """What a part of a criterion is about."""

    OWN_END = "to the own end"
    BETWEEN = "between networks"


@dataclasses.dataclass(frozen=True)
class Part:
    """What one part of a criterion gives, where a criterion has several.

    Attributes:
        aspect: Which part.
        verdict: How it fares by itself.
        met: How many units meet it.
        effects: What was measured.
        ladder: What the nulls give.
    """

    aspect: Aspect
    verdict: Verdict
    met: Share
    effects: tuple[Effect, ...] = ()
    ladder: tuple[Rung, ...] = ()


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
        parts: Of a criterion that has several; `met`, `effects` and `ladder` are then
            those of the first.
        n_left_out: How many networks were left out because they are not well trained.
        without: Networks that were left out because they have no such features as the
            reading asks for.
    """

    claim: str
    reading: Reading
    verdict: Verdict
    effects: tuple[Effect, ...] = ()
    met: Share | None = None
    ladder: tuple[Rung, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    obstacle: Obstacle | None = None
    parts: tuple[Part, ...] = ()
    n_left_out: int = 0
    without: tuple[str, ...] = ()

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
        ladders = [part.ladder for part in self.parts] or [self.ladder]
        found = [rung.null for ladder in ladders for rung in ladder if rung.meets]
        return tuple(dict.fromkeys(found))

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
