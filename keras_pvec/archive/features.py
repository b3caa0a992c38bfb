"""Features of a layer at a moment, in the conventions of other packages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_pvec.runs import Moment, Run

# ReSi's names of the axes, by the number of axes. Ours have the channels last.
_RESI_SHAPES = {2: "nd", 3: "ntd", 4: "nchw"}


@dataclasses.dataclass(frozen=True, eq=False)
class MomentFeatures:
    """Features of a run at one moment, to be packed.

    Attributes:
        moment: The moment `(epoch, step)`.
        sample_indices: Which samples of the run they are of, shape `(n_selected,)`; the
            same at every moment of a run.
        values: Features by layer, shape `(n_selected, ...)`.
    """

    moment: Moment
    sample_indices: np.ndarray
    values: Mapping[str, np.ndarray]


# Computes the features of a run, in order of time.
FeatureSource = Callable[[Run], Iterable[MomentFeatures]]


class ResiRepresentation(NamedTuple):
    """Arguments of the measures of ReSi.

    Attributes:
        representation: The features, float32 or float64.
        shape: ReSi's name of the axes: `"nd"`, `"ntd"` or `"nchw"`.
    """

    representation: np.ndarray
    shape: str


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Features of a layer at one moment.

    Attributes:
        values: Shape `(n_selected, ...)`, one entry per selected sample.
        run: Name of the run.
        layer: Name of the layer.
        moment: The moment `(epoch, step)`.
        sample_indices: Which samples of the sample set, shape `(n_selected,)`.
        labels: Labels of these samples; `None` if there are none.

    Example:

    ```python
    archive = kp.load_archive("trajectories.npz")
    x = archive["mlp/seed_0"].features("final", "dense")
    y = archive["mlp/seed_1"].features("final", "dense")
    kp.linear_cka(x.values, y.values)
    ```
    """

    values: np.ndarray
    run: str
    layer: str
    moment: Moment
    sample_indices: np.ndarray
    labels: np.ndarray | None = None

    def rows(self) -> np.ndarray:
        """The features as a matrix, shape `(n_selected, n_features)`."""
        return self.values.reshape(len(self.values), -1)

    def to_rsatoolbox(self) -> Any:
        """The features as a `rsatoolbox.data.Dataset`.

        Observations are samples and channels are features, in float64, since rsatoolbox
        computes in the precision of the measurements. Descriptors name the run,
        layer, epoch and step; `sample`, and `label` where labels are known, describe
        the observations; `feature` numbers the channels.

        Raises:
            ImportError: rsatoolbox is not installed.
        """
        try:
            from rsatoolbox.data import Dataset
        except ImportError as error:
            raise ImportError(
                "This needs rsatoolbox: pip install rsatoolbox. The array itself is "
                "`rows()`."
            ) from error
        rows = self.rows().astype(np.float64)
        of_samples = {"sample": self.sample_indices}
        if self.labels is not None and self.labels.ndim == 1:
            of_samples["label"] = self.labels
        return Dataset(
            rows,
            descriptors={
                "run": self.run,
                "layer": self.layer,
                "epoch": self.moment.epoch,
                "step": self.moment.step,
            },
            obs_descriptors=of_samples,
            channel_descriptors={"feature": np.arange(rows.shape[1])},
        )

    def to_resi(self) -> ResiRepresentation:
        """The features as the measures of ReSi take them.

        Maps of features `(n, height, width, channels)` become `(n, channels, height,
        width)`. Nothing needs to be installed.

        Raises:
            ValueError: Features with other than two to four axes.

        Example:

        ```python
        from repsim.measures import CKA

        r, s = x.to_resi(), y.to_resi()
        CKA()(r.representation, s.representation, r.shape)
        ```
        """
        if self.values.ndim not in _RESI_SHAPES:
            raise ValueError(
                "ReSi takes features of shape (n, d), (n, tokens, d) or (n, height, "
                f"width, channels). Received: {self.values.shape}. Use `rows()`."
            )
        shape = _RESI_SHAPES[self.values.ndim]
        values = np.moveaxis(self.values, -1, 1) if shape == "nchw" else self.values
        return ResiRepresentation(np.ascontiguousarray(values), shape)
