"""The look that figures share, and how they are saved."""

import itertools
import warnings

import numpy as np
import pytest
from drawn import assert_layout, legend_labels, title_of
from made_up_runs import N_SAMPLES, World, write_run
from matplotlib.colors import same_color, to_rgb
from matplotlib.lines import Line2D

from keras_pvec.reproduction import figures
from keras_pvec.reproduction.claims import Verdict
from keras_pvec.reproduction.figures import look
from keras_pvec.reproduction.studies import STUDIES, Options
from keras_pvec.runs import RunFolder

# Viénot, Brettel and Mollon (1999), "Digital video colourmaps for checking the
# legibility of displays by dichromats": what linear RGB becomes for protanopes and
# deuteranopes.
SIMULATED = {
    "protanope": np.array(
        [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]
    ),
    "deuteranope": np.array(
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    ),
}


def lab(linear_rgb):
    """CIE L*a*b* of linear sRGB, white point D65."""
    to_xyz = [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
    xyz = np.clip(to_xyz @ linear_rgb, 0, None) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("vision", ["normal", *SIMULATED])
def test_colours_differ_for_all_eyes(vision):
    """By more than 10 in CIE 1976; 2.3 is a just noticeable difference."""
    matrix = SIMULATED.get(vision, np.eye(3))
    seen = [lab(matrix @ linear(look.style(i).colour)) for i in range(7)]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10


def test_colours_stand_out_from_white_and_are_not_black():
    for i in range(7):
        red, green, blue = linear(look.style(i).colour)
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        # The contrast ratio of WCAG 2.
        assert 1.05 / (luminance + 0.05) > 2
        assert luminance > 0.02


@pytest.mark.parametrize("vision", ["normal", *SIMULATED])
def test_verdicts_differ_for_all_eyes(vision):
    matrix = SIMULATED.get(vision, np.eye(3))
    looks = figures.VERDICT_STYLES.values()
    seen = [lab(matrix @ linear(look.colour)) for look in looks]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10
    # Distinct in grey as well; markers that are lines would have no white edge.
    markers = {look.marker for look in looks}
    assert len(markers) == len(seen)
    assert markers <= {*Line2D.filled_markers}


def test_every_verdict_has_a_colour_for_white_text():
    """The contrast ratio that WCAG 2 asks of text is 4.5."""
    assert set(figures.VERDICT_STYLES) == set(Verdict)
    for style in figures.VERDICT_STYLES.values():
        red, green, blue = linear(style.colour)
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert 1.05 / (luminance + 0.05) > 4.5


def test_styles_do_not_repeat():
    assert len({look.style(i) for i in range(49)}) == 49
    assert all(look.style(i) != look.style(i + 7) for i in range(42))


def test_a_model_has_the_same_style_in_figures_of_the_same_models():
    assert look.styles(["b", "a", "b"]) == look.styles(["a", "b"])
    assert not same_color(*(s.colour for s in look.styles(["a", "b"]).values()))


@pytest.mark.parametrize(
    ("n_panels", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))]
)
def test_panels_stand_in_rows(n_panels, shape):
    figure, panels = look.panel_grid(n_panels, 3, 2.0, 1.5, sharex=True)
    assert figure.axes == panels and len(panels) == n_panels
    for axes in panels:
        axes.plot([0, 1])
    assert_layout(figure)
    corners = [tuple(axes.get_window_extent().min.round()) for axes in panels]
    assert len({x for x, _ in corners}) == shape[1]
    assert len({y for _, y in corners}) == shape[0]
    # The last panel of each column has tick labels.
    for axes in panels[-shape[1] :]:
        assert axes.xaxis.get_tick_params()["labelbottom"]


def test_saving_writes_png_and_pdf(tmp_path):
    figure = look.new_figure(1.0, 1.0)
    figure.subplots()
    paths = figures.save_figure(figure, tmp_path / "x.y")
    assert [path.name for path in paths] == ["x.y.png", "x.y.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.iterdir())) == 2


HOSTILE = [
    r"$\frac{^_\x$",
    r"_hidden $",
    r"a^b_c\d",
    "a\nb\tc\0",
    "caf\udce9",
    "x" * 5000,
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_a_title_is_drawn_as_it_is(name, tmp_path):
    figure = look.new_figure(6.0, 3.0)
    figure.subplots()
    look.entitle(figure, f"images of {name}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look.save_figure(figure, tmp_path / "drawn")
    if name.isprintable() and len(name) < 100:
        assert name in title_of(figure).replace(r"\$", "$")


@pytest.mark.parametrize(
    "study", ["convergence", "distribution", "layerwise", "singular_vectors"]
)
def test_names_of_models_are_drawn_as_they_are(study, tmp_path):
    """A model that begins with an underscore has its place in the legend."""
    worlds = {split: World(split, seed=3) for split in N_SAMPLES}
    runs = []
    for seed, name in enumerate(HOSTILE[:3]):
        run = write_run(tmp_path / str(seed), worlds, "mlp", seed)
        settings = {**run.info.notes["settings"], "model": name}
        for folder in (run.path, run.path / "test"):
            RunFolder(folder).note(settings=settings)
        runs.append(run)
    found = STUDIES[study].analyse(runs, Options(HOSTILE[0]))
    for figure in found.figures.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.draw_without_rendering()
    if study == "convergence":
        labels = legend_labels(found.figures["angle_to_final"])
        shown = [label.replace(r"\$", "$").strip("\u2060") for label in labels]
        assert set(HOSTILE[:3]) <= set(shown)
