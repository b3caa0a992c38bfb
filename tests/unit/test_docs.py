"""The reference of the documentation is complete."""

import re
from pathlib import Path

import keras_pvec as kp

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_public_name_has_a_place_in_the_reference():
    pages = "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))
    shown = re.findall(r"^::: keras_pvec\.(\w+)$", pages, re.M)
    assert sorted(shown) == sorted({*kp.__all__} - {"__version__"})
