"""SimCLR: what it learns, and that an interrupted training leaves no trace."""

import json

import keras
import numpy as np
import pytest
from small_models import small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.record import TrainingRecord


def test_an_interrupted_training_ends_with_the_same_rows(tmp_path):
    """Views, weights and the accuracy of the untrained encoder are the same again."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    data = load_data("digits").subset(150, 50)
    settings = small_settings(data, "simclr")
    runs = [training.train(settings, data, tmp_path / "whole")]
    with pytest.raises(KeyboardInterrupt):
        training.train(settings, data, tmp_path / "cut", callbacks=[Interrupt()])
    untrained = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert set(untrained["linear_accuracy"]) == {"untrained"}
    runs.append(training.train(settings, data, tmp_path / "cut"))
    whole, cut = ((run.path / "log.csv").read_text() for run in runs)
    assert whole == cut
    assert (
        TrainingRecord.of(runs[0]).linear_accuracy
        == TrainingRecord.of(runs[1]).linear_accuracy
    )
    np.testing.assert_array_equal(*(run.metrics["val_loss"] for run in runs))


@pytest.mark.slow
def test_a_short_training_beats_the_untrained_encoder(tfds_dir, tmp_path):
    """On real CIFAR-10, by a linear probe of the features on 2,000 test images, whose
    accuracy has a standard error of 0.011."""
    data = load_data("cifar10", data_dir=tfds_dir).subset(5000, 2000)
    settings = small_settings(
        data,
        "simclr",
        model="simclr",
        model_options={"encoder": "resnet", "encoder_options": {"width": 8}},
        epochs=8,
        batch_size=128,
        num_samples={"train": 200},
    )
    run = training.train(settings, data, tmp_path)
    accuracy = TrainingRecord.of(run).linear_accuracy
    assert accuracy["untrained"] > 0.15  # better than chance: the probe works
    assert accuracy["trained"] > accuracy["untrained"] + 0.05
