"""The block Krylov iteration: which directions each pass adds, and when it is done.

`first_step` and `next_step` say what a pass is to multiply; `absorb` takes its products
into the state of the iteration. All are functions of their arguments; what is kept from
pass to pass is the `State`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from keras_pvec.solver.basis import (
    Basis,
    full_as_identity,
    start_directions,
)
from keras_pvec.solver.orthogonal import orthonormal_complement
from keras_pvec.solver.passes import Moments, PassProducts, PassRequest, Precision
from keras_pvec.solver.ritz import RitzPairs, ritz_pairs
from keras_pvec.solver.rows import working_dtype
from keras_pvec.solver.sample import RowSample, correction
from keras_pvec.solver.settings import Settings

# Where a pass improves more pairs than these, it improves a wide block of them.
_FEW_DIRECTIONS = 5
# How many pairs beyond the wanted ones a restart keeps.
_SPARE_PAIRS = 8
# The sample resembles the matrix if their products with a Ritz vector differ by less
# than this share of the next value, both relative to its own value. Else the residual
# itself is as good a direction.
_ALIKE = 2 / 3
# The least that the next value is taken to be, as long as the basis does not hold it.
_NEXT_SHARE = 0.1
# Values of a smaller share of the first are not resolved by a sample in float32.
_SMALLEST_CORRECTED = 1e-4
# A centred matrix of less energy than this many rounding errors counts as zero.
_CENTERED_ROUNDINGS = 100
# Residuals this many times larger than rounding errors count as rounding errors as well
# if a pass did not halve them.
_STAGNATION_ROUNDINGS = 8


@dataclasses.dataclass(frozen=True)
class History:
    """What the choice of the next directions requires from earlier passes.

    Attributes:
        n_passes: Number of passes so far.
        plain_passes: Number of the last pass that the vectors themselves needed; later
            ones are for the centred vector only.
        residual_norm: Largest residual of a vector that was not accurate enough, after
            the last pass in float32.
    """

    n_passes: int = 0
    plain_passes: int = 1
    residual_norm: float = math.inf


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A pass to run, and the basis that its products extend.

    Attributes:
        request: What the pass is to compute.
        basis: The basis that the directions of the request are added to.
        sample: The sample of the rows.
        history: What was known when the step was chosen.
    """

    request: PassRequest
    basis: Basis
    sample: RowSample
    history: History


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """What is known after a pass.

    Attributes:
        basis: The directions so far, and their products.
        moments: Moments of the matrix.
        precision: Type and rounding errors of the products.
        sample: The sample of the rows.
        plain: Ritz pairs of the matrix.
        centered: Ritz pairs of the centred matrix; `None` if it is zero, or not asked
            for.
        history: The history, including this pass.
    """

    basis: Basis
    moments: Moments
    precision: Precision
    sample: RowSample
    plain: RitzPairs
    centered: RitzPairs | None
    history: History

    @property
    def rounding(self) -> float:
        """Error of a product, relative to the norms of its factors."""
        return self.precision.rounding(self.basis.v.shape[1])


def first_step(block: Any, settings: Settings, start: np.ndarray | None) -> Step:
    """Chooses the first directions and the precision.

    Args:
        block: The first block of rows, as `as_rows` returns it.
        settings: The arguments of the solver.
        start: Right singular vectors to start from, shape `(n_features, columns)`.
    """
    n_features = block.shape[1]
    is_dense = n_features <= settings.limits.dense_features
    sample = RowSample.of(block, settings.limits)
    request = PassRequest(
        directions=start_directions(sample, settings, start),
        precision=Precision(np.float64 if is_dense else working_dtype(block)),
        with_moments=True,
        with_means=settings.centered_passes is not None,
    )
    return Step(request, Basis.empty(n_features), sample, History())


def in_float64(step: Step) -> Step:
    """The same step in float64, for a first pass that exceeds float32."""
    request = dataclasses.replace(step.request, precision=Precision(np.float64))
    return dataclasses.replace(step, request=request)


def absorb(step: Step, products: PassProducts, settings: Settings) -> State:
    """The state after the pass of a step: Ritz pairs in the extended basis.

    Args:
        step: The step.
        products: What its pass has computed.
        settings: The arguments of the solver.
    """
    basis = step.basis.extended(step.request.directions, products.y, products.z)
    moments, precision = products.moments, products.precision
    history = dataclasses.replace(step.history, n_passes=step.history.n_passes + 1)
    rounding = precision.rounding(basis.v.shape[1])
    is_explored = history.n_passes >= settings.exploration_passes
    spans_leading = basis.is_complete or is_explored
    plain = ritz_pairs(
        basis,
        moments.energy,
        settings.k,
        n_residuals=_n_residuals(settings, spans_leading=spans_leading),
        rounding=rounding,
        spans_leading=spans_leading,
    )
    centered = None
    smallest = _CENTERED_ROUNDINGS * rounding * moments.energy
    if moments.centering is not None and moments.centering.energy > smallest:
        centered = ritz_pairs(
            basis,
            moments.energy,
            1,
            n_residuals=settings.n_centered_new,
            rounding=rounding,
            spans_leading=spans_leading,
            centering=moments.centering,
        )
    return State(basis, moments, precision, step.sample, plain, centered, history)


def next_step(state: State, settings: Settings) -> Step | None:
    """Chooses the directions of the next pass: residuals of what is not yet accurate.

    The centred matrix differs from the plain one by the mean direction only, so that
    one basis which holds the mean serves both.

    Args:
        state: What is known after the last pass.
        settings: The arguments of the solver.

    Returns:
        The step; `None` if everything is accurate enough, or no direction or pass is
        left.
    """
    history, limits = state.history, settings.limits
    if history.n_passes >= settings.max_passes:
        return None
    candidates = []
    if state.plain.is_open(settings.tolerance_deg).any():
        history = dataclasses.replace(history, plain_passes=history.n_passes + 1)
        if state.precision.dtype is np.float32:
            residual_norm = _open_residual_norm(state.plain, settings)
            if _is_rounding(residual_norm, state):
                return _step_to_float64(state, settings, history)
            history = dataclasses.replace(history, residual_norm=residual_norm)
        chosen = _to_improve(state.plain, settings)
        candidates.append(_corrections(state, state.plain, chosen, settings))
    if state.centered is not None and _improves_centered(
        state.centered, history, settings
    ):
        chosen = np.arange(min(settings.n_centered_new, len(state.centered.residuals)))
        candidates.append(_corrections(state, state.centered, chosen, settings))
    if not candidates or state.basis.is_complete:
        return None
    if history.n_passes == 1 and state.moments.centering is not None:
        candidates.append(state.moments.centering.mean[None])
    directions = orthonormal_complement(
        np.concatenate(candidates),
        state.basis.v,
        smallest=state.rounding * state.plain.values[0],
    )
    if len(directions) == 0:
        return None
    basis = state.basis
    if basis.size + len(directions) > limits.max_basis + settings.k:
        basis = basis.combined(leading_pairs(state, settings), state.precision.dtype)
    request = PassRequest(
        directions=directions,
        precision=state.precision,
        moments=state.moments,
        number=history.n_passes + 1,
    )
    return Step(request, basis, state.sample, history)


def _n_residuals(settings: Settings, *, spans_leading: bool) -> int:
    """How many pairs the next directions may be chosen from."""
    if not spans_leading:
        return settings.limits.max_new_pairs
    # The wanted pairs and the one after them, or as many as are multiplied together.
    n_wanted = settings.n_leading + 1
    is_few = settings.block_size == 1 and n_wanted <= _FEW_DIRECTIONS
    return n_wanted if is_few else max(n_wanted, settings.limits.wide_block)


def leading_pairs(state: State, settings: Settings) -> np.ndarray:
    """Coefficients of the directions that a restart keeps: orthonormal columns, shape
    `(m, directions)`."""
    keep = [state.plain.coefficients[:, : settings.k + _SPARE_PAIRS]]
    if state.centered is not None:
        keep.append(state.centered.coefficients[:, :_SPARE_PAIRS])
    return np.linalg.qr(np.concatenate(keep, axis=1))[0]


def _open_residual_norm(plain: RitzPairs, settings: Settings) -> float:
    still_open = np.flatnonzero(plain.is_open(settings.tolerance_deg))
    return float(np.linalg.norm(plain.residuals[still_open], axis=1).max())


def _is_rounding(residual_norm: float, state: State) -> bool:
    """Whether the residuals are rounding errors of float32: below what these may be, or
    little larger and not halved by the last pass."""
    expected = state.rounding * state.plain.values[0]
    if residual_norm > state.history.residual_norm / 2:
        expected = _STAGNATION_ROUNDINGS * expected
    return bool(residual_norm < expected)


def _corrections(
    state: State, pairs: RitzPairs, chosen: np.ndarray, settings: Settings
) -> np.ndarray:
    """Residuals of the chosen pairs, and corrections in place of those of the leading
    pairs where the sample resembles the matrix."""
    candidates = pairs.residuals[chosen]
    if settings.block_size > 1 or not pairs.values[0] > 0:
        return candidates
    is_centered = pairs is state.centered
    centering = state.moments.centering if is_centered else None
    n_corrected = settings.n_centered_new if is_centered else settings.k
    vectors = pairs.coefficients[:, :n_corrected].T @ state.basis.v
    shares = np.append(pairs.values, 0.0) / pairs.values[0]
    # The units of a sample that is unlike the matrix may be far off.
    with np.errstate(over="ignore", invalid="ignore"):
        for row, i in enumerate(chosen):
            if i >= n_corrected or shares[i] < _SMALLEST_CORRECTED:
                continue
            theta = pairs.values[i]
            operator = state.sample.operator(state.moments, theta, centering)
            image = pairs.residuals[i] / theta + vectors[i]
            unlike = float(
                np.linalg.norm(operator(vectors[i].astype(np.float32)) - image)
            )
            if unlike < _ALIKE * max(shares[i + 1] / shares[i], _NEXT_SHARE):
                candidates[row] = correction(
                    operator, candidates[row], vectors[: i + 1], accuracy=unlike
                )
    return candidates


def _step_to_float64(state: State, settings: Settings, history: History) -> Step:
    """A pass that recomputes everything in float64 for the leading directions."""
    n_features = state.basis.v.shape[1]
    directions = leading_pairs(state, settings).T @ state.basis.v
    request = PassRequest(
        directions=full_as_identity(directions),
        precision=Precision(np.float64),
        moments=state.moments,
        with_moments=True,
        with_means=settings.centered_passes is not None,
        number=history.n_passes + 1,
    )
    return Step(request, Basis.empty(n_features), state.sample, history)


def _to_improve(plain: RitzPairs, settings: Settings) -> np.ndarray:
    """Indices of the pairs whose residuals are added.

    The pairs that are not accurate enough; the one after them, if all they lack is a
    bound on the gap; and, as long as a gap depends on directions that the basis may not
    span, the pair with the largest residual, which holds the random direction.
    """
    chosen = np.flatnonzero(plain.is_open(settings.tolerance_deg))
    errors = plain.errors
    following = len(errors.deg)
    n_pairs = len(plain.residuals)
    is_gap_alone = errors.last_at_apparent_gap_deg <= settings.tolerance_deg
    if following < n_pairs and is_gap_alone:
        chosen = np.append(chosen, following)
    if not errors.gaps_are_bounded:
        least_known = np.linalg.norm(plain.residuals, axis=1).argmax()
        chosen = np.append(chosen, least_known)
    chosen = np.unique(chosen)
    if len(chosen) > _FEW_DIRECTIONS or len(chosen) < settings.block_size:
        others = np.setdiff1d(np.arange(n_pairs), chosen)
        n_chosen = max(len(chosen), settings.limits.wide_block)
        chosen = np.append(chosen, others)[:n_chosen]
    return chosen


def _improves_centered(
    centered: RitzPairs, history: History, settings: Settings
) -> bool:
    """Whether the centred vector is not accurate enough and may cost another pass."""
    assert settings.centered_passes is not None
    if history.n_passes >= history.plain_passes + settings.centered_passes:
        return False
    # Where a pass is expensive, a less accurate one will do.
    enough = settings.limits.centered_tolerance_deg * settings.block_size
    tolerance_deg = max(settings.tolerance_deg, enough)
    # Nor is a smaller residual of use where rounding errors exceed it.
    if 2 * np.linalg.norm(centered.residuals[0]) < centered.norms[0]:
        return False
    return bool(centered.is_open(tolerance_deg)[0])
