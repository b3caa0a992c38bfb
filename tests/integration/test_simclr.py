"""What SimCLR learns; `test_resume_on_backends` interrupts its training."""

import pytest
from small_models import small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.record import TrainingRecord


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
