"""Names of networks, and the sizes in a name.

| network | name | other sizes |
|---|---|---|
| multi-layer perceptron | `mlp` | `mlp_512x3`: three layers of 512 |
| residual network | `resnet18`, `resnet34`, `resnet50` | `resnet18_w16`: width 16 |
| wide residual network | `wide_resnet28_10` | `wide_resnet16_1` |
| VGG with batch normalization | `vgg16` | `vgg16_w16`: width 16 |
| DenseNet | `densenet121` | `densenet121_k12`: growth rate 12 |
| autoencoder | `autoencoder` | `autoencoder_w32_b128`: width 32, bottleneck 128 |
| SimCLR | `simclr` | `simclr_wide_resnet16_1`: another encoder |

A name without sizes stands for the sizes of the preset. Earlier versions separated the
sizes by hyphens (`resnet-50`, `wide_resnet-28-10`, `mlp-512x3`); those names, and the
plain `resnet`, `wide_resnet`, `vgg` and `densenet`, are still read.

This module does not need Keras.
"""

from __future__ import annotations

import dataclasses
import re
import string
from collections.abc import Mapping
from typing import Any, NamedTuple

SIMCLR = "simclr"
# The encoder of SimCLR if its name does not give one.
DEFAULT_ENCODER = "resnet18"
_DEFAULT_ENCODER_ARCHITECTURE = "resnet"

# No network is built with a larger size: its weights would not fit into memory.
MAX_SIZE = 10_000

# Networks to choose from; their sizes can be varied as in the table above.
MODEL_NAMES = (
    "mlp",
    "resnet18",
    "resnet34",
    "resnet50",
    "wide_resnet28_10",
    "vgg16",
    "densenet121",
    "autoencoder",
    "denoising_autoencoder",
    "dense_autoencoder",
    "simclr",
)


class ModelName(NamedTuple):
    """A network's name, split into its parts.

    Attributes:
        architecture: A key of `MODELS`.
        options: The builder options in the name. Those of SimCLR are `encoder`, a key
            of `ENCODERS`, and `encoder_options`.
    """

    architecture: str
    options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Naming:
    """How the networks of one architecture are named.

    Attributes:
        name: Format of a name, with the sizes that every name has.
        suffix: Format of the suffix that is needed if another size differs from the
            preset's.
        sizes: The builder options that a name can give, in the order of the old names,
            with the builder's defaults.
        is_encoder: Whether SimCLR can train the network.
    """

    name: str
    suffix: str
    sizes: Mapping[str, int]
    is_encoder: bool = False

    def short_name(self, sizes: Mapping[str, int]) -> str:
        """The name without suffix, such as `"resnet50"`."""
        return self.name.format(**sizes)

    def full_name(self, sizes: Mapping[str, int]) -> str:
        """The name with every size, such as `"resnet50_w16"`."""
        return (self.name + self.suffix).format(**sizes)

    def needs_suffix(
        self, sizes: Mapping[str, int], defaults: Mapping[str, int]
    ) -> bool:
        """Whether the short name does not stand for these sizes."""
        return any(sizes[size] != defaults[size] for size in self.suffix_sizes)

    @property
    def suffix_sizes(self) -> tuple[str, ...]:
        """The sizes in the suffix."""
        return tuple(
            field for _, field, _, _ in string.Formatter().parse(self.suffix) if field
        )

    @property
    def form(self) -> str:
        """The form of a name for error messages: `"resnet<depth>[_w<width>]"`."""
        placeholders = {size: f"<{size}>" for size in self.sizes}
        suffix = self.suffix.format(**placeholders)
        return self.name.format(**placeholders) + (f"[{suffix}]" if suffix else "")

    def parse(self, name: str) -> dict[str, int] | None:
        """The sizes in a name; `None` if the name has another form."""
        groups = {size: f"(?P<{size}>[1-9][0-9]*)" for size in self.sizes}
        short, suffix = (form.format(**groups) for form in (self.name, self.suffix))
        match = re.fullmatch(f"{short}(?:{suffix})?", name)
        if match is None:
            return None
        given = {size: n for size, n in match.groupdict().items() if n is not None}
        return {size: _size(n, name) for size, n in given.items()}


_AUTOENCODER_SUFFIX = "_w{width}_b{bottleneck}"

# By architecture, a key of `MODELS`.
NAMINGS: dict[str, Naming] = {
    "mlp": Naming(
        "mlp", "_{width}x{depth}", {"width": 512, "depth": 3}, is_encoder=True
    ),
    "resnet": Naming(
        "resnet{depth}", "_w{width}", {"depth": 18, "width": 64}, is_encoder=True
    ),
    "wide_resnet": Naming(
        "wide_resnet{depth}_{widen}", "", {"depth": 28, "widen": 10}, is_encoder=True
    ),
    "vgg": Naming("vgg16", "_w{width}", {"width": 64}, is_encoder=True),
    # The growth rate is the k of the paper.
    "densenet": Naming("densenet121", "_k{growth}", {"growth": 32}, is_encoder=True),
    "autoencoder": Naming(
        "autoencoder", _AUTOENCODER_SUFFIX, {"width": 32, "bottleneck": 128}
    ),
    "denoising_autoencoder": Naming(
        "denoising_autoencoder", _AUTOENCODER_SUFFIX, {"width": 32, "bottleneck": 128}
    ),
    "dense_autoencoder": Naming(
        "dense_autoencoder", _AUTOENCODER_SUFFIX, {"width": 512, "bottleneck": 64}
    ),
}


def parse_model_name(name: str) -> ModelName:
    """Splits a name into the architecture and the sizes.

    Args:
        name: A name of this version, such as `"resnet50"`, or of an earlier one, such
            as `"resnet-50"`.

    Raises:
        ValueError: The name has no known form, or a size above `MAX_SIZE`.

    Example:

    ```python
    parse_model_name("wide_resnet28_10")  # ("wide_resnet", {"depth": 28, "widen": 10})
    parse_model_name("mlp")               # ("mlp", {})
    ```
    """
    if name == SIMCLR:
        return ModelName(SIMCLR, {})
    if name.startswith((f"{SIMCLR}_", f"{SIMCLR}-")):
        encoder = _parse_sizes(name[len(SIMCLR) + 1 :])
        if encoder is None or not NAMINGS[encoder.architecture].is_encoder:
            encoders = [naming.form for naming in NAMINGS.values() if naming.is_encoder]
            raise ValueError(
                f"Unknown encoder in model name {name!r}. Expected {SIMCLR}_<encoder> "
                f"with one of these encoders: {', '.join(encoders)}."
            )
        return ModelName(
            SIMCLR,
            {"encoder": encoder.architecture, "encoder_options": encoder.options},
        )
    parsed = _parse_sizes(name)
    if parsed is None:
        raise ValueError(_unknown_name_message(name))
    return parsed


def stored_model_name(name: str, options: Mapping[str, Any]) -> str:
    """The current name of a network in a `run.json`, including those of earlier
    versions.

    Sizes that every current name has are read from the options if an old name lacks
    them: `"wide_resnet"` with depth 28 and widening 1 is `"wide_resnet28_1"`. Whether
    other sizes are those of the preset is not stored, so they are part of the name only
    if they were part of the old one.

    Args:
        name: The stored name.
        options: The stored builder options.

    Returns:
        The current name; `name` itself if it has no known form.
    """
    try:
        architecture, given = parse_model_name(name)
    except ValueError:
        return name
    if architecture != SIMCLR:
        return _name_of(architecture, given, options)
    encoder = {**options, **given}.get("encoder", _DEFAULT_ENCODER_ARCHITECTURE)
    if encoder not in NAMINGS:
        return name
    stored_options = options.get("encoder_options") or {}
    return simclr_name(
        _name_of(encoder, given.get("encoder_options", {}), stored_options)
    )


def simclr_name(encoder: str) -> str:
    """The name of SimCLR around the encoder of this name."""
    return SIMCLR if encoder == DEFAULT_ENCODER else f"{SIMCLR}_{encoder}"


def _name_of(
    architecture: str, given: Mapping[str, int], options: Mapping[str, Any]
) -> str:
    naming = NAMINGS[architecture]
    sizes = {**naming.sizes, **options, **given}
    if any(size in given for size in naming.suffix_sizes):
        return naming.full_name(sizes)
    return naming.short_name(sizes)


def _parse_sizes(name: str) -> ModelName | None:
    """Parses a name that is not one of SimCLR; `None` if it has no known form."""
    for architecture, naming in NAMINGS.items():
        sizes = naming.parse(name)
        if sizes is None:
            sizes = _parse_old_name(name, architecture, naming)
        if sizes is not None:
            return ModelName(architecture, sizes)
    return None


def _parse_old_name(
    name: str, architecture: str, naming: Naming
) -> dict[str, int] | None:
    """The sizes in a name of an earlier version, such as `"resnet-50"`."""
    number = r"[-x]([1-9][0-9]*)"
    match = re.fullmatch(f"{architecture}((?:{number})*)", name)
    if match is None:
        return None
    numbers = re.findall(number, match[1])
    if len(numbers) > len(naming.sizes):
        return None
    sizes = [_size(n, name) for n in numbers]
    return dict(zip(naming.sizes, sizes, strict=False))


def _size(digits: str, name: str) -> int:
    if len(digits) > len(str(MAX_SIZE)) or int(digits) > MAX_SIZE:
        raise ValueError(
            f"The sizes in a model name must be at most {MAX_SIZE}. Received: {name!r}"
        )
    return int(digits)


def _unknown_name_message(name: str) -> str:
    known = [key for key in NAMINGS if name.startswith(key)]
    if known:
        form = NAMINGS[max(known, key=len)].form
        return f"Unknown model name {name!r}. Names of this kind have the form {form}."
    return f"Unknown model name {name!r}. Expected one of: {', '.join(MODEL_NAMES)}."
