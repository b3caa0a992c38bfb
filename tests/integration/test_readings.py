"""Measurements of stored weights under readings, against computations by hand."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest
from oracles import degrees_between, lapack_vector
from small_models import SMALL_MODELS, small_settings

from keras_pvec.reproduction import training
from keras_pvec.reproduction.claims import (
    CLAIMS,
    Cause,
    Extraction,
    Obstacle,
    Reading,
    ReadingChoice,
    Representation,
)
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.data.augmentation import PADDING
from keras_pvec.reproduction.models import MODELS
from keras_pvec.reproduction.readings import (
    RawImages,
    ReadingUnavailableError,
    RunView,
    reading_path,
)
from keras_pvec.reproduction.readings.extraction import shown_images
from keras_pvec.reproduction.readings.measure import measure_reading
from keras_pvec.reproduction.readings.targets import find_target
from keras_pvec.reproduction.studies import STUDIES, Options, analyse_readings
from keras_pvec.runs import RunFolder

N = {"train": 60, "test": 40}


@pytest.fixture(scope="module")
def data():
    # Crops and flips do not suit digits, but are to be tried on something.
    return dataclasses.replace(load_data("digits").subset(128, 60), augment=True)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Finished runs by architecture, each trained once."""
    runs = {}

    def train(name):
        if name not in runs:
            settings = small_settings(
                data,
                name,
                epochs=2,
                num_samples=N,
                layers=[
                    MODELS[name].feature_layer,
                    f"re:{MODELS[name].block_layers}",
                ],
                k=3,
                batch_size=32,
                keep_weights=True,
            )
            path = tmp_path_factory.mktemp(name) / "run"
            runs[name] = settings, training.train(settings, data, path)
        return runs[name]

    return train


@pytest.fixture(scope="module")
def model_at(data):
    """Returns the network of a run with its weights at a moment; each is built once."""
    models = {}

    def load(settings, run, moment):
        if settings.model not in models:
            models[settings.model] = training.build_model(settings, data)
        weights = training.stored_weights(RunFolder(run.path))
        training.load_weights(models[settings.model], weights[moment])
        return models[settings.model]

    return load


def outputs(model, layer, x, training=False):
    part = keras.Model(model.input, layer)
    return keras.ops.convert_to_numpy(part(x, training=training))


def check(measured, moment, split, expected):
    """The first layer is that of the expected features."""
    run = measured.on(split)
    p = run.p_vectors(moment)[run.layers[0]]
    assert degrees_between(p.vector, lapack_vector(expected)) < 0.02
    centred = expected - expected.mean(axis=0)
    assert degrees_between(p.centered_vector, lapack_vector(centred)) < 0.1
    assert p.n_features == expected.shape[1]


@pytest.mark.parametrize("split", N)
def test_representations_of_a_network_of_layers(trained, model_at, data, split):
    settings, run = trained("wide_resnet")
    x = data.samples(split, N[split]).x
    for moment in training.stored_weights(RunFolder(run.path)):
        model = model_at(settings, run, moment)
        before = outputs(model, model.get_layer("top_relu").input, x)
        after = outputs(model, model.get_layer("top_relu").output, x)
        for representation, expected in (
            (Representation.PRE_ACTIVATION, before.mean(axis=(1, 2))),
            (Representation.LOGITS, outputs(model, model.output, x)),
            (Representation.FLATTENED, after.reshape(len(x), -1)),
        ):
            reading = Reading(representation=representation)
            measured = measure_reading(run, reading, data)
            check(measured, moment, split, expected)


def test_activations_within_a_layer(trained, model_at, data):
    settings, run = trained("mlp")
    moment = run.moments[-1]
    model = model_at(settings, run, moment)
    x = data.samples("train", N["train"]).x
    features = model.get_layer("features")
    below = outputs(model, features.input, x)
    kernel, bias = features.get_weights()
    reading = Reading(representation=Representation.PRE_ACTIVATION)
    check(measure_reading(run, reading, data), moment, "train", below @ kernel + bias)


def test_batch_statistics(trained, model_at, data):
    """Those of the batches, and of batches alone: the network has no dropout."""
    settings, run = trained("wide_resnet")
    reading = Reading(extraction=Extraction.BATCH_STATISTICS)
    measured = measure_reading(run, reading, data)
    moment = run.moments[-1]
    x = data.samples("train", N["train"]).x
    parts = []
    for start in (0, 30):  # the largest batches up to 32 that divide 60
        # In training mode, a model updates its moving statistics.
        model = model_at(settings, run, moment)
        features = model.get_layer("avg_pool").output
        parts.append(outputs(model, features, x[start : start + 30], training=True))
    expected = np.concatenate(parts)
    check(measured, moment, "train", expected)
    plain = run.p_vectors(moment)["avg_pool"]
    assert degrees_between(plain.vector, lapack_vector(expected)) > 0.1


@pytest.mark.parametrize("split", N)
def test_augmented_images(trained, model_at, data, split):
    settings, run = trained("mlp")
    samples = data.samples(split, N[split])
    x = shown_images(samples, Extraction.AUGMENTED, "").x
    assert not np.array_equal(x, samples.x)
    # Each is a window of the padded image, or its mirror image.
    p, (height, width) = PADDING, x.shape[1:3]
    for image, shown in zip(samples.x, x, strict=True):
        padded = np.pad(image, ((p, p), (p, p), (0, 0)))
        windows = [
            padded[i : i + height, j : j + width]
            for i in range(2 * p + 1)
            for j in range(2 * p + 1)
        ]
        assert any(
            np.array_equal(shown, window) or np.array_equal(shown, window[:, ::-1])
            for window in windows
        )
    measured = measure_reading(run, Reading(extraction=Extraction.AUGMENTED), data)
    assert measured.on(split).info.logged_with.samples_sha256 == samples.sha256
    for moment in measured.moments:
        model = model_at(settings, run, moment)
        expected = outputs(model, model.get_layer("features").output, x)
        check(measured, moment, split, expected)
    # The raw data are those of the same images.
    log = measured.on(split).log
    rows = log[log["reference"].eq("data") & log["layer"].eq("features")]
    expected = degrees_between(
        lapack_vector(x.reshape(len(x), -1)),
        measured.on(split).p_vector("final", "features").vector,
    )
    assert rows["angle_deg"].iloc[-1] == pytest.approx(expected, abs=0.02)


def test_other_draws_for_each_moment(trained, data):
    _, run = trained("mlp")
    samples = data.samples("train", N["train"])
    same, apart = Extraction.AUGMENTED, Extraction.AUGMENTED_APART
    assert np.array_equal(
        shown_images(samples, same, "a").x, shown_images(samples, same, "b").x
    )
    assert not np.array_equal(
        shown_images(samples, apart, "a").x, shown_images(samples, apart, "b").x
    )
    measured = measure_reading(run, Reading(extraction=apart), data)
    at_same = RunView(run, Reading(extraction=same)).angles("final", "features")
    table = RunView(run, Reading(extraction=apart)).angles("final", "features")
    assert table["angle_deg"].iloc[-1] < 1e-5
    assert len(table) == len(at_same) == len(measured.moments)


def test_a_measurement_is_reused_and_resumed(trained, data, tmp_path):
    _, finished = trained("mlp")
    shutil.copytree(finished.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "readings", ignore_errors=True)
    run = type(finished)(tmp_path / "run")
    reading = Reading(representation=Representation.LOGITS)
    measured = measure_reading(run, reading, data)
    files = sorted(path for path in measured.path.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}
    stamps = {path: path.stat().st_mtime_ns for path in files}
    measure_reading(run, reading, data)
    assert {path: path.stat().st_mtime_ns for path in files} == stamps

    # A kill between the P-vectors and the row of the last moment.
    log = measured.path / "log.csv"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:-3]))
    folder = RunFolder(measured.path)
    info = folder.read_info().logged_with
    folder.update_info(logged_with=dataclasses.replace(info, complete=False))
    with pytest.raises(ReadingUnavailableError):
        RunView(run, reading)
    measure_reading(run, reading, data)
    assert RunView(run, reading).moments == measured.moments
    assert log.read_bytes() == before[log]


def test_networks_without_such_features(trained, data):
    _, run = trained("autoencoder")
    for representation in (Representation.LOGITS, Representation.PRE_ACTIVATION):
        reading = Reading(representation=representation)
        for attempt in (measure_reading, lambda run, reading, _: RunView(run, reading)):
            with pytest.raises(ReadingUnavailableError) as caught:
                attempt(run, reading, data)
            assert caught.value.obstacle == Obstacle(
                Cause.NOT_APPLICABLE, names=("autoencoder",)
            )


def test_runs_without_weights(trained, data, tmp_path):
    _, finished = trained("mlp")
    shutil.copytree(finished.path, tmp_path / "run")
    for name in ("weights", "readings"):
        shutil.rmtree(tmp_path / "run" / name, ignore_errors=True)
    run = type(finished)(tmp_path / "run")
    reading = Reading(representation=Representation.LOGITS)
    with pytest.raises(ReadingUnavailableError) as caught:
        measure_reading(run, reading, data)
    assert caught.value.obstacle.cause is Cause.NO_WEIGHTS
    assert not reading_path(run.path, "logits").exists()


def test_what_cannot_be_measured(trained, data):
    _, run = trained("mlp")
    with pytest.raises(ValueError, match="Reading"):
        measure_reading(run, Reading(), data)
    reading = Reading(representation=Representation.FLATTENED)
    other = load_data("digits").subset(100, 50)
    with pytest.raises(ValueError, match=other.fingerprint()[:12]):
        measure_reading(run, reading, other)


def test_a_claim_under_all_of_its_readings(trained, data):
    runs = [trained(name)[1] for name in ("mlp", "wide_resnet")]
    for run in runs:
        for reading in CLAIMS["C3"].readings:
            if not reading.is_stored:
                measure_reading(run, reading, data)
    samples = {split: data.samples(split, n) for split, n in N.items()}
    images = RawImages(samples, *data.channel_moments())
    results = analyse_readings(
        STUDIES["convergence"], runs, Options("digits"), ReadingChoice.ALL, images
    )
    for result in results:
        if result.reading.n_samples.n is not None:
            assert result.obstacle.cause is Cause.TOO_FEW_SAMPLES
        elif result.claim in ("C1", "C3"):
            assert result.obstacle is None, result.reading
            assert result.met.n == (1 if result.claim == "C1" else 2)


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_targets(name, data):
    """Each representation of each architecture can be traced, or is not there."""
    settings = small_settings(data, name)
    model = training.build_model(settings, data)
    found = {
        representation: find_target(model, MODELS[name], representation)
        for representation in Representation
    }
    features = {key: target and target.features for key, target in found.items()}
    block = {"resnet": "block_8", "wide_resnet": "top_relu", "densenet": "top_relu"}
    block["vgg"] = "block_5_3_relu"
    pooled = name in block
    assert features == {
        Representation.POOLED: MODELS[name].feature_layer,
        Representation.PRE_ACTIVATION: (
            f"{block[name]}.input"
            if pooled
            else None
            if "autoencoder" in name
            else "features"
        ),
        Representation.LOGITS: "logits" if pooled or name == "mlp" else None,
        Representation.FLATTENED: (
            "avg_pool.input" if pooled else MODELS[name].feature_layer
        ),
    }
