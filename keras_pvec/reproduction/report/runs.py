"""The networks behind the results as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from keras_pvec.reproduction.model_names import stored_model_name
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Run

FINISHED, MISSING = "finished", "missing"
_TEXT, _WHOLE, _NUMBER, _FLAG = "string", "Int64", "Float64", "boolean"
_COLUMNS = {
    **dict.fromkeys(("model", "variant"), _TEXT),
    "seed": _WHOLE,
    "status": _TEXT,
    **dict.fromkeys(("epochs", "n_train", "n_parameters"), _WHOLE),
    **dict.fromkeys(("accuracy", "untrained_accuracy", "reference_accuracy"), _NUMBER),
    "reference_source": _TEXT,
    "loss_change": _NUMBER,
    "well_trained": _FLAG,
    "training_hours": _NUMBER,
    "n_cores": _WHOLE,
    **dict.fromkeys(("versions", "git_revision"), _TEXT),
}


def runs_table(
    runs: Iterable[Run], missing: Iterable[Mapping[str, Any]] = ()
) -> pd.DataFrame:
    """One row per run, in the order of models, variants and seeds.

    Args:
        runs: Finished runs.
        missing: Settings, as JSON, of the planned runs that are not finished.

    Returns:
        `model`, `variant`, `seed`; `status`, `"finished"` or `"missing"`; `epochs`,
        `n_train` images, `n_parameters`; `accuracy` on the test images, that of a
        linear classifier on the features for networks trained without labels, with
        `untrained_accuracy` before training; `reference_accuracy` with its
        `reference_source`; `loss_change`, the change of the training loss over the last
        tenth of the epochs relative to its whole decrease; `well_trained`, empty where
        it is not known; `training_hours` on `n_cores`; library `versions` and the
        `git_revision` of the code.
    """
    rows = [_finished(run) for run in runs]
    rows += [{**_identity(settings), "status": MISSING} for settings in missing]
    rows = [{name: _storable(value) for name, value in row.items()} for row in rows]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.sort_values(["model", "variant", "seed"], ignore_index=True)


def _finished(run: Run) -> dict[str, object]:
    record = TrainingRecord.of(run)
    quality = record.training_quality
    versions = run.info.versions.items()
    return {
        **_identity(record.settings),
        "status": FINISHED,
        "epochs": record.settings.get("epochs"),
        "n_train": record.n_train,
        "n_parameters": record.n_parameters,
        "accuracy": quality.get("accuracy"),
        "untrained_accuracy": record.linear_accuracy.get("untrained"),
        "reference_accuracy": quality.get("reference_accuracy"),
        "reference_source": quality.get("reference_source"),
        "loss_change": quality.get("loss_change"),
        "well_trained": quality.get("well_trained"),
        "training_hours": record.wall_time_s / 3600,
        "n_cores": record.n_cores,
        "versions": ", ".join(f"{name} {version}" for name, version in versions),
        "git_revision": record.git_revision,
    }


def _identity(settings: Mapping[str, Any]) -> dict[str, object]:
    name = settings.get("model")
    return {
        "model": name and stored_model_name(name, settings.get("model_options") or {}),
        "variant": settings.get("variant", ""),
        "seed": settings.get("seed"),
    }


def _storable(value: object) -> object:
    """Columns of text cannot hold names that are not UTF-8."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return value
