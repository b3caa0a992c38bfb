"""The block Krylov iteration: which directions each pass adds, and when it is done.

`first_step` and `next_step` say what a pass is to multiply; `absorb` takes its products
into the state of the iteration. All are functions of their arguments; what is kept from
pass to pass is the `State`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_pvec.solver.basis import Basis, full_as_identity, start_directions
from keras_pvec.solver.choice import (
    improved_directions,
    improves_centered,
    n_residuals,
    pairs_to_improve,
)
from keras_pvec.solver.orthogonal import orthonormal_complement
from keras_pvec.solver.passes import PassProducts, PassRequest, Precision
from keras_pvec.solver.ritz import RitzPairs, ritz_pairs
from keras_pvec.solver.rows import working_dtype
from keras_pvec.solver.sample import RowSample
from keras_pvec.solver.settings import Settings
from keras_pvec.solver.state import History, State, Step

# How many pairs beyond the wanted ones a restart keeps.
_SPARE_PAIRS = 8
# A centred matrix of less energy than this many rounding errors counts as zero.
_CENTERED_ROUNDINGS = 100
# Residuals this many times larger than rounding errors count as rounding errors as well
# if a pass did not halve them.
_STAGNATION_ROUNDINGS = 8


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
        n_residuals=n_residuals(settings, spans_leading=spans_leading),
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
        chosen = pairs_to_improve(state.plain, settings)
        candidates.append(improved_directions(state, state.plain, chosen, settings))
    if state.centered is not None and improves_centered(
        state.centered, history, settings
    ):
        chosen = np.arange(min(settings.n_centered_new, len(state.centered.residuals)))
        candidates.append(improved_directions(state, state.centered, chosen, settings))
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
