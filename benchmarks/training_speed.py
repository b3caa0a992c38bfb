"""Does the input pipeline keep up with training?

    python benchmarks/training_speed.py --dataset=cifar10 --models=mlp,resnet18,simclr

Compares updates per second of a normal training with those of the same model on one
constant batch, and on batches that were made beforehand. A constant batch stays in the
processor's cache; batches made beforehand cost no work, but have to come from memory.
Rounds alternate, so that other load on the machine affects all alike. A ratio is the
median over rounds; 1.00 means that batches cost nothing.
"""

import dataclasses
import statistics
import time

import keras
from absl import app, flags

from keras_pvec.reproduction import training
from keras_pvec.reproduction.data import DATASETS, TrainingBatches, load_data
from keras_pvec.reproduction.models import MODELS, parse_model_name

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "digits", DATASETS, "Data set.")
flags.DEFINE_string("data_dir", None, "tensorflow-datasets' folder.")
flags.DEFINE_list("models", ["mlp", "resnet", "autoencoder", "simclr"], "Models.")
flags.DEFINE_enum("preset", "small", list(training.PRESETS), "Whose widths.")
flags.DEFINE_integer("batch_size", 128, "Images per update.", lower_bound=1)
flags.DEFINE_boolean("augment", None, "Instead of the recipes'.")
flags.DEFINE_integer("rounds", 7, "Rounds of each kind.", lower_bound=1)
flags.DEFINE_float("seconds", 3.0, "About how long a round takes.", lower_bound=0.1)

# Together larger than the processor's caches.
_N_READY = 256
_HEADS = ("model", "updates/s", "ready", "constant", "/ ready", "/ constant")
_ROW = "{:24s} {:10.1f} {:10.1f} {:10.1f} {:10.2f} {:10.2f}"


class _Ready(keras.utils.PyDataset):
    """Batches made beforehand, passed to `fit` in the same way as real ones."""

    def __init__(self, batches):
        super().__init__()
        self._batches = batches

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return self._batches[index % len(self._batches)]


class _Timer(keras.callbacks.Callback):
    """Times all updates but the first, which compiles the model."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.started = time.perf_counter()
        self.per_second = batch / (time.perf_counter() - self.started)


def _updates_per_second(model, batches, steps):
    timer = _Timer()
    model.fit(
        batches,
        steps_per_epoch=steps + 1,
        shuffle=False,
        callbacks=[timer],
        verbose=0,
    )
    return timer.per_second


def _compare(name, data):
    key, _ = parse_model_name(name)
    recipe = dataclasses.replace(training.RECIPES[key], milestones=())
    if FLAGS.augment is not None:
        recipe = dataclasses.replace(recipe, augment=FLAGS.augment)
    settings = training.RunSettings(
        dataset=data.name,
        data_sha256=data.fingerprint(),
        model=name,
        model_options=training.model_options(training.PRESETS[FLAGS.preset], name),
        recipe=recipe,
        epochs=10**6,
        batch_size=FLAGS.batch_size,
        seed=0,
        num_samples={"train": 2},
        layers=[MODELS[key].feature_layer],
    )
    model = training.build_model(settings, data)
    real = TrainingBatches(
        data,
        batch_size=settings.batch_size,
        seed=0,
        augment=settings.recipe.augment and data.augment,
        task=MODELS[key].task,
    )
    constant = _Ready([real[0]])
    ready = _Ready([real[index] for index in range(_N_READY)])
    # Warm up, and find how many updates make a round.
    rate = _updates_per_second(model, constant, 10)
    steps = max(round(rate * FLAGS.seconds), 10)
    _updates_per_second(model, real, 2)
    rounds = [
        [_updates_per_second(model, kind, steps) for kind in (real, ready, constant)]
        for _ in range(FLAGS.rounds)
    ]
    columns = [statistics.median(column) for column in zip(*rounds, strict=True)]
    columns += [
        statistics.median(rates[0] / rates[k] for rates in rounds) for k in (1, 2)
    ]
    print(_ROW.format(name, *columns), flush=True)


def main(argv):
    del argv
    data = load_data(FLAGS.dataset, data_dir=FLAGS.data_dir)
    print(f"{FLAGS.dataset}, preset {FLAGS.preset}, batch {FLAGS.batch_size}")
    print("{:24s} {:>10s} {:>10s} {:>10s} {:>10s} {:>10s}".format(*_HEADS))
    for name in FLAGS.models:
        _compare(name, data)


if __name__ == "__main__":
    app.run(main)
