"""Converts an `ExperimentConfig` from and to flag values, as in `flags.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from keras_pvec.reproduction.config import ConfigError, ExperimentConfig, LogFreq

POOLINGS: dict[str, str | None] = {"avg": "avg", "flatten": None}


def config_from_flags(values: Mapping[str, Any]) -> ExperimentConfig:
    """Makes settings from flag values.

    Args:
        values: Values by flag name, for example those of a `flags.json`. Flags of
            single experiments are ignored; missing flags have their defaults.

    Raises:
        ConfigError: A value that is not allowed.
    """
    names = {field.name for field in dataclasses.fields(ExperimentConfig)}
    known = {name: value for name, value in values.items() if name in names}
    if "seeds" in known:
        known["seeds"] = _parse_seeds(known["seeds"])
    if "log_freq" in known:
        known["log_freq"] = parse_log_freq(known["log_freq"])
    if "pooling" in known:
        known["pooling"] = _parse_pooling(known["pooling"])
    return ExperimentConfig(**known)


def flags_from_config(config: ExperimentConfig) -> dict[str, Any]:
    """Makes flag values from settings, ready for JSON; the inverse of
    `config_from_flags`."""
    values = {
        field.name: getattr(config, field.name) for field in dataclasses.fields(config)
    }
    pooling = {meaning: name for name, meaning in POOLINGS.items()}
    return values | {
        "models": None if config.models is None else list(config.models),
        "layers": None if config.layers is None else list(config.layers),
        "seeds": [str(seed) for seed in config.seeds],
        "runs_dir": str(config.runs_dir),
        "out_dir": None if config.out_dir is None else str(config.out_dir),
        "log_freq": _log_freq_text(config.log_freq),
        "pooling": pooling[config.pooling],
    }


def parse_log_freq(text: str) -> LogFreq:
    """Parses the text of the flag `log_freq`.

    Args:
        text: `"epoch"`, a number of steps, or `"first_epoch:<steps>"`.

    Raises:
        ConfigError: The text has another form.
    """
    if text == "epoch":
        return text
    prefix, _, number = str(text).rpartition(":")
    if not isinstance(text, str) or prefix not in ("", "first_epoch"):
        raise ConfigError(
            "`log_freq` must be 'epoch', a number of steps, or 'first_epoch:<steps>'. "
            f"Received: {text!r}"
        )
    steps = _parse_integer("log_freq", number)
    return {prefix: steps} if prefix else steps


def _log_freq_text(log_freq: LogFreq) -> str:
    if isinstance(log_freq, Mapping):
        ((prefix, steps),) = log_freq.items()
        return f"{prefix}:{steps}"
    return str(log_freq)


def _parse_pooling(text: str) -> str | None:
    if text not in tuple(POOLINGS):
        raise ConfigError(
            f"`pooling` must be one of {', '.join(POOLINGS)}. Received: {text!r}"
        )
    return POOLINGS[text]


def _parse_seeds(texts: Iterable[str]) -> list[int]:
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise ConfigError(f"`seeds` must be a list of integers. Received: {texts!r}")
    return [_parse_integer("seeds", text) for text in texts]


def _parse_integer(name: str, text: str) -> int:
    try:
        return int(text)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"`{name}` must hold integers. Received: {text!r}") from None
