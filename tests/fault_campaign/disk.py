"""A disk that fails at a given operation, as seen by the code of this process.

While a `Disk` is active, everything that the process does to files under its folder
goes through it: `open`, `os.replace`, `os.fsync` and the like are replaced. Other
folders are not affected. Nothing is really synchronized, which makes runs fast.

`pathlib` of Python 3.10 keeps its own references to these functions, so a campaign
needs a later version.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import enum
import errno
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_REPLACED = (
    *("open", "close", "write", "fsync", "fdatasync", "replace", "rename", "unlink"),
    *("remove", "mkdir", "rmdir", "truncate", "ftruncate"),
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Killed(BaseException):
    """The process was killed. Whatever it does to files afterwards has no effect."""


class Effect(enum.Enum):
    """What happens at the operation that a fault strikes."""

    KILL_BEFORE = "kill_before"
    KILL_AFTER = "kill_after"
    TORN_WRITE = "torn_write"  # killed when a part of the bytes is written
    POWER_CUT = "power_cut"  # what is not synchronized may be lost
    FULL_ONCE = "full_once"  # no space, only this time
    FULL = "full"  # no space from now on
    SHORT_WRITE = "short_write"  # a part of the bytes is written, without an error
    SHORT_THEN_FULL = "short_then_full"
    IO_ERROR = "io_error"
    DENIED = "denied"
    INTERRUPTED = "interrupted"  # Ctrl-C


class Operation(NamedTuple):
    """An operation that changes files."""

    kind: str  # "open", "write", "fsync", "replace", "unlink", "mkdir", "truncate"
    path: str  # relative to the folder of the disk


@dataclasses.dataclass(frozen=True)
class Fault:
    """An effect at the operation of a given number, counted from 0."""

    at: int
    effect: Effect
    seed: int = 0


_ERRNO = {
    Effect.FULL_ONCE: errno.ENOSPC,
    Effect.FULL: errno.ENOSPC,
    Effect.IO_ERROR: errno.EIO,
    Effect.DENIED: errno.EACCES,
}
_KILLS = (Effect.KILL_BEFORE, Effect.KILL_AFTER, Effect.TORN_WRITE, Effect.POWER_CUT)
_WRITE_ONLY = (Effect.TORN_WRITE, Effect.SHORT_WRITE, Effect.SHORT_THEN_FULL)
# Operations that need space.
_TAKES_SPACE = ("write", "fsync", "mkdir")


def applies(effect: Effect, operation: Operation) -> bool:
    """Whether an effect is possible at an operation."""
    if effect in _WRITE_ONLY:
        return operation.kind == "write"
    if effect in (Effect.FULL, Effect.FULL_ONCE):
        return operation.kind in (*_TAKES_SPACE, "open", "replace")
    if effect is Effect.DENIED:
        return operation.kind not in ("write", "fsync")
    return True


class Disk:
    """The files under a folder, with at most one fault.

    Args:
        folder: The folder.
        fault: The fault, or `None`.
        unreadable: Errors of the operating system, by the file that raises them when it
            is opened for reading.

    Attributes:
        operations: The operations so far.
        struck: Whether the fault has happened.
    """

    def __init__(
        self,
        folder: Path,
        fault: Fault | None = None,
        unreadable: Mapping[Path, int] | None = None,
    ) -> None:
        self.folder = os.path.realpath(folder)
        self.operations: list[Operation] = []
        self.struck = False
        self._fault = fault
        self._unreadable = {
            os.path.realpath(path): number
            for path, number in (unreadable or {}).items()
        }
        self._random = random.Random(0 if fault is None else fault.seed)
        self._is_dead = False
        self._is_full = False
        self._paths: dict[int, str] = {}  # by file descriptor
        self._synced: dict[str, int] = {}  # synchronized bytes by path
        self._undo: list[Callable[[], None]] = []  # changes that are not on disk yet

    # What the replaced functions call.

    def step(self, kind: str, path: str, change: Callable[[], Any]) -> Any:
        """Performs an operation, or what the fault makes of it."""
        if self._is_dead:
            return self._nothing(kind)
        number = len(self.operations)
        self.operations.append(Operation(kind, os.path.relpath(path, self.folder)))
        fault = self._fault
        if fault is None or number != fault.at:
            if self._is_full and kind in _TAKES_SPACE:
                raise OSError(
                    errno.ENOSPC, os.strerror(errno.ENOSPC), *_name(kind, path)
                )
            return change()
        self.struck = True
        effect = fault.effect
        if effect is Effect.INTERRUPTED:
            raise KeyboardInterrupt
        if effect in (Effect.FULL, Effect.SHORT_THEN_FULL):
            self._is_full = True
        if effect in _ERRNO:
            number = _ERRNO[effect]
            raise OSError(number, os.strerror(number), *_name(kind, path))
        if effect in _KILLS:
            if effect is Effect.KILL_AFTER:
                change()
            elif effect is Effect.POWER_CUT:
                self._lose()
            self._is_dead = True
            raise Killed
        return change()

    def write(
        self, path: str, data: memoryview, put: Callable[[memoryview], int]
    ) -> int:
        """Writes bytes, or some of them; returns how many."""
        if self._is_dead:
            return len(data)  # else a buffer would try again
        fault, part = self._fault, data
        is_struck = fault is not None and len(self.operations) == fault.at
        if is_struck and fault is not None and fault.effect in _WRITE_ONLY:
            part = data[: self._random.randrange(len(data)) if len(data) else 0]
            if fault.effect is Effect.TORN_WRITE:
                put(part)
                return self.step("write", path, lambda: 0)
        return self.step("write", path, lambda: put(part))

    def open(self, path: str, mode: str, really: Callable[[], Any]) -> Any:
        """Opens a file for writing."""
        exists = os.path.exists(path)

        def change() -> Any:
            before = _content(path) if exists else None
            opened = really()
            if not exists:
                self._undo.append(lambda: _restore(path, None))
            elif "w" in mode:
                self._undo.append(lambda: _restore(path, before))
            self._synced[path] = 0 if "w" in mode else os.path.getsize(path)
            return opened

        return self.step("open", path, change)

    def close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)

    def check_readable(self, path: str) -> None:
        number = self._unreadable.get(os.path.realpath(path))
        if number is not None:
            raise OSError(number, os.strerror(number), path)

    def owns(self, path: Any) -> bool:
        if isinstance(path, int):
            return path in self._paths
        try:
            real = os.path.abspath(os.fspath(path))
        except TypeError:
            return False
        return isinstance(real, str) and real.startswith(self.folder)

    def watch(self, descriptor: int, path: str) -> None:
        self._paths[descriptor] = path

    def path_of(self, descriptor: int) -> str:
        return self._paths[descriptor]

    def synchronize(self, descriptor: int) -> None:
        path = self._paths[descriptor]

        def change() -> None:
            if os.path.isfile(path):
                self._synced[path] = os.path.getsize(path)
            self._undo.clear()  # a file system commits its journal

        self.step("fsync", path, change)

    def replace(self, source: str, target: str, really: Callable[[], None]) -> None:
        def change() -> None:
            before, content = _content(target), _content(source)
            really()
            self._synced[target] = self._synced.pop(source, len(content or b""))

            def undo() -> None:
                _restore(source, content)
                _restore(target, before)

            self._undo.append(undo)

        self.step("replace", target, change)

    def unlink(self, path: str, really: Callable[[], None]) -> None:
        def change() -> None:
            content = _content(path)
            really()
            self._undo.append(lambda: _restore(path, content))

        if os.path.lexists(path) or self._is_dead:
            self.step("unlink", path, change)
        else:
            really()  # raises

    def _nothing(self, kind: str) -> Any:
        if kind in ("write", "fsync", "unlink", "truncate"):
            return 0
        raise Killed

    def _lose(self) -> None:
        """Loses some of the latest changes that are not synchronized."""
        for path, synced in self._synced.items():
            if os.path.isfile(path) and os.path.getsize(path) > synced:
                keep = self._random.randint(synced, os.path.getsize(path))
                os.truncate(path, keep)
        for undo in self._undo[: -self._random.randint(0, len(self._undo)) - 1 : -1]:
            undo()


def _name(kind: str, path: str) -> tuple[str, ...]:
    """Errors of a write do not know the file, as those of the system do not."""
    return () if kind in ("write", "fsync") else (path,)


def _content(path: str) -> bytes | None:
    if not os.path.isfile(path):
        return None
    with _OPEN(path, "rb") as file:
        return file.read()


def _restore(path: str, content: bytes | None) -> None:
    if content is None:
        if os.path.isfile(path):
            _UNLINK(path)
    elif os.path.isdir(os.path.dirname(path)):
        with _OPEN(path, "wb") as file:
            file.write(content)


_OPEN, _UNLINK = builtins.open, os.unlink


class _File(io.FileIO):
    """A file for writing whose bytes go through a `Disk`."""

    def __init__(self, path: str, mode: str, disk: Disk) -> None:
        super().__init__(path, mode)
        self.disk = disk
        self.path = path
        disk.watch(self.fileno(), path)

    def write(self, data: Any) -> int:
        return self.disk.write(self.path, memoryview(data).cast("B"), super().write)

    def truncate(self, size: int | None = None) -> int:
        really = super().truncate
        return self.disk.step("truncate", self.path, lambda: really(size))

    def close(self) -> None:
        if not self.closed:
            self.disk.close(self.fileno())
        super().close()


@contextlib.contextmanager
def active(disk: Disk) -> Iterator[Disk]:
    """Lets a disk take effect in this context."""
    really = {name: getattr(os, name) for name in _REPLACED}
    really_open = builtins.open

    def open_file(
        file, mode="r", buffering=-1, encoding=None, errors=None, *rest, **kw
    ):
        writes = set(mode) & set("wax+")
        if isinstance(file, int) or not disk.owns(file):
            return really_open(file, mode, buffering, encoding, errors, *rest, **kw)
        path = os.path.abspath(os.fspath(file))
        if not writes:
            disk.check_readable(path)
            return really_open(file, mode, buffering, encoding, errors, *rest, **kw)
        raw_mode = mode.replace("t", "").replace("b", "")
        raw = disk.open(path, mode, lambda: _File(path, raw_mode, disk))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom if "+" in mode else io.BufferedWriter
        file = buffered(raw)
        if "b" in mode:
            return file
        return io.TextIOWrapper(file, encoding, errors, *rest, **kw)

    def os_open(path, flags, *rest, **kw):
        if not disk.owns(path):
            return really["open"](path, flags, *rest, **kw)
        path = os.path.abspath(os.fspath(path))
        if not flags & _WRITES:
            disk.check_readable(path)
            descriptor = really["open"](path, flags, *rest, **kw)
        else:
            mode = "w" if flags & os.O_TRUNC else "a"
            descriptor = disk.open(
                path, mode, lambda: really["open"](path, flags, *rest, **kw)
            )
        disk.watch(descriptor, path)
        return descriptor

    def os_close(descriptor):
        disk.close(descriptor)
        return really["close"](descriptor)

    def os_write(descriptor, data):
        if not disk.owns(descriptor):
            return really["write"](descriptor, data)
        return disk.write(
            disk.path_of(descriptor),
            memoryview(data).cast("B"),
            lambda part: really["write"](descriptor, part),
        )

    def synchronize(name):
        def of_descriptor(descriptor):
            descriptor = (
                descriptor if isinstance(descriptor, int) else descriptor.fileno()
            )
            if disk.owns(descriptor):
                disk.synchronize(descriptor)
            else:
                really[name](descriptor)

        return of_descriptor

    def move(name):
        def of_paths(source, target, **kw):
            if not disk.owns(target):
                return really[name](source, target, **kw)
            return disk.replace(
                os.path.abspath(source),
                os.path.abspath(target),
                lambda: really[name](source, target, **kw),
            )

        return of_paths

    def remove(name):
        def of_path(path, **kw):
            if not disk.owns(path):
                return really[name](path, **kw)
            return disk.unlink(os.path.abspath(path), lambda: really[name](path, **kw))

        return of_path

    def other(name, kind):
        def of_path(path, *rest, **kw):
            if not disk.owns(path):
                return really[name](path, *rest, **kw)
            where = disk.path_of(path) if isinstance(path, int) else path
            if kind == "mkdir" and os.path.isdir(where):
                return really[name](path, *rest, **kw)  # raises; nothing changes
            return disk.step(
                kind, os.path.abspath(where), lambda: really[name](path, *rest, **kw)
            )

        return of_path

    replaced: list[tuple[Any, str, Any]] = [
        (builtins, "open", open_file),
        (io, "open", open_file),
        (os, "open", os_open),
        (os, "close", os_close),
        (os, "write", os_write),
        (os, "fsync", synchronize("fsync")),
        (os, "fdatasync", synchronize("fdatasync")),
        (os, "replace", move("replace")),
        (os, "rename", move("rename")),
        (os, "unlink", remove("unlink")),
        (os, "remove", remove("remove")),
        (os, "mkdir", other("mkdir", "mkdir")),
        (os, "rmdir", other("rmdir", "unlink")),
        (os, "truncate", other("truncate", "truncate")),
        (os, "ftruncate", other("ftruncate", "truncate")),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, function in replaced:
        setattr(module, name, function)
    try:
        yield disk
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def remove_folder(path: Path) -> None:
    """Removes a folder, if it is there."""
    shutil.rmtree(path, ignore_errors=True)
