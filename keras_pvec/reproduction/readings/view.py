"""A run as it looks under a reading.

A view has the members of a run (`LoggedRun`), so that the analysis of runs works on it
unchanged. What a view gives is made of stored P-vectors when it is asked for.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from keras_pvec.comparison import compare
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.claims import (
    Cause,
    Centring,
    ComparedWith,
    Extraction,
    Moments,
    Obstacle,
    Reading,
    Start,
    Vectors,
)
from keras_pvec.reproduction.readings.raw_data import RawImages, raw_data_p_vectors
from keras_pvec.reproduction.readings.spans import compare_spans
from keras_pvec.reproduction.readings.stored import kept_moments, measured_run
from keras_pvec.reproduction.readings.unavailable import ReadingUnavailableError
from keras_pvec.reproduction.readings.vectors import (
    centred,
    fingerprint_of_first,
    first_samples,
    shuffled,
)
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import LOG_COLUMNS, Moment, RunInfo, RunNotFoundError, log_row

if TYPE_CHECKING:
    from keras_pvec.reproduction.record import LoggedRun

# The paper's first epoch: 50,000 images in batches of 128.
FIRST_UPDATES = 391
_BEFORE_TRAINING = -1
_FINAL = "final"
# What describes the angle to a reference, and is averaged over several.
_OF_AN_ANGLE = [
    *("angle_deg", "angle_error_deg", "centered_angle_deg"),
    *("null_angle_deg", "z", "cos_ones_reference"),
]


class RunView:
    """A run under a reading.

    - Column-centred: the column-centred vector leads, and rows of the log have its
      angles.
    - Fewer samples: P-vectors are those of the first samples of the stored
      approximation.
    - Spans: angles are the largest principal angles.
    - Compared with other networks: the angles to "final" are the means over the last
      epochs of the other networks.
    - Largest start: in a table of angles, the row before training is replaced by the
      one with the largest angle within the first 391 updates.
    - Shuffled rows: P-vectors of each run and moment have an order of their own.
    - Kept moments: there are no other moments.
    - Readings that take a forward pass: P-vectors are those that `measure_reading`
      stored.

    Args:
        run: A finished run, or the folder of another split of one.
        reading: The reading. Its samples and raw data are chosen by what is asked of
            the view, as of any run.
        images: The images of the run, for readings under which the angles to the raw
            data are not in its log: spans, fewer samples and shuffled rows. Without
            them, the log is empty.
        others: The other networks, for `ComparedWith.OTHER_ENDS`.
        split: The samples of `run`.

    Raises:
        ReadingUnavailableError: The run does not hold what the reading needs. That it
            has too few samples or vectors is found when they are asked for.
    """

    def __init__(
        self,
        run: LoggedRun,
        reading: Reading,
        *,
        images: RawImages | None = None,
        others: Sequence[LoggedRun] = (),
        split: str = "train",
    ) -> None:
        self._run = run
        self._reading = reading
        self._images = images
        self._others = others
        self._split = split
        name = reading.measurement
        self._stored = run if name is None else measured_run(run, name, split)
        self._kept = (
            kept_moments(run, split) if reading.moments is Moments.KEPT else None
        )
        self._compare = compare_spans if reading.vectors is Vectors.SPAN else compare
        self._log: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"RunView({self._run!r}, {self._reading})"

    @property
    def path(self) -> Path:
        return self._run.path

    @property
    def info(self) -> RunInfo:
        return self._run.info

    @property
    def samples(self) -> dict[str, np.ndarray]:
        n = self._reading.n_samples.n
        return {name: array[:n] for name, array in self._run.samples.items()}

    @property
    def moments(self) -> list[Moment]:
        logged = self._stored.moments
        return [m for m in logged if self._kept is None or m in self._kept]

    @property
    def layers(self) -> list[str]:
        return self._stored.layers

    def on(self, split: str) -> RunView:
        """The same view of another split."""
        return RunView(
            self._run.on(split),
            self._reading,
            images=self._images,
            others=[other.on(split) for other in self._others],
            split=split if split != "train" else self._split,
        )

    def p_vectors(self, moment: Moment) -> dict[str, PVector]:
        """The P-vectors at a moment of the layers that have one under the reading."""
        found = {}
        for layer, p in self._stored.p_vectors(moment).items():
            under = self._under_reading(p, moment)
            if under is not None:
                found[layer] = under
        return found

    def p_vector(self, epoch: int | str = _FINAL, layer: str | None = None) -> PVector:
        """As `Run.p_vector`."""
        p = self._stored.p_vector(epoch, layer)
        moments = [m for m in self.moments if epoch in (_FINAL, m.epoch)]
        under = self._under_reading(p, moments[-1])
        if under is None:
            raise RunNotFoundError(
                f"{self.path} has no P-vector of epoch {epoch} under {self._reading}."
            )
        return under

    def angles(
        self, to: str | int | PVector = _FINAL, layer: str | None = None
    ) -> pd.DataFrame:
        """As `Run.angles`. A `PVector` is taken to be one under the same reading."""
        if isinstance(to, PVector):
            references, label = [to], "reference"
        elif to == _FINAL and self._reading.compared_with is ComparedWith.OTHER_ENDS:
            references, label = self._ends_of_others(), _FINAL
        else:
            references, label = [self.p_vector(to, layer)], str(to)
        rows = []
        for moment in self.moments:
            p_vectors = self.p_vectors(moment)
            if layer is None:
                (p,) = p_vectors.values()
            elif layer not in p_vectors:
                continue  # no P-vector at this moment
            else:
                p = p_vectors[layer]
            rows.append(self._mean_row(moment, p, label, references))
        table = pd.DataFrame(rows, columns=list(LOG_COLUMNS))
        return self._with_start(table)

    @property
    def log(self) -> pd.DataFrame:
        """As `Run.log`, of the references that the reading has."""
        if self._log is None:
            table = self._angles_to_raw_data() if self._is_recomputed else self._read()
            by = ["layer", "reference"]
            parts = [
                self._with_start(part) for _, part in table.groupby(by, sort=False)
            ]
            table = pd.concat(parts) if parts else table
            self._log = table.sort_values("step", kind="stable", ignore_index=True)
        return self._log

    @property
    def _is_recomputed(self) -> bool:
        """Whether the stored log has other angles than the reading."""
        return (
            self._reading.vectors is Vectors.SPAN
            or self._reading.n_samples.n is not None
            or self._reading.extraction is Extraction.MISALIGNED
        )

    def _under_reading(self, p: PVector, moment: Moment) -> PVector | None:
        self._check_enough(p)
        under: PVector | None = p
        if self._reading.extraction is Extraction.MISALIGNED:
            under = shuffled(p, self._seed(moment))
        n = self._reading.n_samples.n
        if n is not None and under is not None:
            under = first_samples(under, n)
        if self._reading.centring is Centring.COLUMNS and under is not None:
            under = centred(under)
        return under

    def _mean_row(
        self, moment: Moment, p: PVector, label: str, references: Sequence[PVector]
    ) -> dict[str, Any]:
        """A row of the log, with the mean angle to the references."""
        rows = [log_row(moment, p, label, self._compare(p, q)) for q in references]
        for name in _OF_AN_ANGLE if len(rows) > 1 else ():
            known = [row[name] for row in rows if row[name] is not None]
            rows[0][name] = float(np.mean(known)) if known else None
        return rows[0]

    def _seed(self, moment: Moment) -> list[int]:
        """Of the order of the rows: another one for each network and moment."""
        record = TrainingRecord.of(self._run)
        name = f"{record.model} {record.seed} {record.variant}"
        return [*name.encode(), moment.epoch - _BEFORE_TRAINING, moment.step]

    def _check_enough(self, p: PVector) -> None:
        n = self._reading.n_samples.n
        if n is not None and n > p.n_samples:
            raise ReadingUnavailableError(
                f"{self.path} holds P-vectors of {p.n_samples} samples, not of {n}.",
                Obstacle(Cause.TOO_FEW_SAMPLES, needed=n, found=p.n_samples),
            )
        if self._reading.vectors is Vectors.SPAN and p.k < 2 <= p.n_features:
            raise ReadingUnavailableError(
                f"{self.path} holds one singular vector; a span takes two or more.",
                Obstacle(Cause.TOO_FEW_VECTORS, needed=2, found=p.k),
            )

    def _ends_of_others(self) -> list[PVector]:
        own = dataclasses.replace(self._reading, compared_with=ComparedWith.OWN_END)
        views = [
            RunView(other, own, images=self._images, split=self._split)
            for other in self._others
            if other.path != self.path
        ]
        if not views:
            raise ReadingUnavailableError(
                f"There is no other network to compare {self.path} with.",
                Obstacle(Cause.TOO_FEW_NETWORKS, needed=2),
            )
        return [view.p_vector(_FINAL, view.layers[0]) for view in views]

    def _with_start(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the angle that the reading takes for that of the start."""
        early = table[table["step"] <= FIRST_UPDATES]
        is_start = table["epoch"] == _BEFORE_TRAINING
        if self._reading.start is Start.UNTRAINED or not is_start.any():
            return table
        largest = table.loc[[early["angle_deg"].astype(float).idxmax()]].assign(
            epoch=_BEFORE_TRAINING, step=0
        )
        return pd.concat([largest, table[~is_start]], ignore_index=True)

    def _read(self) -> pd.DataFrame:
        """The stored log with the angles of the reading."""
        log = self._stored.log
        if self._kept is not None:
            kept = zip(log["epoch"], log["step"], strict=True)
            log = log[[moment in self._kept for moment in kept]]
        if self._reading.centring is Centring.NONE:
            return log
        log = log[log["centered_angle_deg"].notna()]
        cosine = np.cos(np.radians(log["centered_angle_deg"].astype(float)))
        return log.assign(
            angle_deg=log["centered_angle_deg"],
            # Column-centred vectors are orthogonal to the constant one.
            null_angle_deg=90.0,
            z=cosine * np.sqrt(log["n_samples"] - 1),
            cos_ones=0.0,
            cos_ones_reference=0.0,
            # They are not in the log.
            **dict.fromkeys(
                ("sigma1", "sigma2_over_sigma1", "energy1", "participation"), math.nan
            ),
        )

    def _angles_to_raw_data(self) -> pd.DataFrame:
        rows = []
        references: Mapping[str, PVector] | None = None
        for moment in self.moments if self._images is not None else ():
            for p in self.p_vectors(moment).values():
                if references is None:
                    references = self._raw_data(p)
                rows += [
                    log_row(moment, p, name, self._compare(p, q))
                    for name, q in references.items()
                ]
        return pd.DataFrame(rows, columns=list(LOG_COLUMNS))

    def _raw_data(self, p: PVector) -> dict[str, PVector]:
        """P-vectors of the images under the reading, to compare `p` with."""
        assert self._images is not None
        samples, n = self._images.samples[self._split], self._reading.n_samples.n
        references = raw_data_p_vectors(
            samples.x[:n], self._images.mean, self._images.variance, k=p.k
        )
        sha256 = samples.sha256
        fingerprint = (
            sha256 if n in (None, len(samples)) else fingerprint_of_first(sha256, n)
        )
        found = {}
        for name, q in references.items():
            q = dataclasses.replace(
                q, samples_name=samples.name, samples_sha256=fingerprint
            )
            under = centred(q) if self._reading.centring is Centring.COLUMNS else q
            if under is not None:
                found[name] = under
        return found
