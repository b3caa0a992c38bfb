"""Read access to archives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from keras_pvec.archive.archive_file import ArchiveFile
from keras_pvec.archive.archived_run import ArchivedRun
from keras_pvec.archive.schema import CARD, Index
from keras_pvec.runs import RunNotFoundError


class Archive(Mapping[str, ArchivedRun]):
    """The runs of an archive by name; see `load_archive`.

    Args:
        path: The archive.

    Attributes:
        path: Its path.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = ArchiveFile(path)
        self.path = self._file.path
        self._numbers = {run.name: i for i, run in enumerate(self.index.runs)}

    def __repr__(self) -> str:
        return f"Archive({str(self.path)!r}, n_runs={len(self)})"

    def __getitem__(self, name: str) -> ArchivedRun:
        try:
            return ArchivedRun(self._file, self._numbers[name])
        except KeyError:
            raise RunNotFoundError(
                f"{self.path} holds no run {name!r}. It holds: {', '.join(self)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def index(self) -> Index:
        """Names of runs, layers and sample sets, and the version of the format."""
        return self._file.index

    @property
    def card(self) -> str:
        """The data card, in Markdown."""
        return self._file.content(CARD).decode()

    def verify(self) -> None:
        """Reads the whole archive and checks it. Else each part is checked when it is
        first used.

        Raises:
            DamagedRunError: A part does not match its checksum.
        """
        for name in self._file.names():
            self._file.check(name)


def load_archive(path: str | os.PathLike) -> Archive:
    """Opens an archive that `pack_runs` wrote; Keras is not needed.

    Args:
        path: The archive.

    Returns:
        Its runs by name, each with the members of a `Run`: `log`, `p_vector`, `angles`
        and so on, and `features` where the archive holds them.

    Raises:
        RunNotFoundError: There is no such file.
        RunConflictError: A later version of keras_pvec wrote it.
        DamagedRunError: It is damaged, or no archive of keras_pvec.

    Example:

    ```python
    archive = kp.load_archive("trajectories.npz")
    list(archive)                                # names of the runs
    run = archive["mlp/seed_0"]
    run.angles(to="final", layer="dense")
    kp.compare(run.p_vector("final"), archive["mlp/seed_1"].p_vector("final"))
    ```
    """
    return Archive(path)
