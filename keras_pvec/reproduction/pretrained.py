"""P-vectors of `keras.applications` models on one fixed, ordered set of images.

Every model sees the same images in the same order, each at its own input size and with
its own preprocessing. Images are read in batches; what is held of all of them are the
features, one row of some thousand numbers per image.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import inspect
import itertools
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_pvec.features import FeatureExtractor
from keras_pvec.pvector import PVector, p_vector
from keras_pvec.reproduction.data import DatasetUnavailableError, is_online
from keras_pvec.samples import SampleSet

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_WEIGHT_SUFFIXES = (".weights.h5", ".h5", ".keras")
_IMAGENET = "imagenet"
# MobileNetV3 takes images of any size; its weights are of training on this one.
_FREE_SIZE = 224

_Weights = str | os.PathLike | None
_Source = Sequence[str | os.PathLike] | np.ndarray | tf.data.Dataset


class WeightsUnavailableError(RuntimeError):
    """The weights of a model are neither on disk nor to be downloaded, or the file
    does not fit the model."""


class Images:
    """Images in a fixed order, decoded and resized only when they are needed.

    Args:
        source: Image files, as from `image_files`; or a uint8 array of shape
            `(n, height, width, channels)` with 1 or 3 channels and values of 0 to 255,
            which is not copied; or a `tf.data.Dataset` of encoded images (scalar
            strings), in the same order each time it is read.
        name: What to call the images in logs and errors.

    Attributes:
        sha256: SHA-256 over content and order, in hexadecimal: of the files as they
            are on disk, or of shape and pixels of an array.

    Raises:
        ValueError: Fewer than two images, or an array of another kind.
    """

    def __init__(self, source: _Source, *, name: str = "images") -> None:
        self.name = name
        self._source = _checked(source)
        if len(self) < 2:
            raise ValueError(
                f"At least two images are needed. Received: {len(self)} ({name})"
            )
        digest = hashlib.sha256()
        for _, content in self._entries():
            _update(digest, content)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return f"Images(name={self.name!r}, n={len(self)}, sha256={self.sha256[:12]!r})"

    def batches(self, batch_size: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Yields the images in order, `batch_size` at a time.

        Args:
            batch_size: Images per batch; the last one may have fewer.
            size: Height and width that each image is resized to, bilinearly, without
                keeping its aspect ratio, as Keras does by default.

        Yields:
            Pixels in [0, 255], shape `(rows, height, width, 3)`, float32, the channels
            red, green and blue.

        Raises:
            ValueError: An image that cannot be decoded, or images that have changed
                since the fingerprint was taken.
        """
        digest = hashlib.sha256()
        entries = self._entries()
        with ThreadPoolExecutor() as pool:
            while batch := list(itertools.islice(entries, batch_size)):
                for _, content in batch:
                    _update(digest, content)
                yield np.stack(list(pool.map(lambda e: _pixels(*e, size), batch)))
        if digest.hexdigest() != self.sha256:
            raise ValueError(
                f"The images {self.name!r} have changed since they were opened. Open "
                "them again, and leave them alone until all models are done."
            )

    def _entries(self) -> Iterator[tuple[str, bytes | np.ndarray]]:
        """What to call each image, and its encoded bytes or its pixels."""
        for i, entry in enumerate(self._source):
            if isinstance(entry, Path):
                yield str(entry), entry.read_bytes()
            else:
                content = entry if isinstance(entry, np.ndarray) else entry.numpy()
                yield f"Image {i} of {self.name!r}", content


def image_files(folder: str | os.PathLike, n: int | None = None) -> list[Path]:
    """Image files (jpg, jpeg, png, bmp) below a folder, in an order that is always the
    same: by their path within the folder.

    Args:
        folder: Where to look, subfolders included.
        n: How many to take, the first ones; `None` for all.

    Raises:
        ValueError: No such folder, or fewer than `n`, or fewer than two, images in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder} to take images from.")
    if n is not None and n < 2:
        raise ValueError(f"At least two images are needed. Received: n={n}")
    files = sorted(
        (f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file()),
        key=lambda file: file.relative_to(folder).as_posix(),
    )
    if len(files) < (n or 2):
        raise ValueError(
            f"{n or 'At least two'} images are needed, but the folder {folder} holds "
            f"{len(files) or 'none'}, of the kinds {', '.join(_SUFFIXES)}."
        )
    return files[:n]


def imagenet_v2(
    data_dir: str | os.PathLike | None = None, n: int | None = None
) -> Images:
    """The first images of ImageNetV2, matched frequency (Recht et al. 2019, "Do
    ImageNet classifiers generalize to ImageNet?", arXiv 1902.10811).

    Args:
        data_dir: tensorflow-datasets' folder; default `TFDS_DATA_DIR`, else its own
            default. Nothing is downloaded.
        n: How many; `None` for all 10,000.

    Raises:
        ValueError: More images than there are, or fewer than two.
        DatasetUnavailableError: Not in that folder.
    """
    import tensorflow_datasets as tfds

    if not hasattr(tfds, "builder"):  # it swallows errors of its own imports
        raise DatasetUnavailableError(
            "tensorflow-datasets is installed but cannot be imported. With TensorFlow "
            "2.16 or 2.17: pip install 'tensorflow-metadata<1.18'."
        )
    builder = tfds.builder("imagenet_v2/matched-frequency", data_dir=data_dir)
    if not (builder.data_path / "dataset_info.json").exists():
        raise DatasetUnavailableError(
            f"The data set imagenet_v2 is not in {builder.data_path.parents[2]}. "
            "Make it there once, where there is a network, with tensorflow-datasets: "
            "tfds.builder('imagenet_v2/matched-frequency', data_dir=...)"
            ".download_and_prepare(); or give a folder of images instead."
        )
    available = builder.info.splits["test"].num_examples
    n = available if n is None else n
    if not 2 <= n <= available:
        raise ValueError(f"imagenet_v2 has {available} images; {n} were asked for.")
    examples = builder.as_dataset(
        split=f"test[:{n}]",
        # Encoded, they are a tenth of the size, and each has a size of its own.
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(try_autocache=False),
    )
    encoded = examples.map(lambda example: example["image"])
    return Images(encoded, name=f"imagenet_v2/test[{n}]")


def p_vectors(
    names: str | Sequence[str],
    images: Images | _Source,
    *,
    weights: _Weights = None,
    batch_size: int = 32,
    k: int = 1,
) -> dict[str, PVector]:
    """P-vectors of classifiers of `keras.applications`, one after the other.

    The features are the input of the last Dense layer, and where a classifier ends in
    convolutions instead (MobileNet, MobileNetV3) the output of its last global pooling.

    Args:
        names: Names of models, e.g. `["ResNet50", "MobileNetV2"]`.
        images: The images, or what `Images` takes.
        weights: `"imagenet"` for those that Keras has in its cache or downloads;
            `None` for random ones, which `keras.utils.set_random_seed` governs; else a
            weights file, for a single model, or a folder that holds
            `<name>.weights.h5`, `<name>.h5` or `<name>.keras` for each.
        batch_size: Images run through a model at a time.
        k: How many left singular vectors.

    Returns:
        A dict from model name to `PVector`, in the order of `names`. All carry the
        fingerprint of the images, so that they compare with each other.

    Raises:
        ValueError: An unknown name, an image that cannot be decoded, or features that
            have no P-vector (all zero, NaN).
        WeightsUnavailableError: Weights that are missing or do not fit. What is
            missing is found before any model is run.

    Example:

    ```python
    images = Images(image_files("photos", 1000), name="photos")
    found = p_vectors(["ResNet50", "VGG16"], images, weights="imagenet")
    kp.angle(found["ResNet50"], found["VGG16"])
    ```
    """
    names = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if not names:
        raise ValueError(f"No model was named. {_known()}")
    for name in names:
        if name not in _classifiers():
            raise ValueError(f"keras.applications has no model {name!r}. {_known()}")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be positive. Received: {batch_size}")
    sources = _weight_sources(names, weights)
    if not isinstance(images, Images):
        images = Images(images)
    found = {}
    for name in names:
        found[name] = _p_vector(name, sources[name], images, batch_size, k)
        # A Keras model is full of reference cycles; two of them may not fit.
        gc.collect()
    return found


def _p_vector(
    name: str, weights: str | Path | None, images: Images, batch_size: int, k: int
) -> PVector:
    model = _model(name, weights)
    ends_in_dense = any(isinstance(x, keras.layers.Dense) for x in model.layers)
    extractor = FeatureExtractor(
        model,
        None if ends_in_dense else _last_pooling(model),
        batch_size=batch_size,
    )
    channels_first = keras.config.image_data_format() == "channels_first"
    size = model.input_shape[2:] if channels_first else model.input_shape[1:3]
    size = tuple(length or _FREE_SIZE for length in size)
    preprocess = _module_of(name).preprocess_input
    rows_per_batch = math.ceil(len(images) / math.ceil(len(images) / batch_size))
    rows_per_batch = max(rows_per_batch, 2)  # a SampleSet has no fewer
    blocks = []
    for pixels in images.batches(rows_per_batch, size):
        rows = len(pixels)
        x = preprocess(pixels, data_format="channels_last")
        if channels_first:
            x = np.moveaxis(x, -1, 1)
        # Batches of one size throughout: the model is traced once.
        x = np.concatenate([x, np.repeat(x[-1:], rows_per_batch - rows, axis=0)])
        parts = []
        for features in extractor.blocks(SampleSet(x, name=images.name)):
            ((layer, part),) = features.items()
            parts.append(part.numpy())
        blocks.append(np.concatenate(parts)[:rows])
    # Keras counts such names up from model to model.
    layer = re.sub(r"(?<=pooling2d)_\d+$", "", layer)
    try:
        vector = p_vector(blocks, k=k, layer=layer)
    except ValueError as error:
        why = f"Layer {layer!r} of {name} has no P-vector. {error}"
        raise ValueError(why) from error
    return dataclasses.replace(
        vector, samples_name=images.name, samples_sha256=images.sha256
    )


def _last_pooling(model: keras.Model) -> keras.layers.Layer:
    pooling = keras.layers.GlobalAveragePooling2D
    return [layer for layer in model.layers if isinstance(layer, pooling)][-1]


def _classifiers() -> dict[str, Callable[..., keras.Model]]:
    return {
        name: builder
        for name, builder in inspect.getmembers(keras.applications, inspect.isfunction)
        if "include_top" in inspect.signature(builder).parameters
    }


def _known() -> str:
    return f"Choose from: {', '.join(_classifiers())}"


def _module_of(name: str) -> object:
    """The public module that a model lives in, with its own `preprocess_input`."""
    module = _classifiers()[name].__module__.rpartition(".")[2]
    return getattr(keras.applications, module)


def _model(name: str, weights: str | Path | None) -> keras.Model:
    build = _classifiers()[name]
    try:
        if weights in (None, _IMAGENET):
            return build(weights=weights)
        model = build(weights=None)
        model.load_weights(str(weights))
    except Exception as error:  # Keras and h5py raise many kinds
        if weights is None:
            raise
        what, mend = f"The ImageNet weights, in {_cache()} or downloaded,", _mend(name)
        if weights != _IMAGENET:
            what = f"The weights in {weights}"
            mend = f"Give those of a whole keras.applications.{name}, of 1000 classes."
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise WeightsUnavailableError(
            f"{what} could not be loaded into {name} ({reason}). {mend}"
        ) from error
    return model


def _weight_sources(
    names: Sequence[str], weights: _Weights
) -> dict[str, str | Path | None]:
    """Where the weights of each model are to come from, seen to be there."""
    if weights is None:
        return dict.fromkeys(names)
    if weights == _IMAGENET:
        missing = [name for name in names if not _may_be_cached(name)]
        if missing and not is_online():
            raise WeightsUnavailableError(
                f"The ImageNet weights of {', '.join(missing)} are not in {_cache()}, "
                f"and there is no network to download them. {_mend(missing[0])}"
            )
        return dict.fromkeys(names, _IMAGENET)
    path = Path(weights)
    if path.is_dir():
        return {name: _file_in(path, name) for name in names}
    if not path.is_file():
        raise WeightsUnavailableError(
            f"The weights of {', '.join(names)} were looked for in {path}, but there "
            "is no such file or folder. Give one that exists, or weights='imagenet'."
        )
    if len(names) > 1:
        raise ValueError(
            f"The weights file {path} serves a single model, but {len(names)} are "
            "asked for. Give a folder that holds one file per model."
        )
    return {names[0]: path}


def _file_in(folder: Path, name: str) -> Path:
    candidates = [folder / f"{name}{suffix}" for suffix in _WEIGHT_SUFFIXES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise WeightsUnavailableError(
        f"The weights of {name} are not in {folder}. Put a file there that is called "
        + " or ".join(candidate.name for candidate in candidates)
        + "."
    )


def _cache() -> Path:
    """The folder that Keras keeps downloaded weights in."""
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    if not os.access(home, os.W_OK):  # then Keras goes to a temporary one
        parent = "/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()
        home = Path(parent, ".keras")
    return home / "models"


def _may_be_cached(name: str) -> bool:
    """Whether a file in Keras's cache has a name like that of the model's weights.

    Keras names the files in many ways, but always after the model. One of a model with
    a longer name passes as well; Keras then finds that it is not the right one.
    """
    return any(
        _plain(name) in _plain(file.name) and "notop" not in _plain(file.name)
        for file in _cache().glob("*.h5")
    )


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _mend(name: str) -> str:
    return (
        "Connect to the network once, or give a weights file, or a folder that holds "
        "one per model, such as "
        + " or ".join(f"{name}{suffix}" for suffix in _WEIGHT_SUFFIXES)
        + "."
    )


def _checked(source: _Source) -> Sequence[Path] | np.ndarray | tf.data.Dataset:
    if isinstance(source, np.ndarray):
        shape = source.shape
        if source.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
            raise ValueError(
                "Images in an array are of dtype uint8, values 0 to 255, and of shape "
                "(n, height, width, channels) with 1 or 3 channels. Received: "
                f"{source.dtype}, {shape}"
            )
        return source
    if isinstance(source, tf.data.Dataset):
        if source.element_spec != tf.TensorSpec((), tf.string):
            raise ValueError(
                "A dataset of images gives one encoded image at a time, a scalar "
                f"string. Received: {source.element_spec}"
            )
        return source
    if isinstance(source, (str, os.PathLike)):
        raise ValueError(
            "Images takes a list of files. For those of a folder: "
            f"Images(image_files({str(source)!r}))"
        )
    return [Path(file) for file in source]


def _update(digest: hashlib._Hash, content: bytes | np.ndarray) -> None:
    if isinstance(content, bytes):
        digest.update(f"encoded {len(content)};".encode())
        digest.update(content)
    else:
        digest.update(f"pixels {content.shape};".encode())
        digest.update(np.ascontiguousarray(content).data)


def _pixels(
    label: str, content: bytes | np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """One image, decoded and resized, shape `(height, width, 3)`, float32."""
    # Also where there is a GPU: single images are not worth the way there.
    with tf.device("CPU:0"):
        image = _decoded(label, content) if isinstance(content, bytes) else content
        image = tf.image.resize(tf.cast(image, tf.float32), size).numpy()
    return image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)


def _decoded(label: str, content: bytes) -> tf.Tensor:
    # TensorFlow takes the indices into a colour table for shades of grey.
    if content[:2] == b"BM" and len(content) > 28 and content[28] < 24:
        raise ValueError(f"{label} is a BMP file with a colour table. Save it as PNG.")
    try:
        return tf.io.decode_image(content, channels=3, expand_animations=False)
    except tf.errors.OpError as error:
        reason = re.sub(r"\{\{.*\}\}|\[Op:.*\]", "", error.message).strip(" .")
        raise ValueError(
            f"{label} cannot be decoded as an image ({reason}). Replace it or leave it "
            "out."
        ) from error
