"""What the callback learns about a running `fit`."""

import concurrent.futures
import copy
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_pvec as kp
from keras_pvec.fitting import (
    HistoryOrder,
    LoggerClaim,
    StepCounter,
    call_after_others,
    check_claims,
    register_claim,
    shown_warnings,
    weights_sha256,
)


def test_steps_are_counted_by_calls_from_many_threads():
    steps = StepCounter()
    for epoch in range(3):
        steps.begin_epoch(1, None)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for _ in range(500):
                pool.submit(steps.add_call)
        assert steps.end_epoch(updates=7) == 500 * (epoch + 1)


@pytest.mark.parametrize(
    ("per_call", "in_epoch", "calls", "total"),
    [(1, 10, 4, 4), (4, 10, 3, 10), (4, None, 3, 12), (1, None, 0, 7)],
)
def test_steps_of_an_epoch(per_call, in_epoch, calls, total):
    steps = StepCounter()
    steps.begin_epoch(per_call, in_epoch)
    for _ in range(calls):
        steps.add_call()
    assert steps.end_epoch(updates=7) == total


def test_batches_are_counted_in_any_thread_unless_they_are_logged(tmp_path):
    samples = kp.SampleSet(np.eye(4))
    for log_freq, is_safe in (("epoch", True), (3, False), ({"first_epoch": 1}, False)):
        logger = kp.PVectorLogger(tmp_path, samples, log_freq=log_freq)
        assert logger.async_safe is is_safe


def test_the_fingerprint_of_a_model_is_that_of_its_weights():
    def made():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        x = layers.BatchNormalization()(layers.Dense(2)(inputs))
        return keras.Model(inputs, layers.Dropout(0.5)(x))

    model = made()
    assert weights_sha256(model) == weights_sha256(made())
    before = weights_sha256(model)
    model(np.ones((2, 3)), training=True)  # moving statistics, seeds of the dropout
    assert weights_sha256(model) != before
    keras.utils.set_random_seed(0)
    model.set_weights(made().get_weights())
    assert weights_sha256(model) == before
    half = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="bfloat16")])
    assert weights_sha256(half) == weights_sha256(half) != before


class Model:
    """Has the `History` of its last `fit`, as models of Keras."""

    history = None


def test_a_history_that_comes_later_calls_last():
    model, called = Model(), []
    model.history = history = keras.callbacks.History()
    order = HistoryOrder(model)
    history.on_train_begin()
    assert order.later(model) is history
    call_after_others(history, lambda: called.append("first"))
    call_after_others(history, lambda: called.append("second"))
    assert called == []
    history.on_train_end()
    assert called == ["first", "second"]
    history.on_train_end()
    assert called == ["first", "second"]
    assert "on_train_end" not in vars(history)


def test_a_history_that_comes_earlier_or_is_none():
    model = Model()
    assert HistoryOrder(model).later(model) is None
    model.history = keras.callbacks.History()
    model.history.on_train_begin()  # of this training, or of an earlier `fit`
    assert HistoryOrder(model).later(model) is None
    called = []
    call_after_others(None, lambda: called.append(1))
    assert called == [1]


def test_claims(tmp_path):
    def claim(folder="a", name="pvec", references=("data",)):
        return LoggerClaim(tmp_path / folder, name, references)

    mine = claim()
    params = {"epochs": 1}
    for _ in range(2):
        register_claim(params, mine)
    check_claims(params, mine)
    register_claim(params, claim("b", "test"))
    register_claim(params, claim("c", references=("other",)))
    check_claims(params, mine)
    copied = copy.deepcopy(params)
    register_claim(params, claim("d"))
    with pytest.raises(ValueError, match=r"'pvec'.*pvec_angle_data"):
        check_claims(params, mine)
    register_claim(copied, own := claim("b/../c", "third"))
    with pytest.raises(kp.RunConflictError, match="c"):
        check_claims(copied, own)
    register_claim(None, mine)
    check_claims(None, mine)


def test_warnings_are_shown_and_all_other_filters_hold():
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message="not th.s", category=UserWarning)
        before = list(warnings.filters)
        with shown_warnings():
            warnings.warn("not this", stacklevel=1)
            warnings.warn("but this", stacklevel=1)
            warnings.warn("and this", DeprecationWarning, stacklevel=1)
        assert list(warnings.filters) == before
        with pytest.raises(UserWarning):
            warnings.warn("again", stacklevel=1)
    assert [str(entry.message) for entry in caught] == ["but this", "and this"]


def test_filters_that_python_starts_with():
    with warnings.catch_warnings():
        warnings.filters = [  # as the interpreter makes them, with names
            ("default", None, DeprecationWarning, "__main__", 0),
            ("ignore", None, DeprecationWarning, None, 0),
        ]
        with shown_warnings():
            (_, _, _, module, _), (action, *_) = warnings.filters
            assert action == "ignore"
            assert module.match("__main__")
            assert not module.match("__main__2")
