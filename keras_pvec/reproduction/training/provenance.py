"""Which code a run was trained with."""

from __future__ import annotations

import subprocess
from pathlib import Path

_TIMEOUT_S = 10


def git_revision() -> str | None:
    """Revision of the checkout that contains this package; `None` outside of one."""
    try:
        result = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
