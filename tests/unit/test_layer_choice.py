"""Layers by path, by call, and by names that Keras numbers anew."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_pvec as kp
from keras_pvec.features.numbered_names import corresponding_labels, relabelled

X = np.random.default_rng(0).random((6, 5)).astype("float32")
SAMPLES = kp.SampleSet(X)


def nested():
    first = [keras.Input((5,)), layers.Dense(4, name="e1"), layers.Dense(3, name="e2")]
    second = [keras.Input((3,)), layers.Dense(4, name="d1"), layers.Dense(3, name="e2")]
    encoder = keras.Sequential(first, name="encoder")
    decoder = keras.Sequential(second, name="decoder")
    parts = [keras.Input((5,)), encoder, decoder]
    outer = keras.Sequential(parts, name="outer")
    return keras.Sequential([keras.Input((5,)), outer, layers.Dense(2, name="out")])


def watched(model, choice, **options):
    return list(kp.model_p_vectors(model, SAMPLES, choice, **options))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("e1", ["e1"]),
        ("encoder/e1", ["encoder/e1"]),
        ("outer/encoder/e1", ["outer/encoder/e1"]),
        ("./outer/encoder/e1", ["./outer/encoder/e1"]),
        ("encoder/e2", ["encoder/e2"]),
        ("encoder/e1.input", ["encoder/e1.input"]),
        ("re:encoder/", ["e1", "outer/encoder/e2"]),
        ("re:^outer/decoder/", ["d1", "outer/decoder/e2"]),
        ("re:^enc", ["encoder"]),  # names, not paths
        ("re:^e1$", ["e1"]),
    ],
)
def test_paths(choice, expected):
    assert watched(nested(), choice) == expected


@pytest.mark.parametrize("choice", ["e2", "encoder/d1", "re:^encoder/e9"])
def test_paths_of_no_layer_or_of_several(choice):
    with pytest.raises(kp.LayerChoiceError, match="outer/encoder/e2"):
        watched(nested(), choice)


def test_a_path_of_the_model_itself():
    model = nested()
    path = f"{model.name}/outer/decoder/d1"
    assert watched(model, path) == [path]


def called_twice():
    one, two = keras.Input((5,)), keras.Input((5,))
    shared = keras.Sequential([layers.Dense(3, name="inner")], name="shared")
    joined = layers.Concatenate(name="joined")([shared(one), shared(two)])
    return keras.Model([one, two], layers.Dense(2)(joined))


def test_calls_by_number():
    model = called_twice()
    pairs = kp.SampleSet([X, X[::-1] ** 2])
    names = ["shared@1", "inner@2", "shared@2.input"]
    found = kp.model_p_vectors(model, pairs, names)
    shared = model.get_layer("shared")
    expected = [shared(pairs.x[0]), shared(pairs.x[1]), pairs.x[1]]
    for p, features in zip(found.values(), expected, strict=True):
        assert kp.angle(p, kp.p_vector(features, samples=pairs)) < 1e-3
    assert list(found) == names


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("shared", "'shared@1', 'shared@2'"),
        ("inner.input", r"'inner\.input@1', 'inner\.input@2'"),
        ("inner@3", r"'inner@3'.*\b2\b"),
        ("inner@0", "'inner@0'"),
        ("nothing@1", "'nothing'"),
    ],
)
def test_calls_that_there_are_not(choice, named):
    with pytest.raises(kp.LayerChoiceError, match=named):
        kp.model_p_vectors(called_twice(), kp.SampleSet([X, X]), choice)


def several_tensors():
    inputs = keras.Input((5,))
    wide = layers.Reshape((5, 1))(inputs)
    memory, _, cell = layers.LSTM(3, return_state=True, name="lstm")(wide)
    joined = layers.Concatenate(name="joined")([memory, cell])
    parts = keras.Model(inputs, {"a": joined, "b": memory}, name="parts")
    return keras.Model(inputs, layers.Dense(2)(parts(inputs)["a"]))


def test_one_of_several_tensors():
    names = ["lstm[0]", "lstm[2]", "joined.input[1]", "parts[a]", "parts[b]"]
    found = kp.model_p_vectors(several_tensors(), SAMPLES, names)
    assert list(found) == names
    assert kp.angle(found["parts[b]"], found["lstm[0]"]) == 0
    assert kp.angle(found["joined.input[1]"], found["lstm[2]"]) == 0
    assert kp.angle(found["lstm[0]"], found["lstm[2]"]) > 0


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ("lstm", r"'lstm'.*'lstm\[0\]', 'lstm\[1\]', 'lstm\[2\]'"),
        ("joined.input", r"'joined\.input\[1\]'"),
        ("parts", r"'parts\[a\]', 'parts\[b\]'"),
        ("lstm[3]", r"'lstm\[3\]'.*0, 1, 2"),
        ("joined[0]", r"'joined\[0\]'"),
    ],
)
def test_several_tensors_are_no_feature_matrix(choice, named):
    with pytest.raises(kp.LayerChoiceError, match=named):
        kp.model_p_vectors(several_tensors(), SAMPLES, choice)


def unnamed():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), layers.Dense(3), layers.Dense(2)]
    )
    return model, [layer.name for layer in model.layers]


def test_names_of_the_first_model_find_the_layers_of_the_next():
    unnamed()
    model, names = unnamed()
    assert "dense_2" not in names
    with pytest.warns(UserWarning, match=f"'dense_2'.*'{names[2]}'"):
        found = kp.model_p_vectors(model, SAMPLES, "dense_2")
    truth = kp.model_p_vectors(model, SAMPLES, names[2])[names[2]]
    assert kp.angle(found["dense_2"], truth) == 0
    with pytest.raises(kp.LayerChoiceError, match=f"'dense_999'.*{names[0]}"):
        watched(model, "dense_999")
    with pytest.raises(kp.LayerChoiceError, match="'dense_1'"):
        watched(nested(), "dense_1")  # its layers have names


def test_layers_of_two_models_correspond_in_order():
    model, names = unnamed()
    # Keras numbers layers from the start of the process; it must not reach these.
    ours = dict(zip(names, model.layers, strict=True))
    theirs = ["dense_100107", "dense_99998", "dense_99999"]
    expected = dict(
        zip(names, ["dense_99998", "dense_99999", "dense_100107"], strict=True)
    )
    assert corresponding_labels(ours, theirs) == expected
    inputs = {f"{name}.input": layer for name, layer in ours.items()}
    assert corresponding_labels(inputs, [f"{name}.input" for name in theirs]) == {
        f"{name}.input": f"{other}.input" for name, other in expected.items()
    }
    # Not if there are fewer, of another kind, or names that a person gave.
    assert corresponding_labels(ours, theirs[:2]) == {}
    assert corresponding_labels(ours, ["conv2d", "conv2d_1", "conv2d_2"]) == {}
    # Nor if names overlap, unless all layers of the kind are there.
    overlapping = [*names[1:], "dense_999"]
    assert corresponding_labels(ours, overlapping) == {}
    shifted = dict(zip(names, overlapping, strict=True))
    assert corresponding_labels(ours, overlapping, model.layers) == shifted
    named = {"block_1": layers.Dense(1, name="block_1")}
    assert corresponding_labels(named, ["block_2"]) == {}
    assert relabelled(
        {"dense_99998": 1, "dense_99999": 2, "dense_100107": 3}, ours
    ) == {
        "dense_99998": 1,
        "dense_99999": 2,
        "dense_100107": 3,
        names[0]: 1,
        names[1]: 2,
        names[2]: 3,
    }
