"""The claims of the paper, rated by criteria that are fixed here.

A claim that most of the null angles satisfy as well is rated as no more than the null
explains. The thresholds are this package's; the paper gives one of them, the 10 degrees
of C3. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

REPRODUCED = "reproduced"
NULL_EXPLAINS = "reproduced, but no more than the null explains"
NOT_REPRODUCED = "not reproduced"
NOT_TESTED = "not tested"

# A training nears its end when this share of its epochs is done.
_END = 0.9
# Degrees: what counts as small between networks, as converged to oneself, as a change.
_SMALL = 20.0
_CONVERGED = 10.0
_CHANGE = 2.0
# Degrees: what counts as large; and a distance of distributions that is one at all.
_LARGE = 60.0
_DRIFT = 0.01
# Rank correlation with time, or with depth, from which on a curve falls or rises.
_FALLS = -0.8
_TENDS = 0.5
_CONFIDENCE = 0.95
_FEWEST_FOR_INTERVAL = 4
_FEWEST_MODELS = 8
_MOST_PERMUTED = 8
# Numbers are told with two decimals; what differs by less has no interval.
_TOLD = 0.005
_DEGREES = " degrees"
# What no order of the samples tells of a path that is compared with its own end.
_ANY_PATH = "any path whose steps get smaller approaches its own end"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, how it was tested, and how that fell out.

    Attributes:
        claim: Its id, `"C1"` to `"C13"`.
        statement: What is claimed.
        criterion: What has to hold for it to be reproduced.
        measured: What was measured.
        null: What the null gives for the same quantity, and what else would.
        verdict: One of the four verdicts of this module.
        met: How many runs (pairs, curves) meet the criterion, with an interval; empty
            where it is not asked of each.
    """

    claim: str
    statement: str
    criterion: str
    measured: str
    null: str
    verdict: str
    met: str = ""


def as_table(claims: Iterable[Claim]) -> pd.DataFrame:
    """One row per claim."""
    columns = [field.name for field in dataclasses.fields(Claim)]
    return pd.DataFrame([dataclasses.asdict(c) for c in claims], columns=columns)


def small_angles(
    pairs: pd.DataFrame, claim: str = "C1", untrained: pd.DataFrame | None = None
) -> Claim:
    """C1: any two trained networks of one data set have a small angle.

    Untrained networks are a second null: if trained ones are as close to these, it is
    not the training that brings them together.

    Args:
        pairs: As `analysis.angles_between` gives them.
        claim: The id, since C13 asks the same of ready-trained networks.
        untrained: As `analysis.angles_to_untrained` gives them.
    """
    statement = {
        "C1": "Any two well-trained networks of one data set have a small angle.",
        "C13": "Ready-trained ImageNet networks have small angles to each other.",
    }[claim]
    criterion = f"at most {_SMALL:g} degrees (cosine 0.94) for every pair"
    if pairs.empty:
        needs = "needs at least two networks"
        return Claim(claim, statement, criterion, needs, "", NOT_TESTED)
    measured = f"{_range(pairs['angle_deg'])} over {len(pairs)} pairs"
    if pairs["centered_angle_deg"].notna().any():
        measured += f"; centred {_range(pairs['centered_angle_deg'].dropna())}"
    null = _range(pairs["null_angle_deg"])
    met, null_met = (pairs[name] <= _SMALL for name in ("angle_deg", "null_angle_deg"))
    rated = _judge(met, null_met, "pairs")
    if untrained is not None and not untrained.empty:
        twins = _last_rows(untrained)["angle_deg"]
        null += f"; trained networks to their untrained twins {_range(twins)}"
        if rated["verdict"] == REPRODUCED and _in_most(twins <= _SMALL):
            rated["verdict"] = NULL_EXPLAINS
    return Claim(claim, statement, criterion, measured, null, **rated)


def starts_large_and_falls(angles: pd.DataFrame) -> Claim:
    """C2: the angle to the well-trained model starts large and falls.

    Args:
        angles: As `analysis.angles_to_final` gives them.
    """
    before = _first_rows(angles)
    trend, null_trend = _trends(angles), _trends(angles, "null_angle_deg")
    return Claim(
        "C2",
        "Training from scratch, the angle to the well-trained model starts large and "
        "falls.",
        f"before training at least {_LARGE:g} degrees in every run, and rank "
        f"correlation of angle and epoch at most {_FALLS} in every run",
        f"before training {_range(before['angle_deg'])}; rank correlation "
        f"{_range(trend, '')}",
        f"before training {_range(before['null_angle_deg'])}; rank correlation "
        f"{_range(null_trend, '')}; {_ANY_PATH}",
        **_judge(
            (before["angle_deg"] >= _LARGE) & (trend <= _FALLS),
            (before["null_angle_deg"] >= _LARGE) & (null_trend <= _FALLS),
        ),
    )


def ends_under_ten_degrees(angles: pd.DataFrame) -> Claim:
    """C3: the same curve for every architecture and supervision.

    Args:
        angles: As `analysis.angles_to_final` gives them.
    """
    late = _late_rows(angles)
    trend = _trends(angles)
    ends = late.groupby("run")[["angle_deg", "null_angle_deg"]].max()
    return Claim(
        "C3",
        "Every architecture and supervision follows the same curve, which ends under "
        "10 degrees.",
        f"at most {_CONVERGED:g} degrees in every run in the last tenth of its epochs, "
        f"and rank correlation of angle and epoch at most {_FALLS}",
        f"in the last tenth {_range(late['angle_deg'])}; rank correlation "
        f"{_range(trend, '')}",
        f"in the last tenth {_range(late['null_angle_deg'])}; {_ANY_PATH}",
        **_judge(
            (ends["angle_deg"] <= _CONVERGED) & (trend <= _FALLS),
            # Where chance is as close in the end, a fall to there shows nothing.
            ends["null_angle_deg"] <= _CONVERGED,
        ),
    )


def first_epoch_peak(peaks: pd.DataFrame, reference: str) -> Claim:
    """C4 (to the well-trained model) and the first part of C6 (to the data): within the
    first epoch the angle first rises, then falls.

    Args:
        peaks: As `analysis.first_epoch_peaks` gives them.
        reference: `"final"` for C4; the data matrix for C6, on training samples.
    """
    is_c4 = reference == "final"
    chosen = peaks[peaks["reference"] == reference]
    if not is_c4:
        chosen = chosen[chosen["split"] == "train"]
    to = "well-trained P-vector" if is_c4 else "raw data"
    statement = (
        f"Update by update within the first epoch, the angle to the {to} first rises, "
        "then falls" + (", on training and on test samples." if is_c4 else ".")
    )
    criterion = (
        f"in every run{' and on both splits' if is_c4 else ''}, the largest angle of "
        f"the first epoch lies at least {_CHANGE:g} degrees above that before training "
        "and above that at the end of the epoch"
    )
    if (chosen["n_moments"] < 3).all():
        needs = "needs moments within the first epoch (--log_freq=first_epoch:1)"
        return Claim(
            "C4" if is_c4 else "C6", statement, criterion, needs, "", NOT_TESTED
        )
    place = chosen["peak_step"] / chosen["n_steps"]
    return Claim(
        "C4" if is_c4 else "C6",
        statement,
        criterion,
        f"rise {_range(chosen['rise_deg'])}, fall {_range(chosen['fall_deg'])}, peak "
        f"at {_range(place, '')} of the epoch, in {len(chosen)} curves",
        f"rise {_range(chosen['null_rise_deg'])}, fall "
        f"{_range(chosen['null_fall_deg'])}",
        **_judge(_peaks(chosen, ""), _peaks(chosen, "null_"), "curves"),
    )


def common_subspace(angles: pd.DataFrame) -> Claim:
    """C5: checkpoints of every model converge to all of three references.

    Args:
        angles: As `analysis.angles_to_references` gives them.
    """
    by = ["run", "reference"]
    before, end = _first_rows(angles, by), _last_rows(angles, by)
    gained = before["angle_deg"] - end["angle_deg"]
    return Claim(
        "C5",
        "Checkpoints of every model converge to the P-vectors of a supervised, an "
        "unsupervised and a self-supervised well-trained network.",
        f"after the last epoch at most {_SMALL:g} degrees to every reference, and less "
        "than before training",
        f"after the last epoch {_range(end['angle_deg'])}; less than before training "
        f"by {_range(gained)}; {len(end)} pairs",
        f"after the last epoch {_range(end['null_angle_deg'])}",
        **_judge(
            (end["angle_deg"] <= _SMALL) & (gained > 0),
            end["null_angle_deg"] <= _SMALL,
            "pairs",
        ),
    )


def falls_to_the_data(angles: pd.DataFrame) -> Claim:
    """C6, second part: after the first epoch the angle to the raw data falls to a small
    value.

    Args:
        angles: As `analysis.angles_to_data` gives them.
    """
    trained = angles[angles["epoch"] >= 0]
    trend = _trends(trained, whole=True)
    end = _last_rows(trained)
    null_trend = _trends(trained, "null_angle_deg", whole=True)
    return Claim(
        "C6",
        "After the first epoch the angle to the raw data falls, roughly monotonically, "
        "to a small value.",
        f"rank correlation of angle and epoch at most {_FALLS} in every run, and at "
        f"most {_SMALL:g} degrees after its last epoch",
        f"rank correlation {_range(trend, '')}; after the last epoch "
        f"{_range(end['angle_deg'])}",
        f"rank correlation {_range(null_trend, '')}; after the last epoch "
        f"{_range(end['null_angle_deg'])}",
        **_judge(
            (trend <= _FALLS) & (end["angle_deg"] <= _SMALL),
            (null_trend <= _FALLS) & (end["null_angle_deg"] <= _SMALL),
        ),
    )


def turns_with_depth(angles: pd.DataFrame) -> Claim:
    """C7: early in training the angle to the data rises from block to block, late it
    falls towards the top blocks.

    Args:
        angles: As `analysis.angles_by_block` gives them.
    """

    def with_depth(column: str) -> tuple[pd.Series, pd.Series]:
        early, late = {}, {}
        for name, run in angles.groupby("run", sort=False):
            first = run[run["epoch"] == run["epoch"].min()]
            last = run[run["epoch"] == run["epoch"].max()]
            top = last[last["block"] > last["block"].max() / 2]
            early[name] = _rank_correlation(first["block"], first[column])
            late[name] = _rank_correlation(top["block"], top[column])
        return pd.Series(early), pd.Series(late)

    statement = (
        "Early in training the angle to the raw data rises with the depth of the "
        "block; late in training it falls towards the top blocks."
    )
    criterion = (
        f"rank correlation of angle and block at least {_TENDS} in the first epoch, "
        f"and at most {-_TENDS} over the upper half of the blocks in the last"
    )
    if angles.empty or (angles.groupby("run")["block"].max() < 5).any():
        needs = "needs at least five blocks, of which three are the upper half"
        return Claim("C7", statement, criterion, needs, "", NOT_TESTED)
    n_blocks = int(angles["block"].max())
    chance = _chance_of_a_trend(n_blocks - n_blocks // 2)
    early, late = with_depth("angle_deg")
    null_early, null_late = with_depth("null_angle_deg")
    return Claim(
        "C7",
        statement,
        criterion,
        f"first epoch {_range(early, '')}; upper half in the last {_range(late, '')}",
        f"first epoch {_range(null_early, '')}; upper half in the last "
        f"{_range(null_late, '')}; blocks in random order meet the part about the "
        f"upper half with a probability of {chance:.2f}",
        **_judge(
            (early >= _TENDS) & (late <= -_TENDS),
            (null_early >= _TENDS) & (null_late <= -_TENDS),
        ),
    )


def values_drift(drift: pd.DataFrame) -> Claim:
    """C8: the distribution of the P-vector's values drifts in training and settles.

    Args:
        drift: As `analysis.value_drift` gives it.
    """
    trend = _trends(drift, "distance")
    before = _first_rows(drift)
    return Claim(
        "C8",
        "The distribution of the P-vector's values drifts in training, and settles.",
        "rank correlation of epoch and Wasserstein's distance to the distribution of "
        f"the last epoch at most {_FALLS} in every run, and before training at least "
        f"{_DRIFT:g}",
        f"rank correlation {_range(trend, '')}; distance before training "
        f"{_range(before['distance'], '')} (values have mean square 1)",
        f"none: a distribution is the same in any order of the samples; {_ANY_PATH}",
        **_judge((trend <= _FALLS) & (before["distance"] >= _DRIFT)),
    )


def others_do_not_converge(angles: pd.DataFrame) -> Claim:
    """C9: singular vectors other than the first do not converge.

    Args:
        angles: As `analysis.singular_vector_angles` gives them.
    """
    late = _late_rows(angles, ["run", "index"])

    def of_first_and_others(column: str) -> tuple[pd.Series, pd.Series]:
        is_first = late["index"] == 1
        return (
            late[is_first].groupby("run")[column].max(),
            late[~is_first].groupby(["run", "index"])[column].median(),
        )

    def meets(first: pd.Series, others: pd.Series) -> pd.Series:
        return (first <= _CONVERGED) & (others.groupby("run").min() > _SMALL)

    first, others = of_first_and_others("angle_deg")
    statement = "The 2nd, 3rd and later singular vectors do not converge as the 1st."
    criterion = (
        f"in the last tenth of the epochs the 1st is within {_CONVERGED:g} degrees of "
        f"the last epoch's, and each of the others (its median) more than {_SMALL:g} "
        "degrees away, in every run"
    )
    if others.empty:
        needs = "needs more than one singular vector"
        return Claim("C9", statement, criterion, needs, "", NOT_TESTED)
    null_first, null_others = of_first_and_others("null_angle_deg")
    return Claim(
        "C9",
        statement,
        criterion,
        f"1st {_range(first)}; medians of the others {_range(others)}",
        f"1st {_range(null_first)}; medians of the others {_range(null_others)}",
        **_judge(meets(first, others), meets(null_first, null_others)),
    )


def explained_by_one(explained: pd.DataFrame) -> Claim:
    """C12: one singular triplet explains most of the features.

    Args:
        explained: As `analysis.explained_variance` gives it.
    """
    one = explained[explained["k"] == 1]
    trained = one[one["epoch"] >= 0]
    end = _last_rows(one)
    most = explained[explained["k"] == explained["k"].max()]
    return Claim(
        "C12",
        "The first singular triplet explains most of the features at every checkpoint.",
        "at least half of ||X||_F^2 in the first direction after every epoch, in every "
        "run",
        f"k=1 {_range(trained['explained'], '')}, after the last epoch "
        f"{_range(end['explained'], '')}; k={int(most['k'].iloc[0])} after the last "
        f"epoch {_range(_last_rows(most)['explained'], '')}",
        f"the constant vector alone explains at least "
        f"{_range(trained['constant_share'], '')}",
        **_judge(
            trained.groupby("run")["explained"].min() >= 0.5,
            trained.groupby("run")["constant_share"].min() >= 0.5,
        ),
    )


def goes_with_generalization(correlations: pd.DataFrame) -> Claim:
    """C10: the angle to the data goes with generalization performance.

    Args:
        correlations: As `analysis.rank_correlations` gives them for `test_accuracy`.
    """
    statement = "The smaller the angle to the raw data, the better a model generalizes."
    criterion = (
        "Kendall's tau of angle and test accuracy at most -0.3 with a 95% interval "
        "below zero, and negative among models that differ in one factor only, for "
        "every factor"
    )
    by_kind = correlations.set_index(["predictor", "factor"])
    tau = by_kind["tau"]
    overall = by_kind.loc[("angle_deg", "all")]
    within = by_kind.loc["angle_deg"].drop("all").dropna(subset="tau")
    if overall["n"] < _FEWEST_MODELS or not np.isfinite(overall["tau"]) or within.empty:
        needs = (
            f"needs at least {_FEWEST_MODELS} models whose accuracies differ, and some "
            "that differ in one factor only"
        )
        return Claim("C10", statement, criterion, needs, "", NOT_TESTED)
    trivial = {
        name: abs(tau[(name, "all")])
        for name in ("train_loss", "n_parameters", "cos_ones")
        if np.isfinite(tau[(name, "all")])
    }
    best = max(trivial, key=trivial.get, default="")
    holds = overall["tau"] <= -0.3 and overall["high"] < 0 and (within["tau"] < 0).all()
    return Claim(
        "C10",
        statement,
        criterion,
        f"tau {overall['tau']:.2f} ({overall['low']:.2f} to {overall['high']:.2f}) "
        f"over {int(overall['n'])} models, means of their seeds; within factors: "
        + ", ".join(f"{row.Index} {_tau(row)}" for row in within.itertuples()),
        f"trivial predictors reach |tau| = {trivial.get(best, 0.0):.2f} ({best})",
        _verdict(holds, trivial.get(best, 0.0) >= abs(overall["tau"])),
    )


def log_log_relation(models: pd.DataFrame) -> Claim:
    """C11: the same on log-log axes.

    Args:
        models: As `analysis.over_seeds` gives them.
    """
    statement = "On log-log axes, test accuracy falls as a power of the angle."
    criterion = (
        "Pearson's correlation of the logarithms of angle and test accuracy at most "
        "-0.5, with a 95% interval below zero"
    )
    known = models[(models["angle_deg"] > 0) & (models["test_accuracy"] > 0)]
    columns = ["angle_deg", "null_angle_deg", "test_accuracy"]
    if len(known) < _FEWEST_MODELS or (known[columns].nunique() < 2).any():
        needs = f"needs at least {_FEWEST_MODELS} models, and that they differ"
        return Claim("C11", statement, criterion, needs, "", NOT_TESTED)
    accuracy = np.log(known["test_accuracy"])

    def correlation(column: str) -> tuple[float, float, float]:
        result = stats.pearsonr(np.log(known[column]), accuracy)
        interval = result.confidence_interval()
        return result.statistic, interval.low, interval.high

    r, low, high = correlation("angle_deg")
    null_r, null_low, null_high = correlation("null_angle_deg")
    fit = stats.linregress(np.log(known["angle_deg"]), accuracy)
    return Claim(
        "C11",
        statement,
        criterion,
        f"r = {r:.2f} ({low:.2f} to {high:.2f}) over {len(known)} models, means of "
        f"their seeds; exponent {fit.slope:.2f} +- {1.96 * fit.stderr:.2f}",
        f"r = {null_r:.2f} ({null_low:.2f} to {null_high:.2f}) with the null angle",
        _verdict(r <= -0.5 and high < 0, null_r <= -0.5 and null_high < 0),
    )


def _tau(row: tuple) -> str:
    """A mean over groups with its interval, or why there is none."""
    if math.isfinite(row.low):
        return f"{row.tau:.2f} ({row.low:.2f} to {row.high:.2f})"
    return f"{row.tau:.2f} (" + (
        f"all {row.n:.0f} groups alike)" if row.n > 1 else "one group)"
    )


def not_tested(claim: str, statement: str, why: str) -> Claim:
    """A claim that these runs cannot say anything about."""
    return Claim(claim, statement, "", why, "", NOT_TESTED)


def _verdict(holds: bool, null_passes: bool = False) -> str:
    if not holds:
        return NOT_REPRODUCED
    return NULL_EXPLAINS if null_passes else REPRODUCED


def _judge(
    met: pd.Series, null_met: pd.Series | None = None, what: str = "runs"
) -> dict[str, str]:
    """The verdict where each run (pair, curve) has to meet the criterion, and how many
    do, with the exact interval of Clopper and Pearson for their share.

    The null explains it where it meets the criterion by itself in most of them: the one
    that happens to lie beyond a threshold is no discovery.
    """
    interval = stats.binomtest(int(met.sum()), len(met)).proportion_ci(_CONFIDENCE)
    told = f"{met.sum()} of {len(met)} {what}"
    if null_met is not None:
        told += f", by the null alone {null_met.sum()}"
    told += f"; 95% interval of the share {interval.low:.2f} to {interval.high:.2f}"
    if what != "runs":
        told += f", if {what} were independent"
    explained = null_met is not None and _in_most(null_met)
    return {"verdict": _verdict(bool(met.all()), explained), "met": told}


def _in_most(met: pd.Series) -> bool:
    return bool(met.mean() >= 0.5)


def _peaks(peaks: pd.DataFrame, prefix: str) -> pd.Series:
    rise, fall = peaks[f"{prefix}rise_deg"], peaks[f"{prefix}fall_deg"]
    return (rise >= _CHANGE) & (fall >= _CHANGE)


def _first_rows(table: pd.DataFrame, by: Sequence[str] = ("run",)) -> pd.DataFrame:
    return table.sort_values("epoch").groupby([*by], sort=False).first()


def _last_rows(table: pd.DataFrame, by: Sequence[str] = ("run",)) -> pd.DataFrame:
    return table.sort_values("epoch").groupby([*by], sort=False).last()


def _late_rows(table: pd.DataFrame, by: Sequence[str] = ("run",)) -> pd.DataFrame:
    """The rows of the last tenth of each training, without its last epoch, whose angle
    to itself is zero by definition."""
    late = []
    for _, run in table.groupby([*by], sort=False):
        earlier = run[run["epoch"] < run["epoch"].max()]
        end = min(_END * (run["epoch"].max() + 1), earlier["epoch"].max() + 1)
        late.append(earlier[earlier["epoch"] + 1 >= end])
    return pd.concat(late, ignore_index=True)


def _trends(
    table: pd.DataFrame, column: str = "angle_deg", whole: bool = False
) -> pd.Series:
    """Rank correlation of a column with the epoch, for each run; without the last epoch
    unless `whole`."""
    trends = {}
    for name, run in table.groupby("run", sort=False):
        run = run.sort_values("epoch")
        run = run if whole else run.iloc[:-1]
        trends[name] = _rank_correlation(run["epoch"], run[column])
    return pd.Series(trends)


def _rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Spearman's; 0 where it is not defined (fewer than three points, or constant)."""
    if len(x) < 3 or y.nunique() < 2:
        return 0.0
    # A correlation of exactly the threshold is not to fail by its last digit.
    return round(float(stats.spearmanr(x, y).statistic), 9)


def _chance_of_a_trend(n: int) -> float:
    """Probability that Spearman's coefficient of `n` places and their random order is
    `-_TENDS` or less: exact for few, SciPy's approximation for many."""
    if n > _MOST_PERMUTED:
        return float(stats.t.cdf(-_TENDS * math.sqrt((n - 2) / (1 - _TENDS**2)), n - 2))
    orders = np.array([*itertools.permutations(range(n))])
    squares = np.sum((orders - np.arange(n)) ** 2, axis=1)
    return float(np.mean(1 - 6 * squares / (n * (n**2 - 1)) <= -_TENDS + 1e-9))


def _range(values: Sequence[float], unit: str = _DEGREES) -> str:
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "nothing"
    low, high = min(values), max(values)
    if len(values) == 1:
        return f"{low:.2f}{unit}"
    told = f"{low:.2f} to {high:.2f}{unit} (median {np.median(values):.2f}"
    if len(values) >= _FEWEST_FOR_INTERVAL and high - low > _TOLD:
        low, high = _interval_of_mean(values)
        high = min(high, 90.0) if unit == _DEGREES else high  # no angle is larger
        told += (
            f", mean {np.mean(values):.2f}, its 95% interval {low:.2f} to {high:.2f}"
        )
    return f"{told})"


def _interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Student's: a bootstrap of a handful of values is too narrow by far."""
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(_CONFIDENCE)
    return interval.low, interval.high
