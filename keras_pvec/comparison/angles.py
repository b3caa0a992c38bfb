"""Angles between lines and between subspaces, in degrees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.input_checks import check_convertible, check_finite
from keras_pvec.pvector import PVector

if TYPE_CHECKING:
    from keras_pvec.samples import SampleSource


class SampleMismatchError(ValueError):
    """Two P-vectors were computed on different samples, or in a different order."""


def angle(p: PVector, q: PVector) -> float:
    """Angle between two P-vectors in degrees: 0 = the same, 90 = unrelated.

    Accurate down to rounding for tiny angles too, where `arccos` is not (Kahan, "How
    futile are mindless assessments of roundoff", 2006, section 12).

    Args:
        p: A P-vector.
        q: Another P-vector, of the same samples.

    Returns:
        The angle in degrees, in [0, 90].

    Raises:
        TypeError: An argument is not a `PVector`.
        ValueError: A P-vector holds NaN or infinity.
        SampleMismatchError: The P-vectors are of different samples, or of the same
            samples in a different order.
    """
    check_comparable(p, q)
    return line_angle_deg(p.vector, q.vector)


def principal_angles(p: PVector, q: PVector) -> np.ndarray:
    """Principal angles between the spans of the top-k left singular vectors.

    Args:
        p: A P-vector with `p.k` stored vectors.
        q: Another P-vector, of the same samples.

    Returns:
        Angles in degrees, smallest first, shape `(min(p.k, q.k),)`.

    Raises:
        TypeError: See `angle`.
        SampleMismatchError: See `angle`.
    """
    from scipy.linalg import subspace_angles

    check_comparable(p, q)
    return np.degrees(np.sort(subspace_angles(p.vectors, q.vectors)))


def line_angle_deg(u: np.ndarray, v: np.ndarray) -> float:
    """Angle between the lines of two unit vectors, in degrees."""
    if u @ v < 0:
        v = -v
    return math.degrees(
        2 * math.atan2(float(np.linalg.norm(u - v)), float(np.linalg.norm(u + v)))
    )


def check_comparable(p: PVector, q: PVector) -> None:
    """Raises unless both are finite P-vectors of the same samples in the same order."""
    for name, value in (("first", p), ("second", q)):
        if not isinstance(value, PVector):
            raise TypeError(
                f"Expected a PVector as the {name} argument: {_how_to_get(value)}. "
                f"Received: {type(value).__name__}"
            )
        _check_entries(value, f"The {name} P-vector")
    have_fingerprints = None not in (p.samples_sha256, q.samples_sha256)
    differ = have_fingerprints and p.samples_sha256 != q.samples_sha256
    if differ or p.n_samples != q.n_samples:
        raise SampleMismatchError(
            "P-vectors can be compared only if they are of the same samples in the "
            f"same order. Received: {_describe_samples(p)} and {_describe_samples(q)}. "
            "Measure both on one SampleSet."
        )


def check_samples_of(p: PVector, samples: SampleSource, name: str) -> None:
    """Raises unless a P-vector is finite, and of the given samples.

    Args:
        p: The P-vector.
        samples: The samples.
        name: What to call the P-vector in errors.
    """
    _check_entries(p, name)
    is_other = p.samples_sha256 not in (None, samples.sha256)
    if is_other or p.n_samples != len(samples):
        raise SampleMismatchError(
            f"{name} must be of the samples {samples.name!r} ({len(samples)} samples, "
            f"{samples.sha256[:12]}). Received: {_describe_samples(p)}."
        )


def _how_to_get(value: object) -> str:
    """How to get a P-vector of what was given instead."""
    if hasattr(value, "p_vector"):
        return 'run.p_vector("final") is one of a run'
    return "compute one with kp.p_vector(features)"


def _check_entries(p: PVector, name: str) -> None:
    described = f"{name}, of layer {p.layer!r},"
    check_convertible(p.vectors, described)
    check_finite(p.vectors, described)


def _describe_samples(p: PVector) -> str:
    name = p.samples_name or "unnamed samples"
    digest = "no fingerprint" if p.samples_sha256 is None else p.samples_sha256[:12]
    return f"{name!r} ({p.n_samples} samples, {digest})"
