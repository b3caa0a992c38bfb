"""Run folders: their schema, and how they are written and read."""

from keras_pvec.runs.files import (
    load_p_vectors,
    read_arrays,
    replace_atomically,
    save_p_vectors,
    write_atomically,
)
from keras_pvec.runs.folder import RunFolder, library_versions
from keras_pvec.runs.reader import Run, open_run
from keras_pvec.runs.recorder import Recorder
from keras_pvec.runs.references import Reference
from keras_pvec.runs.schedule import LogSchedule
from keras_pvec.runs.schema import (
    LOG_COLUMNS,
    AfterFit,
    Failure,
    LoggedWith,
    Moment,
    RunConflictError,
    RunInfo,
    RunNotFoundError,
    log_row,
)

__all__ = [
    "LOG_COLUMNS",
    "AfterFit",
    "Failure",
    "LogSchedule",
    "LoggedWith",
    "Moment",
    "Recorder",
    "Reference",
    "Run",
    "RunConflictError",
    "RunFolder",
    "RunInfo",
    "RunNotFoundError",
    "library_versions",
    "load_p_vectors",
    "log_row",
    "open_run",
    "read_arrays",
    "replace_atomically",
    "save_p_vectors",
    "write_atomically",
]
