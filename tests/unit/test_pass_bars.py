"""What long computations show of their progress."""

import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import layers

import keras_pvec as kp
from keras_pvec.pass_bars import PassBars


class Blocks:
    """Row blocks of a matrix that counts how often it is read."""

    def __init__(self, matrix, n_blocks):
        self.blocks = np.array_split(matrix, n_blocks)
        self.n_passes = 0

    def __iter__(self):
        self.n_passes += 1
        return iter(self.blocks)


def passes(text):
    return [int(found) for found in re.findall(r"^Pass (\d+)$", text, re.M)]


def counts(text):
    return re.findall(r"(\d+)/(\d+|Unknown)", text)


@pytest.fixture
def matrix(rng):
    return rng.random((300, 200)) @ rng.random((200, 90))


def test_each_pass_of_p_vector_is_a_line(matrix, capsys):
    blocks = Blocks(matrix, 7)
    p = kp.p_vector(blocks, k=3, verbose=2)
    shown = capsys.readouterr().out
    assert passes(shown) == [*range(1, blocks.n_passes + 1)]
    assert counts(shown) == [("7", "7")] * blocks.n_passes
    assert blocks.n_passes > 1
    same = kp.p_vector(Blocks(matrix, 7), k=3, verbose=0)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(p.vectors, same.vectors)


def test_a_bar_moves_and_knows_the_total_after_the_first_pass(matrix, capsys):
    bars = PassBars(1)
    for _ in range(2):
        assert list(bars.over("abcd")) == [*"abcd"]
    first, second = capsys.readouterr().out.split("Pass 2")
    assert counts(first)[-1] == ("4", "4")
    assert {total for _, total in counts(first)[:-1]} <= {"Unknown"}
    assert {total for _, total in counts(second)} == {"4"}


def test_arrays_and_generators(matrix, capsys):
    kp.p_vector(matrix, verbose=2)
    assert set(counts(capsys.readouterr().out)) == {("1", "1")}
    kp.p_vector((block for block in np.array_split(matrix, 5)), verbose=2)
    assert set(counts(capsys.readouterr().out)) == {("5", "5")}


def test_forward_passes_count_samples(rng, capsys):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(90, "relu", name="wide")])
    samples = kp.SampleSet(rng.random((50, 6)).astype("float32"))
    kp.model_p_vectors(model, samples, "wide", batch_size=20, verbose=2)
    shown = capsys.readouterr().out
    assert passes(shown) == [1]
    assert counts(shown) == [("50", "50")]
    # Layers that do not fit into memory take further passes.
    kp.model_p_vectors(
        model, samples, "wide", batch_size=20, max_feature_bytes=0, verbose=2
    )
    shown = capsys.readouterr().out
    assert len(passes(shown)) > 1
    assert set(counts(shown)) == {("50", "50")}


def test_short_work_shows_nothing_by_default(matrix, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    kp.p_vector(Blocks(matrix, 3))
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("keras_pvec.pass_bars._AUTO_SECONDS", 0.0)
    kp.p_vector(Blocks(matrix, 3))
    assert passes(capsys.readouterr().out)[0] == 1
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    kp.p_vector(Blocks(matrix, 3))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [3, "yes", True, None])
def test_other_values_are_refused(verbose, matrix):
    with pytest.raises(ValueError, match="verbose"):
        kp.p_vector(matrix, verbose=verbose)


def test_without_a_backend_nothing_is_shown_unless_it_is_asked_for():
    program = """
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "keras":
                    raise ModuleNotFoundError(name, name=name)

        sys.meta_path.insert(0, Blocked())
        import numpy as np
        import keras_pvec as kp

        x = np.random.default_rng(0).random((30, 5))
        kp.p_vector(x)
        try:
            kp.p_vector(x, verbose=1)
        except ImportError as error:
            assert "verbose=0" in str(error)
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
