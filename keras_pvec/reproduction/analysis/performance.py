"""Angles to the data and the performance of trained classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from keras_pvec.reproduction.analysis import schema as col
from keras_pvec.reproduction.analysis.labels import concatenated
from keras_pvec.reproduction.analysis.moments import epoch_ends, logged
from keras_pvec.reproduction.analysis.nulls import with_null_band
from keras_pvec.reproduction.record import LoggedRun, TrainingRecord


def generalization(
    runs: Sequence[LoggedRun],
    variants: Sequence[str],
    split: str,
    matrix: str = col.DATA,
) -> pd.DataFrame:
    """Angle to the data and performance of each trained classifier.

    Args:
        runs: Finished classifiers.
        variants: How each differs from the base of its architecture, as
            `"<factor>=<level>"`, or `"base"`.
        split: Samples that the angle is computed on, `"train"` or `"test"`.
        matrix: As in `angles_to_data`.

    Returns:
        One row per run: `run`, `model`, `seed`, `variant`, `factor`, the columns of a
        comparison with the data at the last epoch, `train_accuracy`, `test_accuracy`,
        `gap` (training minus test accuracy), `train_loss`, `test_loss`,
        `n_parameters`.
    """
    rows = (
        (run, _performance(run, variant, split, matrix))
        for run, variant in zip(runs, variants, strict=True)
    )
    return with_null_band(concatenated(rows))


def _performance(run: LoggedRun, variant: str, split: str, matrix: str) -> pd.DataFrame:
    record = TrainingRecord.of(run)
    train, test = record.evaluation["train"], record.evaluation["test"]
    last = epoch_ends(logged(run.on(split), matrix)).tail(1)
    return last.assign(
        **{
            col.VARIANT: variant,
            col.FACTOR: variant.partition("=")[0],
            col.TRAIN_ACCURACY: train["accuracy"],
            col.TEST_ACCURACY: test["accuracy"],
            col.GAP: train["accuracy"] - test["accuracy"],
            col.TRAIN_LOSS: train["loss"],
            col.TEST_LOSS: test["loss"],
            col.N_PARAMETERS: record.n_parameters,
        }
    )


def over_seeds(models: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each model and variant.

    Seeds of one variant are not independent observations of a correlation between
    variants: counted one by one, they would make every interval too narrow.

    Args:
        models: As `generalization` returns them.

    Returns:
        One row per model and variant: `model`, `variant`, `factor`, `n_seeds` and the
        means of the other numbers.
    """
    # A column in which nothing applies holds objects, which have no mean.
    empty = models.columns[models.isna().all()]
    models = models.astype(dict.fromkeys(empty, float))
    by_variant = models.groupby([col.MODEL, col.VARIANT, col.FACTOR], sort=False)
    means = by_variant.mean(numeric_only=True).drop(
        columns=[col.SEED, col.WELL_TRAINED], errors="ignore"
    )
    return means.assign(**{col.N_SEEDS: by_variant.size()}).reset_index()
