"""The fixed, ordered samples on which models are compared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from keras_pvec.input_checks import as_array, check_convertible, check_finite

# How many entries of the samples are converted to float64 at a time.
_STATISTICS_ENTRIES = 1 << 20


class SampleSource(Protocol):
    """Samples in a fixed order, served in batches, to compute features on.

    Attributes:
        name: What to call the samples in logs and errors.
        sha256: Fingerprint over content and order, in hexadecimal.
    """

    name: str
    sha256: str

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def batches(self, batch_size: int) -> Iterator[Any]:
        """Yields the inputs of a model in order, `batch_size` samples at a time, as
        arrays or as a structure of arrays."""
        ...


class SampleSet:
    """Fixed samples in a fixed order, with a fingerprint over both.

    A P-vector has one entry per sample, so two of them can be compared only if they
    were computed on the same samples in the same order. The fingerprint verifies this.

    The samples are copied, so later changes to an array in place have no effect. They
    are checked for NaN and infinity in blocks: 0.1 s for 50,000 x 3,072 entries in
    float32, where copy and fingerprint take 2.4 s, and 2 MB.

    Args:
        x: Inputs of a model: an array of shape `(n_samples, ...)`, or a list, tuple
            or dict of such arrays for a model with several inputs.
        y: Labels, shape `(n_samples, ...)`, or `None`. They are kept for the
            user's convenience and are not part of the fingerprint.
        name: What to call the samples in logs and errors, e.g. `"cifar100/test"`.

    Attributes:
        sha256: SHA-256 over content, dtype, shape and order of `x`, in hexadecimal.

    Raises:
        ValueError: Fewer than two samples, inputs with different numbers of samples,
            inputs that are not arrays or would lose something as arrays (masks,
            imaginary parts, unequal lengths), NaN or infinity, or a tuple `(x, y)`.

    Example:

    ```python
    samples = kp.SampleSet(x_test, y_test, name="cifar100/test")
    ```
    """

    def __init__(self, x: Any, y: Any = None, *, name: str = "samples") -> None:
        if y is None:
            _check_no_labels(x)
        self.x = _as_arrays(x)
        self.y = None if y is None else _labels(y)
        self.name = name
        for label, array in _leaves(self.x):
            check_finite(array, f"Input {label} of the SampleSet {name!r}")
        lengths = {label: array.shape[0] for label, array in _leaves(self.x)}
        if self.y is not None:
            lengths["y"] = self.y.shape[0] if self.y.ndim else 0
        if len(set(lengths.values())) != 1:
            raise ValueError(
                "All inputs of a SampleSet need the same number of samples. Received: "
                + ", ".join(f"{label}: {n}" for label, n in lengths.items())
            )
        self._n_samples = next(iter(lengths.values()))
        if self._n_samples < 2:
            raise ValueError(
                "A SampleSet needs at least two samples. Received: "
                f"{self._n_samples} (name={name!r})"
            )
        self.sha256 = _fingerprint(self.x)

    def __len__(self) -> int:
        return self._n_samples

    def __deepcopy__(self, memo: dict[int, Any]) -> SampleSet:
        # Tuners copy callbacks for each trial; read-only samples can be shared.
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for _, array in _leaves(self.x):  # a pickle does not keep that flag
            array.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"SampleSet(name={self.name!r}, n_samples={len(self)}, "
            f"sha256={self.sha256[:12]!r})"
        )

    def statistics(self) -> dict[str, np.ndarray]:
        """Brightness and contrast of each sample: mean and standard deviation of its
        entries, overall and per channel.

        Untrained networks agree mostly on these statistics, so an agreement of trained
        networks should be tested against them (see `null_ladder`).

        Returns:
            Arrays in the units of the inputs, float64: `mean` and `std`, shape
            `(n_samples,)`; for images, `(n_samples, height, width, channels)`, also
            `channel_mean` and `channel_std`, shape `(n_samples, channels)`. Empty for a
            model with several inputs, or inputs that are not numbers.
        """
        if not isinstance(self.x, np.ndarray) or self.x.dtype.kind not in "biuf":
            return {}
        # A few rows at a time, to avoid a float64 copy of all samples.
        entries = max(self.x.size // len(self), 1)
        n_rows = max(_STATISTICS_ENTRIES // entries, 1)
        return join_statistics(
            statistics_of(self.x[start : start + n_rows])
            for start in range(0, len(self), n_rows)
        )

    def batches(self, batch_size: int) -> Iterator[Any]:
        """Yields the inputs in order, `batch_size` samples at a time."""
        for start in range(0, len(self), batch_size):
            yield _map(self.x, lambda array, at=start: array[at : at + batch_size])


def statistics_of(x: np.ndarray) -> dict[str, np.ndarray]:
    """Brightness and contrast of each of some samples, as `SampleSet.statistics`."""
    x = x.astype(np.float64)
    rows = x.reshape(len(x), -1)
    found = {"mean": rows.mean(axis=1), "std": rows.std(axis=1)}
    if x.ndim == 4:
        found |= {
            "channel_mean": x.mean(axis=(1, 2)),
            "channel_std": x.std(axis=(1, 2)),
        }
    return found


def join_statistics(
    parts: Iterable[Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """The statistics of samples that follow each other in several arrays."""
    tables: dict[str, list[np.ndarray]] = {}
    for part in parts:
        for name, values in part.items():
            tables.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in tables.items()}


def check_sample_set(samples: object) -> None:
    """Raises `TypeError` unless `samples` is a `SampleSet`."""
    if not isinstance(samples, SampleSet):
        is_path = isinstance(samples, (str, os.PathLike))
        hint = "the folder is an argument of its own" if is_path else "make one"
        raise TypeError(
            f"`samples` must be a kp.SampleSet; {hint}: kp.PVectorLogger(folder, "
            f"kp.SampleSet(x)). Received: {type(samples).__name__}"
        )


class FiniteSource:
    """A sample source whose batches are checked for NaN and infinity as they are read.

    Args:
        source: The samples, read lazily; a `SampleSet` was checked when it was made.
    """

    def __init__(self, source: SampleSource) -> None:
        self.name = source.name
        self.sha256 = source.sha256
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def batches(self, batch_size: int) -> Iterator[Any]:
        """Yields the inputs in order, `batch_size` samples at a time."""
        start = 0
        for batch in self._source.batches(batch_size):
            for label, array in _leaves(batch):
                rows = np.asarray(array)
                check_finite(rows, f"Input {label} of {self.name!r}", start)
            start += len(rows)
            yield batch


def describe_inputs(samples: SampleSet) -> str:
    """Shapes and dtypes of the inputs, for errors."""
    return ", ".join(
        f"{label}: shape {array.shape}, {array.dtype}"
        for label, array in _leaves(samples.x)
    )


def _check_no_labels(x: Any) -> None:
    """Raises if `x` is a tuple that holds labels, as data sets return them."""
    is_plain = isinstance(x, tuple) and not hasattr(x, "_fields")
    if not is_plain or len(x) not in (2, 3):
        return
    first, second = (len(getattr(part, "shape", ())) for part in x[:2])
    if 0 < second < first or second == 1:
        raise ValueError(
            "A SampleSet takes inputs and labels separately: kp.SampleSet(x, y). "
            f"Received a tuple of arrays of shapes {tuple(x[0].shape)} and "
            f"{tuple(x[1].shape)}. For a model with two inputs, give a list: "
            "kp.SampleSet([a, b])."
        )


def _labels(y: Any) -> np.ndarray:
    parts = list(y.values()) if isinstance(y, Mapping) else y
    is_structure = isinstance(parts, (list, tuple)) and any(
        getattr(part, "ndim", 0) > 0 for part in parts
    )
    if is_structure or isinstance(y, Mapping):
        raise ValueError(
            "Labels of a SampleSet are one array of shape (n_samples, ...). Received: "
            f"{type(y).__name__} of {len(parts)} arrays. For a model with several "
            "outputs, give one of them, or none."
        )
    check_convertible(y, "y of a SampleSet")
    try:
        return np.asarray(y)
    except ValueError as error:
        raise ValueError(
            f"Labels of a SampleSet must have one shape ({error}). Give one array of "
            "shape (n_samples, ...), or none."
        ) from error


def _as_arrays(x: Any, label: str = "x") -> Any:
    if isinstance(x, Mapping):
        if not x:
            raise ValueError("A SampleSet needs inputs. Received: an empty dict")
        return {key: _as_arrays(x[key], f"{label}[{key!r}]") for key in x}
    if isinstance(x, (list, tuple)) and x and hasattr(x[0], "shape"):
        parts = [_as_arrays(part, f"{label}[{i}]") for i, part in enumerate(x)]
        return _rebuild(x, parts)
    name = f"Input {label} of a SampleSet"
    check_convertible(x, name)
    if not hasattr(x, "__array__") and not isinstance(x, (list, tuple)):
        raise ValueError(
            "SampleSet takes arrays (or a list, tuple or dict of arrays). Received: "
            f"{type(x).__name__}. Turn a dataset into arrays first, in a fixed order."
        )
    return as_array(x, name)


def _leaves(x: Any, label: str = "x") -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(x, dict):
        for key in sorted(x):
            yield from _leaves(x[key], f"{label}[{key!r}]")
    elif isinstance(x, (list, tuple)):
        for i, part in enumerate(x):
            yield from _leaves(part, f"{label}[{i}]")
    else:
        yield label, x


def _map(x: Any, function: Any) -> Any:
    if isinstance(x, dict):
        return {key: _map(part, function) for key, part in x.items()}
    if isinstance(x, (list, tuple)):
        return _rebuild(x, [_map(part, function) for part in x])
    return function(x)


def _rebuild(like: Any, parts: list[Any]) -> Any:
    """A list, tuple or named tuple of the type of `like`, made of `parts`."""
    return type(like)(*parts) if hasattr(like, "_fields") else type(like)(parts)


def _fingerprint(x: Any) -> str:
    digest = hashlib.sha256()
    for label, array in _leaves(x):
        digest.update(f"{label} {array.dtype.str} {array.shape};".encode())
        # In groups of rows, so that a non-contiguous array is not copied whole.
        for start in range(0, array.shape[0], 1024):
            digest.update(np.ascontiguousarray(array[start : start + 1024]).data)
    return digest.hexdigest()
