"""How verdicts look, in figures and on the page."""

from __future__ import annotations

from keras_pvec.reproduction.claims import Verdict
from keras_pvec.reproduction.figures.look import Style

# Distinct for the colour-blind, and dark enough for white text on them. Markers differ
# as well, for prints in grey.
VERDICT_STYLES: dict[Verdict, Style] = {
    Verdict.REPRODUCED: Style("#148450", "o"),
    Verdict.PARTLY_REPRODUCED: Style("#2664c7", "D"),
    Verdict.NO_MORE_THAN_CHANCE: Style("#996500", "s"),
    Verdict.NOT_REPRODUCED: Style("#7c0012", "X"),
    Verdict.INCONCLUSIVE: Style("#534f88", "^"),
    Verdict.PRECONDITION_NOT_MET: Style("#311a34", "v"),
    Verdict.NOT_TESTED: Style("#61626f", "<"),
    Verdict.DESCRIBED: Style("#290e64", "P"),
}
