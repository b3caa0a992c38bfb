"""What plots read of runs: their labels, layers, angles and moments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_pvec.pvector import PVector

if TYPE_CHECKING:
    import pandas

    from keras_pvec.runs import Run

# What `Run.angles` takes as text; any other text names a logged reference.
_MOMENTS_BY_NAME = ("final", "after_fit")


class NoAnglesError(ValueError):
    """A layer has no angle to a logged reference."""


def as_runs(runs: Run | Iterable[Run]) -> list[Run]:
    """One run or several, as a list.

    Raises:
        TypeError: An element is not a `Run`.
        ValueError: There is none.
    """
    found = list(runs) if isinstance(runs, Iterable) else [runs]
    for run in found:
        if not hasattr(run, "p_vector"):
            raise TypeError(
                "Expected runs as `kp.open_run(folder)` returns them. Received: "
                f"{type(run).__name__} {run!r}"
            )
    if not found:
        raise ValueError("`runs` is empty. Expected at least one run.")
    return found


def run_labels(runs: Sequence[Run], labels: Sequence[str] | None = None) -> list[str]:
    """A label for each run: as given, or what its path does not share with the others.

    Raises:
        ValueError: `labels` has another length than `runs`.
    """
    if labels is not None:
        if isinstance(labels, str) or len(labels) != len(runs):
            raise ValueError(
                f"`labels` must name each of the {len(runs)} runs. Received: {labels!r}"
            )
        return list(labels)
    paths = [run.path.absolute().parts for run in runs]
    if len(set(paths)) < 2:
        return [run.path.name for run in runs]
    n_begin = _n_shared(paths)
    n_end = _n_shared([path[::-1] for path in paths])
    return [
        "/".join(path[n_begin : len(path) - n_end]) or run.path.name
        for path, run in zip(paths, runs, strict=True)
    ]


def _n_shared(paths: Sequence[Sequence[str]]) -> int:
    """How many parts at their beginning all paths share."""
    columns = enumerate(zip(*paths, strict=False))
    differing = (i for i, parts in columns if len(set(parts)) > 1)
    return next(differing, min(map(len, paths)))


def first_layer(run: Run) -> str:
    """The first watched layer of a run."""
    return run.layers[0]


def angles_of(run: Run, to: str | int | PVector, layer: str) -> pandas.DataFrame:
    """The angles of a layer at every moment, with the columns of `log.csv`.

    Args:
        run: The run.
        to: As in `Run.angles`, or the name of a reference in `log.csv`.
        layer: Name of the layer.

    Raises:
        ValueError: The log has no reference of that name.
        NoAnglesError: The layer has no angle to it.
        RunNotFoundError: As in `Run.angles`.
        SampleMismatchError: As in `Run.angles`.
    """
    if not isinstance(to, str) or to in _MOMENTS_BY_NAME:
        return run.angles(to=to, layer=layer)
    log = run.log
    logged = [name for name in log["reference"].dropna().unique() if name]
    if to not in logged:
        raise ValueError(
            f"`to` must be 'final', 'after_fit', an epoch, a PVector or one of "
            f"{logged}, the references of {run.path}. Received: {to!r}"
        )
    rows = log[(log["layer"] == layer) & (log["reference"] == to)]
    if rows.empty:
        raise NoAnglesError(f"{run.path}: layer {layer!r} has no angle to {to!r}.")
    return rows


def epochs_trained(moments: Sequence[tuple[int, int]]) -> np.ndarray | None:
    """How many epochs are trained at each moment; a fraction within an epoch.

    Args:
        moments: Moments `(epoch, step)` in order of time.

    Returns:
        Shape `(n_moments,)`; `None` if no epoch before the last one tells how many
        steps an epoch has, and the last one holds several moments.
    """
    ends = dict(moments)
    last = max(ends)
    lengths = {e: ends[e] - ends[e - 1] for e in ends if e - 1 in ends and e < last}
    places = []
    for epoch, step in moments:
        length = lengths.get(epoch)
        if length is None and epoch == last and lengths and epoch - 1 in ends:
            # The last epoch may be unfinished.
            length = max(ends[last] - ends[last - 1], lengths[max(lengths)])
        if length is None:
            if step != ends[epoch]:
                return None
            places.append(epoch + 1.0)
        else:
            done = step - ends[epoch - 1]
            places.append(epoch + (done / length if length else 1.0))
    return np.array(places)
