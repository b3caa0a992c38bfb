"""Formulas as MathML, which browsers draw without a script."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex makes of $...$ and $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.S)
_BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.S)


def with_mathml(page: str) -> str:
    """Replaces the LaTeX formulas of a page by MathML."""
    page = _BLOCK.sub(
        lambda found: f'<div class="formula">{_mathml(found[1], "block")}</div>', page
    )
    return _INLINE.sub(lambda found: _mathml(found[1], "inline"), page)


def _mathml(latex: str, display: str) -> str:
    return convert(html.unescape(latex).strip(), display=display)
