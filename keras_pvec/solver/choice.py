"""Which approximate vectors a pass improves, and in which directions."""

from __future__ import annotations

import math

import numpy as np

from keras_pvec.solver.ritz import RitzPairs
from keras_pvec.solver.sample import correction
from keras_pvec.solver.settings import Settings
from keras_pvec.solver.state import History, State

# A vector that the first passes do not determine well converges slowly. Its passes
# improve so many pairs, which costs little more than one.
_SLOW_PAIRS = 3
_SLOW_DEG = 10.0
# Where a pass improves more pairs than these, it improves a wide block of them.
_FEW_DIRECTIONS = 5
# The sample resembles the matrix if their products with a Ritz vector differ by less
# than this share of the next value, both relative to its own value. Else the residual
# itself is as good a direction.
_ALIKE = 2 / 3
# Nor are corrections better where they differ by more: it then takes many passes either
# way, and residuals, which span a Krylov space, gain more from the passes before.
_MOST_UNLIKE = 0.25
# The least that the next value is taken to be, as long as the basis does not hold it.
_NEXT_SHARE = 0.1
# Values of a smaller share of the first are not resolved by a sample in float32.
_SMALLEST_CORRECTED = 1e-4


def n_residuals(settings: Settings, *, spans_leading: bool) -> int:
    """How many pairs the next directions may be chosen from."""
    if not spans_leading:
        return settings.limits.max_new_pairs
    # The wanted pairs and those after them, or as many as are multiplied together.
    n_wanted = max(settings.n_leading + 1, _SLOW_PAIRS)
    is_few = settings.block_size == 1 and n_wanted <= _FEW_DIRECTIONS
    return n_wanted if is_few else max(n_wanted, settings.limits.wide_block)


def pairs_to_improve(plain: RitzPairs, settings: Settings) -> np.ndarray:
    """Indices of the pairs whose residuals are added.

    The pairs that are not accurate enough; the one after them, if all they lack is a
    bound on the gap; and, as long as a gap depends on directions that the basis may not
    span, the pair with the largest residual, which holds the random direction. Leading
    pairs are added where convergence is slow, or where a block is multiplied anyway.
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
    n_chosen = len(chosen)
    if errors.gaps_are_bounded and errors.deg.max() > _SLOW_DEG:
        n_chosen = max(n_chosen, _SLOW_PAIRS)
    if n_chosen > _FEW_DIRECTIONS or n_chosen < settings.block_size:
        n_chosen = max(n_chosen, settings.limits.wide_block)
    others = np.setdiff1d(np.arange(n_pairs), chosen)
    return np.append(chosen, others)[:n_chosen]


def improves_centered(
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


def improved_directions(
    state: State, pairs: RitzPairs, chosen: np.ndarray, settings: Settings
) -> np.ndarray:
    """Residuals of the chosen pairs, and corrections in place of those of the leading
    pairs where the sample resembles the matrix."""
    candidates = pairs.residuals[chosen]
    if settings.block_size > 1 or not pairs.values[0] > 0:
        return candidates
    moments, is_centered = state.moments, pairs is state.centered
    centering = moments.centering if is_centered else None
    energy = moments.energy if centering is None else centering.energy
    n_corrected = settings.n_centered_new if is_centered else settings.k
    vectors = pairs.coefficients[:, :n_corrected].T @ state.basis.v
    shares = np.append(pairs.values, 0.0) / pairs.values[0]
    # The units of a sample that is unlike the matrix may be far off.
    with np.errstate(over="ignore", invalid="ignore"):
        for row, i in enumerate(chosen):
            if i >= n_corrected or shares[i] < _SMALLEST_CORRECTED:
                continue
            theta = pairs.values[i]
            following = max(shares[i + 1] / shares[i], _NEXT_SHARE)
            most = min(_ALIKE * following, _MOST_UNLIKE)
            # The expected size of `unlike` for a random sample.
            if math.sqrt(energy / theta / len(state.sample.rows)) > most:
                continue
            operator = state.sample.operator(moments, theta, centering)
            image = pairs.residuals[i] / theta + vectors[i]
            unlike = float(
                np.linalg.norm(operator(vectors[i].astype(np.float32)) - image)
            )
            if unlike < most:
                candidates[row] = correction(
                    operator, candidates[row], vectors[: i + 1], accuracy=unlike
                )
    return candidates
