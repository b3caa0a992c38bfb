"""What is stored of the attempts at a run; see `keras_pvec.runs.lease`."""

from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

HEARTBEAT = "heartbeat"
# The heartbeat of an attempt that has ended.
RELEASED = -1
# NFS reports a folder that another machine has removed as stale.
_IS_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
_ATTEMPT = re.compile(r"^\d{6,}$", re.ASCII)


class Attempt(NamedTuple):
    """An attempt at a run. Attempts sort in the order in which they took over.

    Attributes:
        token: Its number.
        path: Its folder.
    """

    token: int
    path: Path

    def heartbeat(self) -> int | None:
        """Its last heartbeat; `None` if it has not written any."""
        try:
            return int((self.path / HEARTBEAT).read_bytes())
        except (OSError, ValueError):
            return None

    def lease_s(self, default: float) -> float:
        """The length of its lease in seconds; `default` if it has not stored any."""
        for path in self.path.glob("owner-*.json"):
            try:
                return float(json.loads(path.read_bytes())["lease_s"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return default

    def run_folder(self) -> Path | None:
        """The folder with its files of the run, if it has one."""
        return next(iter(sorted(self.path.glob("run-*"))), None)


def attempts_folder(path: Path) -> Path:
    """The folder with the attempts at a run."""
    return path.with_name(f".{path.name}.attempts")


def stored_attempts(path: Path) -> list[Attempt]:
    """The attempts at a run, in order."""
    try:
        found = list(attempts_folder(path).iterdir())
    except OSError as error:
        if error.errno not in _IS_GONE:
            raise
        return []
    return sorted(Attempt(int(p.name), p) for p in found if _ATTEMPT.match(p.name))


def latest_attempt(path: Path) -> Attempt | None:
    """The attempt that holds the lease of a run, or held it last."""
    return max(stored_attempts(path), default=None)


def current_folder(path: Path) -> Path:
    """The folder in which the files of a run are now: of an attempt by a worker of a
    cluster, or the folder of the run."""
    for attempt in reversed(stored_attempts(path)):
        if (folder := attempt.run_folder()) is not None:
            return folder
    return path


def remove_attempts(path: Path) -> None:
    """Removes what the attempts at a finished run have left, as far as possible."""
    shutil.rmtree(attempts_folder(path), ignore_errors=True)
