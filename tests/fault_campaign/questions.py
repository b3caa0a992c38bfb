"""What is asked of a folder whose files are damaged, and whether the answers are right.

Each question is asked of the damaged folder alone; the right answers come from the same
folder before the damage.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import keras_pvec as kp
from fault_campaign import small_run
from fault_campaign.judge import (
    CLEAN,
    Outcome,
    ask,
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
from keras_pvec.cli import main
from keras_pvec.diagnostics import diagnose
from keras_pvec.diagnostics.report import report_json, report_text
from keras_pvec.reproduction import analysis
from keras_pvec.runs import Moment, RunNotFoundError


@dataclasses.dataclass(frozen=True)
class Folders:
    """A damaged run, and the same run before the damage.

    Attributes:
        run: The damaged one. It is called `run`, and another run lies next to it in
            `other`.
        intact: The folder before the damage.
        damaged: Name of the damaged file.
    """

    run: Path
    intact: Path
    damaged: str


Question = Callable[[Folders], Outcome]


# The reader.


def _reader_questions(path: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything that a reader returns about a run, by name."""

    def run(split: str) -> kp.runs.Run:
        return kp.open_run(path).on(split)

    for split in small_run.SPLITS:
        yield f"{split} log", lambda s=split: run(s).log
        yield f"{split} metrics", lambda s=split: run(s).metrics
        yield f"{split} moments", lambda s=split: run(s).moments
        yield f"{split} layers", lambda s=split: run(s).layers
        yield f"{split} samples", lambda s=split: run(s).samples
        yield f"{split} info", lambda s=split: _stable_info(run(s))
        for layer in small_run.LAYERS:
            yield (
                f"{split} final {layer}",
                lambda s=split, x=layer: run(s).p_vector("final", x),
            )
            yield (
                f"{split} angles {layer}",
                lambda s=split, x=layer: run(s).angles("final", x),
            )
        for step in (0, 2, 4, 8):
            moment = Moment((step - 1) // small_run.STEPS, step)
            yield (
                f"{split} vectors {moment}",
                lambda s=split, m=moment: run(s).p_vectors(m),
            )


def _stable_info(run: kp.runs.Run) -> Any:
    info = dataclasses.replace(run.info, versions={})
    return info.to_json()


def reader(folders: Folders) -> Outcome:
    """A reader may return a different answer only if the doctor has a finding."""
    right = _right_answers(folders.intact)
    outcomes = []
    for name, question in _reader_questions(folders.run):
        outcome = ask(question, right[name], folders.run)
        outcomes.append(
            dataclasses.replace(outcome, detail=f"{name}: {outcome.detail}")
        )
    result = worst(outcomes)
    if result.verdict.value == "wrong" and ": other answer" in result.detail:
        finding = doctor(folders)
        is_error = [
            o for o in outcomes if "traceback" in o.detail or "without" in o.detail
        ]
        if finding.verdict.value == "told" and not is_error:
            return finding
    return result


def _new_findings(path: Path, intact: Path) -> Outcome | None:
    """What the doctor finds in one folder and not in the other."""
    before = _findings_before(intact)
    new = [finding for finding in _findings(diagnose(path)) if finding not in before]
    return told(brief(new[0])) if new else None


@functools.cache
def _right_answers(intact: Path) -> dict[str, Any]:
    return {name: _or_none(q) for name, q in _reader_questions(intact)}


@functools.cache
def _findings_before(intact: Path) -> list[Any]:
    return _findings(diagnose(intact))


def _or_none(question: Callable[[], Any]) -> Any:
    """An answer of the intact folder; `None` if it has none, as a question about a
    moment that is not logged."""
    try:
        return question()
    except RunNotFoundError:
        return None


# The command line.


def doctor(folders: Folders) -> Outcome:
    """The doctor has a new finding, or everything that it looks at is as before."""
    try:
        diagnosis = diagnose(folders.run)
        report_text(diagnosis, 100)
        json.loads(report_json(diagnosis))
    except Exception as error:
        return judge_error(error, folders.run)
    if finding := _new_findings(folders.run, folders.intact):
        return finding
    right = _right_answers(folders.intact)
    for name, question in _reader_questions(folders.run):
        outcome = ask(question, right[name], folders.run)
        if outcome != CLEAN:
            return wrong(f"no finding, but {name}: {outcome.detail}")
    return CLEAN


def _findings(diagnosis: Any) -> list[Any]:
    found = list(diagnosis.findings)
    for part in diagnosis.subfolders:
        found += [(part.path.name, finding) for finding in _findings(part)]
    return found


def doctor_by_command(folders: Folders) -> Outcome:
    """The command prints a report or one line, with an exit status of 0 or 1."""
    answer = _command("doctor", str(folders.run))
    return answer if isinstance(answer, Outcome) else CLEAN


def export(folders: Folders) -> Outcome:
    """The exported table is the right one, or the command says what is wrong."""
    table = _exported(folders.run)
    if isinstance(table, Outcome):
        return table
    right = _export_before(folders.intact)
    if isinstance(right, Outcome):  # even the intact folder has nothing to export
        return right
    if same(table.table, right.table):
        return CLEAN
    new = [line for line in table.text.splitlines() if line not in right.text]
    if names_file("\n".join(new), folders.run / "x"):
        return told(new[0])
    return wrong("exit status 0 and another table")


@dataclasses.dataclass(frozen=True)
class _Export:
    table: pd.DataFrame
    text: str


@functools.cache
def _export_before(intact: Path) -> _Export | Outcome:
    return _exported(intact)


def _exported(path: Path) -> _Export | Outcome:
    out = path.parent / "exported.csv"
    out.unlink(missing_ok=True)
    text = _command("export", str(path), "--out", str(out))
    if isinstance(text, Outcome):
        return text
    return _Export(pd.read_csv(out), text.replace(str(path), ""))


def _command(*arguments: str) -> str | Outcome:
    """The output of a command; an outcome if it fails."""
    out, err = io.StringIO(), io.StringIO()
    folder = Path(arguments[1])
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(arguments)
    except (Exception, SystemExit) as error:
        return judge_error(error, folder)
    lines = err.getvalue().splitlines()
    if status != 0 and arguments[0] != "doctor":
        if len(lines) == 1 and names_file(lines[0], folder):
            return told(lines[0])
        return wrong(f"exit status {status} without a file: {brief(err.getvalue())}")
    if status not in (0, 1):
        return wrong(f"exit status {status}")
    return out.getvalue() + err.getvalue()


def compare(folders: Folders) -> Outcome:
    """Comparing a damaged file of P-vectors with an intact one."""
    answers = [
        _command(
            "compare",
            str(path / folders.damaged),
            str(folders.intact / _other_moment(folders)),
            "--json",
        )
        for path in (folders.run, folders.intact)
    ]
    answer, right = answers
    if isinstance(answer, Outcome):
        return answer
    assert isinstance(right, str)
    plain = str(folders.intact)
    if answer.replace(str(folders.run), plain) == right:
        return CLEAN
    if _is_valid_file(folders):
        return CLEAN  # a file of other P-vectors, which are compared as they are
    return wrong("exit status 0 and other numbers")


def _other_moment(folders: Folders) -> str:
    names = sorted(p.name for p in (folders.intact / folders.damaged).parent.iterdir())
    other = next(n for n in names if n != Path(folders.damaged).name)
    return str(Path(folders.damaged).with_name(other))


def _is_valid_file(folders: Folders) -> bool:
    """Whether the file holds the P-vectors of another file, for which it was taken."""
    content = (folders.run / folders.damaged).read_bytes()
    files = [
        *folders.intact.rglob("*.npz"),
        *(folders.run.parent / "other").rglob("*.npz"),
    ]
    return any(content == path.read_bytes() for path in files)


# The analysis of the reproduction.


def study(folders: Folders) -> Outcome:
    """Tables of a study over this run and another one."""
    right = _tables_before(folders.intact, folders.run.parent / "other")
    return ask(
        lambda: _tables(folders.run, folders.run.parent / "other"), right, folders.run
    )


@functools.cache
def _tables_before(intact: Path, other: Path) -> Mapping[str, pd.DataFrame]:
    return _tables(intact, other)


def _tables(path: Path, other: Path) -> Mapping[str, pd.DataFrame]:
    run, second = kp.open_run(path), kp.open_run(other)
    return {
        "to_final": analysis.angles_to_final([run]),
        "to_data": analysis.angles_to_data([run]),
        "between": analysis.angles_between([run, second]),
        "to_reference": analysis.angles_to_references([run], [second]),
        "first_epoch": analysis.first_epoch_angles([run]),
        "spectra": analysis.explained_variance([run]),
        "drift": analysis.value_drift([run]),
    }


# Training on.


def resume(folders: Folders) -> Outcome:
    """Resuming an interrupted training from the checkpoint of its second epoch."""
    return continued(folders, first_epoch=2, epochs=small_run.EPOCHS)


def extend(folders: Folders) -> Outcome:
    """Training a finished run for one more epoch."""
    return continued(folders, first_epoch=small_run.EPOCHS, epochs=small_run.EPOCHS + 1)


def restart(folders: Folders) -> Outcome:
    """Starting from epoch 0 in the folder of an interrupted training, to replace it."""
    return continued(folders, first_epoch=0, epochs=small_run.EPOCHS)


def continued(folders: Folders, *, first_epoch: int, epochs: int) -> Outcome:
    """The files in the end are the right ones; or an error names the file, and no
    intact P-vector is lost."""
    before = content_of(folders.run)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            small_run.train(folders.run, first_epoch=first_epoch, epochs=epochs)
        except Exception as error:
            return _judge_refusal(error, folders, before, first_epoch)
    after = content_of(folders.run)
    changed = differences(after, content_of(undisturbed(epochs)))
    if not changed:
        return CLEAN
    of_files = [name.split(" (")[0] for name in changed if "SHA256SUMS" not in name]
    if all(same(after.get(name), before.get(name)) for name in of_files):
        # A file that was not needed stays as it is; the doctor looks at every file.
        return _new_findings(folders.run, undisturbed(epochs)) or wrong(
            f"no finding after it finished; still damaged: {', '.join(changed[:4])}"
        )
    texts = [str(w.message) for w in caught]
    for text in texts:
        # The folder of the test samples is one of the things that can be damaged.
        if names_file(text, folders.run / "test"):
            return told(text)
    return wrong(f"finished without a word, but differs: {', '.join(changed[:4])}")


def _judge_refusal(
    error: Exception, folders: Folders, before: Mapping[str, Any], first_epoch: int
) -> Outcome:
    """A refusal must not cost P-vectors of moments before the resume point."""
    outcome = judge_error(error, folders.run)
    after = content_of(folders.run)
    gone = [
        name
        for name in before
        if (match := _VECTORS.search(name))
        and 0 < first_epoch > int(match[1])
        and name not in after
    ]
    if gone and outcome.verdict.value != "wrong":
        return wrong(f"stopped, but deleted {', '.join(gone[:3])}: {outcome.detail}")
    return outcome


_UNDISTURBED: dict[int, Path] = {}


def undisturbed(epochs: int) -> Path:
    """The folder of a run without faults."""
    return _UNDISTURBED[epochs]


def prepare(folder: Path) -> None:
    """Writes the undisturbed runs, which answers are compared with."""
    for epochs in (small_run.EPOCHS, small_run.EPOCHS + 1):
        path = folder / f"undisturbed_{epochs}" / "run"
        if epochs > small_run.EPOCHS:  # a finished run that is extended
            small_run.train(path)
            small_run.train(path, first_epoch=small_run.EPOCHS, epochs=epochs)
        else:
            small_run.train(path)
        _UNDISTURBED[epochs] = path


_VECTORS = re.compile(r"pvectors/epoch_(-?\d+)_step_\d+\.npz$")

OF_FINISHED: dict[str, Question] = {
    "reader": reader,
    "doctor": doctor,
    "doctor_by_command": doctor_by_command,
    "export": export,
    "compare": compare,
    "study": study,
    "extend": extend,
}
OF_UNFINISHED: dict[str, Question] = {
    "reader": reader,
    "doctor": doctor,
    "export": export,
    "resume": resume,
    "restart": restart,
}
