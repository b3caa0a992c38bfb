"""Tables made of stored runs. Angles are in degrees: 0 = the same, 90 = unrelated.

Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.comparison import (
    Comparison,
    compare,
    compare_in_detail,
    permutation_cosine_moments,
    principal_angles,
)
from keras_pvec.pvector import PVector
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.runs import Run

# Of a normal distribution, this many standard deviations hold 95%.
_BAND_STD = 1.96
_CONFIDENCE = 0.95
_RESAMPLES = 2000
_FEWEST_FOR_INTERVAL = 8

BEFORE_TRAINING = -1

# Columns of a pair, of a detailed comparison alone, and of all that measures likeness.
_PAIR = ["run", "other", "group", "other_group"]
DETAILS = [
    "trimmed_angle_deg",
    "trimmed_null_angle_deg",
    "influential_samples",
    "row_normalised_angle_deg",
    "row_normalised_null_angle_deg",
    "linear_cka",
    "largest_principal_angle_deg",
    "stored_energy",
]
MEASURES = [
    *_PAIR,
    "angle_deg",
    "null_angle_deg",
    "centered_angle_deg",
    *(column for column in DETAILS if column != "influential_samples"),
]


def run_label(run: Run) -> str:
    """What a run is called in tables and figures, e.g. `"resnet, seed 0"`."""
    record = TrainingRecord.of(run)
    if record.model is None:
        return run.path.name
    return f"{record.model}, seed {record.seed}"


def model_of(run: Run) -> str:
    """The model's name, e.g. `"wide_resnet-28-2"`."""
    return TrainingRecord.of(run).model or run.path.name


def angles_to_final(runs: Sequence[Run]) -> pd.DataFrame:
    """Angle of each run's feature layer to its own last epoch, epoch by epoch.

    Returns:
        One row per run and epoch (-1 is before training), with the columns of
        `log.csv`, `run`, `model`, `seed`, and the 95% band of the null angle.
    """
    return _gather(
        (run, _epoch_ends(run.angles(to="final", layer=run.layers[0]))) for run in runs
    )


def angles_to_data(runs: Sequence[Run], matrix: str = "data") -> pd.DataFrame:
    """Angle of each run's feature layer to the raw data, epoch by epoch.

    Args:
        runs: Finished runs.
        matrix: `"data"` for pixels in [0, 1], `"input"` for standardised ones.

    Returns:
        As `angles_to_final`.
    """
    return _gather((run, _epoch_ends(_logged(run, matrix))) for run in runs)


def angles_to_untrained(runs: Sequence[Run]) -> pd.DataFrame:
    """Angle of each run's feature layer, epoch by epoch, to its untrained twin: the
    same network with initial weights of its own.

    Returns:
        As `angles_to_final`; empty for runs that were not compared with a twin.
    """
    return _gather((run, _epoch_ends(_logged(run, "untrained"))) for run in runs)


def angles_to_references(
    runs: Sequence[Run], references: Sequence[Run]
) -> pd.DataFrame:
    """Angle of every epoch of every run to the last epoch of each reference.

    Returns:
        As `angles_to_final`; `reference` is the label of the reference. A run is not
        compared with itself.
    """

    def angles(run: Run, reference: Run) -> pd.DataFrame:
        final = reference.p_vector("final", reference.layers[0])
        table = _epoch_ends(run.angles(to=final, layer=run.layers[0]))
        return table.assign(reference=run_label(reference))

    return _gather(
        (run, angles(run, reference))
        for reference in references
        for run in runs
        if run.path != reference.path
    )


def first_epoch_angles(
    runs: Sequence[Run], matrix: str = "data", splits: Sequence[str] = ("train", "test")
) -> pd.DataFrame:
    """Angles at every logged moment up to the end of the first epoch.

    Args:
        runs: Finished runs that logged within the first epoch.
        matrix: As in `angles_to_data`.
        splits: Which samples.

    Returns:
        One row per run, split, reference (`"final"`, the run's own last epoch, or
        `matrix`) and step, else as `angles_to_final`.
    """

    def angles(run: Run, reference: str) -> pd.DataFrame:
        if reference == "final":
            table = run.angles(to="final", layer=run.layers[0])
        else:
            table = _logged(run, reference)
        table = table[table["epoch"] <= 0]
        return table.drop_duplicates("step", keep="last")

    return _gather(
        (run, angles(run.on(split), reference).assign(split=split))
        for run in runs
        for split in splits
        for reference in ("final", matrix)
    )


def first_epoch_peaks(angles: pd.DataFrame) -> pd.DataFrame:
    """How high and where the angle is largest within the first epoch.

    Args:
        angles: As `first_epoch_angles` gives them.

    Returns:
        One row per run, split and reference: the angle at the start, at its peak and
        at the end of the epoch, `peak_step`, the `rise` from the start to the peak and
        the `fall` from there to the end, in degrees; and the same of the null angle.
    """
    rows = []
    keys = ["run", "model", "seed", "split", "reference"]
    for key, curve in angles.groupby(keys, sort=False, dropna=False):
        curve = curve.sort_values("step")
        row = dict(zip(keys, key, strict=True))
        row |= {"n_steps": int(curve["step"].max()), "n_moments": len(curve)}
        for prefix, column in (("", "angle_deg"), ("null_", "null_angle_deg")):
            values = curve[column].to_numpy(float)
            peak = int(np.argmax(values))
            row |= {
                f"{prefix}start_deg": values[0],
                f"{prefix}peak_deg": values[peak],
                f"{prefix}peak_step": int(curve["step"].iloc[peak]),
                f"{prefix}end_deg": values[-1],
                f"{prefix}rise_deg": values[peak] - values[0],
                f"{prefix}fall_deg": values[peak] - values[-1],
            }
        rows.append(row)
    return pd.DataFrame(rows)


def angles_between(runs: Sequence[Run]) -> pd.DataFrame:
    """Comparisons of the last epochs of all pairs of runs; see `pairwise_angles`. Runs
    of one model, with other seeds, are a group."""
    return pairwise_angles(
        {run_label(run): run.p_vector("final", run.layers[0]) for run in runs},
        {run_label(run): model_of(run) for run in runs},
    )


def pairwise_angles(
    p_vectors: Mapping[str, PVector], groups: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Detailed comparisons of all pairs of named P-vectors.

    Args:
        p_vectors: By name.
        groups: What each belongs to, by name; default a group of its own.

    Returns:
        One row per unordered pair of different names, with `run`, `other`, `group` and
        `other_group`, the fields of a detailed comparison, and the 95% band of the
        null angle; of the principal angles it has the largest.
    """
    rows = []
    for a, b in itertools.combinations(p_vectors, 2):
        comparison = compare_in_detail(p_vectors[a], p_vectors[b])
        row = {"run": a, "other": b}
        row |= {
            "group": groups[a] if groups else a,
            "other_group": groups[b] if groups else b,
        }
        row |= dataclasses.asdict(comparison)
        row["largest_principal_angle_deg"] = row.pop("principal_angles_deg")[-1]
        rows.append(row)
    if not rows:
        plain = [field.name for field in dataclasses.fields(Comparison)]
        return pd.DataFrame(columns=[*_PAIR, *plain, *DETAILS])
    return with_null_band(pd.DataFrame(rows))


def influential_samples(pairs: pd.DataFrame) -> pd.DataFrame:
    """The samples that decide the angle of each pair.

    Args:
        pairs: As `pairwise_angles` gives them.

    Returns:
        One row per pair and sample: `run`, `other`, `group`, `other_group`, `rank` (1
        for the one whose absence would change the angle the most), `sample` (its
        number among the samples), and of the pair the angles with all samples and
        without those, each with its null.
    """
    angles = ["angle_deg", "null_angle_deg"]
    trimmed = [f"trimmed_{name}" for name in angles]
    kept = [*_PAIR, *angles, *trimmed, "influential_samples"]
    table = pairs[kept].explode("influential_samples", ignore_index=True)
    table = table.dropna(subset="influential_samples")  # networks that are the same
    table = table.rename(columns={"influential_samples": "sample"})
    return table.assign(rank=table.groupby(["run", "other"]).cumcount() + 1)


def angles_by_block(
    runs: Sequence[Run], matrix: str = "data", n_epochs: int = 5
) -> pd.DataFrame:
    """Angle of each block of a network to the raw data, for some epochs of a training.

    Args:
        runs: Finished runs that logged their blocks.
        matrix: As in `angles_to_data`.
        n_epochs: How many epochs, each later by the same factor, to the last one.

    Returns:
        As `angles_to_final`, with `block`, counted from 1 at the input.
    """

    def angles(run: Run) -> pd.DataFrame:
        blocks = {layer: i for i, layer in enumerate(block_layers(run), start=1)}
        log = run.log[run.log["reference"] == matrix]
        table = log[log["layer"].isin(blocks)]
        ends = table.groupby(["epoch", "layer"]).tail(1)
        if ends.empty:
            return ends.assign(block=[])
        last = ends["epoch"].max()
        shown = np.unique(np.geomspace(1, last + 1, n_epochs).round().astype(int)) - 1
        ends = ends[ends["epoch"].isin(shown)]
        ends = ends.assign(block=ends["layer"].map(blocks))
        return ends.sort_values(["epoch", "block"])

    return _gather((run, angles(run)) for run in runs)


def block_layers(run: Run) -> list[str]:
    """The blocks that a run logged, from the input on."""
    first, *others = run.layers
    # The features are watched first; in some networks they are the last block as well.
    patterns = TrainingRecord.of(run).settings.get("layers", [])[1:]
    is_block = any(
        re.search(p.removeprefix("re:"), first) if p.startswith("re:") else p == first
        for p in patterns
    )
    return [*others, first] if is_block else others


def singular_vector_angles(runs: Sequence[Run]) -> pd.DataFrame:
    """Angle of each of the top singular vectors to that of the last epoch.

    Returns:
        One row per run, epoch and `index` (1 is the P-vector), with the columns of a
        comparison of these vectors, and `subspace_angle_deg`, the largest principal
        angle between the spans of the first `index` vectors.
    """

    def angles(run: Run) -> pd.DataFrame:
        layer = run.layers[0]
        final = run.p_vector("final", layer)
        rows = []
        for moment in _end_moments(run):
            p = run.p_vectors(moment).get(layer)
            for i in range(min(p.k, final.k) if p is not None else 0):
                comparison = compare(_only(p, i, i + 1), _only(final, i, i + 1))
                subspaces = principal_angles(_only(p, 0, i + 1), _only(final, 0, i + 1))
                rows.append(
                    {
                        "epoch": moment[0],
                        "index": i + 1,
                        **dataclasses.asdict(comparison),
                        "subspace_angle_deg": subspaces[-1],
                    }
                )
        return pd.DataFrame(rows)

    return _gather((run, angles(run)) for run in runs)


def explained_variance(runs: Sequence[Run]) -> pd.DataFrame:
    """How much of the features the top `k` singular triplets hold, epoch by epoch.

    Returns:
        One row per run, epoch and `k`: `explained`, the share of `||X||_F^2` in the
        first `k` directions; `error`, `E_k = ||X - U_k S_k V_k^T||_F^2`, in the squared
        units of the features, which is what the other directions hold (Eckart and
        Young 1936); `error_share`, `E_k / ||X||_F^2`; and `constant_share`, a lower
        bound on the share that the constant vector alone would hold.
    """

    def table(run: Run) -> pd.DataFrame:
        layer = run.layers[0]
        rows = []
        for moment in _end_moments(run):
            p = run.p_vectors(moment).get(layer)
            if p is None:
                continue
            total = p.frobenius_norm**2
            held = np.cumsum(p.singular_values[: p.k] ** 2)
            for k, energy in enumerate(held, start=1):
                rows.append(
                    {
                        "epoch": moment[0],
                        "k": k,
                        "explained": min(energy / total, 1.0),
                        "error": max(total - energy, 0.0),
                        "error_share": max(1 - energy / total, 0.0),
                        "constant_share": p.energy1 * p.cos_ones**2,
                    }
                )
        return pd.DataFrame(rows)

    return pd.concat([_identified(table(run), run) for run in runs], ignore_index=True)


def p_vector_values(run: Run) -> dict[int, np.ndarray]:
    """The entries of a run's P-vector by epoch, times `sqrt(n_samples)`.

    The constant vector has all its values at 1. Signs are those of the last epoch, so
    that epochs compare.
    """
    layer = run.layers[0]
    final = run.p_vector("final", layer).vector
    values = {}
    for moment in _end_moments(run):
        p = run.p_vectors(moment).get(layer)
        if p is not None:
            sign = -1.0 if p.vector @ final < 0 else 1.0
            values[moment[0]] = sign * p.vector * np.sqrt(p.n_samples)
    return values


def value_histograms(run: Run, n_epochs: int = 5, n_bins: int = 60) -> pd.DataFrame:
    """Histograms of the P-vector's values, for some epochs and before training.

    Returns:
        One row per epoch and bin: `left`, `right` (of `sqrt(n) u_i`), and `share`. The
        first and the last bin hold what lies beyond them as well.
    """
    values = p_vector_values(run)
    last = max(values)
    shown = np.geomspace(1, last + 1, n_epochs).round().astype(int) - 1
    shown = [e for e in sorted({BEFORE_TRAINING, *map(int, shown)}) if e in values]
    edges = np.linspace(*_usual_range([values[e] for e in shown]), n_bins + 1)
    tables = []
    for epoch in shown:
        inside = np.clip(values[epoch], edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges)
        tables.append(
            pd.DataFrame(
                {
                    "epoch": epoch,
                    "left": edges[:-1],
                    "right": edges[1:],
                    "share": counts / counts.sum(),
                }
            )
        )
    return _identified(pd.concat(tables, ignore_index=True), run)


def value_densities(run: Run, n_points: int = 200) -> pd.DataFrame:
    """Kernel density estimate of the P-vector's values at every epoch.

    Returns:
        One row per epoch and `value` (of `sqrt(n) u_i`): `density`, by SciPy's
        Gaussian kernel with Silverman's bandwidth, which a few far values do not widen,
        and which is at least two steps of the values; empty where all are equal.
    """
    values = p_vector_values(run)
    grid = np.linspace(*_usual_range([*values.values()]), n_points)
    finest = 2 * (grid[1] - grid[0])
    tables = []
    for epoch, of_epoch in values.items():
        density = np.nan
        if of_epoch.std() > 1e-9:
            bandwidth = max(_silverman(of_epoch), finest)
            # SciPy takes it as a factor on the standard deviation.
            kernel = stats.gaussian_kde(of_epoch, bandwidth / of_epoch.std(ddof=1))
            density = kernel(grid)
        tables.append(pd.DataFrame({"epoch": epoch, "value": grid, "density": density}))
    return _identified(pd.concat(tables, ignore_index=True), run)


def _usual_range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Where nearly all values lie; a few far ones would leave the rest a line."""
    low, high = np.quantile(np.concatenate(values), [0.005, 0.995])
    margin = max(0.1 * (high - low), 1e-6)
    return low - margin, high + margin


def _silverman(values: np.ndarray) -> float:
    """Bandwidth by Silverman's rule of thumb (1986, equation 3.31)."""
    spread = min(values.std(ddof=1), stats.iqr(values) / 1.34)
    return 0.9 * (spread or values.std(ddof=1)) * len(values) ** -0.2


def value_drift(runs: Sequence[Run]) -> pd.DataFrame:
    """How far the distribution of the P-vector's values is from that of the last epoch.

    Returns:
        One row per run and epoch: `distance` (Wasserstein's, of `sqrt(n) u_i`), and the
        mean, standard deviation and skewness of the values.
    """
    tables = []
    for run in runs:
        values = p_vector_values(run)
        final = values[max(values)]
        rows = [
            {
                "epoch": epoch,
                "distance": stats.wasserstein_distance(of_epoch, final),
                "mean": of_epoch.mean(),
                "std": of_epoch.std(),
                "skewness": stats.skew(of_epoch) if of_epoch.std() > 1e-9 else np.nan,
            }
            for epoch, of_epoch in values.items()
        ]
        tables.append(_identified(pd.DataFrame(rows), run))
    return pd.concat(tables, ignore_index=True)


# What a generalization measure has to beat: any of these is known without a P-vector.
PREDICTORS = (
    "angle_deg",
    "centered_angle_deg",
    "train_loss",
    "n_parameters",
    "cos_ones",
)


def generalization(
    runs: Sequence[Run], variants: Sequence[str], split: str, matrix: str = "data"
) -> pd.DataFrame:
    """Angle to the data and performance of each trained classifier.

    Args:
        runs: Finished classifiers.
        variants: What each differs in from the base of its architecture, as
            `"<factor>=<level>"`, or `"base"`.
        split: Samples of the angle.
        matrix: As in `angles_to_data`.

    Returns:
        One row per run: `run`, `model`, `seed`, `variant`, `factor`, the columns of a
        comparison with the data at the last epoch, `train_accuracy`, `test_accuracy`,
        `gap` (train less test), `train_loss`, `test_loss`, `n_parameters`.
    """
    tables = []
    for run, variant in zip(runs, variants, strict=True):
        table = _epoch_ends(_logged(run.on(split), matrix)).tail(1)
        record = TrainingRecord.of(run)
        train, test = record.evaluation["train"], record.evaluation["test"]
        table = table.assign(
            variant=variant,
            factor=variant.partition("=")[0],
            train_accuracy=train["accuracy"],
            test_accuracy=test["accuracy"],
            gap=train["accuracy"] - test["accuracy"],
            train_loss=train["loss"],
            test_loss=test["loss"],
            n_parameters=record.n_parameters,
        )
        tables.append(_identified(table, run))
    return with_null_band(pd.concat(tables, ignore_index=True))


def over_seeds(models: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of each model and variant.

    Seeds of one variant are no further observations of what goes with what between
    variants: counted one by one, they would make every interval too narrow.

    Args:
        models: As `generalization` gives them.

    Returns:
        One row per model and variant: `model`, `variant`, `factor`, `n_seeds` and the
        means of the other numbers.
    """
    by_variant = models.groupby(["model", "variant", "factor"], sort=False)
    means = by_variant.mean(numeric_only=True).drop(columns="seed")
    return means.assign(n_seeds=by_variant.size()).reset_index()


def rank_correlations(models: pd.DataFrame, target: str) -> pd.DataFrame:
    """Kendall's tau of each predictor with a target: overall, and among models that
    differ in one factor only.

    Across a whole grid a third quantity (the architecture, say) can make or turn a
    correlation (Jiang et al. 2020, arXiv 1912.02178, section 4, who introduced the
    second kind).

    Args:
        models: As `over_seeds` gives them.
        target: `"test_accuracy"` or `"gap"`.

    Returns:
        One row per predictor and `factor` (`"all"` for the overall one): `tau`, its
        95% interval `low`, `high` (bootstrap over models; Student's over groups, for a
        factor), and how many models or groups there are (`n`). Empty where it is not
        defined.
    """
    rows = []
    for predictor in PREDICTORS:
        known = models.dropna(subset=[predictor, target])
        overall = known[[predictor, target]].to_numpy(float)
        tau = _kendall(*overall.T)
        low, high = _bootstrap(_kendall, overall.T)
        common = {"target": target, "predictor": predictor}
        rows.append(
            {**common, "factor": "all", "tau": tau, "low": low, "high": high}
            | {"n": len(overall)}
        )
        for factor in _factors(known):
            taus = [
                _kendall(group[predictor], group[target])
                for group in _groups(known, factor)
            ]
            taus = np.array([tau for tau in taus if np.isfinite(tau)])
            low, high = _interval_of_mean(taus)
            mean = taus.mean() if len(taus) else np.nan
            rows.append(
                {**common, "factor": factor, "tau": mean, "low": low, "high": high}
                | {"n": len(taus)}
            )
    return pd.DataFrame(rows)


def _factors(models: pd.DataFrame) -> list[str]:
    varied = [factor for factor in models["factor"].unique() if factor != "base"]
    return ["model", *varied] if models["model"].nunique() > 1 else varied


def _groups(models: pd.DataFrame, factor: str) -> list[pd.DataFrame]:
    """Models that differ in this factor alone, two or more together."""
    if factor == "model":
        groups = models.groupby("variant")
    else:
        has_factor = models["factor"].isin([factor, "base"])
        groups = models[has_factor].groupby("model")
    return [group for _, group in groups if len(group) > 1]


def _kendall(x: Any, y: Any) -> float:
    """Kendall's tau-b; NaN where one side does not vary."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(stats.kendalltau(x, y).statistic)


def _bootstrap(
    statistic: Callable[..., float], samples: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Percentile interval; NaN from few observations, of which it is too narrow by far,
    and where the
    statistic itself is not defined."""
    if len(samples[0]) < _FEWEST_FOR_INTERVAL or not np.isfinite(statistic(*samples)):
        return np.nan, np.nan
    result = stats.bootstrap(
        samples,
        # A resample of one model alone has no order, for which Kendall's tau is 0.
        lambda *resample: np.nan_to_num(statistic(*resample)),
        paired=True,
        vectorized=False,
        confidence_level=_CONFIDENCE,
        n_resamples=_RESAMPLES,
        method="percentile",
        random_state=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def _interval_of_mean(taus: np.ndarray) -> tuple[float, float]:
    """Student's, within what a correlation may be; NaN where all are alike, which says
    nothing of how others would scatter."""
    if len(taus) < 2 or np.ptp(taus) == 0:
        return np.nan, np.nan
    interval = stats.ttest_1samp(taus, 0.0).confidence_interval(_CONFIDENCE)
    return max(interval.low, -1.0), min(interval.high, 1.0)


def _logged(run: Run, reference: str) -> pd.DataFrame:
    """The rows of `log.csv` of a run's first layer and a reference."""
    log = run.log
    chosen = (log["reference"] == reference) & (log["layer"] == run.layers[0])
    return log[chosen]


def _epoch_ends(table: pd.DataFrame) -> pd.DataFrame:
    """The last moment of each epoch; those within one are another study's."""
    last = table.groupby("epoch")["step"].transform("max")
    return table[table["step"] == last]


def _end_moments(run: Run) -> list[tuple[int, int]]:
    return list(dict(run.moments).items())  # later steps of an epoch win


def _only(p: PVector, start: int, stop: int) -> PVector:
    """A P-vector with some of its singular vectors alone; the first of them leads."""
    return dataclasses.replace(
        p,
        vectors=p.vectors[:, start:stop],
        singular_values=p.singular_values[start:],
        error_deg=p.error_deg[start:stop],
        certified_error_deg=(
            None if p.certified_error_deg is None else p.certified_error_deg[start:stop]
        ),
        # The centred vector belongs to the first one.
        centered_vector=None if start else p.centered_vector,
    )


def _identified(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The table of a run with what it is called in front."""
    table = table.copy()
    table.insert(0, "run", run_label(run))
    table.insert(1, "model", model_of(run))
    table.insert(2, "seed", TrainingRecord.of(run).seed)
    return table


def _gather(tables: Iterable[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of many runs as one, with null bands."""
    found = [_identified(table, run) for run, table in tables]
    return with_null_band(pd.concat(found, ignore_index=True))


def with_null_band(table: pd.DataFrame) -> pd.DataFrame:
    """Adds `null_low_deg` and `null_high_deg`: where 95% of the angles would lie if the
    samples of one side were in random order."""
    mean, std = permutation_cosine_moments(
        table["cos_ones"].astype(float),
        table["cos_ones_reference"].astype(float),
        table["n_samples"],
    )
    edges = [np.clip(np.abs(mean) + s * _BAND_STD * std, 0, 1) for s in (1, -1)]
    low, high = (np.degrees(np.arccos(edge)) for edge in edges)
    return table.assign(null_low_deg=low, null_high_deg=high)
