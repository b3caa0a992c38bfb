"""Verdicts: are answers right, and do errors say which file is at fault?"""

from __future__ import annotations

import csv
import dataclasses
import enum
import hashlib
import io
import json
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# Files of a run whose content is not compared.
_IGNORED = {".lock"}
# Entries of `run.json` that differ from run to run.
_VOLATILE = {"versions", "wall_time_s", "git_revision"}
# The errors that readers are documented to raise. Everything else is a traceback.
TYPED = (OSError, ValueError, csv.Error)


class Verdict(enum.Enum):
    """The outcome of a fault."""

    CLEAN = "clean"
    TOLD = "told"
    WRONG = "wrong"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A verdict, and what happened in one line."""

    verdict: Verdict
    detail: str = ""


CLEAN = Outcome(Verdict.CLEAN)


def wrong(detail: str) -> Outcome:
    return Outcome(Verdict.WRONG, detail)


def told(detail: str) -> Outcome:
    return Outcome(Verdict.TOLD, detail)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of several outcomes; clean if there are none."""
    order = list(Verdict)
    return max(outcomes, key=lambda o: order.index(o.verdict), default=CLEAN)


def judge_error(error: BaseException, folder: Path) -> Outcome:
    """Whether an error is of a documented type and names a file of the run."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(error, TYPED):
        frames = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f"{Path(f.filename).name}:{f.lineno}: " for f in frames)
        return wrong(f"traceback, {where}{text}")
    if not names_file(text, folder):
        return wrong(f"error without a file: {text}")
    return told(text)


def names_file(text: str, folder: Path) -> bool:
    """Whether a text names a file or folder of a run."""
    known = (
        "log.csv",
        "metrics.csv",
        "run.json",
        "samples.npz",
        "model.keras",
        "checkpoint_",
        "epoch_",
        ".lock",
        "pvectors",
        "weights",
        str(folder),
    )
    return any(name in text for name in known)


def ask(question: Callable[[], Any], right: Any, folder: Path) -> Outcome:
    """Asks a question, and compares the answer with the right one."""
    try:
        answer = question()
    except Exception as error:
        return judge_error(error, folder)
    return CLEAN if same(answer, right) else wrong(f"other answer: {brief(answer)}")


def same(a: Any, b: Any) -> bool:
    """Whether two answers are equal bit for bit; NaN equals NaN."""
    if a is b:
        return True
    if isinstance(a, pd.DataFrame) and isinstance(b, pd.DataFrame):
        return (
            list(a.columns) == list(b.columns)
            and len(a) == len(b)
            and all(same(a[c].to_numpy(), b[c].to_numpy()) for c in a.columns)
        )
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return False
        if a.dtype.kind == "O":
            return all(same(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True))
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if dataclasses.is_dataclass(a) and type(a) is type(b):
        names = [field.name for field in dataclasses.fields(a)]
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return type(a) is type(b) and bool(a == b)


def brief(value: Any, length: int = 120) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= length else text[: length - 2] + ".."


def content_of(folder: Path) -> dict[str, Any]:
    """The content of all files of a run, by their names, for comparison."""
    content = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name in _IGNORED or (path.is_dir() and not path.is_symlink()):
            continue
        content[name] = _content_of_file(path)
    return content


def _content_of_file(path: Path) -> Any:
    try:
        with _OPEN(path, "rb") as file:
            data = file.read()
    except OSError as error:  # a link to nowhere
        return type(error).__name__
    try:
        if path.name == "SHA256SUMS":
            return _checked_sums(path.parent, data.decode())
        if path.name == "run.json":
            return _stable(json.loads(data))
        if path.suffix == ".npz":
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return dict(arrays)
    # Damaged files raise errors of many types; their bytes are compared.
    except Exception:
        pass
    return data


def _checked_sums(folder: Path, text: str) -> dict[str, bool]:
    """Whether each file of a list of checksums has the content that the list says."""
    checked = {}
    for line in text.splitlines():
        expected, name = line.split(maxsplit=1)
        with _OPEN(folder / name, "rb") as file:
            checked[name] = hashlib.sha256(file.read()).hexdigest() == expected
    return checked


# The campaign itself reads what a disk refuses to its programs.
_OPEN = open


def _stable(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    return {k: v for k, v in sorted(entries.items()) if k not in _VOLATILE}


def differences(there: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """Names of the files that differ, are missing or are left over."""
    names = sorted({*there, *right})
    return [
        f"{name} ({'missing' if name not in there else 'left over'})"
        if name not in there or name not in right
        else name
        for name in names
        if name not in there or name not in right or not same(there[name], right[name])
    ]
