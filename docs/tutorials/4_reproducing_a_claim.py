# %% [markdown]
# # 4. Reproducing a claim
#
# The reproduction is built on the library: a claim of the paper is a statement with a criterion, a study trains what the claim needs, and a result is numbers with a verdict. This tutorial tests claim C3 on digits, on two small networks and two seeds, in about a minute. The same call with `dataset="cifar10"` and `preset="whole"` is the real experiment, and takes hours.

# %%
import dataclasses
import tempfile
from pathlib import Path

import pandas as pd
from IPython.display import Image

from keras_pvec.reproduction.claims import CLAIMS
from keras_pvec.reproduction.config import ExperimentConfig
from keras_pvec.reproduction.experiment import run_study

# %% [markdown]
# ## The claim
#
# Statements are in our own words. Criteria are fixed in `keras_pvec/reproduction/claims/registry.py`.

# %%
claim = CLAIMS["C3"]
print(claim.statement)
print(claim.criterion)

# %% [markdown]
# ## The experiment
#
# One frozen dataclass holds all settings. `run_study` trains the missing runs, analyses all of them, and writes tables, figures and verdicts. On the command line this is
#
#     python experiments/convergence.py --models=mlp,autoencoder --seeds=0,1 --epochs=8 --log_freq=epoch

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
outcome = run_study(config, claim.study)

# %% [markdown]
# ## The curves
#
# Left: angle to the run's own last epoch, with the permutation null of each model. Right: the same with mean-centred features.

# %% alt="Angle to the own last epoch for two networks on digits"
Image(outcome.folder / "angle_to_final.png", width=700)

# %% [markdown]
# ## The verdict
#
# The printed result above and `claims.csv` hold the same numbers. The claim is about well-trained networks; nobody knows whether these are, and the note says so. `n_met` of `n` runs meet the criterion, and `permutation_n_met` of them by their permutation null alone; if a null meets it as well, the verdict names it. Any path whose steps shrink approaches its own end, so the curve alone proves little.

# %%
claims = pd.read_csv(outcome.folder / "claims.csv")
shown = ["reading", "verdict", "n_met", "n", "effect_max", "permutation_n_met"]
claims.loc[claims.claim == "C3", shown].set_index("reading").round(2)

# %% [markdown]
# ## Another reading of the same runs
#
# The paper leaves open how its words become numbers: whether features are centred, which samples are used, which end a network is compared with. Readings that stored P-vectors allow need no training and no forward pass. The second call finds its runs and trains nothing.

# %%
outcome = run_study(dataclasses.replace(config, readings="stored"), claim.study)
sorted(path.name for path in outcome.folder.glob("*.csv"))

# %% [markdown]
# ## From here
#
# - [What holds and what does not](../reproduction/findings.md) sums up what the larger runs say.
# - `python experiments/reproduce.py` runs all studies and writes a report with specification curves.
# - A run of the reproduction is an ordinary run folder: `kp.open_run` reads it, as in [Reading a run](3_reading_a_run.md).
