"""`keras-pvec plot`: a picture of one or several runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_pvec.cli.commands import Commands
from keras_pvec.cli.output import add_out_arguments, checked_out, write_file
from keras_pvec.plots import file_axes, plot_angles, plot_matrix, plot_spectrum
from keras_pvec.runs import Run, open_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = ("angles", "matrix", "spectrum")
_ENDINGS = (".png", ".pdf", ".svg")


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    plot = commands.add(
        "plot",
        "plot angles over epochs, the matrix of several runs, or a spectrum",
        _plot,
        has_json=False,
    )
    plot.add_argument("runs", nargs="+", metavar="run", help="run folder")
    plot.add_argument("--kind", choices=_KINDS, default="angles")
    plot.add_argument(
        "--to",
        default="final",
        help="what angles are measured to: final, the last moment of the same run; "
        "after_fit; an epoch; or the name of a logged reference; default: final",
    )
    plot.add_argument("--layer", help="layer to plot; default: the first one")
    plot.add_argument(
        "--centered", action="store_true", help="angles of mean-centred features"
    )
    add_out_arguments(
        plot,
        "file to write (.png, .pdf or .svg); default, for one run: <run>/<kind>.png",
    )


def _plot(options: argparse.Namespace) -> int:
    if options.out is None and len(options.runs) > 1:
        raise ValueError("A plot of several runs needs --out=FILE.")
    runs = [open_run(path) for path in options.runs]
    default = runs[0].path / f"{options.kind}.png"
    out = checked_out(options.out, default, overwrite=options.overwrite)
    ending = out.suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(
            f"--out must end in {', '.join(_ENDINGS)}. Received: {out.name!r}"
        )
    canvas = _draw(runs, options).figure.canvas
    write_file(out, lambda path: canvas.print_figure(path, dpi=200, format=ending[1:]))
    print(f"Plot in {out.resolve()}")
    return 0


def _draw(runs: Sequence[Run], options: argparse.Namespace) -> Axes:
    if options.kind == "matrix":
        return plot_matrix(runs, layer=options.layer, ax=file_axes(8.0, 6.8))
    if options.kind == "spectrum":
        if len(runs) > 1:
            raise ValueError(f"A spectrum is of one run. Received: {len(runs)}")
        return plot_spectrum(runs[0], layer=options.layer, ax=file_axes(5.6, 4.0))
    return plot_angles(
        runs,
        to=int(options.to) if options.to.lstrip("-").isdecimal() else options.to,
        layers=options.layer,
        centered=options.centered,
        ax=file_axes(6.4, 4.2),
    )
