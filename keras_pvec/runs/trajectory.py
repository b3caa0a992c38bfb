"""The trajectory of a training: P-vectors by moment, wherever they are stored."""

from __future__ import annotations

import abc
from pathlib import Path
from typing import TYPE_CHECKING

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.runs.after_fit import AFTER_FIT
from keras_pvec.runs.errors import RunNotFoundError
from keras_pvec.runs.info import RunInfo
from keras_pvec.runs.schema import LOG_COLUMNS, Moment, log_row

if TYPE_CHECKING:
    import pandas


class Trajectory(abc.ABC):
    """P-vectors of the layers of a model at the moments of its training.

    Attributes:
        path: Where it is stored.
    """

    path: Path

    @property
    @abc.abstractmethod
    def info(self) -> RunInfo:
        """Settings, failures, versions and notes."""

    @property
    @abc.abstractmethod
    def moments(self) -> list[Moment]:
        """The logged moments `(epoch, step)`, in order of time."""

    @property
    @abc.abstractmethod
    def layers(self) -> list[str]:
        """The watched layers."""

    @abc.abstractmethod
    def p_vectors(self, moment: Moment) -> dict[str, PVector]:
        """The P-vectors of all layers at a moment `(epoch, step)`."""

    @abc.abstractmethod
    def p_vectors_after_fit(self) -> dict[str, PVector]:
        """The P-vectors of the model that `fit` left, if they are stored apart."""

    def p_vector(self, epoch: int | str = "final", layer: str | None = None) -> PVector:
        """The P-vector of a layer at the end of an epoch.

        Args:
            epoch: Counted from 0; -1 for before training; `"final"` for the last; or
                `"after_fit"` for the model that `fit` left, which is another one if
                weights were averaged or restored after the last epoch.
            layer: Name of the layer; may be left out if only one is watched.

        Returns:
            The stored P-vector.

        Raises:
            RunNotFoundError: No such epoch or layer in this run, or the layer had no
                P-vector there (all zero, or not finite).
        """
        if epoch == AFTER_FIT:
            return self._p_vector_after_fit(layer)
        moments = self.moments
        if epoch != "final":
            moments = [m for m in moments if m.epoch == epoch]
        last = moments[-1] if moments else Moment(-2, -1)
        self._check_not_failed(last, epoch, layer)
        if not moments:
            known = sorted({m.epoch for m in self.moments})
            raise RunNotFoundError(
                f"{self.path} holds no epoch {epoch!r}; it holds {known}. "
                "'final' is the last of them, 'after_fit' the model that `fit` left."
            )
        return self._layer_of(self.p_vectors(moments[-1]), layer)

    def angles(
        self, to: str | int | PVector = "final", layer: str | None = None
    ) -> pandas.DataFrame:
        """Angles of a layer at every moment to a reference.

        Args:
            to: `"final"`, `"after_fit"`, an epoch of this run, or any `PVector` of the
                same samples.
            layer: As in `p_vector`.

        Returns:
            A table with the columns of `log.csv`, one row per moment.

        Raises:
            RunNotFoundError: See `p_vector`.
            SampleMismatchError: `to` is a `PVector` of different samples.
        """
        import pandas

        reference = to if isinstance(to, PVector) else self.p_vector(to, layer)
        label = "reference" if isinstance(to, PVector) else str(to)
        rows = []
        watched = self.layers
        for moment in self.moments:
            p_vectors = self.p_vectors(moment)
            if layer in watched and layer not in p_vectors:
                continue  # no P-vector at this moment; see `info.failures`
            p = self._layer_of(p_vectors, layer)
            rows.append(log_row(moment, p, label, compare(p, reference)))
        return pandas.DataFrame(rows, columns=list(LOG_COLUMNS))

    def _p_vector_after_fit(self, layer: str | None) -> PVector:
        after_fit = self.info.after_fit
        if after_fit is None:
            raise RunNotFoundError(
                f"{self.path} holds no model after `fit`: the training has not ended, "
                "or an earlier version logged it."
            )
        if not after_fit.differs:
            return self.p_vector("final", layer)
        if layer is not None and layer in after_fit.failures:
            raise RunNotFoundError(
                f"{self.path}: layer {layer!r} had no P-vector after `fit`. "
                f"{after_fit.failures[layer]}"
            )
        return self._layer_of(self.p_vectors_after_fit(), layer)

    def _check_not_failed(
        self, last: Moment, epoch: int | str, layer: str | None
    ) -> None:
        """Raises if the requested P-vector failed, so no earlier one is returned."""
        for failure in self.info.failures:
            asked = epoch in ("final", failure.epoch) and failure.step >= last.step
            if asked and layer in (None, failure.layer):
                raise RunNotFoundError(
                    f"{self.path}: layer {failure.layer!r} had no P-vector at epoch "
                    f"{failure.epoch}, step {failure.step}. {failure.reason}"
                )

    def _layer_of(self, p_vectors: dict[str, PVector], layer: str | None) -> PVector:
        if layer is None and len(p_vectors) == 1:
            return next(iter(p_vectors.values()))
        if layer not in p_vectors:
            received = "layer=None" if layer is None else repr(layer)
            raise RunNotFoundError(
                f"`layer` must be one of {list(p_vectors)}, the layers of {self.path}. "
                f"Received: {received}"
            )
        return p_vectors[layer]
