"""Plots of runs: what their lines, bands and cells show."""

import subprocess
import sys
import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import assert_line, bands, dotted_lines, labelled_lines
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from oracles import degrees_between
from run_folders import MOMENTS, N, p_vectors_of_features, write_run

import keras_pvec as kp
from keras_pvec.plots.of_runs import epochs_trained, run_labels
from keras_pvec.runs import RunFolder, load_p_vectors, save_p_vectors

mpl.use("Agg")


@pytest.fixture
def made(rng):
    return p_vectors_of_features(rng, 4)


@pytest.fixture
def run(made, tmp_path):
    references = {"data": made[3]}
    return kp.open_run(write_run(tmp_path / "run", made[:3], references))


@pytest.fixture
def ax():
    return Figure().subplots()


def permuted_angles(p, q, rng, n=4000):
    cosines = [abs(rng.permutation(p.vector) @ q.vector) for _ in range(n)]
    return np.degrees(np.arccos(cosines))


def test_angles_and_their_null(run, made, ax, rng):
    assert kp.plot_angles(run, ax=ax) is ax
    (line,) = labelled_lines(ax)
    expected = [degrees_between(p.vector, made[2].vector) for p in made[:3]]
    np.testing.assert_allclose(line.get_xdata(), [0, 1, 2])
    np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-6)
    nulls = [kp.compare(p, made[2]).null_angle_deg for p in made[:3]]
    (dotted,) = dotted_lines(ax, nulls)
    assert same_color(dotted.get_color(), line.get_color())
    # The band holds 95% of permuted samples.
    band = ax.collections[0].get_paths()[0].vertices
    for x, p in enumerate(made[:3]):
        low, high = np.unique(band[band[:, 0] == x, 1])
        angles = permuted_angles(p, made[2], rng)
        inside = np.mean((low <= angles) & (angles <= high))
        assert 0.935 < inside < 0.965


def test_angles_to_a_logged_reference_and_to_a_p_vector(run, made, ax):
    expected = [degrees_between(p.vector, made[3].vector) for p in made[:3]]
    for to in ("data", made[3]):
        kp.plot_angles(run, to=to, ax=ax)
        np.testing.assert_allclose(ax.lines[-2].get_ydata(), expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"'data'.*'dat'"):
        kp.plot_angles(run, to="dat", ax=ax)


def test_centred_angles_have_a_null_of_90_degrees(run, made, ax):
    kp.plot_angles(run, centered=True, ax=ax)
    line, null = labelled_lines(ax)
    expected = [kp.compare(p, made[2]).centered_angle_deg for p in made[:3]]
    assert_line(line, [0, 1, 2], expected)
    assert list(null.get_ydata()) == [90, 90]
    assert bands(ax) == []


def test_a_run_plots_all_its_layers(made, tmp_path, ax):
    layers = ("features", "_hidden$1$")
    path = write_run(tmp_path / "run", made[:3], {"data": made[3]}, layers)
    run = kp.open_run(path)
    assert run.plot(ax=ax) is ax
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(texts) == 3
    assert texts[0] == "features"
    assert "hidden" in texts[1]  # drawn as it is, not as mathematics
    ax.figure.draw_without_rendering()
    one = run.plot("data", "features", ax=Figure().subplots())
    assert len(labelled_lines(one)) == 1


def test_a_layer_that_died_is_left_out_with_a_warning(made, tmp_path, ax):
    layers = ("features", "block")
    path = write_run(tmp_path / "run", made[:3], {"data": made[3]}, layers)
    save_p_vectors(RunFolder(path).moment_path(MOMENTS[-1]), {"features": made[2]})
    RunFolder(path).note_failure(MOMENTS[-1], "block", "All features are zero.")
    run = kp.open_run(path)
    with pytest.warns(UserWarning, match="block"):
        run.plot(ax=ax)
    assert len(labelled_lines(ax)) == 1
    with pytest.raises(kp.RunNotFoundError, match="block"):
        run.plot(layers="block", ax=ax)


def test_several_runs_are_named_by_what_tells_them_apart(made, tmp_path, ax):
    paths = [tmp_path / name / "seed_0" for name in ("mlp", "resnet")]
    runs = [kp.open_run(write_run(p, made[:3], {"data": made[3]})) for p in paths]
    kp.plot_angles(runs, ax=ax)
    assert [line.get_label() for line in labelled_lines(ax)] == ["mlp", "resnet"]
    first, second = labelled_lines(ax)
    assert not same_color(first.get_color(), second.get_color())
    assert run_labels(runs, ["a", "b"]) == ["a", "b"]
    assert run_labels(runs[:1]) == ["seed_0"]
    for wrong in (["a"], "ab"):
        with pytest.raises(ValueError, match="labels"):
            kp.plot_angles(runs, labels=wrong, ax=ax)


@pytest.mark.parametrize(
    ("moments", "places"),
    [
        ([(-1, 0), (0, 10), (1, 20)], [0, 1, 2]),
        ([(-1, 0), (0, 5), (0, 10), (1, 12), (1, 20)], [0, 0.5, 1, 1.2, 2]),
        # Unfinished: two of ten steps of the second epoch.
        ([(-1, 0), (0, 10), (1, 12)], [0, 1, 1.2]),
        # The length of the first epoch is not known yet.
        ([(-1, 0), (0, 5), (0, 6)], None),
        ([(-1, 0)], [0]),
        # A resumed run whose log begins with the third epoch.
        ([(2, 30), (3, 35), (3, 40), (4, 50)], [3, 3.5, 4, 5]),
    ],
)
def test_epochs_trained(moments, places):
    found = epochs_trained(moments)
    if places is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, places)


def test_matrix(made, tmp_path, ax):
    runs = [
        kp.open_run(write_run(tmp_path / str(i), [p] * 3, {"data": made[3]}))
        for i, p in enumerate(made[:3])
    ]
    assert kp.plot_matrix(runs, ax=ax) is ax
    cells = ax.images[0].get_array()
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    for i in range(3):
        assert np.ma.is_masked(cells[i, i]) or np.isnan(cells[i, i])
        for j in {0, 1, 2} - {i}:
            expected = degrees_between(made[i].vector, made[j].vector)
            assert cells[i, j] == pytest.approx(expected, abs=1e-6)
            null = kp.compare(made[i], made[j]).null_angle_deg
            angle_text, null_text = texts[i, j].splitlines()
            assert float(angle_text) == pytest.approx(expected, abs=0.051)
            assert float(null_text.split()[-1]) == pytest.approx(null, abs=0.051)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]
    with pytest.raises(ValueError, match="1"):
        kp.plot_matrix(runs[:1], ax=ax)


def test_matrix_of_other_samples_is_an_error(made, tmp_path, ax, rng):
    others = p_vectors_of_features(rng, 3)
    runs = [
        kp.open_run(write_run(tmp_path / str(i), of_run[:3], {"data": of_run[0]}))
        for i, of_run in enumerate((made, others))
    ]
    with pytest.raises(kp.SampleMismatchError):
        kp.plot_matrix(runs, ax=ax)


def test_spectrum(run, made, ax):
    assert kp.plot_spectrum(run, ax=ax) is ax
    before, after, _ = labelled_lines(ax)
    for line, p in ((before, made[0]), (after, made[2])):
        shares = (p.singular_values / p.frobenius_norm) ** 2
        assert_line(line, [1, 2, 3], shares)
        # What the constant vector explains of the features themselves, at least.
        (dotted,) = dotted_lines(ax, [p.energy1 * p.cos_ones**2] * 2)
        assert same_color(dotted.get_color(), line.get_color())
    assert ax.get_yscale() == "log"


def test_what_is_no_run_is_told(run, ax):
    with pytest.raises(TypeError, match="str"):
        kp.plot_angles([str(run.path)], ax=ax)
    with pytest.raises(TypeError, match="open_run"):
        kp.plot_matrix([run, None], ax=ax)
    with pytest.raises(ValueError, match="empty"):
        kp.plot_angles([], ax=ax)


def test_new_axes_are_made_and_nothing_is_shown(run):
    before = plt.get_fignums()
    ax = run.plot()
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)


def test_without_matplotlib_there_is_one_clear_error(run):
    program = f"""
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "matplotlib":
                    raise ModuleNotFoundError(name, name=name)

        sys.meta_path.insert(0, Blocked())
        import keras_pvec as kp

        run = kp.open_run({str(run.path)!r})
        for plot in (run.plot, lambda: kp.plot_matrix([run, run])):
            try:
                plot()
            except ModuleNotFoundError as error:
                assert "keras-pvec[plot]" in str(error), error
            else:
                raise AssertionError
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_stored_p_vectors_are_those_that_are_plotted(run, made):
    stored = load_p_vectors(RunFolder(run.path).moment_path(MOMENTS[0]))
    assert stored["features"].n_samples == N
    assert degrees_between(stored["features"].vector, made[0].vector) < 1e-9
