# %% [markdown]
# # 3. Reading a run
#
# A run is a folder. This tutorial makes two, and then answers questions about them from their files alone: no network, no forward pass, no deep-learning framework.
#
# Install `'.[reproduction]'`, or `'.[experiments]'` with another backend; see [Installation](../installation.md).

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
from keras import layers
from sklearn.datasets import load_digits

import keras_pvec as kp

# %%
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
samples = kp.SampleSet(images[1200:], labels[1200:], name="digits/test")
folder = Path(tempfile.mkdtemp())


def train(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu", name="block_1"),
            layers.Conv2D(32, 3, activation="relu", name="block_2"),
            layers.GlobalAveragePooling2D(name="avg_pool"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    logger = kp.PVectorLogger(
        folder / f"seed_{seed}",
        samples,
        layers=["avg_pool", "block_1"],
        references={"data": kp.data_p_vector(samples)},
        log_freq={"first_epoch": 3},  # also every third step of the first epoch
        k=3,  # store the second and third singular vector as well
    )
    model.fit(
        images[:1200],
        labels[:1200],
        batch_size=64,
        epochs=8,
        callbacks=[logger],
        verbose=0,
    )
    return logger.run


run, other = train(0), train(1)
sorted(path.name for path in run.path.iterdir())

# %% [markdown]
# In a notebook, a run shows itself as a small table; `kp.open_run(folder)` opens it again.

# %%
run

# %% [markdown]
# ## Moments, layers, log
#
# A moment is a pair `(epoch, step)`. `step` is the number of training steps (batches) done, so moments are in the order of time. Epochs count from 0; -1 is before training.

# %%
print(run.layers)
print([tuple(moment) for moment in run.moments[:6]], "...")

# %%
columns = ["angle_deg", "null_angle_deg", "z", "layer", "epoch", "step"]
run.log[columns].head(4).round(2)

# %% [markdown]
# `run.metrics` is the table of losses and metrics by epoch, and `run.info` the content of `run.json`: settings, versions, failures.

# %%
run.metrics[["epoch", "accuracy", "loss"]].tail(3).round(3)

# %%
print(run.info.complete, run.info.logged_with.n_samples, run.info.failures)

# %% [markdown]
# ## Angles that were not asked for during training
#
# P-vectors are stored, so any two moments of any two runs on the same samples can be compared afterwards. Here the angles of both runs are to the end of seed 0, so only its own curve has to end at 0.

# %% alt="Angles of two seeds to the end of the first one; shares of the first singular directions"
end = run.p_vector("final", "avg_pool")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
kp.plot_angles([run, other], to=end, layers="avg_pool", ax=left)
kp.plot_spectrum(run, layer="avg_pool", ax=right)
left.set_title("angles to the end of seed 0")
right.set_title("spectrum of seed 0")
plt.show()

# %% [markdown]
# `run.angles` gives the same angles as a table. The moments of the first epoch are there because of `log_freq={"first_epoch": 3}`. The spectrum needs no reference: it is the share of the features in each singular direction, with the share of the constant vector dotted.

# %%
table = run.angles(to=end, layer="avg_pool")
columns = ["angle_deg", "null_angle_deg", "centered_angle_deg", "step"]
table.set_index("epoch")[columns].round(1)

# %% [markdown]
# ## One comparison in full
#
# `kp.compare_in_detail` adds what the stored vectors say beyond the angle: which samples dominate it, and how the other singular vectors compare.

# %%
p, q = end, other.p_vector("final", "avg_pool")
kp.compare(p, q)

# %%
detail = kp.compare_in_detail(p, q)
print(
    f"angle                 {detail.angle_deg:.1f} (null {detail.null_angle_deg:.1f})"
)
print(f"without 1% of samples {detail.trimmed_angle_deg:.1f}")
print(f"rows of unit length   {detail.row_normalised_angle_deg:.1f}")
print("principal angles     ", [round(a, 1) for a in detail.principal_angles_deg])
print(f"energy in 3 vectors   {detail.stored_energy:.2f}")

# %% [markdown]
# These are the images that change the angle most when they are left out:

# %% alt="The five most influential images"
fig, axes = plt.subplots(1, 5, figsize=(7, 1.6))
for axis, index in zip(axes, detail.influential_samples, strict=False):
    axis.imshow(samples.x[index, :, :, 0], cmap="gray_r")
    axis.set_title(f"{samples.y[index]}", fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## How far to trust a number
#
# Each P-vector carries its numerical error. `sigma2_over_sigma1` near 1 means that the vector itself is ambiguous, whatever the accuracy of the solver; `participation` is the effective number of samples in it.

# %%
print(f"error {p.error_deg[0]:.1e} degrees (certified: {p.certified_error_deg[0]:.1e})")
print(f"sigma2/sigma1 {p.sigma2_over_sigma1:.2f}")
print(f"participation {p.participation:.0f} of {p.n_samples} samples")

# %% [markdown]
# On the command line, `keras-pvec doctor` checks a whole folder: files against their checksums, rows against stored vectors, and which angles can be trusted.

# %%
# !keras-pvec doctor {run.path}

# %% [markdown]
# `keras-pvec export` writes all angles, including those to the last epoch, to one table for a spreadsheet or for R; `keras-pvec compare` compares two files of `pvectors/`. Both are on the page [Command line](../reference/command_line.md).
#
# ## Where to go next
#
# - [Compare two runs](../how-to/compare_runs.md): from these angles to a conclusion
# - [Archives](../how-to/archive.md): sharing runs as one file
