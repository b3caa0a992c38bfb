"""The diagnosis of a run finds what was done to it, and nothing in a sound one."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from oracles import degrees_between, lapack_vector
from run_folders import MOMENTS, N, features, p_vectors_of_features, write_run

import keras_pvec as kp
from keras_pvec.diagnostics import Kind, Remedy, Severity, Verdict, diagnose
from keras_pvec.diagnostics.angles import centered_threshold_deg
from keras_pvec.diagnostics.file_comparison import compare_files
from keras_pvec.diagnostics.report import report_json, report_text
from keras_pvec.diagnostics.text import format_number, format_table
from keras_pvec.runs import RunFolder, load_p_vectors, save_p_vectors


@pytest.fixture
def made(rng):
    """Three P-vectors for the moments of a run, and one for its reference."""
    return p_vectors_of_features(rng, 4)


@pytest.fixture
def run(made, tmp_path):
    return write_run(tmp_path / "run", made[:3], {"data": made[3]})


def kinds(diagnosis):
    return {finding.kind for finding in diagnosis.findings}


def only(diagnosis, kind):
    """The one finding of a kind."""
    (finding,) = (f for f in diagnosis.findings if f.kind is kind)
    return finding


def with_log(run, change):
    """The run with a changed log; the path of the log."""
    log = change(pd.read_csv(run / "log.csv"))
    log.to_csv(run / "log.csv", index=False)
    return run / "log.csv"


def test_nothing_is_wrong_with_a_sound_run(run, made):
    for path in (run, run / "log.csv"):
        diagnosis = diagnose(path)
        assert diagnosis.findings == ()
        assert not diagnosis.has_errors
        assert diagnosis.moments == tuple(MOMENTS)
        (angle,) = diagnosis.angles
        assert (angle.layer, angle.reference) == ("features", "data")
        assert angle.moment == MOMENTS[-1]
        assert angle.verdict is Verdict.CLOSER
        expected = degrees_between(made[2].vector, made[3].vector)
        assert angle.angle_deg == pytest.approx(expected, abs=1e-9)


def test_angles_within_their_null_and_beyond_it(made, rng, tmp_path):
    """A reference with permuted samples, and one that varies the other way."""
    shuffled = dataclasses.replace(made[3], vectors=rng.permutation(made[3].vectors))
    opposite = dataclasses.replace(
        kp.p_vector(2 - features(rng)), samples_sha256=made[0].samples_sha256
    )
    references = {"shuffled": shuffled, "opposite": opposite, "self": made[2]}
    diagnosis = diagnose(write_run(tmp_path / "run", made[:3], references))
    verdicts = {angle.reference: angle.verdict for angle in diagnosis.angles}
    assert verdicts == {
        "shuffled": Verdict.WITHIN_NULL,
        "opposite": Verdict.FARTHER,
        "self": Verdict.SAME,
    }
    within, farther = (only(diagnosis, k) for k in (Kind.WITHIN_NULL, Kind.FARTHER))
    assert (within.layer, within.reference) == ("features", "shuffled")
    assert abs(within.values["z"]) < 3
    assert farther.values["z"] < -3
    assert farther.values["angle_deg"] > farther.values["null_angle_deg"]
    assert {within.remedy, farther.remedy} == {Remedy.READ_CENTERED_ANGLE}
    assert {f.severity for f in diagnosis.findings} == {Severity.WARNING}


def test_the_threshold_of_centred_angles_is_three_deviations_of_permutations(rng):
    n = 60
    u, v = (x - x.mean() for x in rng.random((2, n)))
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    cosines = [u @ rng.permutation(v) for _ in range(20000)]
    expected = np.degrees(np.arccos(3 * np.std(cosines)))
    assert centered_threshold_deg(n) == pytest.approx(expected, abs=0.5)
    assert centered_threshold_deg(5) == 0  # no angle of so few samples is significant


@pytest.mark.parametrize(
    ("change", "kind", "numbers"),
    [
        (
            lambda log: pd.concat([log, log[:1]]),
            Kind.DUPLICATE_ROWS,
            {"count": 1, "moments": (MOMENTS[0],)},
        ),
        (
            lambda log: log[log["epoch"] != 0],
            Kind.EPOCHS_MISSING,
            {"epochs": (0,), "count": 1},
        ),
        (
            lambda log: log.assign(epoch=[-1, 0, 10**7]),
            Kind.EPOCHS_MISSING,
            {"epochs": tuple(range(1, 1001)), "count": 10**7 - 1},
        ),
        (
            lambda log: log.assign(samples_sha256=["a", "a", "b"]),
            Kind.SAMPLE_SETS_MIXED,
            {"count": 2},
        ),
        (lambda log: log[:0], Kind.EMPTY_LOG, {}),
        (
            lambda log: log.assign(angle_deg=[1, 400, 1]),
            Kind.OUT_OF_RANGE,
            {"count": 1, "moments": (MOMENTS[1],), "values": {"angle_deg": 400}},
        ),
        (
            lambda log: log.assign(n_samples=[0, -2, 0]),
            Kind.OUT_OF_RANGE,
            {"count": 3, "values": {"n_samples": -2}},
        ),
        (
            lambda log: pd.concat([log, log[log["epoch"] != 0].assign(reference="b")]),
            Kind.ROWS_MISSING,
            {"layer": "features", "reference": "b", "moments": (MOMENTS[1],)},
        ),
    ],
)
def test_damaged_logs(change, kind, numbers, run):
    diagnosis = diagnose(with_log(run, change))
    finding = only(diagnosis, kind)
    assert finding.severity is Severity.ERROR
    assert diagnosis.has_errors
    assert {name: getattr(finding, name) for name in numbers} == numbers


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("angle_deg", "12,5"),
        ("z", "#REF!"),
        ("epoch", "total"),
        ("step", ""),
        ("step", 1e300),
        ("layer", ""),
    ],
)
def test_cells_that_a_spreadsheet_spoilt(column, value, run):
    log = pd.read_csv(run / "log.csv").astype(object)
    log.loc[1, column] = value
    log.to_csv(run / "log.csv", index=False)
    for path in (run, run / "log.csv"):
        with pytest.raises(ValueError, match=rf"log\.csv.*row 3.*`{column}`"):
            diagnose(path)


def test_a_byte_order_mark_is_no_part_of_a_log(run):
    text = (run / "log.csv").read_text()
    (run / "log.csv").write_text(text, encoding="utf-8-sig")
    assert diagnose(run).findings == diagnose(run / "log.csv").findings == ()


def test_what_a_log_does_not_tell(run):
    log = pd.read_csv(run / "log.csv")

    def of(**columns):
        log.assign(**columns).to_csv(run / "log.csv", index=False)
        return diagnose(run / "log.csv")

    missing = only(of(angle_deg=np.nan), Kind.ANGLE_MISSING)
    assert (missing.layer, missing.reference) == ("features", "data")
    assert (missing.count, missing.moments) == (3, tuple(MOMENTS))
    assert of(angle_deg=np.nan).angles[0].verdict is Verdict.NO_ANGLE
    assert only(of(z=np.nan), Kind.NO_NULL).reference == "data"
    assert kinds(of(samples_sha256=np.nan)) == {Kind.NO_FINGERPRINT}
    few = only(of(participation=[3.9, 4.1, 100.0]), Kind.FEW_SAMPLES)  # 2% of 200
    assert (few.count, few.total, few.values["participation"]) == (1, 3, 3.9)
    (run / "run.json").unlink()
    assert Kind.NO_SETTINGS in kinds(diagnose(run))


def test_an_inaccurate_reference_does_not_make_the_layer_ambiguous(run):
    log = pd.read_csv(run / "log.csv")
    other = log.assign(reference="b", angle_error_deg=[0.1, 60.0, 2.0])
    pd.concat([log, other]).to_csv(run / "log.csv", index=False)
    finding = only(diagnose(run / "log.csv"), Kind.INACCURATE)
    assert (finding.layer, finding.reference) == ("features", "b")
    assert (finding.count, finding.values) == (2, {"angle_error_deg": 60.0})
    assert Kind.AMBIGUOUS not in kinds(diagnose(run / "log.csv"))


def test_rows_that_cannot_have_an_angle(run):
    """The first one to the moment before, and those of a layer without references."""
    log = pd.read_csv(run / "log.csv")
    columns = ["angle_deg", "null_angle_deg", "z", "cos_ones_reference"]
    previous = log.assign(reference="before")
    previous.loc[0, columns] = np.nan
    alone = log.assign(reference=np.nan, layer="alone", **dict.fromkeys(columns))
    pd.concat([log, previous, alone]).to_csv(run / "log.csv", index=False)
    diagnosis = diagnose(run / "log.csv")
    assert diagnosis.findings == ()
    (angle,) = (angle for angle in diagnosis.angles if angle.layer == "alone")
    assert angle.verdict is Verdict.NO_REFERENCE


def test_the_last_angle_of_each_layer_is_judged(run):
    """The features at the last moment; a block that died before, at its own last."""
    log = pd.read_csv(run / "log.csv")
    block = log[log["epoch"] < 1].assign(layer="block", z=[0.0, 50.0])
    log["z"] = [0.0, 0.0, 40.0]
    pd.concat([log, block]).to_csv(run / "log.csv", index=False)
    diagnosis = diagnose(run / "log.csv")
    judged = {a.layer: (a.moment, a.z, a.verdict) for a in diagnosis.angles}
    assert judged == {
        "features": (MOMENTS[2], 40.0, Verdict.CLOSER),
        "block": (MOMENTS[1], 50.0, Verdict.CLOSER),
    }
    missing = only(diagnosis, Kind.LAYER_MISSING)
    assert (missing.layer, missing.epochs) == ("block", (1,))
    assert missing.moments == (MOMENTS[2],)


def test_p_vectors_that_mislead(made, rng, with_spectrum, tmp_path):
    def of(x):
        p = kp.p_vector(x, layer="features")
        return dataclasses.replace(p, samples_sha256=made[0].samples_sha256)

    with pytest.warns(kp.AmbiguousPVectorWarning):
        ambiguous = of(with_spectrum(N, 30, [1.0, 1.0, 0.1]))
    constant = of(np.ones((N, 4)) + 1e-4 * rng.random((N, 4)))
    spike = features(rng)
    spike[7] *= 1e3
    vectors = [ambiguous, constant, of(spike)]
    diagnosis = diagnose(write_run(tmp_path / "run", vectors, {"data": made[3]}))
    found = {
        kind: only(diagnosis, kind)
        for kind in (Kind.AMBIGUOUS, Kind.CONSTANT, Kind.FEW_SAMPLES)
    }
    for moment, finding in zip(MOMENTS, found.values(), strict=True):
        assert (finding.layer, finding.moments) == ("features", (moment,))
        assert (finding.count, finding.total) == (1, 3)
        assert finding.severity is Severity.WARNING
    ratio = found[Kind.AMBIGUOUS].values["sigma2_over_sigma1"]
    assert ratio == pytest.approx(1, abs=1e-6)
    assert found[Kind.CONSTANT].values["cos_ones"] == pytest.approx(1, abs=1e-6)
    expected = 1 / np.sum(lapack_vector(spike) ** 4)
    participation = found[Kind.FEW_SAMPLES].values["participation"]
    assert participation == pytest.approx(expected, rel=1e-6)
    remedies = {finding.remedy for finding in found.values()}
    assert len(remedies) == 3


def test_run_folders_that_do_not_hold_what_they_log(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], {"data": made[3]}, complete=False)
    folder = RunFolder(run)
    for moment in ((0, 10), (1, 20)):
        folder.note_failure(moment, "dead", "All features are zero.")
    folder.moment_path(MOMENTS[0]).unlink()
    folder.moment_path(MOMENTS[1]).write_bytes(b"not an archive")
    damaged = dataclasses.replace(
        made[2], vectors=2 * made[2].vectors, samples_sha256="other"
    )
    save_p_vectors(folder.moment_path(MOMENTS[2]), {"features": damaged})
    diagnosis = diagnose(run)
    assert kinds(diagnosis) == {
        Kind.VECTORS_MISSING,
        Kind.VECTORS_UNREADABLE,
        Kind.OTHER_SAMPLES,
        Kind.VECTOR_NOT_UNIT,
        Kind.INCOMPLETE,
        Kind.NOT_MEASURED,
    }
    missing = only(diagnosis, Kind.VECTORS_MISSING)
    assert (missing.moments, missing.count, missing.total) == ((MOMENTS[0],), 1, 3)
    unreadable = only(diagnosis, Kind.VECTORS_UNREADABLE)
    assert unreadable.file == "pvectors/epoch_0000_step_00000010.npz"
    assert only(diagnosis, Kind.OTHER_SAMPLES).moments == (MOMENTS[2],)
    norm = only(diagnosis, Kind.VECTOR_NOT_UNIT).values["norm"]
    assert norm == pytest.approx(2)
    dead = only(diagnosis, Kind.NOT_MEASURED)
    assert (dead.layer, dead.moments, dead.count) == ("dead", tuple(MOMENTS[1:]), 2)
    # Errors first.
    severities = [finding.severity for finding in diagnosis.findings]
    assert severities == sorted(severities, reverse=True)


def test_vectors_of_another_moment_or_without_a_layer(made, tmp_path):
    layers = ("features", "block")
    run = write_run(tmp_path / "run", made[:3], {"data": made[3]}, layers)
    folder = RunFolder(run)
    save_p_vectors(folder.moment_path(MOMENTS[0]), {"features": made[1]})
    diagnosis = diagnose(run)
    assert only(diagnosis, Kind.LAYER_NOT_STORED).layer == "block"
    other = only(diagnosis, Kind.OTHER_VECTOR)
    assert (other.layer, other.moments) == ("features", (MOMENTS[0],))
    difference = abs(made[1].sigma1 - made[0].sigma1)
    assert other.values["sigma1"] == pytest.approx(difference)


def test_files_are_counted_not_listed(made, tmp_path):
    run = write_run(tmp_path / "run", made[:3], {"data": made[3]})
    log = pd.read_csv(run / "log.csv")
    # As after a training of a thousand moments whose pvectors/ was not copied.
    many = pd.concat([log[:1]] * 1000).assign(step=range(1000), epoch=0)
    many.to_csv(run / "log.csv", index=False)
    for path in (run / "pvectors").glob("*.npz"):
        path.unlink()
    diagnosis = diagnose(run)
    missing = only(diagnosis, Kind.VECTORS_MISSING)
    assert (missing.count, missing.total) == (1000, 1000)
    assert missing.file == "pvectors/epoch_0000_step_00000000.npz"
    assert missing.last_file == "pvectors/epoch_0000_step_00000999.npz"
    text = report_text(diagnosis)
    assert text.count(".npz") == 2  # the first and the last
    assert len(report_json(diagnosis).splitlines()) < 400
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.csv", b""),
        ("metrics.csv", b"\xff\xfe\x00"),
        ("metrics.csv", b"hello\n1\n"),
        ("metrics.csv", b"epoch,step,loss\n0,10,1.0\n1,20,#REF!\n"),
        ("metrics.csv", b"epoch,step,loss\n0,10,1.0\n0,20,1.0\n"),
        ("metrics.csv", b"epoch,step,loss\n0,10,1.0\nx,20,1.0\n"),
        ("run.json", b"[]"),
        ("run.json", b"{"),
        ("run.json", b"\xff\xfe\x00"),
        ("samples.npz", b"not an archive"),
    ],
)
def test_damaged_files_beside_the_log(file, content, run):
    (run / file).write_bytes(content)
    finding = only(diagnose(run), Kind.FILE_DAMAGED)
    assert finding.file == file
    assert finding.severity is Severity.ERROR
    assert finding.reason


def test_a_folder_in_place_of_a_file(run):
    (run / "metrics.csv").unlink()
    assert only(diagnose(run), Kind.FILE_MISSING).file == "metrics.csv"
    (run / "metrics.csv").mkdir()
    assert only(diagnose(run), Kind.FILE_DAMAGED).file == "metrics.csv"


def test_metrics_without_an_epoch_that_ended(run):
    text = "epoch,step,loss\n0,10,1.0\n"
    (run / "metrics.csv").write_text(text)
    finding = only(diagnose(run), Kind.METRICS_MISSING)
    assert (finding.file, finding.epochs) == ("metrics.csv", (1,))


def test_a_training_that_goes_on_is_not_taken_for_a_damaged_one(made, tmp_path):
    """Within an epoch, only the first layer is measured."""
    layers = ("features", "block")
    run = write_run(
        tmp_path / "run", made[:3], {"data": made[3]}, layers, complete=False
    )
    with_log(run, lambda log: log[(log["layer"] == "features") | (log["epoch"] < 1)])
    (run / "metrics.csv").write_text("epoch,step,loss\n0,10,1.0\n")
    diagnosis = diagnose(run)
    assert kinds(diagnosis) == {Kind.INCOMPLETE}
    assert diagnosis.last_epoch == 0
    RunFolder(run).update_info(
        logged_with=dataclasses.replace(
            kp.open_run(run).info.logged_with, complete=True
        )
    )
    assert Kind.LAYER_MISSING in kinds(diagnose(run))
    # A known reason is not reported twice.
    RunFolder(run).note_failure(MOMENTS[2], "block", "All features are zero.")
    assert Kind.LAYER_MISSING not in kinds(diagnose(run))
    assert only(diagnose(run), Kind.NOT_MEASURED).layer == "block"


def test_a_second_sample_set_in_a_subfolder(made, run):
    write_run(run / "test", made[:3], {"data": made[3]})
    diagnosis = diagnose(run)
    (test,) = diagnosis.subfolders
    assert test.path == run / "test"
    assert test.findings == diagnosis.findings == ()
    assert not diagnosis.has_errors
    RunFolder(run / "test").moment_path(MOMENTS[0]).unlink()
    diagnosis = diagnose(run)
    assert diagnosis.findings == ()
    assert diagnosis.count(Severity.ERROR) == 0
    assert diagnosis.has_errors
    (run / "test" / "log.csv").write_bytes(b"\xff\xfe\x00")
    assert only(diagnose(run), Kind.FILE_DAMAGED).file == "test/log.csv"


def test_the_report_fits_a_terminal_and_gives_each_remedy_once(made, rng, tmp_path):
    layers = ("backbone/stage_1/conv_block_of_a_long_name", "backbone/stage_2/out")
    shuffled = dataclasses.replace(made[3], vectors=rng.permutation(made[3].vectors))
    references = {"data": made[3], "shuffled": shuffled}
    run = write_run(tmp_path / "run", made[:3], references, layers, complete=False)
    RunFolder(run).moment_path(MOMENTS[0]).unlink()
    (run / "metrics.csv").write_bytes(b"\xff\xfe\x00")
    diagnosis = diagnose(run)
    text = report_text(diagnosis)
    lines = text.splitlines()
    paths = (str(run), "pvectors/")
    assert all(len(line) <= 80 or any(p in line for p in paths) for line in lines)
    rows = [line.split() for line in lines if line.startswith("bac")]
    # Worst first: those to the shuffled reference.
    assert [row[1] for row in rows] == ["shuffled"] * 2 + ["data"] * 2
    remedies = {finding.remedy for finding in diagnosis.findings}
    assert len([line for line in lines if line.startswith("- ")]) == len(remedies)


def test_every_kind_of_finding_has_its_sentences(run):
    from keras_pvec.diagnostics import Finding
    from keras_pvec.diagnostics.sentences import IN_TABLE, REMEDIES, sentence
    from keras_pvec.runs import Moment

    columns = ("sigma2_over_sigma1", "angle_error_deg", "angle_deg")
    values = dict.fromkeys((*columns, "participation", "n_samples"), 1.5)
    for kind in set(Kind) - IN_TABLE:
        has_angle = kind in (Kind.OUT_OF_RANGE, Kind.OTHER_MODEL)
        columns = {"angle_deg": 400.0} if has_angle else values
        finding = Finding(
            kind,
            layer="block_7",
            moments=(Moment(3, 1564),),
            epochs=(3, 5, 6, 7),
            count=1234,
            total=5678,
            values={"norm": 2.0, **columns} if columns is values else columns,
            file="metrics.csv",
            reason="because",
        )
        assert sentence([finding]).strip()
        assert finding.remedy in REMEDIES


def test_json_is_valid_and_complete(run):
    with_log(run, lambda log: log.assign(z=[1.0, np.inf, np.nan], cos_ones=np.nan))

    def refuse(constant):
        raise AssertionError(constant)

    diagnosis = diagnose(run)
    entries = json.loads(report_json(diagnosis), parse_constant=refuse)
    assert entries["errors"] == diagnosis.count(Severity.ERROR) > 0
    assert entries["warnings"] == diagnosis.count(Severity.WARNING)
    found = [(f["kind"], f["severity"], f["layer"]) for f in entries["findings"]]
    assert found == [
        (f.kind.value, f.severity.name.lower(), f.layer) for f in diagnosis.findings
    ]
    (angle,) = entries["angles"]
    assert angle["z"] is None
    assert angle["angle_deg"] == diagnosis.angles[0].angle_deg
    assert angle["moment"] == {"epoch": 1, "step": 20}


def test_comparing_files(made, rng, tmp_path):
    a, b, c = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz"))
    save_p_vectors(a, {"x": made[0], "y": made[1]})
    save_p_vectors(b, {"y": made[2]})
    save_p_vectors(c, {"z": made[3]})
    (y,) = compare_files(a, b)
    assert (y.layer, y.other_layer, y.verdict) == ("y", "y", Verdict.CLOSER)
    expected = degrees_between(made[1].vector, made[2].vector)
    assert y.comparison.angle_deg == pytest.approx(expected, abs=1e-9)
    (pair,) = compare_files(b, c)  # one layer each
    assert (pair.layer, pair.other_layer) == ("y", "z")
    expected = degrees_between(made[2].vector, made[3].vector)
    assert pair.comparison.angle_deg == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ValueError, match=r"a\.npz.*'x', 'y'.*c\.npz.*'z'"):
        compare_files(a, c)
    save_p_vectors(c, {"y": p_vectors_of_features(rng, 1)[0]})
    with pytest.raises(kp.SampleMismatchError):
        compare_files(a, c)


def test_comparing_p_vectors_that_mislead(made, tmp_path):
    x = np.ones((N, 4))
    x[7] *= 1e3
    spike = dataclasses.replace(
        kp.p_vector(x), samples_sha256=made[0].samples_sha256, layer="x"
    )
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    save_p_vectors(first, {"x": made[0]})
    save_p_vectors(second, {"x": spike})
    for files in ((first, second), (second, first)):
        (layer,) = compare_files(*files)
        assert layer.kinds == (Kind.FEW_SAMPLES,)


@pytest.mark.parametrize(
    "damage",
    [
        {"vectors": np.ones(N)},
        {"vectors": np.ones((0, 1))},
        {"singular_values": np.zeros(2)},
        {"singular_values": np.array(1.0)},
        {"error_deg": np.array([])},
        {"row_norms": np.ones(3)},
        {"frobenius_norm": 0.0},
    ],
)
def test_arrays_that_do_not_make_a_p_vector(damage, made, tmp_path):
    path = tmp_path / "damaged.npz"
    save_p_vectors(path, {"x": dataclasses.replace(made[0], **damage)})
    with pytest.raises(ValueError, match=r"damaged\.npz"):
        load_p_vectors(path)


def test_layers_that_keras_numbered_differently_are_compared_in_order(made, tmp_path):
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    save_p_vectors(files[0], {"dense": made[0], "dense_10": made[1], "pool": made[2]})
    save_p_vectors(files[1], {"dense_12": made[1], "dense_3": made[0], "flat": made[2]})
    pairs = compare_files(*files)
    names = [(pair.layer, pair.other_layer) for pair in pairs]
    assert names == [("dense", "dense_3"), ("dense_10", "dense_12")]
    assert [pair.comparison.angle_deg for pair in pairs] == [0, 0]
    with pytest.raises(ValueError, match="dense_11"):
        compare_files(*files, "dense_11")


def test_a_vector_of_another_length_is_not_compared(made, tmp_path):
    path = tmp_path / "long.npz"
    for factor in (2.0, math.nan):
        long = dataclasses.replace(made[0], vectors=factor * made[0].vectors)
        save_p_vectors(path, {"x": long})
        with pytest.raises(ValueError, match=r"long\.npz.*'x'"):
            compare_files(path, path)


def test_tables_and_numbers():
    assert format_number(None) == format_number(math.nan) == "-"
    numbers = [12.345, 0.04, -0.04, 0.0, 2e-6, -7.64, 250.0]
    expected = ["12.3", "0.04", "-0.04", "0.0", "2e-06", "-7.6", "250.0"]
    assert [format_number(number) for number in numbers] == expected
    header = ("layer", "z", "status")
    rows = [("a" * 30 + "1", "1.0", "closer"), ("a" * 30 + "2", "10.0", "closer")]
    first, *lines = format_table(header, rows, width=30).splitlines()
    assert {len(line) for line in (first, *lines)} == {30}
    assert [line.split()[0][-1] for line in lines] == ["1", "2"]
    # Numbers end at the same place.
    assert lines[0].index("1.0 ") == lines[1].index("0.0 ")
    # Names that would look the same when cut stay whole.
    alike = ["a" * 15 + x + "b" * 15 for x in "12"]
    table = format_table(header, [(name, "1.0", "") for name in alike], width=30)
    assert all(name in table for name in alike)
