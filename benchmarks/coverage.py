"""How often do 95% intervals hold the true value?

    python benchmarks/coverage.py --n_worlds=1000

Draws worlds in which the truth is known, and prints how often the intervals of
`claims` hold it, beside simpler ones:

- pairs: 18 networks of 6 architectures, whose angles have a part that belongs to each
  network; the mean angle, and the share of pairs within 20 degrees.
- runs: 2 seeds of 6 architectures; the mean angle.
- variants: 36 models of 3 architectures; both sides differ between architectures, and
  are unrelated within. Kendall's tau, and Pearson's r.

On one core, 1,000 worlds take about five minutes.
"""

import argparse
import itertools

import numpy as np
import pandas as pd
from scipy import stats

from keras_pvec.reproduction.claims.resampling import interval_ends
from keras_pvec.reproduction.claims.stratified import (
    coefficient_estimate,
    kendall_tau,
    pearson_r,
)


def networks(n_kinds, n_seeds):
    """Labels of networks, and their architectures."""
    names = [f"{kind}, {seed}" for kind in range(n_kinds) for seed in range(n_seeds)]
    return names, {name: name.split(",")[0] for name in names}


def pairs_world(rng, n_kinds=6, n_seeds=3):
    """Angles of all pairs of different architectures, and the true mean and share.

    The architectures are fixed, so that the truth is over seeds alone.
    """
    names, kinds = networks(n_kinds, n_seeds)
    of_kind = np.linspace(-4, 4, n_kinds)
    of_network = {name: 3 * rng.standard_normal() for name in names}
    chosen = [
        pair
        for pair in itertools.combinations(names, 2)
        if kinds[pair[0]] != kinds[pair[1]]
    ]
    angles, shares = [], []
    for pair in chosen:
        mean = 20 + sum(of_kind[int(kinds[name])] for name in pair) / 2
        angles.append(mean + sum(of_network[n] for n in pair) + rng.standard_normal())
        shares.append(stats.norm.cdf((20 - mean) / np.sqrt(2 * 3**2 + 1)))
    values = pd.Series(angles, index=pd.MultiIndex.from_tuples(chosen))
    return values, kinds, 20.0, float(np.mean(shares))


def runs_world(rng, n_kinds=6, n_seeds=2):
    """Skewed angles of runs, and the true mean."""
    names, kinds = networks(n_kinds, n_seeds)
    mean = {str(kind): 5.0 * kind for kind in range(n_kinds)}
    angles = [mean[kinds[name]] + rng.exponential(3.0) for name in names]
    return pd.Series(angles, index=names), kinds, float(np.mean([*mean.values()]) + 3)


def variants_world(rng, n_kinds=3, n_variants=12):
    """Two unrelated quantities of models, and the number of each one's stratum."""
    strata = np.repeat(np.arange(n_kinds), n_variants)
    x = 2 * rng.standard_normal(n_kinds)[strata] + rng.standard_normal(len(strata))
    y = 2 * rng.standard_normal(n_kinds)[strata] + rng.standard_normal(len(strata))
    return x, y, strata


def student(values):
    """Student's interval, as if the values were independent."""
    return stats.ttest_1samp(values, 0.0).confidence_interval(0.95)


def holds(ends, truth):
    return bool(ends is not None and ends[0] <= truth <= ends[1])


def coverage(n_worlds, seed=0):
    """Share of the worlds whose interval holds the truth, by name of the interval."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_worlds):
        angles, kinds, mean, share = pairs_world(rng)
        within = (angles <= 20).astype(float)
        runs, kinds_of_runs, mean_of_runs = runs_world(rng)
        x, y, strata = variants_world(rng)

        def tau(chosen, x=x, y=y, strata=strata):
            return kendall_tau(x[chosen], y[chosen], strata[chosen])

        def r(chosen, x=x, y=y, strata=strata):
            return pearson_r(x[chosen], y[chosen], strata[chosen])

        pooled = stats.pearsonr(x, y).confidence_interval()
        found.append(
            {
                "pairs, mean, networks resampled": holds(
                    interval_ends(angles, kinds), mean
                ),
                "pairs, mean, pairs independent": holds(student(angles), mean),
                "pairs, share, networks resampled": holds(
                    interval_ends(within, kinds), share
                ),
                "pairs, share, pairs independent": holds(
                    stats.binomtest(int(within.sum()), len(within)).proportion_ci(),
                    share,
                ),
                "runs, mean, networks resampled": holds(
                    interval_ends(runs, kinds_of_runs), mean_of_runs
                ),
                "variants, tau, within architectures": holds(
                    coefficient_estimate(tau, strata)[1:], 0.0
                ),
                "variants, r, within architectures": holds(
                    coefficient_estimate(r, strata)[1:], 0.0
                ),
                "variants, r, over all models": holds(pooled, 0.0),
            }
        )
    return pd.DataFrame(found).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n_worlds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    found = coverage(arguments.n_worlds, arguments.seed)
    print(f"Coverage of 95% intervals in {arguments.n_worlds} worlds:\n")
    for name, share in found.items():
        print(f"{name:<40} {share:.1%}")


if __name__ == "__main__":
    main()
