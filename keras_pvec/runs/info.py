"""The content of `run.json`, which is read and written through `RunInfo` alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from keras_pvec.runs.schema import AfterFit, Break, Failure, LoggedWith, Moment

# Increased when run.json changes in a way that this version could not read.
INFO_VERSION = 1


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """The content of `run.json`.

    Attributes:
        logged_with: Settings of the logger; `None` before it starts.
        failures: Layers without a P-vector, by moment.
        breaks: Where the training was continued with another model.
        after_fit: The model that the training left; `None` before it ends, and in files
            of earlier versions.
        versions: Versions of Python and of the packages that affect the numbers.
        notes: All other entries, written by the training program.
        version: Version of the format.
    """

    logged_with: LoggedWith | None = None
    failures: tuple[Failure, ...] = ()
    breaks: tuple[Break, ...] = ()
    after_fit: AfterFit | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    version: int = INFO_VERSION

    @property
    def complete(self) -> bool:
        """Whether the training finished."""
        return self.logged_with is not None and self.logged_with.complete

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> RunInfo:
        """Reads the entries of a `run.json`, including those of earlier versions.

        Raises:
            ValueError: Entries have the wrong type, or are of a later version.
        """
        notes = dict(entries)
        version = notes.pop("version", INFO_VERSION)
        if type(version) is not int or version > INFO_VERSION:
            raise ValueError(
                f"it is of version {version!r}; this package reads versions up to "
                f"{INFO_VERSION}"
            )
        logged = notes.pop("p_vectors", None)
        failures = notes.pop("failures", [])
        versions = notes.pop("versions", {})
        breaks = notes.pop("breaks", [])
        after_fit = AfterFit.from_json(notes.pop("after_fit", None))
        if not isinstance(failures, list) or not isinstance(breaks, list):
            raise ValueError("`failures` and `breaks` must be lists")
        if not isinstance(versions, dict) or not _are_texts(versions.values()):
            raise ValueError("`versions` must hold texts")
        return cls(
            logged_with=None if logged is None else _logged_with(logged),
            failures=tuple(_entry(Failure, failure) for failure in failures),
            breaks=tuple(_entry(Break, entry) for entry in breaks),
            after_fit=after_fit,
            versions=versions,
            notes=notes,
            version=version,
        )

    def to_json(self) -> dict[str, Any]:
        """The entries of `run.json`."""
        entries: dict[str, Any] = {**self.notes, "version": self.version}
        if self.logged_with is not None:
            entries["p_vectors"] = dataclasses.asdict(self.logged_with)
        if self.failures:
            entries["failures"] = [dataclasses.asdict(f) for f in self.failures]
        if self.breaks:
            entries["breaks"] = [dataclasses.asdict(b) for b in self.breaks]
        if self.after_fit is not None:
            entries["after_fit"] = dataclasses.asdict(self.after_fit)
        if self.versions:
            entries["versions"] = dict(self.versions)
        return entries


def _logged_with(entries: Any) -> LoggedWith:
    """The settings of the logger from the entries of a `run.json`.

    Raises:
        ValueError: An entry has the wrong type.
    """
    if not isinstance(entries, dict):
        raise ValueError("`p_vectors` must hold settings")
    known = {field.name for field in dataclasses.fields(LoggedWith)}
    values = {name: value for name, value in entries.items() if name in known}
    for name in ("layers", "references"):
        if name in values:
            if not isinstance(values[name], list) or not _are_texts(values[name]):
                raise ValueError(f"`{name}` must be a list of names")
            values[name] = tuple(values[name])
    if (last := values.get("last_moment")) is not None:
        if not isinstance(last, list) or [*map(type, last)] != [int, int]:
            raise ValueError(f"`last_moment` is {last!r}")
        values["last_moment"] = Moment(*last)
    for name, types in _TYPES_OF_SETTINGS.items():
        # A bool is an int, but no number.
        if name in values and type(values[name]) not in types:
            raise ValueError(f"`{name}` is {values[name]!r}")
    return LoggedWith(**values)


_TYPES_OF_SETTINGS: Mapping[str, tuple[type, ...]] = {
    "samples_name": (str, type(None)),
    "samples_sha256": (str, type(None)),
    "n_samples": (int, type(None)),
    "k": (int,),
    "method": (str,),
    "pooling": (str, type(None)),
    "log_freq": (dict,),
    "complete": (bool,),
}
_Entry = TypeVar("_Entry", Failure, Break)


def _entry(of: type[_Entry], entries: Any) -> _Entry:
    """A `Failure` or a `Break` from its entries.

    Raises:
        ValueError: An entry is missing, or has the wrong type.
    """
    types: dict[str, tuple[type, ...]] = {
        "epoch": (int,),
        "step": (int,),
        "layer": (str,),
        "reason": (str,),
        "angle_deg": (float, int),
    }
    names = {field.name for field in dataclasses.fields(of)}
    if not isinstance(entries, dict) or set(entries) != names:
        raise ValueError(f"{entries!r} must have the entries {sorted(names)}")
    if any(type(value) not in types[name] for name, value in entries.items()):
        raise ValueError(f"an entry of {entries!r} has the wrong type")
    return of(**entries)


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
