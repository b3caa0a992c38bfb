"""The recorder by itself: moments, rows and resumption without Keras."""

import dataclasses

import numpy as np
import pytest
from oracles import degrees_between

import keras_pvec as kp
from keras_pvec.runs import LoggedWith, LogSchedule, Moment, Recorder, RunFolder

N = 30


@dataclasses.dataclass
class Measured:
    p_vectors: dict
    failures: dict = dataclasses.field(default_factory=dict)


class Training:
    """Features of two layers that change from step to step, by the step's number."""

    def __init__(self):
        self.measured_layers = []

    def features(self, layer, step):
        rng = np.random.default_rng([len(layer), step])
        return rng.random((N, 4))

    def at(self, step):
        def measure(layers):
            self.measured_layers.append(tuple(layers))
            return Measured(
                {x: kp.p_vector(self.features(x, step), layer=x) for x in layers}
            )

        return measure

    def run(self, recorder, epochs, steps=4, start=0):
        step = recorder.steps_before(start, start * steps)
        settings = LoggedWith(
            layers=("a", "bb"), references=tuple(recorder.references), n_samples=N
        )
        recorder.begin(start, step, self.at(step)(("a", "bb")), settings)
        for epoch in range(start, epochs):
            for step in range(epoch * steps + 1, (epoch + 1) * steps + 1):
                if recorder.schedule.is_due(epoch, step - 1, step):
                    recorder.record(
                        Moment(epoch, step), self.at(step), within_epoch=True
                    )
            angles = recorder.record(Moment(epoch, step), self.at(step))
            recorder.end_epoch(epoch, step, {"loss": 1 / step, **angles})
        recorder.end()


def recorder_in(path, log_freq="epoch", within="all", resume=False, **references):
    return Recorder(
        path,
        references=references,
        schedule=LogSchedule.parse(log_freq, within),
        resume=resume,
    )


def test_rows_are_the_angles_of_what_was_measured(tmp_path):
    training = Training()
    fixed = kp.p_vector(training.features("zzz", 0))
    training.run(recorder_in(tmp_path, fixed=fixed, before="previous"), epochs=2)
    run = kp.open_run(tmp_path)
    assert run.moments == [(-1, 0), (0, 4), (1, 8)]
    assert run.info.complete
    vectors = {
        (layer, step): np.linalg.svd(training.features(layer, step))[0][:, 0]
        for layer in ("a", "bb")
        for step in (0, 4, 8)
    }
    for row in run.log.itertuples():
        u = vectors[row.layer, row.step]
        if row.reference == "fixed":
            v = np.linalg.svd(training.features("zzz", 0))[0][:, 0]
        elif row.step == 0:
            assert np.isnan(row.angle_deg)
            continue
        else:
            v = vectors[row.layer, row.step - 4]
        np.testing.assert_allclose(row.angle_deg, degrees_between(u, v), atol=1e-3)
    metrics = run.metrics
    last = run.log.query("reference == 'fixed' and epoch == 1").set_index("layer")
    np.testing.assert_allclose(
        metrics[["pvec_angle_fixed", "pvec_angle_fixed_bb"]].iloc[-1],
        last["angle_deg"][["a", "bb"]],
    )


def test_each_layer_is_measured_once_a_moment(tmp_path):
    training = Training()
    training.run(recorder_in(tmp_path, log_freq=2, within="first"), epochs=1)
    # Before training all; at step 2 the first; at step 4, the end, the first as a
    # moment within the epoch, then the other.
    assert training.measured_layers == [("a", "bb"), ("a",), ("a",), ("bb",)]
    assert list(kp.open_run(tmp_path).log["step"]) == [0, 0, 2, 4, 4]


@pytest.mark.parametrize("log_freq", ["epoch", 3, {"first_epoch": 1}])
def test_a_resumed_log_equals_an_uninterrupted_one(log_freq, tmp_path):
    for name, parts in {"whole": [(0, 4)], "cut": [(0, 2), (2, 4)]}.items():
        for start, stop in parts:
            recorder = recorder_in(
                tmp_path / name, log_freq, resume=True, before="previous"
            )
            Training().run(recorder, stop, start=start)
            # As after a kill: the second part finds a run that is not complete.
            info = recorder.folder.read_info().logged_with
            recorder.folder.update_info(
                logged_with=dataclasses.replace(info, complete=False)
            )
    logs = [(tmp_path / name / "log.csv").read_bytes() for name in ("whole", "cut")]
    assert logs[0] == logs[1]
    for path in (tmp_path / "whole" / "pvectors").iterdir():
        other = tmp_path / "cut" / "pvectors" / path.name
        assert path.read_bytes() == other.read_bytes()


def test_nothing_is_written_before_a_conflict_is_found(tmp_path):
    Training().run(recorder_in(tmp_path), epochs=2)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(kp.RunConflictError):
        Training().run(recorder_in(tmp_path), epochs=2)
    with pytest.raises(kp.RunConflictError, match="initial_epoch=2"):
        Training().run(recorder_in(tmp_path, resume=True), epochs=2)
    with pytest.raises(kp.RunConflictError, match="references"):
        Training().run(
            recorder_in(tmp_path, resume=True, before="previous"), epochs=3, start=2
        )
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_a_dead_layer_is_noted_and_the_others_are_recorded(tmp_path):
    recorder = recorder_in(tmp_path)
    training = Training()
    settings = LoggedWith(layers=("a", "bb"))
    recorder.begin(0, 0, training.at(0)(("a", "bb")), settings)

    def dead(layers):
        measured = training.at(4)(["a"])
        measured.failures["bb"] = ValueError("all zero")
        return measured

    with pytest.warns(UserWarning, match="'bb'.*epoch 0, step 4"):
        recorder.record(Moment(0, 4), dead)
    run = kp.open_run(tmp_path)
    assert list(run.log["layer"]) == ["a", "bb", "a"]
    (failure,) = run.info.failures
    assert (failure.moment, failure.layer) == ((0, 4), "bb")


def test_a_start_without_any_vector_is_an_error(tmp_path):
    recorder = recorder_in(tmp_path / "run")
    measured = Measured({}, {"a": ValueError("not finite")})
    with pytest.raises(ValueError, match="'a'"):
        recorder.begin(0, 0, measured, LoggedWith(layers=("a",)))
    assert not (tmp_path / "run").exists()


def test_a_continued_run_with_another_model_warns(tmp_path):
    Training().run(recorder_in(tmp_path), epochs=1)
    recorder = recorder_in(tmp_path, resume=True)
    other = {x: kp.p_vector(np.eye(N)[:, :3] + 0.1, layer=x) for x in ("a", "bb")}
    with pytest.warns(UserWarning, match="epoch 0"):
        recorder.begin(1, 4, Measured(other), LoggedWith(("a", "bb"), n_samples=N))


@pytest.mark.parametrize(
    ("log_freq", "due"),
    [
        ("epoch", []),
        (5, [5, 10, 15, 20]),
        ({"first_epoch": 3}, [3, 6, 9]),
        (np.int64(10), [10, 20]),
    ],
)
def test_schedule(log_freq, due):
    schedule = LogSchedule.parse(log_freq)
    steps = range(1, 21)
    assert [s for s in steps if schedule.is_due((s - 1) // 10, s - 1, s)] == due


def test_several_steps_at_once_are_one_moment():
    schedule = LogSchedule.parse(4)
    calls = [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [schedule.is_due(0, *call) for call in calls] == [False, True, True, False]


def test_a_run_json_of_a_later_version_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.note(status="running")
    text = folder.info_path.read_text().replace('"version": 1', '"version": 99')
    folder.info_path.write_text(text)
    with pytest.raises(kp.RunConflictError, match="99"):
        folder.read_info()


def test_the_model_that_a_training_left_is_no_moment(tmp_path):
    training, recorder = Training(), recorder_in(tmp_path)
    training.run(recorder, epochs=2)
    before = (tmp_path / "log.csv").read_bytes()
    left = training.at(99)(("a", "bb"))
    left.failures["ccc"] = ValueError("all zero")
    with pytest.warns(UserWarning, match="'ccc'"):
        recorder.record_after_fit("f" * 64, left)
    run = kp.open_run(tmp_path)
    assert run.moments == [(-1, 0), (0, 4), (1, 8)]
    assert (tmp_path / "log.csv").read_bytes() == before
    np.testing.assert_array_equal(
        run.p_vector("after_fit", "a").vectors, left.p_vectors["a"].vectors
    )
    after_fit = run.info.after_fit
    assert after_fit.differs
    assert after_fit.weights_sha256 == "f" * 64
    expected = kp.angle(left.p_vectors["bb"], run.p_vector("final", "bb"))
    assert after_fit.angles_deg["bb"] == expected
    with pytest.raises(kp.RunNotFoundError, match=r"'ccc'.*all zero"):
        run.p_vector("after_fit", "ccc")
    with pytest.raises(kp.RunNotFoundError, match="'a', 'bb'"):
        run.p_vector("after_fit", "nope")
    (tmp_path / "pvectors" / "after_fit.npz").rename(tmp_path / "elsewhere.npz")
    with pytest.raises(ValueError, match=r"after_fit\.npz"):
        run.p_vector("after_fit", "a")
    # The same weights as at the last moment.
    recorder.record_after_fit("e" * 64, None)
    assert not run.info.after_fit.differs
    np.testing.assert_array_equal(
        run.p_vector("after_fit", "a").vectors, run.p_vector("final", "a").vectors
    )


@pytest.mark.parametrize(
    "damage", [[], {}, {"weights_sha256": "a", "differs": True}, "text", 3]
)
def test_a_damaged_entry_about_the_model_left(damage, tmp_path):
    folder = RunFolder(tmp_path)
    folder.note(after_fit=damage)
    with pytest.raises((kp.RunConflictError, ValueError), match=r"run\.json"):
        folder.read_info()


def test_a_run_is_replaced_even_if_its_log_is_damaged(tmp_path):
    Training().run(recorder_in(tmp_path), epochs=2)
    RunFolder(tmp_path).note(mine="kept")
    (tmp_path / "log.csv").write_bytes(b"epoch,step\n0,\xff\n")
    (tmp_path / "metrics.csv").write_bytes(b"\x00")
    recorder = Recorder(
        tmp_path, references={}, schedule=LogSchedule.parse("epoch"), overwrite=True
    )
    Training().run(recorder, epochs=1)
    run = kp.open_run(tmp_path)
    assert run.moments == [(-1, 0), (0, 4)]
    assert run.info.notes["mine"] == "kept"
    assert len(list((tmp_path / "pvectors").iterdir())) == 2
