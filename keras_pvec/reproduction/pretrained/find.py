"""Networks by name."""

from __future__ import annotations

from collections.abc import Iterable

from keras_pvec.reproduction.pretrained.hub import PREFIX, hub_network
from keras_pvec.reproduction.pretrained.networks import (
    Network,
    applications,
    find_application,
)


def find_networks(names: Iterable[str]) -> list[Network]:
    """Networks by name; repeated names count once.

    Args:
        names: Of `keras.applications`: `"MobileNet"`, or with a width multiplier
            (`alpha`), `"MobileNet-0.25"`, with the side of square images,
            `"ResNet50-160"`, or with both, `"MobileNet-0.5-160"`. Of KerasHub, where it
            is installed: `"hub:"`, followed by a preset, see `hub_network`.

    Raises:
        ValueError: No name, an unknown name, a width of a network that has none, or a
            side below 32.
        WeightsUnavailableError: KerasHub is not installed.
    """
    chosen = list(dict.fromkeys(names))
    if not chosen:
        known = ", ".join(applications())
        raise ValueError(f"No network was named. Choose from: {known}")
    return [
        hub_network(name) if name.startswith(PREFIX) else find_application(name)
        for name in chosen
    ]
