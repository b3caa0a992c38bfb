"""The files of a run, checked against its checksums, its settings and each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from keras_pvec.pvector import PVector
from keras_pvec.runs.checksums import SUMS_FILE, check_content, read_sums
from keras_pvec.runs.completeness import check_finished_log
from keras_pvec.runs.errors import DamagedRunError
from keras_pvec.runs.files import parse_p_vectors
from keras_pvec.runs.folder import RunFolder
from keras_pvec.runs.reading import exists, modified_ns, read_content
from keras_pvec.runs.schema import LOG_COLUMNS, LoggedWith, Moment
from keras_pvec.runs.tables import parse_rows, whole_lines

# Largest difference of the length of a P-vector from 1.
_UNIT_TOLERANCE = 1e-6
_MAX_DIGITS = 12


class CheckedFiles:
    """Reads the files of a run, and raises `DamagedRunError` if something is wrong.

    Args:
        folder: The run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._settings: LoggedWith | None = None
        self._sums: dict[str, str] = {}
        self._sums_changed: int | None = None
        self._checked_log: str | None = None

    def content(self, path: Path) -> bytes:
        """The content of a file, checked against its checksum."""
        content = read_content(path)
        name = path.relative_to(self._folder.path).as_posix()
        check_content(path, content, self._checksums().get(name))
        return content

    def exists(self, path: Path) -> bool:
        """Whether a file is there.

        Raises:
            DamagedRunError: It was there when the training ended, and is missing.
        """
        if exists(path):
            return True
        if path.relative_to(self._folder.path).as_posix() in self._checksums():
            raise DamagedRunError(path, "it is missing")
        return False

    def log_text(self) -> str:
        """The whole lines of the log, none of which are missing in a finished run."""
        path = self._folder.log_path
        content = self.content(path)
        text = whole_lines(path, content)
        if text != self._checked_log:
            rows = parse_rows(path, text)
            info = self._folder.read_info()
            if info.complete:
                if content and not content.endswith(b"\n"):
                    raise DamagedRunError(path, "its last row is incomplete")
                stored = self._folder.stored_moments()
                ended = self._folder.epoch_ends()
                check_finished_log(path, rows, info, stored, ended)
            self._checked_log = text
        return text

    def log_rows(self) -> list[dict[str, str]]:
        """The rows of the log, as text."""
        path = self._folder.log_path
        rows = parse_rows(path, self.log_text())
        if rows and not set(LOG_COLUMNS) <= set(rows[0]):
            missing = [name for name in LOG_COLUMNS if name not in rows[0]]
            raise DamagedRunError(path, f"missing columns {', '.join(missing)}")
        return rows

    def settings(self) -> LoggedWith:
        """The settings of the logger. The log has the samples, if they do not."""
        if self._settings is None:
            settings = self._folder.read_info().logged_with or LoggedWith()
            if settings.n_samples is None or settings.samples_sha256 is None:
                first = next(iter(self.log_rows()), {})
                settings = dataclasses.replace(
                    settings,
                    n_samples=settings.n_samples or _count(first.get("n_samples", "")),
                    samples_sha256=settings.samples_sha256
                    or first.get("samples_sha256")
                    or None,
                )
            self._settings = settings
        return self._settings

    def p_vectors(self, path: Path, moment: Moment | None = None) -> dict[str, PVector]:
        """The P-vectors in a file, which can be those of this run at a moment."""
        p_vectors = parse_p_vectors(path, self.content(path), moment)
        for layer, p in p_vectors.items():
            self._check_p_vector(path, layer, p)
        return p_vectors

    def _checksums(self) -> dict[str, str]:
        """The checksums of the run; read again only if a training has changed them."""
        changed = modified_ns(self._folder.path / SUMS_FILE)
        if changed != self._sums_changed:
            self._sums = read_sums(self._folder.path)
            self._sums_changed = changed
        return self._sums

    def _check_p_vector(self, path: Path, layer: str, p: PVector) -> None:
        settings = self.settings()
        where = f"the P-vector of layer {layer!r}"
        length = float(np.linalg.norm(p.vector))
        if abs(length - 1) > _UNIT_TOLERANCE:
            reason = f"{where} has length {length:.4g}, not 1"
            raise DamagedRunError(path, reason)
        if settings.n_samples not in (None, p.n_samples):
            reason = f"{where} has {p.n_samples} samples, not {settings.n_samples}"
            raise DamagedRunError(path, reason)
        if p.samples_sha256 and settings.samples_sha256 not in (None, p.samples_sha256):
            raise DamagedRunError(path, f"{where} is not of the samples of the run")


def _count(cell: str) -> int | None:
    is_count = cell.isascii() and cell.isdecimal() and len(cell) <= _MAX_DIGITS
    return int(cell) if is_count else None
