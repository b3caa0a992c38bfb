"""P-vectors of pretrained networks on one fixed, ordered set of images.

Networks are those of `keras.applications`, and of KerasHub where it is installed. Each
sees the same images in the same order, at its own input size
and with its own preprocessing.
"""

from keras_pvec.reproduction.pretrained.accuracy import Accuracy
from keras_pvec.reproduction.pretrained.depths import FEATURES, depth_names
from keras_pvec.reproduction.pretrained.find import find_networks
from keras_pvec.reproduction.pretrained.image_sources import image_files, imagenet_v2
from keras_pvec.reproduction.pretrained.images import Images, NetworkInputs
from keras_pvec.reproduction.pretrained.labels import labels_of_files, read_labels
from keras_pvec.reproduction.pretrained.measure import (
    MeasuredNetwork,
    measure_networks,
    measure_untrained,
    p_vectors,
)
from keras_pvec.reproduction.pretrained.networks import Network
from keras_pvec.reproduction.pretrained.weights import WeightsUnavailableError

__all__ = [
    "FEATURES",
    "Accuracy",
    "Images",
    "MeasuredNetwork",
    "Network",
    "NetworkInputs",
    "WeightsUnavailableError",
    "depth_names",
    "find_networks",
    "image_files",
    "imagenet_v2",
    "labels_of_files",
    "measure_networks",
    "measure_untrained",
    "p_vectors",
    "read_labels",
]
