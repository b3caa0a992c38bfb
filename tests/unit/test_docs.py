"""The reference of the documentation is complete, and the check of its links works."""

import re
import runpy
from pathlib import Path

import pytest

import keras_pvec as kp

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def test_every_public_name_has_a_place_in_the_reference():
    pages = "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))
    shown = re.findall(r"^::: keras_pvec\.(\w+)$", pages, re.M)
    assert sorted(shown) == sorted({*kp.__all__} - {"__version__"})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('<a href="other/#there">', None),
        ('<a href="https://example.org/x">', None),
        ('<a href="#here">', None),
        ('<img src="other/figure.png">', None),
        ('<a href="nowhere/">', "nowhere/"),
        ('<a href="other/#nowhere">', "other/#nowhere"),
        ('<img src="missing.png">', "missing.png"),
        ('<script src="https://example.org/x.js">', "https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "//example.org/x.css"),
    ],
)
def test_broken_links_of_a_site_are_found(tmp_path, line, problem):
    problems_of = runpy.run_path(str(DOCS / "tools" / "check_site.py"))["problems_of"]
    (tmp_path / "other").mkdir()
    (tmp_path / "index.html").write_text(f'<p id="here">{line}')
    (tmp_path / "other" / "index.html").write_text('<p id="there">')
    (tmp_path / "other" / "figure.png").touch()
    found = problems_of(tmp_path)
    assert bool(found) == bool(problem)
    assert all("index.html" in line and problem in line for line in found)
