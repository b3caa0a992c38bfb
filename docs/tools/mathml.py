"""Formulas as MathML, which browsers draw without a script."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex makes of $...$ and $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.S)
_BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.S)
_TAG = re.compile(r"\\tag\{(\w+)\}")
# MathML puts no space around the name of a function.
_FUNCTION = r"\\(?:arccos|cos|sin|tan)(?![a-z])"
_BEFORE_FUNCTION = re.compile(rf"(?<=[\w}}])\s*(?={_FUNCTION})")
_AFTER_FUNCTION = re.compile(rf"({_FUNCTION})\s*(?=\\?[A-Za-z])")


def with_mathml(page: str) -> str:
    """Replaces the LaTeX formulas of a page by MathML."""
    page = _BLOCK.sub(lambda found: _numbered(found[1]), page)
    return _INLINE.sub(lambda found: _mathml(found[1], "inline"), page)


def _numbered(latex: str) -> str:
    """A formula in a line of its own, with its number on the right."""
    number = _TAG.search(latex)
    formula = _mathml(_TAG.sub("", latex), "block")
    label = f"<span>({number[1]})</span>" if number else ""
    return f'<div class="formula">{formula}{label}</div>'


def _mathml(latex: str, display: str) -> str:
    latex = html.unescape(latex).strip()
    latex = _AFTER_FUNCTION.sub(r"\1\\,", _BEFORE_FUNCTION.sub(r"\\,", latex))
    return convert(latex, display=display)
