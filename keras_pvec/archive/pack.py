"""Packs runs into an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_pvec.archive.card import Description
from keras_pvec.archive.features import FeatureSource
from keras_pvec.archive.packer import Packer
from keras_pvec.archive.writer import ArchiveWriter
from keras_pvec.runs import (
    Run,
    RunConflictError,
    RunFolder,
    exists,
    open_run,
    replace_atomically,
)


def pack_runs(
    runs: Iterable[str | os.PathLike | Run] | str | os.PathLike | Run,
    out: str | os.PathLike,
    *,
    description: Description | None = None,
    features: FeatureSource | None = None,
    overwrite: bool = False,
) -> Path:
    """Packs runs into one file, which NumPy and pandas can read.

    The same runs give the same bytes. Runs of different data sets or sample sets can
    share an archive; each names its sample set, and P-vectors of different ones do not
    compare. Only one moment is held in memory; a run takes as much room in a temporary
    file beside `out` as in the archive.

    Args:
        runs: Run folders, or runs as `open_run` returns them. Subfolders that hold the
            same training on other samples, such as `test`, are packed as well. A
            training that has not finished is packed up to its last moment.
        out: File to write, by convention `.npz`. It is written under a temporary name
            and then renamed.
        description: Title, summary, licence and citation for the data card.
        features: Computes features of a run at some moments; it is called once for each
            run and subfolder. Default: no features.
        overwrite: Whether an existing file is replaced.

    Returns:
        The path of the archive.

    Raises:
        ValueError: No run, or the same run twice.
        RunNotFoundError: A folder holds no run.
        RunConflictError: The file exists, and `overwrite` is false.
        DamagedRunError: A file of a run is damaged.
        OSError: The archive cannot be written.

    Example:

    ```python
    kp.pack_runs(["runs/a", "runs/b"], "trajectories.npz")
    archive = kp.load_archive("trajectories.npz")
    kp.angle(archive["a"].p_vector("final"), archive["b"].p_vector("final"))
    ```
    """
    out = Path(out)
    if isinstance(runs, (str, os.PathLike, Run)):
        runs = [runs]
    named = _named_runs([r if isinstance(r, Run) else open_run(r) for r in runs])
    if not out.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {out.parent} to write to.")
    if out.is_dir() or (exists(out) and not overwrite):
        raise RunConflictError(
            f"{out} already exists. Name a new file, or set `overwrite` to replace it."
        )

    def write(path: str) -> None:
        with open(path, "wb") as file, ArchiveWriter(file) as writer:
            packer = Packer(writer, out.parent)
            for name, run in named.items():
                packer.add_run(name, run, _splits(run), features)
            packer.finish(description or Description())

    replace_atomically(out, write)
    return out


def _named_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by their paths relative to the folder that they share."""
    paths = [Path(os.path.abspath(run.path)) for run in runs]
    if not paths:
        raise ValueError("`runs` is empty. Name at least one run folder.")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"Each run can be packed once. Received twice: {twice}")
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    return {
        path.relative_to(shared).as_posix(): run
        for path, run in zip(paths, runs, strict=True)
    }


def _splits(run: Run) -> dict[str, Run]:
    """The same training on the samples of other splits, by name of the subfolder."""
    names = sorted(entry.name for entry in run.path.iterdir() if entry.is_dir())
    return {
        name: run.on(name)
        for name in names
        if exists(RunFolder(run.path / name).log_path)
    }
