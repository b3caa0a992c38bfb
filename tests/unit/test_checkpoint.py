"""Checkpoints and kept weights: files that are intact, damaged, or of another model."""

import keras
import numpy as np
import pytest

from keras_pvec.reproduction.training import DamagedCheckpointError, weight_moments
from keras_pvec.reproduction.training.checkpoint import (
    checkpoints,
    remove_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from keras_pvec.reproduction.training.weights import (
    load_weights,
    save_weights,
    stored_weights,
    weights_path,
)
from keras_pvec.runs import Moment, RunFolder


def small_model(units=3):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
        ]
    )
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def state_of(model):
    """Weights, moving statistics, seeds of dropout, and the optimiser's variables."""
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_a_checkpoint_has_all_state(tmp_path, rng):
    """After another update that is the same as without it."""
    model, folder = small_model(), RunFolder(tmp_path)
    batches = rng.random((3, 8, 4)).astype("float32")
    model.train_on_batch(batches[0], batches[0, :, :3])
    save_checkpoint(model, folder, 1)
    saved = state_of(model)
    model.train_on_batch(batches[1], batches[1, :, :3])
    after = state_of(model)
    other = small_model()
    assert restore_checkpoint(other, folder) == 1
    assert_same(state_of(other), saved)
    other.train_on_batch(batches[1], batches[1, :, :3])
    assert_same(state_of(other), after)


def test_without_checkpoints_a_training_starts_at_its_beginning(tmp_path):
    model = small_model()
    before = state_of(model)
    assert restore_checkpoint(model, RunFolder(tmp_path)) == 0
    assert_same(state_of(model), before)


def test_a_damaged_checkpoint_is_skipped(tmp_path):
    """The one before it serves; if all are damaged, nothing is touched."""
    model, folder = small_model(), RunFolder(tmp_path)
    save_checkpoint(model, folder, 1)
    before = state_of(model)
    model.set_weights([w + 1 for w in model.get_weights()])
    newest = save_checkpoint(model, folder, 2)
    flip_a_bit(newest)
    with pytest.warns(UserWarning, match=newest.name):
        assert restore_checkpoint(model, folder) == 1
    assert_same(state_of(model), before)
    first = checkpoints(folder)[0].path
    first.write_bytes(b"")
    with (
        pytest.warns(UserWarning),
        pytest.raises(DamagedCheckpointError, match=first.name),
    ):
        restore_checkpoint(model, folder)
    assert_same(state_of(model), before)
    assert len(checkpoints(folder)) == 2


def test_a_checkpoint_of_another_model(tmp_path):
    folder = RunFolder(tmp_path)
    save_checkpoint(small_model(), folder, 1)
    with pytest.raises(ValueError, match="checkpoint_0001"):
        restore_checkpoint(small_model(units=2), folder)


def test_checkpoints_are_listed_and_removed(tmp_path):
    model, folder = small_model(), RunFolder(tmp_path)
    for epochs in (12, 2, 103):
        save_checkpoint(model, folder, epochs)
    (tmp_path / "checkpoint_0001-0.npz.partial").touch()
    assert [c.epochs for c in checkpoints(folder)] == [2, 12, 103]
    assert all(checkpoint.is_intact() for checkpoint in checkpoints(folder))
    remove_checkpoints(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint_0001-0.npz.partial"]


def test_weights_are_kept_and_listed_in_order(tmp_path):
    model, folder = small_model(), RunFolder(tmp_path)
    moments = [Moment(0, 4), Moment(-1, 0), Moment(11, 48), Moment(0, 2)]
    for moment in moments:
        save_weights(model, weights_path(folder, moment))
    assert list(stored_weights(folder)) == sorted(moments)
    other = small_model()
    load_weights(other, stored_weights(folder)[Moment(0, 2)])
    assert_same(other.get_weights(), model.get_weights())


def test_damaged_or_foreign_weights(tmp_path):
    """Nothing is assigned."""
    model = small_model()
    path = weights_path(RunFolder(tmp_path), Moment(0, 4))
    save_weights(model, path)
    with pytest.raises(ValueError, match=path.name):
        load_weights(small_model(units=2), path)
    before = model.get_weights()
    flip_a_bit(path)
    with pytest.raises(ValueError, match=path.name):
        load_weights(model, path)
    assert_same(model.get_weights(), before)


@pytest.mark.parametrize("epochs", [20, 30, 60, 200])
def test_about_ten_moments_are_kept(epochs):
    """Whatever the length: before training, within the first epoch, and epochs up to
    the last one, on a log scale."""
    moments = weight_moments(epochs, 391)
    assert len(moments) == 10
    steps = np.array([moment.step for moment in moments])
    assert (np.diff(steps) > 0).all()
    assert moments[0] == (-1, 0)
    assert moments[-1] == (epochs - 1, 391 * epochs)
    assert sum(epoch == 0 and step < 391 for epoch, step in moments) == 3
    # Evenly spaced, except for the rounding of the first ones.
    ratios = steps[5:] / steps[4:-1]
    assert ratios.max() < 2.5 * ratios.min()


def test_moments_of_the_shortest_training():
    assert weight_moments(1, 1) == [(-1, 0), (0, 1)]
