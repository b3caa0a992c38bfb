"""The ledger holds every claim with its numbers, and needs no other file."""

import base64
import re
from html.parser import HTMLParser

import pytest

import keras_pvec as kp
from keras_pvec import claims
from keras_pvec.claims import Claim, as_table
from keras_pvec.report import Section, write_report
from keras_pvec.store import RunFolder, log_row

PNG = b"\x89PNG made up"


@pytest.fixture
def sections(rng, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.update_info(
        settings={"model": "mlp", "seed": 3, "epochs": 7},
        versions={"keras": "3.99"},
        git_revision="abc123",
        wall_time_s=1800.0,
        n_train=500,
    )
    p = kp.p_vector(rng.random((20, 4)), layer="features")
    row = log_row((0, 1), p, "data", kp.compare(p, p))
    folder.write_moment((0, 1), {"features": p}, [row])
    figure = tmp_path / "figure.png"
    figure.write_bytes(PNG)
    table = as_table(
        [
            Claim("C1", "Small & equal.", "at most < 20", "10 degrees", "30", verdict)
            for verdict in (
                claims.REPRODUCED,
                claims.NULL_EXPLAINS,
                claims.NOT_REPRODUCED,
                claims.NOT_TESTED,
            )
        ]
    )
    runs = [kp.open_run(folder.path)]
    return [Section("cifar10, preset small", table, {"the figure": figure}, runs)]


class Checker(HTMLParser):
    """Notes what is opened and never closed, and what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.sources += [attributes[k] for k in ("src", "href") if k in attributes]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_alone(sections, tmp_path):
    page, _ = write_report(tmp_path, sections)
    text = page.read_text()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    (source,) = checker.sources
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == PNG
    assert "width=device-width" in text
    assert "Small &amp; equal." in text
    assert "at most &lt; 20" in text


@pytest.mark.parametrize("which", [0, 1])
def test_every_claim_and_setting_is_told(which, sections, tmp_path):
    text = write_report(tmp_path, sections)[which].read_text()
    plain = re.sub(r"<[^>]*>", " ", text)
    for verdict in sections[0].claims["verdict"]:
        assert verdict in plain
    for told in ("10 degrees", "30", "mlp", "3", "7", "500", "0.50 hours", "abc123"):
        assert told in plain
    assert "keras 3.99" in plain
    assert "cifar10, preset small" in plain
