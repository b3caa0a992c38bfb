"""The comparison of two P-vectors: the fields of a row of `log.csv`, and more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_pvec.comparison.angles import (
    check_comparable,
    check_samples_of,
    line_angle_deg,
    principal_angles,
)
from keras_pvec.comparison.ladder import NullTest, null_ladder
from keras_pvec.comparison.nulls import null_angle_deg, permutation_cosine_moments
from keras_pvec.comparison.similarity import (
    influential_samples,
    reweighted_vector,
    stored_energy,
    unit_row_weights,
)
from keras_pvec.html_tables import html_table, number_text
from keras_pvec.pvector import PVector
from keras_pvec.samples import SampleSet

if TYPE_CHECKING:
    import pandas

# A table shows at most this many elements of a list.
_MAX_SHOWN = 5
# Centred vectors with a larger error are left out of comparisons.
_CENTERED_MAX_ERROR_DEG = 1.0


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The angle between two P-vectors, and what is needed to judge it.

    The fields are those of a row of `log.csv`; quantities of a single matrix are those
    of the first P-vector. A field is `None` where it does not apply.

    Attributes:
        n_samples: Number of samples.
        n_features: Number of features.
        angle_deg: Angle between the P-vectors: 0 = the same, 90 = unrelated.
        angle_error_deg: Numerical error of `angle_deg`: the sum of the errors of both
            vectors (see `PVector.error_deg`).
        centered_angle_deg: Angle between the vectors of the column-centred matrices.
            `None` where one of them is not determined to within a degree.
        null_angle_deg: Angle of the mean cosine under the permutation null, in which
            the samples of one side are permuted: what the components along the constant
            vector explain.
        z: Number of standard deviations of that null by which the absolute cosine
            exceeds the absolute mean; `sqrt(n-1) * pearson(u, v)` where both vectors
            have the same sign along the constant vector. Below about 3 the angle shows
            nothing; if `z` is negative, the angle is larger than the permutation null.
        cos_ones: Cosine between the first P-vector and the constant vector.
        cos_ones_reference: The same for the second P-vector.
        sigma1: Largest singular value.
        sigma2_over_sigma1: Near 1 the P-vector is ambiguous.
        energy1: Share of the squared Frobenius norm in the first direction.
        participation: Effective number of samples in the vector, `1 / sum(u_i^4)`.
        ladder: Tests of the angle against the ladder of nulls, in the order of `Rung`;
            empty if `compare` was called without `n_permutations`.
    """

    n_samples: int
    n_features: int
    angle_deg: float | None
    angle_error_deg: float
    centered_angle_deg: float | None
    null_angle_deg: float | None
    z: float | None
    cos_ones: float
    cos_ones_reference: float | None
    sigma1: float
    sigma2_over_sigma1: float
    energy1: float
    participation: float
    ladder: tuple[NullTest, ...] = dataclasses.field(default=(), kw_only=True)

    def as_row(self) -> dict[str, Any]:
        """The fields but the ladder by name, as in a row of `log.csv`."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "ladder"
        }

    @property
    def ladder_table(self) -> pandas.DataFrame:
        """The ladder as a table, one row per rung: the angle, the 5%, 50% and 95%
        quantiles of the null angle (degrees), the calibrated cosine and the p-value."""
        import pandas

        columns = ("null_5_deg", "null_50_deg", "null_95_deg")
        rows = [
            {
                "angle_deg": test.angle_deg,
                **dict(zip(columns, test.null_angles_deg, strict=True)),
                "calibrated_cosine": test.calibrated_cosine,
                "p_value": test.p_value,
            }
            for test in self.ladder
        ]
        names = [test.rung.value for test in self.ladder]
        index = pandas.Index(names, name="rung", dtype=object)
        all_columns = ["angle_deg", *columns, "calibrated_cosine", "p_value"]
        return pandas.DataFrame(rows, index=index, columns=all_columns)

    def __str__(self) -> str:
        """The fields, and the ladder, one line each."""
        rows = self._texts()
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name.ljust(width)}  {text}" for name, text in rows)

    def _repr_html_(self) -> str:
        """The same as a small table, for notebooks."""
        return html_table(type(self).__name__, ["field", "value"], self._texts())

    def _texts(self) -> list[tuple[str, str]]:
        fields = [(name, _cell_text(value)) for name, value in self.as_row().items()]
        return fields + [
            (
                f"null: {test.rung.value}",
                f"{number_text(test.angle_deg)} degrees; null "
                + " / ".join(number_text(angle) for angle in test.null_angles_deg)
                + f" (5 / 50 / 95%); p = {test.p_value:.3g}",
            )
            for test in self.ladder
        ]


@dataclasses.dataclass(frozen=True)
class DetailedComparison(Comparison):
    """A comparison with the samples that dominate it and with other measures.

    Computed from the `k` stored vectors, that is, from the best approximation of rank
    `k` of each feature matrix. `stored_energy` is the share of the features that it
    represents; the remainder may change these numbers.

    Attributes:
        trimmed_angle_deg: The angle without the most influential samples: P-vectors of
            the rows that remain.
        trimmed_null_angle_deg: Null of `trimmed_angle_deg`; see `null_angle_deg`.
        influential_samples: The 1% of the samples, at least one, that change the angle
            most when left out one at a time. Indices into the samples, the most
            influential first; empty if the angle is zero.
        row_normalised_angle_deg: The angle after each sample's features are scaled to
            unit length, so that all samples have equal weight. `None` for P-vectors
            stored without `row_norms`.
        row_normalised_null_angle_deg: Null of `row_normalised_angle_deg`; see
            `null_angle_deg`.
        principal_angles_deg: Principal angles between the spans of all stored vectors,
            smallest first.
        stored_energy: Share of `||X||_F^2` in the stored vectors; the smaller of the
            two.
    """

    trimmed_angle_deg: float | None
    trimmed_null_angle_deg: float | None
    influential_samples: tuple[int, ...]
    row_normalised_angle_deg: float | None
    row_normalised_null_angle_deg: float | None
    principal_angles_deg: tuple[float, ...]
    stored_energy: float


def compare(
    p: PVector,
    q: PVector,
    *,
    n_permutations: int = 0,
    samples: SampleSet | Mapping[str, np.ndarray] | None = None,
    untrained_deg: Sequence[float] = (),
) -> Comparison:
    """Computes the angle between two P-vectors, its null and the other statistics.

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.
        n_permutations: Random permutations on each rung of the ladder of nulls, such as
            999. 0 leaves the ladder out; the angle of the permutation null is exact
            without it.
        samples: The samples, or data about them as `Run.samples` gives them: `labels`,
            and brightness and contrast. Rungs whose data are missing are left out.
        untrained_deg: Angles of pairs of untrained networks of the same architectures,
            degrees, for the last rung.

    Returns:
        The comparison; quantities of a single matrix are those of `p`.

    Raises:
        TypeError: See `angle`.
        SampleMismatchError: See `angle`; also if `samples` are not those of the
            P-vectors.
        ValueError: `samples` or `untrained_deg` without `n_permutations`, or samples
            of a different number.

    Example:

    ```python
    run = kp.open_run("runs/a")
    p, q = run.p_vector("final"), kp.open_run("runs/b").p_vector("final")
    print(kp.compare(p, q, n_permutations=999, samples=run.samples))
    ```
    """
    check_comparable(p, q)
    if not n_permutations and (samples is not None or len(untrained_deg)):
        raise ValueError(
            "`samples` and `untrained_deg` are for the ladder of nulls. Pass "
            "`n_permutations` as well, such as 999."
        )
    recorded = _recorded(samples, p)
    null_cosine, null_std = permutation_cosine_moments(
        p.cos_ones, q.cos_ones, p.n_samples
    )
    cosine = float(p.vector @ q.vector)
    u, v = (_determined_centered_vector(side) for side in (p, q))
    return dataclasses.replace(
        describe(p),
        angle_deg=line_angle_deg(p.vector, q.vector),
        angle_error_deg=float(min(p.error_deg[0] + q.error_deg[0], 90.0)),
        centered_angle_deg=None if u is None or v is None else line_angle_deg(u, v),
        null_angle_deg=null_angle_deg(null_cosine),
        # Permutations do not change a constant vector, so its null has no spread.
        z=(abs(cosine) - abs(null_cosine)) / null_std if null_std > 1e-12 else None,
        cos_ones_reference=q.cos_ones,
        ladder=_ladder(p, q, n_permutations, recorded, untrained_deg),
    )


def compare_in_detail(p: PVector, q: PVector) -> DetailedComparison:
    """As `compare`, with the samples that dominate the angle and with other measures.

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.

    Returns:
        The comparison; quantities of a single matrix are those of `p`.

    Raises:
        TypeError: See `angle`.
        SampleMismatchError: See `angle`.
    """
    comparison = compare(p, q)
    influential = influential_samples(p.vector, q.vector)
    others = np.ones(p.n_samples)
    others[influential] = 0.0
    trimmed_angle, trimmed_null = _reweighted_angles_deg(p, q, others, others)
    normalised_angle, normalised_null = _reweighted_angles_deg(
        p, q, unit_row_weights(p), unit_row_weights(q)
    )
    return DetailedComparison(
        **comparison.as_row(),
        trimmed_angle_deg=trimmed_angle,
        trimmed_null_angle_deg=trimmed_null,
        influential_samples=tuple(influential.tolist()),
        row_normalised_angle_deg=normalised_angle,
        row_normalised_null_angle_deg=normalised_null,
        principal_angles_deg=tuple(principal_angles(p, q).tolist()),
        stored_energy=min(stored_energy(p), stored_energy(q)),
    )


def describe(p: PVector) -> Comparison:
    """The statistics of one P-vector, which need no reference."""
    return Comparison(
        n_samples=p.n_samples,
        n_features=p.n_features,
        angle_deg=None,
        angle_error_deg=float(p.error_deg[0]),
        centered_angle_deg=None,
        null_angle_deg=None,
        z=None,
        cos_ones=p.cos_ones,
        cos_ones_reference=None,
        sigma1=p.sigma1,
        sigma2_over_sigma1=p.sigma2_over_sigma1,
        energy1=p.energy1,
        participation=p.participation,
    )


def _cell_text(value: float | tuple[float, ...] | None) -> str:
    if isinstance(value, tuple):
        shown = [_cell_text(item) for item in value[:_MAX_SHOWN]]
        return ", ".join(shown + ["..."] * (len(value) > _MAX_SHOWN)) or "-"
    return f"{value:,}" if isinstance(value, int) else number_text(value, decimals=3)


def _recorded(
    samples: SampleSet | Mapping[str, np.ndarray] | None, p: PVector
) -> Mapping[str, np.ndarray]:
    """What the ladder needs to know of the samples."""
    if isinstance(samples, SampleSet):
        check_samples_of(p, samples, "The first P-vector")
        labels = {} if samples.y is None else {"labels": samples.y}
        return {**labels, **samples.statistics()}
    if samples is None or isinstance(samples, Mapping):
        return samples or {}
    raise TypeError(
        "`samples` must be a SampleSet, or arrays by name as Run.samples gives them. "
        f"Received: {type(samples).__name__}"
    )


def _ladder(
    p: PVector,
    q: PVector,
    n_permutations: int,
    samples: Mapping[str, np.ndarray],
    untrained_deg: Sequence[float],
) -> tuple[NullTest, ...]:
    if not n_permutations:
        return ()
    return null_ladder(
        p,
        q,
        labels=samples.get("labels"),
        statistics=samples,
        untrained_deg=untrained_deg,
        n_permutations=n_permutations,
    )


def _determined_centered_vector(p: PVector) -> np.ndarray | None:
    """The centred vector, if it is accurate enough to compare."""
    return (
        p.centered_vector if p.centered_error_deg <= _CENTERED_MAX_ERROR_DEG else None
    )


def _reweighted_angles_deg(
    p: PVector,
    q: PVector,
    p_weights: np.ndarray | None,
    q_weights: np.ndarray | None,
) -> tuple[float | None, float | None]:
    """The angle, and its null, after the samples' features are scaled by weights."""
    if p_weights is None or q_weights is None:
        return None, None
    u, v = reweighted_vector(p, p_weights), reweighted_vector(q, q_weights)
    if u is None or v is None:
        return None, None
    null_cosine = u.mean() * v.mean() * len(u)
    return line_angle_deg(u, v), null_angle_deg(null_cosine)
