"""Axes to draw on: the user's, or new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Returns `ax`, or the axes of a new figure of Pyplot.

    Args:
        ax: Axes of Matplotlib; `None` makes new ones.
        width: Width of the new figure, in inches.
        height: Its height, in inches.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    if ax is not None:
        return ax
    _check_installed()
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def file_axes(width: float, height: float) -> Axes:
    """The axes of a new figure that needs no display and is unknown to Pyplot.

    Args:
        width: Width of the figure, in inches.
        height: Its height, in inches.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    _check_installed()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").subplots()


def _check_installed() -> None:
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ModuleNotFoundError(
            "Plots need Matplotlib, which is not installed. Install it: "
            "pip install 'keras-pvec[plot]'",
            name=error.name,
        ) from error
