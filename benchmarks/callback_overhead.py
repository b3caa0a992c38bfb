"""Cost of a logging moment relative to a forward pass, and whether it grows.

    python benchmarks/callback_overhead.py --data_dir=FOLDER      # on CIFAR-100
    python benchmarks/callback_overhead.py --parts=flattened --num_samples=10000

The model is a ResNet-18 with random weights. Without --data_dir, pixels are random too.
`moment` is the work of the callback at one moment: forward pass, P-vectors of the
watched layers, comparison, files. `predict` is `model.predict` of the same samples in
batches of the same size. Rounds of both alternate; ratios are medians. Memory is the
peak of the whole process.
"""

import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

import keras_pvec as kp
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.models import MODELS

FLAGS = flags.FLAGS
flags.DEFINE_integer("width", 64, "Channels of the first stage.")
flags.DEFINE_integer("num_samples", 1000, "Samples.")
flags.DEFINE_integer("batch_size", 256, "Samples run through the model at a time.")
flags.DEFINE_integer("rounds", 5, "Rounds of each.")
_PARTS = ["ratio", "many", "growth"]
flags.DEFINE_list("parts", _PARTS, f"What to measure, of {_PARTS} and 'flattened'.")
flags.DEFINE_string("data_dir", None, "tensorflow-datasets' folder.")
flags.DEFINE_integer("moments", 200, "Moments, to see whether memory or time grows.")

_BLOCKS = r"re:^block_\d+$"
_CHOICES = {
    "features": (["avg_pool"], "avg"),
    "8 blocks, pooled": ([_BLOCKS], "avg"),
    "features, and all 8 blocks": (["avg_pool", _BLOCKS], "avg"),
}


def _peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _Moments:
    """The work of the callback at a moment, outside `fit`."""

    def __init__(self, model, samples, layers, pooling, folder):
        self.logger = kp.PVectorLogger(
            folder,
            samples,
            layers,
            pooling=pooling,
            batch_size=FLAGS.batch_size,
            references={"data": kp.data_p_vector(samples)},
        )
        self.logger.set_model(model)
        self.logger.set_params({"steps": 1})
        self.logger.on_train_begin()
        self.epoch = -1

    def __call__(self):
        self.epoch += 1
        self.logger.on_epoch_begin(self.epoch)
        self.logger.on_train_batch_end(0)
        self.logger.on_epoch_end(self.epoch, {})


def _seconds(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main(argv):
    del argv
    if FLAGS.data_dir:
        data = load_data("cifar100", data_dir=FLAGS.data_dir)
        pixels = data.train.take(FLAGS.num_samples).pixels()
    else:
        rng = np.random.default_rng(0)
        pixels = rng.random((FLAGS.num_samples, 32, 32, 3), np.float32)
    model = MODELS["resnet"].build((32, 32, 3), 10, width=FLAGS.width)
    model.compile("sgd", "mse")
    model.predict(pixels[: FLAGS.batch_size], verbose=0)
    print(f"ResNet-18 of width {FLAGS.width}, {len(pixels)} samples of 32 x 32")
    measure = {
        "ratio": _ratios,
        "many": _many_moments,
        "growth": _growth,
        "flattened": _flattened,
    }
    with tempfile.TemporaryDirectory() as folder:
        for part in FLAGS.parts:
            measure[part](model, pixels, Path(folder, part))


def _against_predict(model, pixels, layers, pooling, folder):
    """Median seconds of a moment and of `predict`, and the median of their ratio."""
    moment = _Moments(model, kp.SampleSet(pixels), layers, pooling, folder)
    moment()  # traces, and logs the moment before training as well

    def predict():
        model.predict(pixels, batch_size=FLAGS.batch_size, verbose=0)

    predict()
    pairs = [(_seconds(moment), _seconds(predict)) for _ in range(FLAGS.rounds)]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    return a, b, statistics.median(a / b for a, b in pairs)


def _ratios(model, pixels, folder):
    print(f"{'':28s} {'moment, s':>10s} {'predict, s':>10s} {'ratio':>7s}")
    for i, (name, (layers, pooling)) in enumerate(_CHOICES.items()):
        a, b, ratio = _against_predict(model, pixels, layers, pooling, folder / str(i))
        print(f"{name:28s} {a:10.3f} {b:10.3f} {ratio:7.2f}", flush=True)


def _many_moments(model, pixels, folder):
    few = kp.SampleSet(pixels[:50])
    moment = _Moments(model, few, ["avg_pool", _BLOCKS], "avg", folder)
    for _ in range(5):
        moment()
    before, times = _peak_mib(), []
    for _ in range(FLAGS.moments):
        times.append(_seconds(moment))
    quarter = max(FLAGS.moments // 4, 1)
    growth = statistics.median(times[-quarter:]) / statistics.median(times[:quarter])
    print(
        f"{FLAGS.moments} moments of 50 samples: the last quarter takes {growth:.2f} "
        f"of the first; peak memory grew by {_peak_mib() - before:.1f} MiB to "
        f"{_peak_mib():.0f} MiB",
        flush=True,
    )


def _growth(model, pixels, folder):
    """Uses a narrow network: its forward pass is short, so other costs show."""
    narrow = MODELS["resnet"].build((32, 32, 3), 10, width=16)
    narrow.compile("sgd", "mse")
    cases = {}
    for n in (250, 500, 1000):
        cases[f"n = {n}, 1 block pooled"] = (n, [r"re:^block_8$"], "avg")
    for count in (2, 4, 8):
        blocks = rf"re:^block_[1-{count}]$"
        cases[f"n = 500, {count} blocks pooled"] = (500, [blocks], "avg")
    for block, d in ((7, 2048), (5, 4096), (3, 8192), (1, 16384)):
        name = f"n = 500, 1 block of {d} features"
        cases[name] = (500, [rf"re:^block_{block}$"], None)
    print(f"width 16:{'':27s} {'moment, s':>10s} {'predict, s':>10s} {'ratio':>7s}")
    for i, (name, (n, layers, pooling)) in enumerate(cases.items()):
        a, b, ratio = _against_predict(
            narrow, pixels[:n], layers, pooling, folder / str(i)
        )
        print(f"{name:36s} {a:10.3f} {b:10.3f} {ratio:7.2f}", flush=True)


def _flattened(model, pixels, folder):
    """Flattens all blocks: gigabytes of features, which are never held in memory."""
    model.predict(pixels, batch_size=FLAGS.batch_size, verbose=0)
    before = _peak_mib()
    moment = _Moments(model, kp.SampleSet(pixels), [_BLOCKS], None, folder)
    first = _seconds(lambda: moment.logger.on_epoch_begin(0))
    second = _seconds(lambda: moment.logger.on_epoch_end(0, {}))
    table = kp.open_run(folder).log
    size = table.groupby("layer")["n_features"].first().sum() * len(pixels) * 4 / 2**20
    print(
        f"8 blocks, flattened: {size:.0f} MiB of features, peak memory grew by "
        f"{_peak_mib() - before:.0f} MiB; {first:.1f} s, then {second:.1f} s; error "
        f"estimated errors up to {table['angle_error_deg'].max():.1e} degrees"
    )


if __name__ == "__main__":
    app.run(main)
