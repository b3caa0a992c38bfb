"""Faults of a real training: its checkpoints, kept weights, model and study.

A multi-layer perceptron is trained on 64 digits for two epochs, which takes about a
second, in the folder of an experiment. Ids as in `cases`:

- `fit/<effect>/<operation>`: the disk fails while the network is trained; the training
  is then started again.
- `stopped/<file>/<damage>/fit/<seed>`: a file of a training that was killed in its
  second epoch is damaged, and the training is started again.
- `trained/<file>/<damage>/<question>/<seed>`: a file of a finished run is damaged.
  `fit` trains or opens the run, `study` analyses it with another, `weights` loads what
  is stored of the network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import random
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fault_campaign import damage
from fault_campaign.cases import Case
from fault_campaign.disk import (
    Disk,
    Effect,
    Fault,
    Killed,
    active,
    applies,
    remove_folder,
)
from fault_campaign.judge import (
    CLEAN,
    Outcome,
    Verdict,
    brief,
    content_of,
    differences,
    judge_error,
    names_file,
    same,
    told,
    worst,
    wrong,
)
from keras_pvec.diagnostics import diagnose
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.experiment import run_study
from keras_pvec.reproduction.flags.program import exit_code
from keras_pvec.reproduction.planner import plan_runs
from keras_pvec.reproduction.studies import STUDIES
from keras_pvec.reproduction.training import (
    build_model,
    load_model,
    load_weights,
    stored_weights,
    train,
)
from keras_pvec.runs import RunFolder

_STUDY = "data_angle"
_QUESTIONS = ("fit", "study", "weights")
# Contains the time at which it was saved.
_NOT_COMPARED = ("model.keras", "SHA256SUMS")


class KerasWorkshop:
    """Trains real runs, damages them and judges the answers, in a folder of its own.

    Args:
        folder: An empty folder, best in memory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = ExperimentConfig(
            dataset="digits",
            models=("mlp_8x1", "mlp_8x2"),
            epochs=2,
            train_samples=64,
            num_samples=20,
            batch_size=32,
            keep_weights=True,
            runs_dir=folder / "runs",
            out_dir=folder / "out",
        )
        self.config = dataclasses.replace(config, train=False)
        study = STUDIES[_STUDY]
        self.job, other = plan_runs(config, {study: list(config.models or ())})[study]
        self.data = self.job.data.load()
        self.run = self.job.path
        train(other.settings, self.data, other.path)
        disk = Disk(self.run)
        with active(disk):
            self._train()
        self.operations = disk.operations
        self.finished = self._keep("finished")
        # What a run needs again before it can be trained from the beginning.
        self.right = self._content(self.run)
        self.tables = self._analysed()
        self.stopped = self._stop()

    def _train(self) -> None:
        train(self.job.settings, self.data, self.run)

    def _keep(self, name: str) -> Path:
        return Path(shutil.copytree(self.run, self.folder / name / self.run.name))

    def _place(self, source: Path | None) -> None:
        remove_folder(self.run)
        self.run.with_name(f"{self.run.name}_error.txt").unlink(missing_ok=True)
        if source is not None:
            shutil.copytree(source, self.run)

    def _stop(self) -> Path:
        """A training that was killed in its second epoch."""
        checkpoints = [
            i
            for i, operation in enumerate(self.operations)
            if operation.kind == "replace" and operation.path.startswith("checkpoint_")
        ]
        self._place(None)
        fault = Fault(sum(checkpoints[:2]) // 2, Effect.KILL_BEFORE)
        with contextlib.suppress(Killed), active(Disk(self.run, fault)):
            self._train()
        return self._keep("stopped")

    # Which cases there are.

    def disk_cases(self) -> dict[str, list[Case]]:
        """The faults of the disk, by kind; each once."""
        kinds: dict[str, list[Case]] = {}
        for effect, (i, operation) in itertools.product(
            Effect, enumerate(self.operations)
        ):
            if applies(effect, operation):
                kind = f"fit: {effect.value} at {operation.kind}"
                kinds.setdefault(kind, []).append(Case(f"fit/{effect.value}/{i}", kind))
        return kinds

    def damage_cases(self, seed: int) -> dict[str, Iterator[Case]]:
        """Endless damages of files, by kind."""
        kinds = {}
        for state in ("stopped", "trained"):
            folder = self.stopped if state == "stopped" else self.finished
            asked = ["fit"] if state == "stopped" else [*_QUESTIONS]
            for group, files in _files(folder).items():
                for name in (*damage.damages_of(files[0]), *damage.UNREADABLE):
                    if name != damage.replace_by_other_run.__name__:
                        kind = f"{state}: {name} of {group}"
                        kinds[kind] = _damages(state, files, name, asked, kind, seed)
        return kinds

    # How they are tried.

    def try_case(self, case_id: str) -> Outcome:
        """Tries one fault."""
        scenario, *rest = case_id.split("/")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if scenario == "fit":
                outcome = self._try_disk(Effect(rest[0]), int(rest[1]))
            else:
                outcome = self._try_damage(scenario, *rest)
        texts = [str(w.message) for w in caught]
        if outcome.verdict is Verdict.WRONG and outcome.detail.startswith("trained"):
            for text in texts:
                if names_file(text, self.run / "x"):
                    return told(text)
        return outcome

    def _try_disk(self, effect: Effect, at: int) -> Outcome:
        self._place(None)
        disk = Disk(self.run, Fault(at, effect, seed=at))
        outcome = CLEAN
        try:
            with active(disk):
                self._train()
        except (Killed, KeyboardInterrupt):
            pass
        except Exception as error:
            outcome = judge_error(error, self.run)
        if not disk.struck:
            return wrong("the training did not reach the fault")
        return worst([outcome, self._fit()])

    def _fit(self) -> Outcome:
        try:
            self._train()
        except Exception as error:
            return judge_error(error, self.run)
        changed = differences(self._content(self.run), self.right)
        if changed:
            return wrong(f"trained, but differs: {', '.join(changed[:4])}")
        return self._load()

    def _try_damage(
        self, state: str, file: str, name: str, question: str, seed: str
    ) -> Outcome:
        self._place(self.stopped if state == "stopped" else self.finished)
        path = self.run / file.replace(":", "/")
        if name in damage.UNREADABLE:
            unreadable = {path: damage.UNREADABLE[name]}
            with active(Disk(self.run, unreadable=unreadable)):
                return self._ask(question, path)
        damage.damages_of(file.replace(":", "/"))[name](path, random.Random(int(seed)))
        return self._ask(question, path)

    def _ask(self, question: str, path: Path) -> Outcome:
        if question == "study":
            return self._study()
        if question == "weights":
            return self._load()
        before = self._content(self.run)
        outcome = self._fit()
        if outcome.detail.startswith("trained"):
            # A finished run is opened as it is, with what this does not need.
            after = self._content(self.run)
            changed = differences(after, self.right)
            if all(same(after.get(name), before.get(name)) for name in changed):
                return self._told_by_doctor() or outcome
        return outcome

    def _told_by_doctor(self) -> Outcome | None:
        """What the command `doctor` finds in the folder."""
        diagnosis = diagnose(self.run)
        return told(brief(diagnosis.findings)) if diagnosis.has_errors else None

    def _load(self) -> Outcome:
        """The stored model and weights can be loaded, and are the right ones."""
        expected = self.right
        outcomes = []
        model = build_model(self.job.settings, self.data)
        for moment, path in stored_weights(RunFolder(self.run)).items():
            name = path.relative_to(self.run).as_posix()
            try:
                load_weights(model, path)
            except Exception as error:
                outcomes.append(judge_error(error, self.run))
            else:
                values = [np.asarray(weight) for weight in model.get_weights()]
                if not _same_weights(values, expected[name]):
                    outcomes.append(wrong(f"other weights at {moment}"))
        try:
            values = load_model(self.run).get_weights()
        except Exception as error:
            outcomes.append(judge_error(error, self.run))
        else:
            last = max(name for name in expected if name.startswith("weights/"))
            if not _same_weights(values, expected[last]):
                outcomes.append(wrong("another model"))
        return worst(outcomes)

    def _study(self) -> Outcome:
        """The study has the right tables, or names the run without a traceback."""
        tables = self._analysed()
        if isinstance(tables, Outcome):
            return tables
        assert isinstance(self.tables, dict)
        return (
            CLEAN if same(tables, self.tables) else wrong("exit status 0, other tables")
        )

    def _analysed(self) -> dict[str, pd.DataFrame] | Outcome:
        remove_folder(self.folder / "out")
        out, err = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = exit_code(lambda: run_study(self.config, _STUDY))
        except Exception as error:
            return judge_error(error, self.run)
        if status != 0 or "Left out" in out.getvalue():
            text = err.getvalue() + out.getvalue()
            if str(self.run) in text and "Traceback" not in text:
                return told(brief(text))
            return wrong(f"exit status {status} without the run: {brief(text)}")
        return {
            path.name: pd.read_csv(path)
            for path in sorted((self.folder / "out").rglob("*.csv"))
        }

    @staticmethod
    def _content(folder: Path) -> dict[str, Any]:
        content = content_of(folder)
        return {k: v for k, v in content.items() if not k.endswith(_NOT_COMPARED)}


def _same_weights(values: list[np.ndarray], stored: dict[str, np.ndarray]) -> bool:
    arrays = [stored[name] for name in sorted(stored) if name.isdigit()]
    by_size = [
        sorted((a.tobytes() for a in some), key=len) for some in (values, arrays)
    ]
    return sorted(by_size[0]) == sorted(by_size[1])


def _files(folder: Path) -> dict[str, list[str]]:
    """The files of a run, by what they are."""
    groups: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name != ".lock" and ".partial" not in name:
            head, _, tail = name.rpartition("/")
            group = f"{head}/*.npz" if head.endswith(("pvectors", "weights")) else name
            group = "checkpoint_*.npz" if tail.startswith("checkpoint_") else group
            groups.setdefault(group, []).append(name)
    return groups


def _damages(
    state: str, files: list[str], name: str, asked: list[str], kind: str, seed: int
) -> Iterator[Case]:
    rng = random.Random(f"{seed} {kind}")
    while True:
        for question in rng.sample(asked, len(asked)):
            file = rng.choice(files).replace("/", ":")
            case_id = f"{state}/{file}/{name}/{question}/{rng.randrange(10**6)}"
            yield Case(case_id, kind)
