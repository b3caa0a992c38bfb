"""Figures drawn from the tables of `analysis`, all in one look.

Whatever shows an angle shows beside it the angle that chance would give.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from keras_pvec.reproduction.analysis import over_seeds
from keras_pvec.runs import replace_atomically

# Okabe and Ito's colours, which the colour-blind can tell apart; black is the null's.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_MARKERS = "osD^vP*"
_BLUE = _COLOURS[0]
# Of a legend's letters.
_CHARACTER_INCHES = 0.07
_ANGLE_LABEL = "angle (degrees; 0 = same, 90 = unrelated)"
_VALUE_LABEL = "$\\sqrt{n}\\,u_i$ (no unit)"
_MATRICES = {"data": "the pixels", "input": "the standardised pixels"}


def angle_to_final_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle to the run's own last epoch over the epochs, plain and centred.

    Args:
        angles: As `analysis.angles_to_final` gives them. Runs of one model are drawn
            as their mean over seeds with the range between them.
        title: What was trained on what.
    """
    return _curves_figure(
        angles, f"Angle to the same run after its last epoch: {title}"
    )


def angle_to_data_figure(angles: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Angle to the raw data over the epochs, plain and centred.

    Args:
        angles: As `analysis.angles_to_data` gives them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: What was trained on what.
    """
    return _curves_figure(angles, f"Angle to {_MATRICES[matrix]}: {title}")


def references_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle of every model to each of several references over the epochs.

    Args:
        angles: As `analysis.angles_to_references` gives them.
        title: What was trained on what.
    """
    references = list(angles["reference"].unique())
    figure = Figure(figsize=(4.2 * len(references) + 0.6, 4.5), layout="constrained")
    panels = figure.subplots(1, len(references), sharey=True, squeeze=False)[0]
    styles = _styles(angles["model"])
    for axes, reference in zip(panels, references, strict=True):
        for model, of_model in _by_model(angles[angles["reference"] == reference]):
            _draw_with_null(axes, of_model, "epoch", styles[model], model)
        axes.set_title(f"to {reference}", fontsize="medium")
        _finish_epochs(axes)
    panels[0].set_ylabel(_ANGLE_LABEL)
    _legend(figure, panels, "null and its 95% band, in each model's colour")
    _entitle(figure, f"Angle to other networks after their last epochs: {title}")
    return figure


def first_epoch_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angles update by update within the first epoch.

    Args:
        angles: As `analysis.first_epoch_angles` gives them.
        title: What was trained on what.
    """
    references, splits = angles["reference"].unique(), angles["split"].unique()
    shape = len(references), len(splits)
    figure = Figure(
        figsize=(4.5 * shape[1] + 0.6, 3.6 * shape[0] + 0.6), layout="constrained"
    )
    panels = figure.subplots(*shape, sharex=True, sharey="row", squeeze=False)
    styles = _styles(angles["model"])
    for row, reference in zip(panels, references, strict=True):
        to = "its last epoch" if reference == "final" else _MATRICES[reference]
        row[0].set_ylabel(f"angle to {to} (degrees)")
        for axes, split in zip(row, splits, strict=True):
            chosen = (angles["reference"] == reference) & (angles["split"] == split)
            for model, of_model in _by_model(angles[chosen]):
                _draw_with_null(axes, of_model, "step", styles[model], model)
            axes.set_title(f"{split} samples", fontsize="medium")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
    for axes in panels[-1]:
        axes.set_xlabel("updates")
    _legend(figure, panels.ravel(), "null and its 95% band, in each model's colour")
    _entitle(figure, f"Angles within the first epoch: {title}")
    return figure


def angle_by_block_figure(angles: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Angle to the raw data against the index of the block.

    Args:
        angles: As `analysis.angles_by_block` gives them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: What was trained on what.
    """
    models = list(angles["model"].unique())
    figure = Figure(figsize=(5.2 * len(models) + 0.6, 4.5), layout="constrained")
    panels = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
    epochs = sorted(angles["epoch"].unique())
    colours = colormaps["viridis"]
    for axes, model in zip(panels, models, strict=True):
        for i, epoch in enumerate(epochs):
            of_epoch = angles[(angles["model"] == model) & (angles["epoch"] == epoch)]
            # Dark to light: time. The lightest yellow is left out.
            colour = colours(0.9 * i / max(len(epochs) - 1, 1))
            style = colour, _MARKERS[i % len(_MARKERS)]
            label = f"after epoch {epoch + 1}"
            _draw_with_null(axes, of_epoch, "block", style, label, band=False)
        axes.set_title(model, fontsize="medium")
        axes.set_xlabel("block, from the input on")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(_ANGLE_LABEL)
    _legend(figure, panels, "null, in each epoch's colour")
    _entitle(figure, f"Angle to {_MATRICES[matrix]}, block by block: {title}")
    return figure


def histograms_figure(histograms: pd.DataFrame, title: str) -> Figure:
    """Histograms of the P-vector's values, a row of panels for each run.

    Args:
        histograms: As `analysis.value_histograms` gives them.
        title: What was trained on what.
    """
    runs = list(histograms["run"].unique())
    n_columns = int(histograms.groupby("run")["epoch"].nunique().max())
    figure = Figure(
        figsize=(2.4 * n_columns + 0.8, 2.6 * len(runs) + 0.7), layout="constrained"
    )
    panels = figure.subplots(
        len(runs), n_columns, sharex="row", sharey="row", squeeze=False
    )
    for row, run in zip(panels, runs, strict=True):
        of_run = histograms[histograms["run"] == run]
        row[0].set_ylabel(f"{run}\nshare of the samples")
        for axes in row:
            axes.set_visible(False)
        for axes, (epoch, bins) in zip(row, of_run.groupby("epoch"), strict=False):
            axes.set_visible(True)
            widths = bins["right"] - bins["left"]
            axes.bar(bins["left"], bins["share"], widths, align="edge", color=_BLUE)
            axes.axvline(1.0, color="black", ls=":", lw=1.2)
            when = "before training" if epoch < 0 else f"after epoch {epoch + 1}"
            axes.set_title(when, fontsize="medium")
            axes.set_xlabel(_VALUE_LABEL)
    _entitle(
        figure,
        f"Values of the P-vector (dotted: the constant vector; the end bins hold what "
        f"lies beyond): {title}",
    )
    return figure


def densities_figure(densities: pd.DataFrame, title: str) -> Figure:
    """Map of the frequency of the P-vector's values over the epochs, for each run.

    Args:
        densities: As `analysis.value_densities` gives them.
        title: What was trained on what.
    """
    runs = list(densities["run"].unique())
    figure = Figure(figsize=(5.2 * len(runs) + 0.8, 4.2), layout="constrained")
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, run in zip(panels, runs, strict=True):
        of_run = densities[densities["run"] == run]
        grid = of_run.pivot(index="value", columns="epoch", values="density")
        grid = grid / grid.max()  # of each epoch: all are to be seen
        image = axes.pcolormesh(
            grid.columns + 1, grid.index, grid, cmap="viridis", rasterized=True
        )
        axes.axhline(1.0, color="white", ls=":", lw=1.2)
        axes.set_title(run, fontsize="medium")
        axes.set_xlabel("epochs trained")
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.colorbar(image, ax=axes, label="density, by the epoch's largest")
    panels[0].set_ylabel(_VALUE_LABEL)
    _entitle(
        figure, f"Values of the P-vector over the epochs (dotted: constant): {title}"
    )
    return figure


def drift_figure(drift: pd.DataFrame, title: str) -> Figure:
    """Distance of the distribution of values to that of the last epoch.

    Args:
        drift: As `analysis.value_drift` gives it.
        title: What was trained on what.
    """
    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for model, of_model in _by_model(drift):
        style = _styles(drift["model"])[model]
        _draw_curve(axes, of_model, "epoch", "distance", style, model)
    _finish_epochs(axes, top=None)
    axes.set_ylabel("Wasserstein distance (values have mean square 1)")
    axes.legend(frameon=False)
    axes.set_title(f"Distribution of values, to the last epoch's: {title}")
    return figure


def singular_vectors_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle of each singular vector to the last epoch's, vectors and subspaces.

    Args:
        angles: As `analysis.singular_vector_angles` gives them.
        title: What was trained on what.
    """
    models = list(angles["model"].unique())
    figure = Figure(figsize=(9.5, 3.9 * len(models) + 0.6), layout="constrained")
    panels = figure.subplots(len(models), 2, sharex=True, sharey=True, squeeze=False)
    for (vectors, subspaces), model in zip(panels, models, strict=True):
        for index, of_index in angles[angles["model"] == model].groupby("index"):
            style = _style(index - 1)
            label = f"singular vector {index}"
            _draw_with_null(vectors, of_index, "epoch", style, label, band=False)
            name = f"first {index}"
            _draw_curve(subspaces, of_index, "epoch", "subspace_angle_deg", style, name)
        vectors.set_ylabel(f"{model}\n{_ANGLE_LABEL}")
        vectors.set_title("each vector by itself", fontsize="medium")
        subspaces.set_title(
            "subspace of the first ones, largest principal angle", fontsize="medium"
        )
        subspaces.legend(frameon=False, fontsize="small")
        for axes in (vectors, subspaces):
            _finish_epochs(axes)
    _legend(figure, panels[:, 0], "null of each, in its colour")
    _entitle(figure, f"Singular vectors, to the last epoch's: {title}")
    return figure


def explained_variance_figure(explained: pd.DataFrame, title: str) -> Figure:
    """Share of the first direction over the epochs, and error over `k` at the end.

    Args:
        explained: As `analysis.explained_variance` gives it.
        title: What was trained on what.
    """
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    over_epochs, over_k = figure.subplots(1, 2)
    styles = _styles(explained["model"])
    last = explained["epoch"] == explained.groupby("run")["epoch"].transform("max")
    for model, of_model in _by_model(explained[explained["k"] == 1]):
        _draw_curve(over_epochs, of_model, "epoch", "explained", styles[model], model)
        constant = of_model.groupby("epoch")["constant_share"].mean()
        over_epochs.plot(
            constant.index + 1,
            constant,
            ls=":",
            color=styles[model][0],
            label="the constant vector alone, at least",
        )
    for model, of_model in _by_model(explained[last]):
        _draw_curve(over_k, of_model, "k", "error_share", styles[model], model)
    _finish_epochs(over_epochs, top=1.02)
    over_epochs.set_ylabel("share of $||X||_F^2$ in the first direction")
    # The label of the dotted lines once, behind the models.
    handles, labels = over_epochs.get_legend_handles_labels()
    once = dict(sorted(zip(labels, handles, strict=True), key=lambda e: " " in e[0]))
    over_epochs.legend(once.values(), once.keys(), frameon=False, fontsize="small")
    over_k.set_xlabel("k")
    over_k.xaxis.get_major_locator().set_params(integer=True)
    over_k.set_ylabel("$E_k / ||X||_F^2$ after the last epoch")
    over_k.set_ylim(bottom=0)
    over_k.grid(alpha=0.3)
    _entitle(figure, f"What the first singular triplets hold: {title}")
    return figure


def generalization_figure(models: pd.DataFrame, matrix: str, title: str) -> Figure:
    """Test accuracy and gap against the angle to the data, linear and log-log.

    Args:
        models: As `analysis.generalization` gives them.
        matrix: Which raw data, `"data"` or `"input"`.
        title: What was trained on what.
    """
    figure = Figure(figsize=(12.5, 4.4), layout="constrained")
    linear, logarithmic, gap = figure.subplots(1, 3)
    means = over_seeds(models)
    styles = _styles(models["model"])
    for axes, column, log in (
        (linear, "test_accuracy", False),
        (logarithmic, "test_accuracy", True),
        (gap, "gap", False),
    ):
        for model, of_model in _by_model(models):
            colour, marker = styles[model]
            axes.scatter(
                of_model["angle_deg"], of_model[column], color=colour, marker=marker,
                s=28, label=model,
            )  # fmt: skip
            axes.plot(
                of_model["null_angle_deg"], of_model[column], color=colour,
                marker=marker, mfc="none", ls="none", ms=4, alpha=0.5,
            )  # fmt: skip
        _draw_fit(axes, means["angle_deg"], means[column], log)
        axes.set_xlabel(f"angle to {_MATRICES[matrix]} (degrees)")
        axes.grid(alpha=0.3, which="both")
    for axes, name in ((linear, "test accuracy"), (gap, "train less test accuracy")):
        axes.set_ylabel(name)
    logarithmic.set_ylabel("test accuracy (log-log)")
    _legend(figure, [linear], "null: the angle with samples in random order", True)
    _entitle(
        figure,
        f"Generalization against the angle to the data: {title} "
        "(line: least squares through means over seeds, with the 95% band of its mean)",
    )
    return figure


def rank_correlations_figure(correlations: pd.DataFrame, title: str) -> Figure:
    """Kendall's tau of each predictor, overall and within each factor.

    Args:
        correlations: As `analysis.rank_correlations` gives them.
        title: What was trained on what.
    """
    targets = list(correlations["target"].unique())
    figure = Figure(figsize=(5.6 * len(targets) + 0.6, 4.6), layout="constrained")
    panels = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    factors = list(correlations["factor"].unique())
    predictors = list(correlations["predictor"].unique())
    for axes, target in zip(panels, targets, strict=True):
        of_target = correlations[correlations["target"] == target]
        for i, predictor in enumerate(predictors):
            colour, marker = _style(i)
            rows = of_target[of_target["predictor"] == predictor]
            places = [
                factors.index(factor) + 0.13 * (i - (len(predictors) - 1) / 2)
                for factor in rows["factor"]
            ]
            below, above = rows["tau"] - rows["low"], rows["high"] - rows["tau"]
            axes.errorbar(
                rows["tau"], places, xerr=[below.clip(0), above.clip(0)], fmt=marker,
                color=colour, ms=5, capsize=2, label=predictor,
            )  # fmt: skip
        axes.axvline(0, color="black", ls=":", lw=1.5)
        axes.set_xlim(-1.05, 1.05)
        axes.set_xlabel(f"Kendall's tau with {target.replace('_', ' ')}")
        axes.grid(alpha=0.3)
    names = ["all models" if f == "all" else f"within {f}" for f in factors]
    panels[0].set_yticks(range(len(factors)), names)
    panels[0].invert_yaxis()
    _legend(figure, [panels[0]], None)
    _entitle(
        figure,
        f"Predictors of generalization, 95% intervals (dotted: no relation): {title}",
    )
    return figure


def angle_to_untrained_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angle of a network in training to its untrained twin, plain and centred.

    Args:
        angles: As `analysis.angles_to_untrained` gives them.
        title: What was trained on what.
    """
    return _curves_figure(
        angles, f"Angle to the same network, untrained, of another seed: {title}"
    )


def angle_matrix_figure(pairs: pd.DataFrame, title: str) -> Figure:
    """Matrix of the angles between networks: means over the seeds of two groups, and
    the range between them.

    Args:
        pairs: As `analysis.pairwise_angles` gives them.
        title: What the figure is to be called.
    """
    labels = list(dict.fromkeys([*pairs["group"], *pairs["other_group"]]))
    side = max(5.0, 1.1 * len(labels) + 2.0)
    figure = Figure(figsize=(side + 1.5, side), layout="constrained")
    axes = figure.subplots()
    # A network is the same as itself; other seeds of it need not be.
    cells = np.where(np.eye(len(labels)) > 0, np.nan, 0.0)
    colours = colormaps["viridis"].with_extremes(bad="white")
    for (first, second), cell in _by_groups(pairs):
        a, b = labels.index(first), labels.index(second)
        angle = cells[a][b] = cells[b][a] = cell["angle_deg"].mean()
        text = f"{_spread(cell['angle_deg'])}\nnull {cell['null_angle_deg'].mean():.1f}"
        text += f"\nz {_number(cell['z'].mean())}"
        for x, y in {(a, b), (b, a)}:
            axes.text(
                x,
                y,
                text,
                ha="center",
                va="center",
                fontsize="small",
                color="white" if angle < 55 else "black",
            )
    image = axes.imshow(cells, vmin=0, vmax=90, cmap=colours)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    figure.colorbar(image, label=_ANGLE_LABEL, shrink=0.9)
    _entitle(figure, title)
    axes.set_title(
        "null: angle with samples in random order; z: deviations beyond it",
        fontsize="small",
    )
    return figure


# What is drawn beside the angle of each pair: label, marker, filled or not.
_MEASURES = {
    "angle_deg": ("angle", "o", True),
    "null_angle_deg": ("its null", "o", False),
    "trimmed_angle_deg": ("without the 1% most influential samples", "v", True),
    "trimmed_null_angle_deg": ("null of that", "v", False),
    "row_normalised_angle_deg": ("each sample scaled to unit length", "s", True),
    "row_normalised_null_angle_deg": ("null of that, scaled", "s", False),
    "centered_angle_deg": ("features centred", "D", True),
    "largest_principal_angle_deg": ("largest principal angle", "P", True),
}


def measures_figure(pairs: pd.DataFrame, title: str) -> Figure:
    """The angle of each pair of networks beside other measures of the same pair.

    Args:
        pairs: As `analysis.pairwise_angles` gives them; of groups with several pairs,
            means over the seeds and the range between them are drawn.
        title: What was trained on what.
    """
    groups = sorted(_by_groups(pairs), key=lambda g: g[1]["angle_deg"].mean())
    figure = Figure(figsize=(11.0, 0.36 * len(groups) + 2.6), layout="constrained")
    in_degrees, alignment = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": [3, 1]}
    )
    for i, (column, (label, marker, filled)) in enumerate(_MEASURES.items()):
        colour = _COLOURS[i % len(_COLOURS)] if filled else "black"
        look = {"color": colour, "marker": marker, "label": label}
        _draw_dots(in_degrees, groups, column, look | ({} if filled else {"mfc": "w"}))
    look = {"color": _BLUE, "marker": "o"}
    _draw_dots(alignment, groups, "linear_cka", look)
    in_degrees.set_xlabel(_ANGLE_LABEL)
    in_degrees.set_xlim(0, 91)
    alignment.set_xlabel("linear CKA (1 = same)")
    alignment.set_xlim(0, 1)
    held = pairs["stored_energy"]
    alignment.set_title(
        f"of the stored vectors, which hold\n{held.min():.2f} to {held.max():.2f} of "
        "$||X||_F^2$",
        fontsize="small",
    )
    in_degrees.set_yticks(range(len(groups)), [f"{a} - {b}" for (a, b), _ in groups])
    for axes in (in_degrees, alignment):
        axes.grid(alpha=0.3)
    _legend(figure, [in_degrees], None)
    _entitle(figure, f"The angle beside other measures, after the last epoch: {title}")
    return figure


def influential_samples_figure(
    influential: pd.DataFrame, images: np.ndarray, title: str, most: int = 8
) -> Figure:
    """The images whose absence would change the angle of each pair the most.

    Args:
        influential: As `analysis.influential_samples` gives them; of groups with
            several pairs, the first one is drawn.
        images: The samples, shape `(n, height, width, channels)`, in [0, 1].
        title: What was trained on what.
        most: How many images of each pair.
    """
    shown = influential[influential["rank"] <= most]
    groups = _by_groups(shown)
    n_columns = int(shown["rank"].max())
    figure = Figure(
        figsize=(0.8 * n_columns + 5.2, 0.95 * len(groups) + 1.0), layout="constrained"
    )
    panels = figure.subplots(len(groups), n_columns, squeeze=False)
    for row, ((a, b), of_groups) in zip(panels, groups, strict=True):
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        pair = of_groups.iloc[0]
        of_pair = of_groups[
            (of_groups["run"] == pair["run"]) & (of_groups["other"] == pair["other"])
        ]
        for axes, i in zip(row, of_pair["sample"], strict=False):
            axes.imshow(images[i].squeeze(), cmap="gray", vmin=0, vmax=1)
            axes.set_title(str(i), fontsize="x-small", pad=2)
        every, without = (
            f"{_number(pair[f'{of}angle_deg'])} (null "
            f"{_number(pair[f'{of}null_angle_deg'])})"
            for of in ("", "trimmed_")
        )
        row[0].set_ylabel(
            f"{a} - {b}\n{every} degrees, {without} without 1%",
            rotation=0,
            ha="right",
            va="center",
            fontsize="small",
        )
    _entitle(figure, f"Samples that decide the angle, by their number: {title}")
    return figure


def _by_groups(
    pairs: pd.DataFrame,
) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Pairs of the same two groups, whichever stands first."""
    together: dict[frozenset[str], list[int]] = {}
    for i, names in enumerate(zip(pairs["group"], pairs["other_group"], strict=True)):
        together.setdefault(frozenset(names), []).append(i)
    found = []
    for places in together.values():
        rows = pairs.iloc[places]
        found.append(((rows["group"].iloc[0], rows["other_group"].iloc[0]), rows))
    return found


def _draw_dots(axes: Axes, groups: list, column: str, look: dict) -> None:
    """Means over pairs, one line for each group, with the range between them."""
    means, below, above = [], [], []
    for _, rows in groups:
        values = rows[column].astype(float)
        means.append(values.mean())
        # The mean of equal values may lie beyond them by rounding.
        below.append(max(values.mean() - values.min(), 0.0))
        above.append(max(values.max() - values.mean(), 0.0))
    axes.errorbar(
        means, range(len(groups)), xerr=[below, above], ls="none", ms=5, lw=1, **look
    )


def _spread(values: pd.Series) -> str:
    """Mean, and the range if there is one."""
    if len(values) == 1:
        return f"{values.mean():.1f}"
    return f"{values.mean():.1f}\n({values.min():.1f} to {values.max():.1f})"


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Writes `<stem>.png` at 200 dpi and `<stem>.pdf`; returns their paths."""
    paths = [stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "pdf")]
    for path in paths:
        replace_atomically(path, lambda partial: figure.savefig(partial, dpi=200))
    return paths


_Style = tuple[str | tuple[float, ...], str]


def _style(i: int) -> _Style:
    """Colour and marker."""
    return _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]


def _styles(models: pd.Series) -> dict[str, _Style]:
    # By name, so that a model looks the same in all figures of the same models.
    return {model: _style(i) for i, model in enumerate(sorted(models.unique()))}


def _by_model(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from table.groupby("model", sort=False)


def _curves_figure(angles: pd.DataFrame, title: str) -> Figure:
    """Angles over the epochs, plain with their nulls, and after centring."""
    figure = Figure(figsize=(9.0, 4.5), layout="constrained")
    plain, centered = figure.subplots(1, 2, sharex=True, sharey=True)
    styles = _styles(angles["model"])
    for model, of_model in _by_model(angles):
        _draw_with_null(plain, of_model, "epoch", styles[model], model)
        _draw_curve(
            centered, of_model, "epoch", "centered_angle_deg", styles[model], model
        )
    centered.axhline(90, color="black", ls=":", lw=1.5)
    plain.set_title("P-vector, with the null of each model")
    centered.set_title("after centring the features")
    plain.set_ylabel(_ANGLE_LABEL)
    for axes in (plain, centered):
        _finish_epochs(axes)
    _legend(
        figure,
        [plain],
        "null: samples in random order (left: 95% band, in each model's colour)",
    )
    _entitle(figure, title)
    return figure


def _draw_with_null(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    style: _Style,
    label: str,
    band: bool = True,
) -> None:
    """The angle as a line over its dotted null, which is the mean over seeds."""
    _draw_curve(axes, table, x, "angle_deg", style, label)
    null = table.groupby(x)["null_angle_deg"].mean()
    places = _places(null.index, x)
    axes.plot(places, null, color=style[0], ls=":", lw=1.5)
    if band:
        edges = table.groupby(x)[["null_low_deg", "null_high_deg"]].mean()
        low, high = edges.T.to_numpy()
        axes.fill_between(places, low, high, color=style[0], alpha=0.12)


def _draw_curve(
    axes: Axes, table: pd.DataFrame, x: str, column: str, style: _Style, label: str
) -> None:
    """Mean over seeds, with the range between them."""
    over_seeds = table.groupby(x)[column].agg(["mean", "min", "max"])
    places = _places(over_seeds.index, x)
    n_seeds = table["seed"].nunique()
    name = label if n_seeds <= 1 else f"{label} ({n_seeds} seeds, mean and range)"
    colour, marker = style
    every = max(1, len(places) // 20)
    axes.plot(
        places,
        over_seeds["mean"],
        color=colour,
        marker=marker,
        markevery=every,
        ms=4,
        label=name,
    )
    if n_seeds > 1:
        axes.fill_between(
            places, over_seeds["min"], over_seeds["max"], color=colour, alpha=0.3
        )


def _places(index: pd.Index, x: str) -> pd.Index:
    return index + 1 if x == "epoch" else index  # epoch 0 ends when one is trained


def _finish_epochs(axes: Axes, top: float | None = 93) -> None:
    axes.set_xlabel("epochs trained")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(0, top)
    axes.grid(alpha=0.3)


def _entitle(figure: Figure, title: str) -> None:
    """Heads a figure, in as many lines as its width asks for."""
    n_characters = int(10 * figure.get_figwidth())
    figure.suptitle(textwrap.fill(title, n_characters))


def _legend(
    figure: Figure, panels: Iterable[Axes], null: str | None, hollow: bool = False
) -> None:
    """One legend below for all panels, each label once, the null last: a dotted line,
    or a hollow marker."""
    entries: dict[str, object] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if null is not None:
        look = {"ls": "none", "marker": "o", "mfc": "none"} if hollow else {"ls": ":"}
        entries[null] = Line2D([], [], color="black", lw=1.5, **look)
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        ncols=_n_columns([*entries], figure.get_figwidth()),
        frameon=False,
        fontsize="small",
    )


def _n_columns(labels: list[str], width: float) -> int:
    """As many columns of a legend as fit into a width, in inches."""
    for n in range(len(labels), 1, -1):
        columns = np.array_split(np.array([len(label) for label in labels]), n)
        # A handle takes the place of some characters.
        n_characters = sum(column.max() + 8 for column in columns)
        if n_characters * _CHARACTER_INCHES <= width:
            return n
    return 1


def _draw_fit(axes: Axes, x: pd.Series, y: pd.Series, log: bool) -> None:
    """A straight line by least squares, with the 95% band of its mean."""
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    usable = (x > 0) & (y > 0) if log else x.notna() & y.notna()
    u, v = x[usable].to_numpy(float), y[usable].to_numpy(float)
    if log:
        u, v = np.log(u), np.log(v)
    if len(u) < 4 or np.ptp(u) == 0:
        return
    fit = stats.linregress(u, v)
    grid = np.linspace(u.min(), u.max(), 100)
    line = fit.intercept + fit.slope * grid
    residual = np.sqrt(np.sum((v - fit.intercept - fit.slope * u) ** 2) / (len(u) - 2))
    spread = (grid - u.mean()) ** 2 / np.sum((u - u.mean()) ** 2)
    half = stats.t.ppf(0.975, len(u) - 2) * residual * np.sqrt(1 / len(u) + spread)
    band = [grid, line, line - half, line + half]
    if log:
        band = [np.exp(values) for values in band]
    axes.plot(band[0], band[1], color="black", lw=1.2)
    axes.fill_between(band[0], band[2], band[3], color="black", alpha=0.12)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1f}"
