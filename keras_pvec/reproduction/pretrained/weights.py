"""Weights of pretrained networks: downloaded by Keras, or files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_pvec.reproduction.pretrained.networks import Network

# `Weights`: "imagenet" for those that Keras downloads and caches; `None` for random
# ones; else a weights file, for a single network, or a folder with a file per network.
IMAGENET = "imagenet"
Weights = str | os.PathLike[str] | None

_SUFFIXES = (".weights.h5", ".h5", ".keras")


class WeightsUnavailableError(RuntimeError):
    """The weights of a network cannot be found or downloaded, or do not fit it."""


def weights_of_each(
    networks: Sequence[Network], weights: Weights
) -> dict[str, str | Path | None]:
    """Returns the source of the weights of each network.

    Args:
        networks: The networks.
        weights: `"imagenet"`, `None` for random weights, a weights file for a single
            network, or a folder that holds `<name>.weights.h5`, `<name>.h5` or
            `<name>.keras` for each.

    Returns:
        By name of the network: `"imagenet"`, `None` or an existing file. A network that
        brings its own weights takes these.

    Raises:
        ValueError: One file for several networks.
        WeightsUnavailableError: The file or folder does not exist, or the folder lacks
            the file of a network.
    """
    names = [network.name for network in networks if not network.has_own_weights]
    own = [network.name for network in networks if network.has_own_weights]
    if weights is None or weights == IMAGENET:
        return dict.fromkeys([*names, *own], weights)
    if not names:
        return dict.fromkeys(own, IMAGENET)
    return {**_files_of_each(names, Path(weights)), **dict.fromkeys(own, IMAGENET)}


def _files_of_each(names: Sequence[str], path: Path) -> dict[str, str | Path | None]:
    if path.is_dir():
        return {name: _file_in(path, name) for name in names}
    if not path.is_file():
        raise WeightsUnavailableError(
            f"The weights of {', '.join(names)} cannot be loaded from {path}, which "
            f"does not exist. Pass an existing file or folder, or {IMAGENET!r}."
        )
    if len(names) > 1:
        raise ValueError(
            f"{path} holds the weights of a single network. Received: "
            f"{len(names)} networks. Pass a folder with one file per network."
        )
    return {names[0]: path}


def load_network(network: Network, weights: str | Path | None) -> keras.Model:
    """Builds a network with the weights that `weights_of_each` names for it.

    Raises:
        WeightsUnavailableError: A download fails, or a file does not fit.
    """
    if weights is None:
        return network.build(weights=None)
    try:
        if weights == IMAGENET:
            return network.build(weights=IMAGENET)
        model = network.build(weights=None)
        model.load_weights(str(weights))
    except WeightsUnavailableError:
        raise
    except Exception as error:  # Keras and h5py raise many types
        if weights == IMAGENET:
            source = "The ImageNet weights of Keras"
            advice = (
                "Connect to the network once, or pass a weights file or a folder that "
                f"holds {_file_names(network.name)}."
            )
        else:
            source = f"The weights in {weights}"
            advice = f"Pass the weights of the whole network {network.name}."
        raise WeightsUnavailableError(
            f"{source} could not be loaded into {network.name} ({first_line(error)}). "
            f"{advice}"
        ) from error
    return model


def first_line(error: Exception) -> str:
    """An error of a library in one line, abridged."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _file_in(folder: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        if (file := folder / f"{name}{suffix}").is_file():
            return file
    raise WeightsUnavailableError(
        f"The weights of {name} are not in {folder}. Put a file {_file_names(name)} "
        "there."
    )


def _file_names(name: str) -> str:
    return " or ".join(f"{name}{suffix}" for suffix in _SUFFIXES)
