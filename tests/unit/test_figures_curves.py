"""Curves over epochs, steps, blocks and `k`: means over seeds, ranges, nulls."""

import numpy as np
import pandas as pd
import pytest
from drawn import (
    assert_layout,
    assert_line,
    assert_null_of_each,
    assert_same_colours,
    bands,
    dotted_lines,
    labelled_lines,
    legend_labels,
    title_of,
)
from matplotlib.colors import same_color

from keras_pvec.reproduction import figures

TITLE = "made up"
EPOCHS_TRAINED = [0, 1, 2, 3]
NULLS = {"null_angle_deg": 70.0, "null_low_deg": 68.0, "null_high_deg": 72.0}


def made_up_angles(n_seeds=2, models=("mlp", "resnet"), x="epoch"):
    """Straight lines from 40 or 60 degrees (the second seed: 10 more) to zero."""
    rows = []
    for i, model in enumerate(models):
        for seed in range(n_seeds):
            for moment in range(-1, 3):
                angle = (40.0 + 20 * i + 10 * seed) * (2 - moment) / 3
                rows.append(
                    {
                        "run": f"{model}, seed {seed}",
                        "model": model,
                        "seed": seed,
                        x: moment,
                        "angle_deg": angle,
                        "centered_angle_deg": angle + 5,
                        **NULLS,
                    }
                )
    return pd.DataFrame(rows)


def falling(start):
    """What the mean of a model falls through, from its start to zero."""
    return np.array([3, 2, 1, 0]) * start / 3


def starts(n_seeds):
    """Where the means of `mlp` and `resnet` start, degrees."""
    return (40, 60) if n_seeds == 1 else (45, 65)


@pytest.fixture(scope="module", params=[1, 2])
def n_seeds(request):
    return request.param


DRAW_OVER_EPOCHS = {
    "final": figures.angle_to_final_figure,
    "untrained": figures.angle_to_untrained_figure,
    "data": lambda t, title: figures.angle_to_data_figure(t, "data", title),
    "input": lambda t, title: figures.angle_to_data_figure(t, "input", title),
}


@pytest.fixture(scope="module", params=DRAW_OVER_EPOCHS)
def over_epochs(request, n_seeds):
    return DRAW_OVER_EPOCHS[request.param](made_up_angles(n_seeds), TITLE)


def test_angles_over_epochs_are_means_with_their_null(over_epochs, n_seeds):
    plain, centered = over_epochs.axes
    for axes, shift in ((plain, 0), (centered, 5)):
        for line, start in zip(labelled_lines(axes), starts(n_seeds), strict=True):
            assert_line(line, EPOCHS_TRAINED, falling(start) + shift)
    assert_null_of_each(plain, [70.0] * 4)
    (null,) = dotted_lines(centered, [90.0, 90.0])
    assert same_color(null.get_color(), "black")
    # Of each model the band of the null, and the range of its seeds.
    null_bands = [(68, 72), (68, 72)]
    ranges = [] if n_seeds == 1 else [(0, 50), (0, 70)]
    assert bands(plain) == [*ranges, *null_bands]
    assert bands(centered) == ([] if n_seeds == 1 else [(5, 55), (5, 75)])
    assert plain.get_ylim()[0] == 0 and plain.get_ylim()[1] >= 90
    assert TITLE in title_of(over_epochs)


def test_the_legend_names_models_and_their_seeds(n_seeds):
    figure = figures.angle_to_final_figure(made_up_angles(n_seeds), TITLE)
    mlp, resnet, *notes = legend_labels(figure)
    assert mlp.startswith("mlp") and resnet.startswith("resnet")
    assert all(("2" in label) == (n_seeds == 2) for label in (mlp, resnet))
    # The nulls of both panels, and the range if there is one.
    assert len(notes) == 1 + n_seeds


@pytest.mark.parametrize("n_models", [1, 3, 8])
def test_panels_titles_and_legends_do_not_overlap(n_models):
    models = [f"wide_resnet28_{i}" for i in range(n_models)]
    angles = made_up_angles(2, models)
    long_title = "a data set with a long name, preset whole, " * 4
    figure = figures.angle_to_final_figure(angles, long_title)
    assert_layout(figure)
    assert long_title.strip() in title_of(figure)


def test_missing_centred_angles_are_left_out():
    angles = made_up_angles(1, ["mlp"])
    angles.loc[1, "centered_angle_deg"] = np.nan
    figure = figures.angle_to_final_figure(angles, TITLE)
    (line,) = labelled_lines(figure.axes[1])
    assert_line(line, EPOCHS_TRAINED, [45, np.nan, 40 / 3 + 5, 5])


@pytest.fixture(scope="module")
def to_references(n_seeds):
    """To two references; the first is a run of the table, without itself."""
    angles = made_up_angles(n_seeds)
    second = angles.assign(
        reference="simclr, seed 0",
        angle_deg=angles["angle_deg"] + 7,
        null_angle_deg=55.0,
    )
    first = angles.assign(reference="resnet, seed 0")
    first = first[first["run"] != "resnet, seed 0"]
    table = pd.concat([first, second], ignore_index=True)
    return figures.references_figure(table, TITLE)


def test_references_have_a_panel_each(to_references, n_seeds):
    first, second = to_references.axes
    assert "resnet, seed 0" in first.get_title()
    assert "simclr, seed 0" in second.get_title()
    mlp, *resnet = labelled_lines(first)
    assert_line(mlp, EPOCHS_TRAINED, falling(starts(n_seeds)[0]))
    assert len(resnet) == n_seeds - 1
    if n_seeds == 2:  # its other seed
        assert_line(resnet[0], EPOCHS_TRAINED, falling(70))
    shifted = labelled_lines(second)
    for line, start in zip(shifted, starts(n_seeds), strict=True):
        assert_line(line, EPOCHS_TRAINED, falling(start) + 7)
    assert_null_of_each(first, [70.0] * 4)
    assert_null_of_each(second, [55.0] * 4)
    # A model has the same colour in both panels, and one entry in the legend.
    assert_same_colours([mlp, *resnet], shifted[: len(resnet) + 1])
    assert len(legend_labels(to_references)) == 2 + n_seeds
    assert_layout(to_references)


@pytest.mark.parametrize("matrix", ["data", "input"])
def test_first_epoch_has_a_panel_for_each_reference_and_split(n_seeds, matrix):
    angles = made_up_angles(n_seeds, x="step").assign(step=lambda t: 5 * t["step"] + 5)
    panels = [(r, s) for r in ("final", matrix) for s in ("train", "test")]
    table = pd.concat(
        [
            angles.assign(
                reference=reference,
                split=split,
                angle_deg=angles["angle_deg"] + i,
                null_angle_deg=60.0 + i,
            )
            for i, (reference, split) in enumerate(panels)
        ],
        ignore_index=True,
    )
    figure = figures.first_epoch_figure(table, TITLE)
    for i, (axes, (_, split)) in enumerate(zip(figure.axes, panels, strict=True)):
        assert split in axes.get_title()
        for line, start in zip(labelled_lines(axes), starts(n_seeds), strict=True):
            assert_line(line, [0, 5, 10, 15], falling(start) + i)
        assert_null_of_each(axes, [60.0 + i] * 4)
        assert (68, 72) in bands(axes)
    if n_seeds == 2:
        assert_layout(figure)


def test_angle_by_block(n_seeds):
    """The second model has fewer blocks and one epoch more."""
    n_blocks = {"resnet": 4, "vgg": 3}
    epochs = {"resnet": (0, 3), "vgg": (0, 1, 3)}
    rows = [
        {
            "run": f"{model}, seed {seed}",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "block": block,
            "angle_deg": 10.0 * block + epoch + 4 * seed,
            "null_angle_deg": 60.0 + epoch + 2 * seed,
        }
        for model in n_blocks
        for seed in range(n_seeds)
        for epoch in epochs[model]
        for block in range(1, n_blocks[model] + 1)
    ]
    figure = figures.angle_by_block_figure(pd.DataFrame(rows), "data", TITLE)
    mean_seed = (n_seeds - 1) / 2
    for axes, (model, n) in zip(figure.axes, n_blocks.items(), strict=True):
        assert axes.get_title().startswith(model)
        lines = labelled_lines(axes)
        blocks = np.arange(1, n + 1)
        for line, epoch in zip(lines, epochs[model], strict=True):
            assert_line(line, blocks, 10 * blocks + epoch + 4 * mean_seed)
            nulls = dotted_lines(axes, [60 + epoch + 2 * mean_seed] * n)
            assert_same_colours(nulls, [line])
        # Of each epoch the range of the seeds, from the first block to the last.
        ranges = [(10 + epoch, 10 * n + 4 + epoch) for epoch in epochs[model]]
        assert bands(axes) == ([] if n_seeds == 1 else ranges)
    resnet, vgg = (labelled_lines(axes) for axes in figure.axes)
    assert_same_colours(resnet, [vgg[0], vgg[2]])
    # The legend is in order of time, though the first panel lacks an epoch.
    names = [line.get_label() for line in vgg]
    assert legend_labels(figure)[:3] == names
    if n_seeds == 2:
        assert_layout(figure)


def test_singular_vectors(n_seeds):
    base = made_up_angles(n_seeds, ["resnet50"])
    table = pd.concat(
        [
            base.assign(
                index=i,
                angle_deg=base["angle_deg"] + i,
                subspace_angle_deg=base["angle_deg"] + 3 * i,
                null_angle_deg=60.0 + i,
            )
            for i in (1, 2, 3)
        ],
        ignore_index=True,
    )
    figure = figures.singular_vectors_figure(table, TITLE)
    vectors, spans = (labelled_lines(axes) for axes in figure.axes)
    for i, (vector, span) in enumerate(zip(vectors, spans, strict=True), start=1):
        mean = falling(starts(n_seeds)[0])
        assert_line(vector, EPOCHS_TRAINED, mean + i)
        assert_line(span, EPOCHS_TRAINED, mean + 3 * i)
        assert_same_colours(dotted_lines(figure.axes[0], [60.0 + i] * 4), [vector])
    assert_same_colours(spans, vectors)
    assert len(legend_labels(figure)) == 3 + n_seeds
    if n_seeds == 2:
        assert_layout(figure)


def test_explained_variance(n_seeds):
    """The second model was trained for an epoch more."""
    rows = [
        {
            "run": f"{model}, seed {seed}",
            "model": model,
            "seed": seed,
            "epoch": epoch,
            "k": k,
            "explained": 0.3 + 0.2 * epoch + 0.1 * k + 0.02 * seed,
            "error_share": 0.7 - 0.2 * epoch - 0.1 * k - 0.02 * seed,
            "constant_share": 0.25 + 0.1 * epoch + 0.02 * seed,
        }
        for model, n_epochs in (("mlp", 2), ("resnet", 3))
        for seed in range(n_seeds)
        for epoch in range(n_epochs)
        for k in (1, 2)
    ]
    figure = figures.explained_variance_figure(pd.DataFrame(rows), TITLE)
    over_epochs, over_k = figure.axes
    shift = 0.02 * (n_seeds - 1) / 2
    first, remaining = labelled_lines(over_epochs), labelled_lines(over_k)
    for line, other, n_epochs in zip(first, remaining, (2, 3), strict=True):
        epochs = np.arange(n_epochs)
        assert_line(line, epochs + 1, 0.4 + 0.2 * epochs + shift)
        constant = dotted_lines(over_epochs, 0.25 + 0.1 * epochs + shift)
        assert_same_colours(constant, [line])
        # After the last epoch of each.
        error = 0.7 - 0.2 * epochs[-1] - 0.1 * np.array([1, 2]) - shift
        assert_line(other, [1, 2], error)
    assert_same_colours(first, remaining)
    for axes in figure.axes:
        assert len(bands(axes)) == (0 if n_seeds == 1 else 2)
    if n_seeds == 2:
        assert_layout(figure)
