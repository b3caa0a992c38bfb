"""What the last angle of each layer to each reference shows, given its null."""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING

from keras_pvec.diagnostics.findings import Finding, Kind
from keras_pvec.runs import Moment

if TYPE_CHECKING:
    import pandas

    from keras_pvec.comparison import Comparison

# An angle within this many standard deviations of its null shows nothing.
MIN_Z = 3.0
# Two vectors closer than this count as the same.
_SAME_DEG = 1e-6


class Verdict(enum.Enum):
    """How an angle compares with its permutation null.

    Attributes:
        FARTHER: Larger than the null, z at most -3.
        WITHIN_NULL: Not distinguishable from the null, z between -3 and 3.
        NO_NULL: One of the vectors is constant, so that permuting the samples does not
            change it.
        NO_ANGLE: There is a reference, but no angle to it.
        CLOSER: Smaller than the null, z at least 3.
        SAME: The two vectors are the same.
        NO_REFERENCE: The layer is logged without a reference.
    """

    FARTHER = "farther"
    WITHIN_NULL = "within_null"
    NO_NULL = "no_null"
    NO_ANGLE = "no_angle"
    CLOSER = "closer"
    SAME = "same"
    NO_REFERENCE = "no_reference"


_FINDING_OF = {
    Verdict.FARTHER: Kind.FARTHER,
    Verdict.WITHIN_NULL: Kind.WITHIN_NULL,
    Verdict.NO_NULL: Kind.NO_NULL,
}


@dataclasses.dataclass(frozen=True)
class JudgedAngle:
    """The last angle of a layer to a reference. Unknown numbers are `None`.

    Attributes:
        layer: Name of the layer.
        reference: Name of the reference; empty without a reference.
        moment: When it was measured.
        n_samples: Number of samples.
        angle_deg: The angle, degrees.
        null_angle_deg: The angle at the mean cosine of the permutation null, degrees.
        centered_angle_deg: Angle of the column-centred features, degrees.
        z: Distance of the cosine from its null, in standard deviations of the null;
            positive where the angle is smaller than the null.
        energy1: Share of `||X||_F^2` in the first direction.
        verdict: How the angle compares with its null.
    """

    layer: str
    reference: str
    moment: Moment
    n_samples: int
    angle_deg: float | None
    null_angle_deg: float | None
    centered_angle_deg: float | None
    z: float | None
    energy1: float | None
    verdict: Verdict


def judge(comparison: Comparison) -> Verdict:
    """How the angle of a comparison compares with its permutation null."""
    return _verdict(comparison.angle_deg, comparison.null_angle_deg, comparison.z)


def centered_threshold_deg(n_samples: int) -> float:
    """Centred angles below this are closer than their null: z is 3 at the threshold.

    Centred vectors have no component along the constant vector. Under a random
    permutation of the samples their cosine has mean 0 and standard deviation
    `1 / sqrt(n_samples - 1)`.
    """
    if n_samples < 2:
        return 0.0
    return math.degrees(math.acos(min(MIN_Z / math.sqrt(n_samples - 1), 1.0)))


def last_angles(log: pandas.DataFrame) -> list[JudgedAngle]:
    """The last angle of each layer to each reference, in the order of the log."""
    ordered = log.sort_values(["epoch", "step"], kind="stable")
    judged = []
    for (layer, reference), _ in log.groupby(["layer", "reference"], sort=False):
        rows = ordered[(ordered.layer == layer) & (ordered.reference == reference)]
        with_angle = rows.dropna(subset=["angle_deg"])
        row = (rows if with_angle.empty else with_angle).iloc[-1]
        angle, null, centered, z, energy = (
            _number(row[name])
            for name in (
                "angle_deg",
                "null_angle_deg",
                "centered_angle_deg",
                "z",
                "energy1",
            )
        )
        verdict = _verdict(angle, null, z) if reference else Verdict.NO_REFERENCE
        judged.append(
            JudgedAngle(
                layer=layer,
                reference=reference,
                moment=Moment(int(row["epoch"]), int(row["step"])),
                n_samples=int(_number(row["n_samples"]) or 0),
                angle_deg=angle,
                null_angle_deg=null,
                centered_angle_deg=centered,
                z=z,
                energy1=energy,
                verdict=verdict,
            )
        )
    return judged


def angle_findings(angles: list[JudgedAngle]) -> list[Finding]:
    """Findings about the angles that do not show that two vectors are close."""
    return [
        Finding(
            _FINDING_OF[angle.verdict],
            layer=angle.layer,
            reference=angle.reference,
            moments=(angle.moment,),
            values={
                name: value
                for name in ("angle_deg", "null_angle_deg", "z")
                if (value := getattr(angle, name)) is not None
            },
        )
        for angle in angles
        if angle.verdict in _FINDING_OF
    ]


def _verdict(
    angle_deg: float | None, null_angle_deg: float | None, z: float | None
) -> Verdict:
    if angle_deg is None:
        return Verdict.NO_ANGLE
    # The angle of a vector to itself says nothing, whatever its null.
    if angle_deg < _SAME_DEG:
        return Verdict.SAME
    if z is None or null_angle_deg is None:
        return Verdict.NO_NULL
    if abs(z) < MIN_Z:
        return Verdict.WITHIN_NULL
    return Verdict.CLOSER if z > 0 else Verdict.FARTHER


def _number(cell: float) -> float | None:
    return None if math.isnan(cell) else float(cell)
