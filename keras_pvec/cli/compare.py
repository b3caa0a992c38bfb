"""`keras-pvec compare`: two files of P-vectors, layer by layer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_pvec.cli.commands import Commands, terminal_width
from keras_pvec.diagnostics.file_comparison import (
    compare_files,
    comparison_json,
    comparison_text,
)
from keras_pvec.runs import RunFolder, RunNotFoundError, open_run

_PERMUTATIONS = 999


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    compare = commands.add("compare", "compare two files of P-vectors", _compare)
    compare.add_argument("first", help=".npz file, as in <run>/pvectors")
    compare.add_argument("second", help="another .npz file, of the same samples")
    compare.add_argument("--layer", help="layer to compare; default: all common layers")
    compare.add_argument(
        "--ladder",
        action="store_true",
        help="test each angle against the ladder of nulls: samples permuted, permuted "
        "within classes, and with brightness and contrast projected out. Labels and "
        "image statistics are read from the run folder of the first file that has one",
    )
    compare.add_argument(
        "--permutations",
        type=_count,
        metavar="N",
        help="with --ladder: random permutations of each null; default: "
        f"{_PERMUTATIONS}",
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _compare(options: argparse.Namespace) -> int:
    files = (options.first, options.second)
    n_permutations = 0
    samples: Mapping[str, np.ndarray] = {}
    if options.permutations and not options.ladder:
        raise ValueError("--permutations belongs to the ladder of nulls. Add --ladder.")
    if options.ladder:
        n_permutations = options.permutations or _PERMUTATIONS
        samples = _samples_of(files[0]) or _samples_of(files[1])
    comparisons = compare_files(
        *files, options.layer, n_permutations=n_permutations, samples=samples
    )
    if options.json:
        print(comparison_json(*files, comparisons))
    else:
        print(comparison_text(comparisons, terminal_width()))
    return 0


def _samples_of(file: str) -> Mapping[str, np.ndarray]:
    """Data about the samples of a file of P-vectors, if it lies in a run folder."""
    path = Path(file).absolute()
    folder = RunFolder(path.parent.parent)
    if folder.pvectors_path != path.parent:
        return {}
    try:
        return open_run(folder.path).samples
    except RunNotFoundError:
        return {}
