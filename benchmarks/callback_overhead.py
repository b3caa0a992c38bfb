"""What a logging moment costs beside the bare forward pass, and whether that grows.

    python benchmarks/callback_overhead.py

A ResNet-18 and samples of random pixels. `moment` is what the callback does each time:
forward pass, P-vectors of the watched layers, comparison, files; `predict` is
`model.predict` of the same samples in batches of the same size. Rounds of both take
turns; ratios are medians. Memory is the peak of the whole process.
"""

import resource
import statistics
import tempfile
import time

import numpy as np
from absl import app, flags

import keras_pvec as kp
from keras_pvec.models import MODELS

FLAGS = flags.FLAGS
flags.DEFINE_integer("width", 64, "Channels of the first stage.")
flags.DEFINE_integer("num_samples", 1000, "Samples.")
flags.DEFINE_integer("batch_size", 256, "Samples run through the model at a time.")
flags.DEFINE_integer("rounds", 5, "Rounds of each.")
flags.DEFINE_boolean("flattened", False, "Also log all blocks flattened.")
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
    """The callback's work at a moment, without a training around it."""

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
    rng = np.random.default_rng(0)
    pixels = rng.random((FLAGS.num_samples, 32, 32, 3), np.float32)
    samples = kp.SampleSet(pixels, name="noise")
    model = MODELS["resnet"].build((32, 32, 3), 10, width=FLAGS.width)
    model.compile("sgd", "mse")

    def predict():
        model.predict(pixels, batch_size=FLAGS.batch_size, verbose=0)

    predict()
    print(f"ResNet-18 of width {FLAGS.width}, {FLAGS.num_samples} samples of 32 x 32")
    print(f"{'':28s} {'moment, s':>10s} {'predict, s':>10s} {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, (layers, pooling)) in enumerate(_CHOICES.items()):
            moment = _Moments(model, samples, layers, pooling, f"{folder}/{i}")
            moment()  # traces, and logs the moment before training as well
            pairs = [(_seconds(moment), _seconds(predict)) for _ in range(FLAGS.rounds)]
            ratio = statistics.median(a / b for a, b in pairs)
            a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{name:28s} {a:10.3f} {b:10.3f} {ratio:7.2f}", flush=True)

        few = kp.SampleSet(pixels[:50], name="few")
        moment = _Moments(model, few, ["avg_pool", _BLOCKS], "avg", f"{folder}/many")
        for _ in range(5):
            moment()
        before, times = _peak_mib(), []
        for _ in range(FLAGS.moments):
            times.append(_seconds(moment))
        quarter = max(FLAGS.moments // 4, 1)
        growth = statistics.median(times[-quarter:]) / statistics.median(
            times[:quarter]
        )
        print(
            f"{FLAGS.moments} moments of 50 samples: the last quarter takes "
            f"{growth:.2f} of the first; peak memory grew by "
            f"{_peak_mib() - before:.1f} MiB to {_peak_mib():.0f} MiB",
            flush=True,
        )
        if FLAGS.flattened:
            _flattened(model, samples, folder)


def _flattened(model, samples, folder):
    """All blocks entry by entry: gigabytes of features, which are never held."""
    before = _peak_mib()
    moment = _Moments(model, samples, [_BLOCKS], None, f"{folder}/flat")
    first = _seconds(lambda: moment.logger.on_epoch_begin(0))
    second = _seconds(lambda: moment.logger.on_epoch_end(0, {}))
    table = kp.open_run(f"{folder}/flat").log
    size = table.groupby("layer")["n_features"].first().sum() * len(samples) * 4 / 2**20
    print(
        f"8 blocks, flattened: {size:.0f} MiB of features, peak memory grew by "
        f"{_peak_mib() - before:.0f} MiB; {first:.1f} s, then {second:.1f} s; error "
        f"bounds up to {table['angle_error_deg'].max():.1e} degrees"
    )


if __name__ == "__main__":
    app.run(main)
