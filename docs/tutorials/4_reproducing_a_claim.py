# %% [markdown]
# # 4. Reproducing a claim
#
# The reproduction is built on the library: a *claim* of the paper is a statement with a criterion, a *study* trains what its claims need, and a result is numbers with a verdict. This tutorial tests claim C3 on digits, on two small networks and two seeds, in a minute or two. The same call with `dataset="cifar10"` and `preset="whole"` is the real experiment, and takes hours.
#
# Install `'.[reproduction]'`, or `'.[experiments]'` with another backend; see [Installation](../installation.md).

# %%
import contextlib
import dataclasses
import io
import tempfile
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import keras_pvec as kp
from keras_pvec.reproduction.claims import CLAIMS
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.experiment import run_study
from keras_pvec.reproduction.report.criteria import criterion_text

# %% [markdown]
# ## The claim
#
# Statements are in our own words, and criteria were fixed before networks were trained on whole data sets. Both are in the module `keras_pvec.reproduction.claims.registry`.

# %%
claim = CLAIMS["C3"]
print(claim.statement)
print("Criterion:", textwrap.fill(criterion_text(claim.criterion), 72))

# %% [markdown]
# ## The experiment
#
# One frozen dataclass holds all settings. `run_study` trains the missing runs, analyses all of them, and writes tables, figures and verdicts. It also prints all that it finds, on the other claims of the study as well; that is kept for later here.

# %%
folder = Path(tempfile.mkdtemp())
config = ExperimentConfig(
    dataset="digits",
    models=("mlp", "autoencoder"),
    seeds=(0, 1),
    epochs=8,
    log_freq="epoch",
    runs_dir=folder / "runs",
    out_dir=folder / "results",
    device="cpu",
)
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    outcome = run_study(config, claim.study)
print(f"{len(printed.getvalue().splitlines())} lines; printed.getvalue() shows them.")

# %% [markdown]
# On the command line, the same in the folder of the clone is
#
# ```text
# python experiments/convergence.py --models=mlp,autoencoder --seeds=0,1 \
#     --epochs=8 --log_freq=epoch
# ```
#
# ## The curves
#
# Each trained run is an ordinary [run folder](3_reading_a_run.md). Left: the angle to the run's *own* last epoch, so that every curve ends at 0, with the permutation null of each run (dotted, in its colour). Right: the same with mean-centred features.

# %% alt="Angle to the own last epoch for two networks and two seeds on digits"
runs = {
    f"{model}, seed {seed}": kp.open_run(
        folder / "runs" / "digits" / "small" / model / f"seed_{seed}"
    )
    for model in config.models
    for seed in config.seeds
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
kp.plot_angles(list(runs.values()), labels=list(runs), ax=left)
kp.plot_angles(list(runs.values()), labels=list(runs), centered=True, ax=right)
left.get_legend().remove()  # that on the right has the same colours
left.set_title("P-vector")
right.set_title("features mean-centred")
plt.show()

# %% [markdown]
# ## The verdict
#
# Each claim is rated under two [readings](../reference/glossary.md#reading) of the paper's words: *literal*, with the features as they are, and *column-centred*. A verdict is one of these:
#
# | verdict | meaning |
# |---|---|
# | reproduced, partly reproduced | enough runs meet the criterion, and not by a null |
# | met, but no more than chance | the criterion is met, but by a null as well: it would be met without any agreement on the samples |
# | not reproduced | too few runs meet it |
# | described, not tested, precondition not met, inconclusive | no verdict, for a reason that is given: there is no threshold, the criterion cannot be met under this reading, or there are too few networks |
#
# The lines under each verdict count the runs, and the pairs of networks, that meet the criterion; in brackets, those whose permutation null meets it.

# %%
claims = pd.read_csv(outcome.folder / "claims.csv")
for rated in claims[claims.claim == "C3"].itertuples():
    print(
        f"{rated.reading}: {rated.verdict}", *rated.evidence.split("; "), sep="\n    "
    )

# %% [markdown]
# The two readings differ, and the reason is the component along the constant vector. Under the literal reading, nearly every run is within 10 degrees by its null already. Under the column-centred one, no null is, but only the angles to a run's own end are small; different networks are far from each other. And an angle to the own end proves little: any path whose steps shrink approaches its own end.
#
# The claim is about well-trained networks. It is not known whether these are, and the full text says so; [results](../reproduction/results.md) has the verdicts for networks that are.
#
# ## Other readings of the same runs
#
# The paper leaves open how its words become numbers: whether features are centred, which samples are used, which end a network is compared with. Readings that stored P-vectors allow need no training and no forward pass. The second call finds its runs and trains nothing. It writes the verdict under each reading to `specifications.csv`:

# %%
with contextlib.redirect_stdout(printed):
    outcome = run_study(dataclasses.replace(config, readings="stored"), claim.study)
readings = pd.read_csv(outcome.folder / "specifications.csv")
of_claim = readings[readings.claim == "C3"]
pd.crosstab(of_claim.verdict, of_claim.centring)

# %% [markdown]
# Where the verdict changes with the reading, as it does here, the words of the claim do not decide it.
#
# ## From here
#
# - [What holds and what does not](../reproduction/findings.md) sums up what the larger runs say.
# - `python experiments/reproduce.py`, or `keras-pvec reproduce` without a clone, runs all studies and writes a report with [specification curves](../reference/glossary.md#specification-curve).
# - A run of the reproduction is an ordinary run folder: [Reading a run](3_reading_a_run.md) and [Compare two runs](../how-to/compare_runs.md) apply to it.
