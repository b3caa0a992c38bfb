"""What runs and comparisons show in notebooks."""

from html.parser import HTMLParser

import numpy as np
import pytest
from run_folders import p_vectors_of_features, write_run

import keras_pvec as kp


class Table(HTMLParser):
    """The texts of the cells of a table, and whether its tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.caption, self.open = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            assert self.open[-1] == "caption"
            self.caption += data


def test_a_run_shows_its_last_angles(rng, tmp_path):
    made = p_vectors_of_features(rng, 4)
    name = "<script>&x"
    path = write_run(tmp_path / "<run>", made[:3], {name: made[3]}, ("a", "<b>"))
    run = kp.open_run(path)
    table = Table(run._repr_html_())
    assert "<run>" in table.caption
    assert "random" in table.caption  # the samples
    header, *rows = table.rows
    assert [row[:2] for row in rows] == [["a", name], ["<b>", name]]
    expected = kp.compare(made[2], made[3])
    for row in rows:
        shown = dict(zip(header, row, strict=True))
        assert float(shown["angle"]) == pytest.approx(expected.angle_deg, abs=0.051)
        assert float(shown["null"]) == pytest.approx(expected.null_angle_deg, abs=0.051)


def test_a_run_without_references_or_with_many_layers(rng, tmp_path):
    made = p_vectors_of_features(rng, 3)
    layers = tuple(f"block_{i}" for i in range(40))
    run = kp.open_run(write_run(tmp_path, made, {"before": made[0]}, layers))
    *rows, rest = Table(run._repr_html_()).rows
    assert str(len(layers) - len(rows) + 1) in rest[0]


def test_a_damaged_run_says_so(rng, tmp_path):
    made = p_vectors_of_features(rng, 3)
    path = write_run(tmp_path, made, {"before": made[0]})
    run = kp.open_run(path)
    (path / "log.csv").write_bytes(b"\xff\xfe\x00")
    assert "log.csv" in Table(run._repr_html_()).rows[-1][0]


def test_a_comparison_shows_its_fields(rng):
    p, q = p_vectors_of_features(rng, 2)
    labels = {"labels": np.arange(p.n_samples) % 3}
    comparison = kp.compare(p, q, n_permutations=19, samples=labels)
    _, *rows = Table(comparison._repr_html_()).rows
    shown = dict(rows)
    assert float(shown["angle_deg"]) == pytest.approx(comparison.angle_deg, abs=1e-3)
    assert shown["n_samples"] == str(p.n_samples)
    assert f"{comparison.ladder[1].p_value:.3g}" in shown["null: within class"]
    detailed = dict(Table(kp.compare_in_detail(p, q)._repr_html_()).rows[1:])
    assert (
        str(kp.compare_in_detail(p, q).influential_samples[0])
        in (detailed["influential_samples"])
    )
