"""Run folders: their schema, and how they are written and read."""

from keras_pvec.runs.arrays import read_arrays
from keras_pvec.runs.attempts import (
    RELEASED,
    current_folder,
    latest_attempt,
    remove_attempts,
)
from keras_pvec.runs.checksums import changed_files, check_file
from keras_pvec.runs.completeness import check_end_of_log
from keras_pvec.runs.errors import (
    DamagedRunError,
    RunConflictError,
    RunError,
    RunNotFoundError,
)
from keras_pvec.runs.files import load_p_vectors, p_vectors_of, save_p_vectors
from keras_pvec.runs.folder import RunFolder, library_versions
from keras_pvec.runs.info import RunInfo
from keras_pvec.runs.lease import (
    LEASE_S,
    LeaseLostError,
    RunBusyError,
    RunLease,
    bring_home,
    hold_lease,
)
from keras_pvec.runs.progress import check_progress
from keras_pvec.runs.reader import Run, open_run
from keras_pvec.runs.reading import exists, parse_json
from keras_pvec.runs.recorder import Recorder
from keras_pvec.runs.references import Reference
from keras_pvec.runs.resumption import complete_log
from keras_pvec.runs.schedule import LogSchedule
from keras_pvec.runs.schema import (
    LOG_COLUMNS,
    AfterFit,
    Break,
    Failure,
    LoggedWith,
    Moment,
    log_row,
)
from keras_pvec.runs.spreadsheet import write_spreadsheet
from keras_pvec.runs.tables import (
    moment_of,
    parse_log,
    parse_table,
    read_log,
    read_metrics,
    typed_columns,
    typed_log,
    whole_lines,
)
from keras_pvec.runs.trajectory import Trajectory
from keras_pvec.runs.writing import (
    partial_files,
    remove_partial_files,
    replace_atomically,
    replace_file,
    write_atomically,
)

__all__ = [
    "LEASE_S",
    "LOG_COLUMNS",
    "RELEASED",
    "AfterFit",
    "Break",
    "DamagedRunError",
    "Failure",
    "LeaseLostError",
    "LogSchedule",
    "LoggedWith",
    "Moment",
    "Recorder",
    "Reference",
    "Run",
    "RunBusyError",
    "RunConflictError",
    "RunError",
    "RunFolder",
    "RunInfo",
    "RunLease",
    "RunNotFoundError",
    "Trajectory",
    "bring_home",
    "changed_files",
    "check_end_of_log",
    "check_file",
    "check_progress",
    "complete_log",
    "current_folder",
    "exists",
    "hold_lease",
    "latest_attempt",
    "library_versions",
    "load_p_vectors",
    "log_row",
    "moment_of",
    "open_run",
    "p_vectors_of",
    "parse_json",
    "parse_log",
    "parse_table",
    "partial_files",
    "read_arrays",
    "read_log",
    "read_metrics",
    "remove_attempts",
    "remove_partial_files",
    "replace_atomically",
    "replace_file",
    "save_p_vectors",
    "typed_columns",
    "typed_log",
    "whole_lines",
    "write_atomically",
    "write_spreadsheet",
]
