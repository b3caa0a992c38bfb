"""Folders and names that the loggers of one training write to, each its own.

Keras gives all callbacks of a training the same dict of parameters (`set_params`),
before `on_train_begin`. Loggers register there what they will write to, so that two of
them are refused before anything is written.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from keras_pvec.runs import RunConflictError

_KEY = "pvector_loggers"


@dataclasses.dataclass(frozen=True, eq=False)
class LoggerClaim:
    """What a logger writes to. Compared by identity.

    Attributes:
        folder: Folder of the run.
        name: Prefix of the names in Keras's `logs`.
        references: Names of the references.
    """

    folder: Path
    name: str
    references: tuple[str, ...]


def check_name(name: object) -> None:
    """Raises `ValueError` unless `name` can be the prefix of names in `logs`."""
    if not isinstance(name, str) or not name:
        raise ValueError(
            f"`name` must be a text that is not empty, as 'pvec'. Received: {name!r}"
        )


def register_claim(params: dict[str, Any] | None, claim: LoggerClaim) -> None:
    """Adds a claim to the parameters that the callbacks of a training share."""
    if params is not None:
        claims = params.setdefault(_KEY, [])
        if claim not in claims:
            claims.append(claim)


def check_claims(params: dict[str, Any] | None, claim: LoggerClaim) -> None:
    """Checks that no other logger of the training writes to the same place.

    Raises:
        RunConflictError: Another logger has the same folder.
        ValueError: Another logger has the same names in `logs`.
    """
    for other in (params or {}).get(_KEY, []):
        if other is claim:
            continue
        if other.folder.resolve() == claim.folder.resolve():
            raise RunConflictError(
                f"Two PVectorLoggers of one training write to {claim.folder}. Give "
                "each its own folder."
            )
        shared = [name for name in claim.references if name in other.references]
        if other.name == claim.name and shared:
            raise ValueError(
                f"Two PVectorLoggers of one training are named {claim.name!r}, so both "
                f"write {claim.name}_angle_{shared[0]} into Keras's `logs`. Give each "
                f"its own name, e.g. PVectorLogger(..., name='{claim.name}_test')."
            )
