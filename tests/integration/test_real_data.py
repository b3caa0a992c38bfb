"""Real data sets, against numbers that are published about them."""

import numpy as np
import pytest

from keras_pvec.reproduction.data import load_data


@pytest.mark.parametrize(
    ("name", "shape", "n_classes", "means"),
    [
        ("mnist", (28, 28, 1), 10, [0.1307]),
        pytest.param(
            *("cifar100", (32, 32, 3), 100, [0.5071, 0.4865, 0.4409]),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_real_data_have_their_published_means(name, shape, n_classes, means, tfds_dir):
    data = load_data(name, data_dir=tfds_dir)
    assert data.input_shape == shape
    assert data.n_classes == n_classes
    assert set(np.unique(data.train.labels)) == set(range(n_classes))
    np.testing.assert_allclose(data.channel_moments()[0], means, atol=5e-5)


def test_standard_deviation_of_mnist(tfds_dir):
    _, variance = load_data("mnist", data_dir=tfds_dir).channel_moments()
    np.testing.assert_allclose(np.sqrt(variance), [0.3081], atol=5e-5)
