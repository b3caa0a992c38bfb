"""The versions that the workers of a cluster must share with the program."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import keras_pvec
from keras_pvec.runs import library_versions

_SOURCES = "source of keras_pvec"


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of the packages that affect the numbers, and a fingerprint of the source
    of this one."""
    root = Path(keras_pvec.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return {
        **library_versions(),
        "keras-pvec": keras_pvec.__version__,
        _SOURCES: digest.hexdigest()[:12],
    }


def version_difference(
    expected: Mapping[str, str], found: Mapping[str, str]
) -> str | None:
    """The first difference between the versions of a program and of a worker, as a
    clause; `None` if there is none."""
    for name in {**expected, **found}:
        theirs, ours = found.get(name, "none"), expected.get(name, "none")
        if theirs != ours:
            return f"has {name} {theirs}, and this program has {ours}"
    return None
