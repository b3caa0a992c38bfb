"""All faults by their ids, and how each is tried.

An id is a path: what is done, to what, and a number that stands for the rest.

- `training/<effect>/<operation>`: the disk fails at that operation of a training, which
  is then resumed on a disk that works.
- `resuming/<effect>/<operation>`: the same while a killed training is resumed.
- `finished/<file>/<damage>/<question>/<seed>`: a file of a finished run is damaged, and
  something is asked of the run. Slashes in the name of the file are written as `:`.
- `unfinished/...`: the same for a training that was killed.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fault_campaign import damage, questions, small_run
from fault_campaign.disk import (
    Disk,
    Effect,
    Fault,
    Killed,
    Operation,
    active,
    applies,
    remove_folder,
)
from fault_campaign.judge import (
    CLEAN,
    Outcome,
    Verdict,
    content_of,
    differences,
    judge_error,
    same,
    told,
    wrong,
)
from fault_campaign.questions import Folders
from keras_pvec.diagnostics import diagnose

# The training is killed in its third epoch, before that epoch is finished.
_KILLED_AFTER = 2


class Case(NamedTuple):
    """A fault that can be tried.

    Attributes:
        id: See above.
        kind: Row of the table that it is counted in.
    """

    id: str
    kind: str


class Workshop:
    """Makes runs, damages them and judges the answers, in a folder of its own.

    Args:
        folder: An empty folder, best in memory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        questions.prepare(folder)
        self.finished = questions.undisturbed(small_run.EPOCHS)
        self.unfinished = self._unfinished(folder / "killed" / "run")
        self.run = folder / "tried" / "run"
        small_run.train(folder / "tried" / "other", seed=1)
        self.operations = {
            "training": self._operations(None),
            "resuming": self._operations(self.unfinished),
        }

    def _unfinished(self, path: Path) -> Path:
        """A run whose training was killed."""
        disk = Disk(path)
        counts: list[int] = []
        with active(disk):
            small_run.train(
                path, on_checkpoint=lambda epochs: counts.append(len(disk.operations))
            )
        remove_folder(path)
        inside_third_epoch = (counts[_KILLED_AFTER - 1] + counts[_KILLED_AFTER]) // 2
        fault = Fault(inside_third_epoch, Effect.KILL_BEFORE)
        try:
            with active(Disk(path, fault)):
                small_run.train(path)
        except Killed:
            pass
        return path

    def _operations(self, start: Path | None) -> list[Operation]:
        self._place(start)
        disk = Disk(self.run)
        with active(disk):
            first_epoch = 0 if start is None else _KILLED_AFTER
            small_run.train(self.run, first_epoch=first_epoch)
        return disk.operations

    def _place(self, source: Path | None) -> None:
        remove_folder(self.run)
        if source is not None:
            shutil.copytree(source, self.run)

    # Which cases there are.

    def disk_cases(self) -> dict[str, list[Case]]:
        """The faults of the disk, by kind; each once."""
        kinds: dict[str, list[Case]] = {}
        for phase, operations in self.operations.items():
            for effect, (i, operation) in itertools.product(
                Effect, enumerate(operations)
            ):
                if applies(effect, operation):
                    kind = f"{phase}: {effect.value} at {operation.kind}"
                    case = Case(f"{phase}/{effect.value}/{i}", kind)
                    kinds.setdefault(kind, []).append(case)
        return kinds

    def damage_cases(self, seed: int) -> dict[str, Iterator[Case]]:
        """Endless damages of files, by kind."""
        kinds = {}
        for state, asked in (
            ("finished", questions.OF_FINISHED),
            ("unfinished", questions.OF_UNFINISHED),
        ):
            folder = getattr(self, state)
            for group, files in self._files(folder).items():
                for name in (*damage.damages_of(files[0]), *damage.UNREADABLE):
                    kind = f"{state}: {name} of {group}"
                    kinds[kind] = _damages(state, files, name, [*asked], kind, seed)
        return kinds

    @staticmethod
    def _files(folder: Path) -> dict[str, list[str]]:
        """The files of a run, by what they are."""
        names = sorted(
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and ".partial" not in path.name
        )
        groups: dict[str, list[str]] = {}
        for name in names:
            head, _, tail = name.rpartition("/")
            group = f"{head}/*.npz" if head.endswith("pvectors") else name
            if tail != ".lock":
                groups.setdefault(group, []).append(name)
        return groups

    # How they are tried.

    def try_case(self, case_id: str) -> Outcome:
        """Tries one fault."""
        scenario, *rest = case_id.split("/")
        if scenario in self.operations:
            return self._try_disk(scenario, Effect(rest[0]), int(rest[1]))
        file, name, question, seed = rest
        return self._try_damage(
            scenario, file.replace(":", "/"), name, question, int(seed)
        )

    def _try_disk(self, phase: str, effect: Effect, at: int) -> Outcome:
        self._place(self.unfinished if phase == "resuming" else None)
        done = [_KILLED_AFTER if phase == "resuming" else 0]
        disk = Disk(self.run, Fault(at, effect, seed=at))
        outcome = CLEAN
        try:
            with active(disk):
                small_run.train(
                    self.run, first_epoch=done[-1], on_checkpoint=done.append
                )
        except (Killed, KeyboardInterrupt):
            pass
        except Exception as error:
            outcome = judge_error(error, self.run)
            if outcome.verdict is Verdict.WRONG:
                return outcome
        else:
            if not disk.struck:
                return wrong("the training did not reach the fault")
        if (lie := self._wrong_content()) is not None:
            return wrong(f"wrong content before the training is resumed: {lie}")
        if changed := self._differs():
            resumed = self._resume(done[-1])
            if resumed is not None:
                return resumed
            changed = self._differs()
            if changed:
                return wrong(f"resumed, but differs: {', '.join(changed[:4])}")
        return outcome

    def _resume(self, epochs: int) -> Outcome | None:
        try:
            small_run.train(self.run, first_epoch=epochs)
        except Exception as error:
            outcome = judge_error(error, self.run)
            return (
                told(f"cannot be resumed: {outcome.detail}")
                if (outcome.verdict is Verdict.TOLD)
                else outcome
            )
        return None

    def _differs(self) -> list[str]:
        return differences(content_of(self.run), content_of(self.finished))

    def _wrong_content(self) -> str | None:
        """A file or row that a reader takes for right, and that is not."""
        right = content_of(self.finished)
        for split in small_run.SPLITS:
            prefix = "" if split == "train" else f"{split}/"
            log = self.run / f"{prefix}log.csv"
            if log.is_file():
                rows = log.read_bytes().split(b"\n")[:-1]
                rows_right = right[f"{prefix}log.csv"].split(b"\n")
                if rows != rows_right[: len(rows)]:
                    return f"{prefix}log.csv"
        for path in self.run.rglob("pvectors/*.npz"):
            if path.name.endswith(".npz") and path.stat().st_size:
                name = path.relative_to(self.run).as_posix()
                there = content_of(path.parent).get(path.name)
                if isinstance(there, dict) and not _is_part(there, right[name]):
                    return name
        if self.run.exists() and (self.run / "log.csv").exists():
            try:
                diagnose(self.run)
            except Exception as error:
                outcome = judge_error(error, self.run)
                if outcome.verdict is Verdict.WRONG:
                    return f"doctor: {outcome.detail}"
        return None

    def _try_damage(
        self, state: str, file: str, name: str, question: str, seed: int
    ) -> Outcome:
        intact = getattr(self, state)
        self._place(intact)
        folders = Folders(self.run, intact, file)
        asked = (
            questions.OF_FINISHED if state == "finished" else questions.OF_UNFINISHED
        )[question]
        path = self.run / file
        if name in damage.UNREADABLE:
            number = damage.UNREADABLE[name]
            with active(Disk(self.folder, unreadable={path: number})):
                return asked(folders)
        other = self.run.parent / "other"
        shutil.copytree(other, kept := other.with_name("kept"), dirs_exist_ok=True)
        try:
            damage.damages_of(file)[name](path, random.Random(seed))
            return asked(folders)
        finally:
            remove_folder(kept)


def _is_part(there: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    """Whether arrays are those of a moment, or of some of its layers, as they are while
    the other layers are still to be measured."""
    layers = len(there.get("layers", ()))
    return all(
        same(array, right[name])
        if name != "layers"
        else same(array, right[name][:layers])
        for name, array in there.items()
    )


def _damages(
    state: str, files: list[str], name: str, asked: list[str], kind: str, seed: int
) -> Iterator[Case]:
    rng = random.Random(f"{seed} {kind}")
    usable = asked if "pvectors" in files[0] else [q for q in asked if q != "compare"]
    while True:
        # Every question, in an order of its own for each kind.
        for question in rng.sample(usable, len(usable)):
            file = rng.choice(files).replace("/", ":")
            yield Case(f"{state}/{file}/{name}/{question}/{rng.randrange(10**6)}", kind)
