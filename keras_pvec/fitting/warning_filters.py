"""Warnings during a training: shown, but never raised."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def shown_warnings() -> Iterator[None]:
    """Within the block, warnings that filters turn into errors are shown instead.

    A P-vector that is ambiguous after an epoch is no reason to lose the training of a
    program that runs with `python -W error`. All other filters apply as they are.
    """
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for item in reversed(filters):
            _add_filter(*item)
        yield


def _add_filter(
    action: Any, message: Any, category: Any, module: Any, line: int
) -> None:
    shown: Any = "default" if action == "error" else action
    warnings.filterwarnings(
        shown, _expression(message), category, _expression(module), line
    )


def _expression(filtered: Any) -> str:
    """What `filterwarnings` takes, from what it stored: nothing, a compiled expression,
    or, in the filters that Python starts with, a name."""
    if filtered is None:
        return ""
    if isinstance(filtered, str):
        return re.escape(filtered) + r"\Z"
    return filtered.pattern
