"""At which moments of a training P-vectors are logged."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class LogSchedule:
    """Moments within epochs. The end of each epoch is always a moment as well.

    Attributes:
        every: Steps between moments, in all epochs; `None` for none.
        every_in_first_epoch: Steps between moments in the first epoch, instead of
            `every`; `None` if `every` applies there too.
        layers_within_epoch: `"all"`, or `"first"` to measure only the first of the
            layers at moments within an epoch.
    """

    every: int | None = None
    every_in_first_epoch: int | None = None
    layers_within_epoch: str = "all"

    @classmethod
    def parse(
        cls, log_freq: str | int | Mapping[str, int], layers_within_epoch: str = "all"
    ) -> LogSchedule:
        """Reads the arguments of `PVectorLogger`.

        Raises:
            ValueError: An argument has the wrong type or is out of range.
        """
        if layers_within_epoch not in ("all", "first"):
            raise ValueError(
                "`layers_within_epoch` must be 'all' or 'first'. Received: "
                f"{layers_within_epoch!r}"
            )
        if log_freq == "epoch":
            return cls(None, None, layers_within_epoch)
        if isinstance(log_freq, numbers.Integral) and _is_count(log_freq):
            return cls(int(log_freq), None, layers_within_epoch)
        if isinstance(log_freq, Mapping) and list(log_freq) == ["first_epoch"]:
            every = log_freq["first_epoch"]
            if _is_count(every):
                return cls(None, int(every), layers_within_epoch)
        raise ValueError(
            "`log_freq` must be 'epoch', a positive int, or {'first_epoch': a positive "
            f"int}}. Received: {log_freq!r}"
        )

    @property
    def has_moments_within_epochs(self) -> bool:
        """Whether any moment but the end of an epoch may be due."""
        return self.every is not None or self.every_in_first_epoch is not None

    def as_json(self) -> dict[str, Any]:
        """The entry of `run.json`."""
        return dataclasses.asdict(self)

    def is_due(self, epoch: int, before: int, step: int) -> bool:
        """Whether a moment is due in the steps after `before`, up to `step`."""
        every = self.every
        if epoch == 0 and self.every_in_first_epoch:
            every = self.every_in_first_epoch
        return every is not None and step // every > before // every

    def layers_at(self, layers: Sequence[str], *, within_epoch: bool) -> list[str]:
        """The layers that are measured at a moment."""
        only_first = within_epoch and self.layers_within_epoch == "first"
        return list(layers[:1] if only_first else layers)


def _is_count(value: Any) -> bool:
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_int and int(value) >= 1
