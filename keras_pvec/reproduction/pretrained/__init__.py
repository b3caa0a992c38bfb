"""P-vectors of `keras.applications` networks on one fixed, ordered set of images.

Every network sees the same images in the same order, each at its own input size and
with its own preprocessing.
"""

from keras_pvec.reproduction.pretrained.image_sources import image_files, imagenet_v2
from keras_pvec.reproduction.pretrained.images import Images, NetworkInputs
from keras_pvec.reproduction.pretrained.measure import p_vectors, untrained_p_vectors
from keras_pvec.reproduction.pretrained.networks import Network, find_networks
from keras_pvec.reproduction.pretrained.weights import WeightsUnavailableError

__all__ = [
    "Images",
    "Network",
    "NetworkInputs",
    "WeightsUnavailableError",
    "find_networks",
    "image_files",
    "imagenet_v2",
    "p_vectors",
    "untrained_p_vectors",
]
