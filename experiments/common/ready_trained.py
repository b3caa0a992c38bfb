"""Ready-trained networks of keras.applications: their flags, and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from absl import flags

from common.command_line import UsageError
from common.plan import STORED_VECTORS
from keras_pvec.reproduction import pretrained, studies
from keras_pvec.reproduction.data import load_data
from keras_pvec.reproduction.studies import Findings

FLAGS = flags.FLAGS

_TRIAL_IMAGES = 100


def define_pretrained_flags(networks: str) -> None:
    """Defines the flags of what is done with ready-trained networks, which are chosen
    by the flag that is called `networks`."""
    flags.DEFINE_list(
        networks,
        ["MobileNet", "MobileNetV2", "EfficientNetB0"],
        "Networks of keras.applications to compare.",
    )
    flags.DEFINE_string(
        "weights",
        "none",
        "Their weights: 'imagenet' (downloaded once), a weights file, a folder with "
        "<network>.weights.h5 for each, or 'none' for random ones.",
    )
    flags.DEFINE_string(
        "images",
        None,
        "Folder of images, or 'imagenet_v2' for that of tensorflow-datasets; default "
        "the digits, which serve to try things.",
    )
    flags.DEFINE_integer(
        "num_images", None, "How many images, the first ones.", lower_bound=2
    )


def pretrained_findings(networks: Sequence[str]) -> Findings:
    """Compares ready-trained networks on what the flags say."""
    n = FLAGS.num_images
    try:
        if FLAGS.images is None:
            digits = load_data("digits").test.take(n or _TRIAL_IMAGES)
            images = pretrained.Images(
                np.uint8(np.rint(255 * digits.pixels())), name="digits"
            )
        elif FLAGS.images == "imagenet_v2":
            images = pretrained.imagenet_v2(FLAGS.data_dir, n)
        else:
            name = Path(FLAGS.images).name
            images = pretrained.Images(
                pretrained.image_files(FLAGS.images, n), name=name
            )
        keras.utils.set_random_seed(0)  # of random weights
        p_vectors = pretrained.p_vectors(
            pretrained.find_networks(networks),
            images,
            weights=None if FLAGS.weights == "none" else FLAGS.weights,
            k=STORED_VECTORS,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    return studies.pretrained(
        p_vectors, FLAGS.weights, f"{len(images)} images of {images.name}"
    )
