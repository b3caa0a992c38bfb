"""What a run leaves at its moments, stacked by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_pvec.archive.features import MomentFeatures
from keras_pvec.archive.fields import arrays_of
from keras_pvec.archive.spool import Spool, Stack
from keras_pvec.pvector import PVector
from keras_pvec.runs import DamagedRunError, Moment, Run, RunFolder


class PVectorStacks:
    """The P-vectors of a run, stacked by layer.

    Args:
        spool: Where they are kept.
        run: The run.

    Attributes:
        layers: The stacks by layer, in the order of the run's layers.
        first: A P-vector of the run; all are of the same samples.
    """

    def __init__(self, spool: Spool, run: Run) -> None:
        self._spool = spool
        self._run = run
        self._stacks: dict[str, Stack] = {}
        self.first: PVector | None = None

    @property
    def layers(self) -> dict[str, Stack]:
        known = [layer for layer in self._run.layers if layer in self._stacks]
        others = [layer for layer in self._stacks if layer not in known]
        return {layer: self._stacks[layer] for layer in (*known, *others)}

    def add(self, moment: Moment, p_vectors: Mapping[str, PVector]) -> None:
        """Adds the P-vectors of a moment."""
        for layer, p in p_vectors.items():
            self.first = self.first or p
            arrays = {"moments": np.array(moment, np.int64), **arrays_of(p)}
            try:
                if p.samples_sha256 != self.first.samples_sha256:
                    raise ValueError("it is of other samples than the first moment")
                self._stacks.setdefault(layer, Stack(self._spool)).append(arrays)
            except ValueError as error:
                path = RunFolder(self._run.path).moment_path(moment)
                reason = f"layer {layer!r} does not fit the run ({error})"
                raise DamagedRunError(path, reason) from error


class FeatureStacks:
    """Features of a run, stacked by layer.

    Args:
        spool: Where they are kept.
        run: The run.
        n_samples: Number of its samples.

    Attributes:
        layers: The stacks by layer.
        sample_indices: The samples that all features are of; `None` if there are none.
    """

    def __init__(self, spool: Spool, run: Run, n_samples: int) -> None:
        self._spool = spool
        self._run = run
        self._n_samples = n_samples
        self.layers: dict[str, Stack] = {}
        self.sample_indices: np.ndarray | None = None

    def add(self, found: MomentFeatures) -> None:
        """Adds the features of a moment.

        Raises:
            ValueError: They are of other samples than at the moment before, or do not
                have a row for each.
        """
        where = f"Features of {self._run.path} at {tuple(found.moment)}"
        selected = np.asarray(found.sample_indices, np.int64)
        if self.sample_indices is None:
            self.sample_indices = selected
            inside = (selected >= 0) & (selected < self._n_samples)
            if selected.ndim != 1 or not inside.all():
                raise ValueError(
                    f"{where}: `sample_indices` must be indices from 0 to "
                    f"{self._n_samples - 1}. Received: {selected}"
                )
        elif not np.array_equal(self.sample_indices, selected):
            raise ValueError(f"{where} are of other samples than at earlier moments.")
        for layer, values in found.values.items():
            values = np.asarray(values)
            if values.ndim < 2 or len(values) != len(selected):
                raise ValueError(
                    f"{where}: layer {layer!r} must have shape ({len(selected)}, ...), "
                    f"a row for each of `sample_indices`. Received: {values.shape}"
                )
            moment = np.array(found.moment, np.int64)
            stack = self.layers.setdefault(layer, Stack(self._spool))
            stack.append({"moments": moment, "values": values})
