"""Angles of blocks at known angles to the data."""

import dataclasses

import numpy as np
import pytest
from stored_runs import random_plane, turned, write_run

from keras_pvec.reproduction import analysis


def block_angle(epoch, block):
    return 5 + 3 * epoch + 10 * block


def write_blocks(path, plane, layers, patterns, n_epochs):
    """A run of blocks at known angles to the data, with the features first. Within the
    first epoch only the features are logged."""
    names = ["features", *layers]
    places = {"features": 3} | {name: i for i, name in enumerate(layers, start=1)}
    moments = {
        (epoch, 4 * (epoch + 1)): {
            name: turned(plane, block_angle(epoch, places[name]), name)
            for name in names
        }
        for epoch in range(-1, n_epochs)
    }
    moments[0, 2] = {"features": turned(plane, 77)}
    moments = dict(sorted(moments.items(), key=lambda item: item[0][1]))
    references = {"data": turned(plane, 0), "input": turned(plane, -3)}
    return write_run(path, moments, references, layers=["features", *patterns])


@pytest.mark.parametrize("features_are_a_block", [True, False])
def test_angles_by_block(tmp_path, rng, features_are_a_block):
    pattern = r"re:^(block_\d+|features)$" if features_are_a_block else r"re:^block_"
    run = write_blocks(
        tmp_path, random_plane(rng), ["block_1", "block_2"], [pattern], 4
    )
    expected = ["block_1", "block_2"] + ["features"] * features_are_a_block
    assert analysis.block_layers(run) == expected
    for matrix, further in (("data", 0), ("input", 3)):
        angles = analysis.angles_by_block([run], matrix)
        n_blocks = len(expected)
        assert list(angles["epoch"]) == sorted([0, 1, 2, 3] * n_blocks)
        assert list(angles["layer"]) == expected * 4
        assert list(angles["block"]) == list(range(1, n_blocks + 1)) * 4
        np.testing.assert_allclose(
            angles["angle_deg"],
            block_angle(angles["epoch"], angles["block"]) + further,
        )


@pytest.mark.parametrize(
    ("n_epochs", "shown"), [(16, [0, 1, 3, 7, 15]), (2, [0, 1]), (1, [0])]
)
def test_blocks_are_shown_at_epochs_spaced_by_a_factor(tmp_path, rng, n_epochs, shown):
    run = write_blocks(tmp_path, random_plane(rng), ["block_1"], ["block_1"], n_epochs)
    angles = analysis.angles_by_block([run])
    assert list(angles["epoch"]) == shown
    fewer = analysis.angles_by_block([run], n_epochs=2)
    assert list(fewer["epoch"]) == sorted({0, n_epochs - 1})


def test_blocks_are_those_of_one_moment(tmp_path, rng):
    """What is missing at the end of an epoch is not filled from within the epoch."""
    plane = random_plane(rng)
    data = dataclasses.replace(
        turned(plane, 0), centered_vector=plane[0], centered_error_deg=0.0
    )
    within, end = turned(plane, 50, "block_1"), turned(plane, 20, "block_1")
    within = dataclasses.replace(
        within, centered_vector=plane[1], centered_error_deg=0.0
    )
    features = turned(plane, 10)
    moments = {
        (0, 1): {"features": features, "block_1": within},
        (0, 2): {"features": features, "block_1": end},
    }
    layers = ["features", "block_1"]
    run = write_run(tmp_path, moments, {"data": data}, layers=layers)
    angles = analysis.angles_by_block([run])
    np.testing.assert_allclose(angles["angle_deg"], [20])
    assert angles["centered_angle_deg"].isna().all()
