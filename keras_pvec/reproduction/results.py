"""Folders of results: tables, figures, and the settings that produced them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from keras_pvec.reproduction import figures, report
from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.studies import Findings
from keras_pvec.runs import remove_partial_files, write_atomically
from keras_pvec.runs.spreadsheet import write_spreadsheet

SETTINGS_FILE = "flags.json"


class ResultsNotWrittenError(RuntimeError):
    """Results cannot be written, for example because the disk is full."""


def save_findings(
    findings: Findings, folder: Path, settings: Mapping[str, Any]
) -> None:
    """Writes `<table>.csv`, `<figure>.png` and `.pdf`, `claims.csv`, and the settings
    as `flags.json`.

    Args:
        findings: The findings of a study.
        folder: An existing folder.
        settings: Flag values by name.

    Raises:
        ResultsNotWrittenError: They cannot be written. Earlier results may be left.
    """
    with writing_to(folder):
        _save_findings(findings, folder, settings)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns errors of the system in a `with` block into `ResultsNotWrittenError`.

    Args:
        folder: The folder that the block writes to.
    """
    try:
        yield
    except OSError as error:
        raise ResultsNotWrittenError(
            f"Results cannot be written to {folder} ({error.strerror or error}). "
            "Make room there, or choose another folder with `out_dir`; the same "
            "command reuses the trained runs."
        ) from error


def _save_findings(
    findings: Findings, folder: Path, settings: Mapping[str, Any]
) -> None:
    tables = {
        **findings.tables,
        "claims": report.claims_table(findings.readings or findings.claims),
    }
    # A process that was killed may have left some; another may be writing.
    remove_partial_files(folder, older_than_s=3600)
    for name, table in tables.items():
        save_table(table, folder / f"{name}.csv")
    for name, figure in findings.figures.items():
        figures.save_figure(figure, folder / name)
    with write_atomically(folder / SETTINGS_FILE) as file:
        file.write((json.dumps(settings, indent=2, sort_keys=True) + "\n").encode())


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file, in which no cell is a formula."""
    with write_atomically(path) as file:
        write_spreadsheet(table, file)


def make_folders(*folders: Path) -> None:
    """Makes writable folders, all of them or none.

    Raises:
        ConfigError: One of them cannot be written to.
    """
    made: list[Path] = []
    for folder in folders:
        try:
            missing = _missing_folders(folder)
            folder.mkdir(parents=True, exist_ok=True)
            made += missing
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            _remove_folders(made)
            raise ConfigError(
                f"Cannot write to {_shortened(folder)} ({_obstacle(folder, error)}). "
                "Choose another folder with `runs_dir` or `out_dir`."
            ) from error


@contextlib.contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Makes a folder for the results of a `with` block, and removes it again if the
    block fails before it has written anything.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    try:
        missing = _missing_folders(folder)
    except OSError:
        missing = []  # the next line raises
    make_folders(folder)
    try:
        yield
    except BaseException:
        if not any(folder.iterdir()):
            _remove_folders(missing)
        raise


def _missing_folders(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _obstacle(folder: Path, error: OSError) -> str:
    """Why a folder cannot be made or written to."""
    for path in (folder, *folder.parents):
        if os.path.islink(path) and not os.path.exists(path):
            return f"{path} is a link to nothing"
    return error.strerror or str(error)


def _shortened(folder: Path, length: int = 200) -> str:
    text = str(folder)
    return text if len(text) <= length else f"{text[:length]}..."


def _remove_folders(empty: Sequence[Path]) -> None:
    for path in sorted(empty, reverse=True):  # inner ones first
        path.rmdir()
