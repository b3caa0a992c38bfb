"""Readers of stored files on arbitrary content: a right answer or a typed error.

Each file of a small run is replaced by arbitrary bytes, or by its own content after
some edits. What a reader then returns has the documented types; everything else is an
error of the documented family that names the file. No reader may take much more memory
than an intact file needs, whatever sizes a file claims.
"""

import dataclasses
import functools
import io
import json
import math
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fault_campaign import small_run
from hypothesis import HealthCheck, given, settings, strategies as st

import keras_pvec as kp
from keras_pvec.cli import main
from keras_pvec.diagnostics import diagnose
from keras_pvec.diagnostics.report import report_json, report_text
from keras_pvec.reproduction.config import ConfigError, ExperimentConfig
from keras_pvec.reproduction.flag_values import config_from_flags, parse_log_freq
from keras_pvec.reproduction.model_names import parse_model_name, stored_model_name
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.training.weights import assign_npz
from keras_pvec.runs import (
    LOG_COLUMNS,
    LogSchedule,
    Moment,
    RunError,
    RunFolder,
    RunInfo,
    changed_files,
    check_progress,
    load_p_vectors,
    read_arrays,
)
from keras_pvec.runs.references import checked_references

# Addresses that a reader may take in addition to what the process has.
_MEMORY = 2**30
VECTORS = "pvectors/epoch_0001_step_00000008.npz"


def tried(count):
    """The settings of a property that is tried on a fixed series of examples."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def bounded_memory():
    """Larger allocations fail with a `MemoryError`, which no reader may raise."""
    resource = pytest.importorskip("resource")
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("needs the memory of the process from /proc")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@functools.cache
def intact_run():
    """A finished run without checksums, so that its readers have to look themselves."""
    path = Path(tempfile.mkdtemp(prefix="any_bytes_"), "run")
    small_run.train(path)
    for sums in path.rglob("SHA256SUMS"):
        sums.unlink()
    return path


@pytest.fixture(scope="module", autouse=True)
def removed_run():
    yield
    shutil.rmtree(intact_run().parent)
    intact_run.cache_clear()


def edited(content):
    """Strategies for the content after some edits: changed, lost, repeated and foreign
    stretches of bytes."""
    n = max(len(content), 1)
    edit = st.tuples(
        st.sampled_from(["flip", "cut", "repeat", "insert", "zero", "end"]),
        st.integers(0, n - 1),
        st.integers(1, 60),
        st.binary(min_size=1, max_size=20),
    )
    return st.lists(edit, min_size=1, max_size=3).map(
        lambda edits: functools.reduce(_apply, edits, content)
    )


def _apply(content, edit):
    kind, at, length, new = edit
    before, stretch, rest = (
        content[:at],
        content[at : at + length],
        content[at + length :],
    )
    if kind == "flip":
        stretch = bytes(b ^ new[0] for b in stretch[:1]) + stretch[1:]
    return {
        "flip": before + stretch + rest,
        "cut": before + rest,
        "repeat": before + stretch * 2 + rest,
        "insert": before + new + stretch + rest,
        "zero": before + bytes(len(stretch)) + rest,
        "end": before,
    }[kind]


def cells():
    """Cells of a table: numbers of all sizes, and what is none."""
    return st.one_of(
        st.integers(-(10**20), 10**20).map(str),
        st.floats().map(repr),
        st.sampled_from(
            ["", "nan", "inf", "-0", "1e999", "0x1", "1_000", '"', "=1", "é"]
        ),
        st.text(max_size=5),
    )


def tables(columns):
    """Tables with a header of such columns, and rows of any length."""
    row = st.lists(cells(), max_size=len(columns) + 1).map(",".join)
    whole = st.lists(cells(), min_size=len(columns), max_size=len(columns)).map(
        ",".join
    )
    rows = st.lists(st.one_of(row, whole), max_size=4)
    return rows.map(lambda r: "\n".join([",".join(columns), *r, ""]).encode("utf-8"))


def content_of(name):
    return (intact_run() / name).read_bytes()


class Replaced:
    """The run with another content of one file."""

    def __init__(self, name, content):
        self.path = intact_run() / name
        self.before = self.path.read_bytes()
        self.content = content

    def __enter__(self):
        self.path.write_bytes(self.content)
        return intact_run()

    def __exit__(self, *_):
        self.path.write_bytes(self.before)


def answer(question, *names):
    """The answer; `None` after an error of the documented family that names the file or
    the folder."""
    try:
        return question()
    except RunError as error:
        assert any(name in str(error) for name in (*names, str(intact_run()))), error
        return None


ANY_LOG = st.deferred(
    lambda: st.one_of(
        st.binary(max_size=200),
        edited(content_of("log.csv")),
        edited(content_of("log.csv")),
        tables(LOG_COLUMNS),
        tables(["epoch", "step", "layer"]),
    )
)


@tried(120)
@given(ANY_LOG)
def test_any_log(content):
    with Replaced("log.csv", content) as path:
        run = answer(lambda: kp.open_run(path), "log.csv")
        if run is None:
            return
        log = answer(lambda: run.log, "log.csv")
        if log is not None:
            assert set(LOG_COLUMNS) <= set(log.columns)
            assert log["epoch"].between(-1, 2**53).all()
        moments = answer(lambda: run.moments, "log.csv")
        assert moments is None or all(type(x) is int for m in moments for x in m)
        assert moments is None or moments == sorted(set(moments))
        answer(lambda: run.layers, "log.csv", "run.json")
        answer(lambda: run.p_vector("final", "features"), "log.csv", ".npz")
        answer(lambda: run.angles("final", "features"), "log.csv", ".npz")


@tried(40)
@given(ANY_LOG)
def test_any_log_alone_and_its_doctor(content):
    """A log outside of a run folder, and the doctor of the run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.csv")
        path.write_bytes(content)
        diagnosis = answer(lambda: diagnose(path), "log.csv")
        if diagnosis is not None:
            report_text(diagnosis, 80)
            json.loads(report_json(diagnosis))
    with Replaced("log.csv", content) as path:
        answer(lambda: report_text(diagnose(path), 80), "log.csv")
        assert main(["export", str(path), "--out", str(path.parent / "out.csv")]) in (
            0,
            1,
        )
        (path.parent / "out.csv").unlink(missing_ok=True)


@tried(120)
@given(
    st.deferred(
        lambda: st.one_of(
            st.binary(max_size=200),
            edited(content_of("metrics.csv")),
            tables(["epoch", "step", "loss", "accuracy"]),
        )
    )
)
def test_any_metrics(content):
    with Replaced("metrics.csv", content) as path:
        metrics = answer(lambda: kp.open_run(path).metrics, "metrics.csv")
        if metrics is not None:
            assert {"epoch", "step"} <= set(metrics.columns)
        ends = answer(lambda: RunFolder(path).epoch_ends(), "metrics.csv")
        assert ends is None or all(
            type(x) is int for pair in ends.items() for x in pair
        )


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**25), 10**25),
        st.floats(),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=5,
)


def _with_entry(entries, place, value):
    """Entries in which one, at a depth of up to two, has another value."""
    key, inner = place
    entries = json.loads(json.dumps(entries))
    if inner is None or not isinstance(entries.get(key), dict):
        entries[key] = value
    else:
        entries[key][inner] = value
    return json.dumps(entries).encode()


def _places(entries):
    for key, value in entries.items():
        yield key, None
        if isinstance(value, dict):
            yield from ((key, inner) for inner in value)


def _any_settings():
    entries = json.loads(content_of("run.json"))
    known = [*_places(entries), *((name, None) for name in ("version", "breaks"))]
    return st.one_of(
        st.binary(max_size=100),
        edited(content_of("run.json")),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.integers(1, 100_000).map(lambda n: b"[" * n + b"]" * n),
        st.tuples(st.sampled_from(known), JSON_VALUES).map(
            lambda change: _with_entry(entries, *change)
        ),
    )


@tried(120)
@given(st.deferred(_any_settings))
def test_any_run_json(content):
    with Replaced("run.json", content) as path:
        info = answer(lambda: RunFolder(path).read_info(), "run.json")
        if info is None:
            return
        assert_typed(info)
        RunInfo.from_json(json.loads(json.dumps(info.to_json(), default=str)))
        run = answer(lambda: kp.open_run(path), "run.json", "log.csv")
        if run is None:
            return
        answer(lambda: (run.layers, run.moments), "run.json", "log.csv")
        record = answer(lambda: TrainingRecord.of(run), "run.json")
        if record is not None:
            assert record.model is None or isinstance(record.model, str)
            assert record.architecture is None or isinstance(record.architecture, str)
            assert record.seed is None or type(record.seed) is int
            assert isinstance(record.variant, str)


def assert_typed(info):
    assert type(info.complete) is bool
    assert isinstance(info.notes, dict)
    for failure in info.failures:
        assert type(failure.epoch) is int
        assert type(failure.layer) is str
    if info.logged_with is not None:
        names = (*info.logged_with.layers, *info.logged_with.references)
        assert all(isinstance(name, str) for name in names)


def npz_files(names, arrays):
    """Archives with members of such names: arrays of any type and shape, headers that
    claim any size, and other bytes; stored or compressed."""
    array = st.one_of(
        st.sampled_from(
            [
                np.zeros(0),
                np.zeros((2, 0)),
                np.array(np.nan),
                np.full((12, 2), np.nan),
                np.arange(12.0),
                np.array(["features"]),
                np.array([b"x"]),
                np.array([1 + 1j]),
                np.array(["2020-01-01"], "datetime64[D]"),
                np.zeros(2, [("a", "f8"), ("b", "i4")]),
                np.zeros((1,) * 20),
                np.array([True]),
                np.array(2**63, np.uint64),
                *arrays,
            ]
        ).map(_npy),
        st.tuples(
            st.lists(st.integers(-2, 2**62), max_size=3).map(tuple),
            st.sampled_from(
                ["<f8", "<U999", "|O", "<U0", "|V0", "<M8[s]", "bad", "<c16"]
            ),
        ).map(lambda claim: _header(*claim) + b"\0" * 16),
        st.binary(max_size=50),
    )
    members = st.lists(st.tuples(st.sampled_from(names), array), max_size=5)
    return st.tuples(members, st.booleans()).map(lambda x: _archive(*x))


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _header(shape, descr):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _archive(members, is_compressed):
    file = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if is_compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in dict(members).items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def _any_vectors():
    fields = [field.name for field in dataclasses.fields(kp.PVector)]
    arrays = read_arrays(intact_run() / VECTORS)
    names = ["layers", *(f"0/{name}" for name in fields), "1/vectors", "moment"]

    def one_replaced(change):
        name, content = change
        members = {key: _npy(array) for key, array in arrays.items()}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                members[name] = archive.read(member)
        return _archive(members.items(), False)

    return st.one_of(
        st.binary(max_size=100),
        edited(content_of(VECTORS)),
        npz_files(names, arrays.values()),
        st.tuples(st.sampled_from(names), npz_files(["x"], arrays.values())).map(
            one_replaced
        ),
    )


@tried(160)
@given(st.deferred(_any_vectors))
def test_any_p_vectors(content):
    with Replaced(VECTORS, content) as path:
        arrays = answer(lambda: read_arrays(path / VECTORS), VECTORS)
        assert arrays is None or all(type(a) is np.ndarray for a in arrays.values())
        p_vectors = answer(lambda: load_p_vectors(path / VECTORS), VECTORS)
        run = kp.open_run(path)
        of_run = answer(lambda: run.p_vectors(Moment(1, 8)), VECTORS)
        for p in [*(p_vectors or {}).values(), *(of_run or {}).values()]:
            assert_usable(p)


def assert_usable(p):
    """Finite arrays of shapes that fit each other."""
    assert p.vectors.shape == (p.n_samples, p.k)
    assert np.isfinite(p.vectors).all()
    assert p.vectors.dtype.kind == "f"
    assert math.isfinite(p.sigma1 + p.energy1 + p.sigma2_over_sigma1)
    assert p.row_norms is None or p.row_norms.shape == (p.n_samples,)
    assert p.layer is None or isinstance(p.layer, str)
    repr(p)


@tried(15)
@given(st.deferred(_any_vectors), st.deferred(_any_settings))
def test_any_run_has_a_diagnosis(vectors, run_json):
    for name, content in ((VECTORS, vectors), ("run.json", run_json)):
        with Replaced(name, content) as path:
            diagnosis = answer(lambda p=path: diagnose(p), name, "log.csv")
            if diagnosis is not None:
                report_text(diagnosis, 80)
                json.loads(report_json(diagnosis))
            run = answer(lambda p=path: kp.open_run(p), name, "log.csv")
            if run is not None:
                answer(lambda r=run: r.angles("final", "features"), name, "log.csv")


@tried(50)
@given(st.deferred(lambda: edited(content_of(VECTORS))))
def test_edited_p_vectors_are_the_same_or_refused(content):
    """Archives have checksums of their own: no edit changes an array silently."""
    intact = read_arrays(intact_run() / VECTORS)
    with Replaced(VECTORS, content) as path:
        arrays = answer(lambda: read_arrays(path / VECTORS), VECTORS)
    if arrays is not None:
        for name in arrays.keys() & intact.keys():
            np.testing.assert_array_equal(arrays[name], intact[name])


@tried(60)
@given(
    st.deferred(
        lambda: st.one_of(
            st.binary(max_size=100),
            edited(content_of("samples.npz")),
            npz_files(["labels", "mean", "std"], []),
        )
    )
)
def test_any_samples(content):
    with Replaced("samples.npz", content) as path:
        samples = answer(lambda: kp.open_run(path).samples, "samples.npz")
        assert samples is None or all(len(array) == 12 for array in samples.values())


@tried(50)
@given(
    st.sampled_from(["SHA256SUMS", "progress.json"]),
    st.deferred(
        lambda: st.one_of(
            st.binary(max_size=100),
            edited(b"0" * 64 + b"  log.csv\n" + b"1" * 64 + b"  ../../x\n"),
            edited(json.dumps({"log.csv": "0" * 64, "log_bytes": 7}).encode()),
            JSON_VALUES.map(lambda value: json.dumps(value).encode()),
            st.dictionaries(
                st.sampled_from(["log.csv", "log_bytes", "metrics.csv"]), JSON_VALUES
            ).map(lambda entries: json.dumps(entries).encode()),
        )
    ),
)
def test_any_checksums(name, content):
    path = intact_run()
    (path / name).write_bytes(content)
    try:
        answer(lambda: check_progress(path), name)
        answer(lambda: [*changed_files(path)], name)
        run = answer(lambda: kp.open_run(path), name)
        if run is not None:
            answer(lambda: run.log, name)
    finally:
        (path / name).unlink()


class Variable:
    """What `assign_npz` asks of a variable."""

    def __init__(self, value):
        self.value = np.asarray(value)
        self.shape = self.value.shape

    def assign(self, value):
        self.value = np.asarray(value, np.float32)


@tried(60)
@given(st.data())
def test_any_weights(data):
    """Weights and checkpoints are assigned to all variables, or to none."""
    initial = [np.full((2, 3), 7.0), np.array(7.0)]
    stored = {"0000": np.ones((2, 3)), "0001": np.array(1.0), "paths": np.array(["a"])}
    valid = _archive([(name, _npy(array)) for name, array in stored.items()], False)
    content = data.draw(
        st.one_of(
            st.binary(max_size=100),
            edited(valid),
            npz_files(["0000", "0001", "paths"], stored.values()),
        )
    )
    variables = [Variable(value) for value in initial]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.npz")
        path.write_bytes(content)
        try:
            assign_npz(variables, path)
        except RunError as error:
            assert path.name in str(error)
            for variable, value in zip(variables, initial, strict=True):
                np.testing.assert_array_equal(variable.value, value)


def test_archives_that_claim_gigabytes_are_refused():
    """A few kilobytes that would inflate to more than a reader may take."""
    bomb = _archive([("layers", _header((2**28,), "<f8") + bytes(2**31 // 16))], True)
    assert len(bomb) < 2**20
    with Replaced(VECTORS, bomb) as path:
        assert answer(lambda: load_p_vectors(path / VECTORS), VECTORS) is None


@tried(120)
@given(
    st.one_of(
        st.text(max_size=30),
        st.tuples(
            st.sampled_from(
                ["mlp", "resnet", "wide_resnet", "vgg", "simclr", "densenet"]
            ),
            st.text("0123456789-_xwbk", max_size=25),
        ).map("".join),
    )
)
def test_any_model_name(name):
    try:
        parsed = parse_model_name(name)
        assert isinstance(parsed.architecture, str)
    except ValueError:
        pass
    assert isinstance(stored_model_name(name, {}), str)


@tried(120)
@given(
    st.one_of(st.text(max_size=20), st.from_regex(r"(first_epoch:)?[-+0-9_ ]{1,30}"))
)
def test_any_log_freq_flag(text):
    try:
        log_freq = parse_log_freq(text)
        ExperimentConfig(log_freq=log_freq)
    except ConfigError:
        return
    schedule = LogSchedule.parse(log_freq)
    assert text == "epoch" or (schedule.every or schedule.every_in_first_epoch) >= 1


@tried(120)
@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(ExperimentConfig)]),
        st.one_of(JSON_VALUES, st.lists(st.text(max_size=5), max_size=2)),
        max_size=2,
    )
)
def test_any_stored_flags(values):
    """As read from a `flags.json`."""
    try:
        config = config_from_flags(values)
    except ConfigError:
        return
    assert config.batch_size >= 1


@tried(80)
@given(
    st.one_of(
        JSON_VALUES,
        st.dictionaries(
            st.one_of(st.text(max_size=4), st.integers()),
            st.one_of(
                JSON_VALUES, st.just("previous"), st.dictionaries(st.text(), st.none())
            ),
            max_size=2,
        ),
    )
)
def test_any_references(references):
    try:
        checked = checked_references(references, small_run.samples_of("train"))
    except ValueError:
        return
    assert all(isinstance(name, str) for name in checked)


@tried(80)
@given(st.one_of(JSON_VALUES, st.dictionaries(st.just("first_epoch"), JSON_VALUES)))
def test_any_log_freq(log_freq):
    try:
        schedule = LogSchedule.parse(log_freq)
    except ValueError:
        return
    assert schedule.is_due(0, 0, 10**30) or schedule == LogSchedule()
