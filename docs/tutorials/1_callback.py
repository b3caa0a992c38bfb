# %% [markdown]
# # 1. The callback in your training
#
# You have a Keras model that you train with `fit`. This tutorial adds one callback to it, reads what the callback wrote, and draws the angle between the network's features and its final features, epoch by epoch. The data are the 8 x 8 digits that come with scikit-learn; all of it takes less than a minute.
#
# Install `'.[reproduction]'` from a clone, which covers all tutorials, or `'.[experiments]'` with another backend; see [Installation](../installation.md).

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
from keras import layers
from sklearn.datasets import load_digits

import keras_pvec as kp

# %% [markdown]
# ## A model and its data
#
# Nothing here is special to this package: any compiled Keras model will do, on any backend.

# %%
keras.utils.set_random_seed(0)
images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
x_train, y_train = images[:1200], labels[:1200]
x_test, y_test = images[1200:], labels[1200:]

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
    optimizer=keras.optimizers.Adam(3e-3),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)

# %% [markdown]
# ## The samples
#
# A P-vector has one entry per sample. Two P-vectors can be compared only if they were computed on the same samples in the same order. A `SampleSet` keeps both fixed and has a fingerprint; P-vectors of different sample sets raise an error instead of giving a number.

# %%
samples = kp.SampleSet(x_test, y_test, name="digits/test")
samples

# %% [markdown]
# ## The callback
#
# `layers` takes names as in `model.summary()`, or regular expressions after `re:`. Without `layers`, the callback watches the input of the model's [head](../reference/glossary.md#head), its last Dense layer: here `avg_pool`. `references` names what each P-vector is compared with during training: here the P-vector of the raw pixels, and that of the previous logged moment.

# %%
folder = Path(tempfile.mkdtemp())
logger = kp.PVectorLogger(
    folder / "cnn",
    samples,
    layers=["avg_pool", r"re:^block_\d+$"],
    references={"data": kp.data_p_vector(samples), "before": "previous"},
)
history = model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=15,
    validation_data=(x_test, y_test),
    callbacks=[logger],
    verbose=0,
)
print(f"test accuracy: {history.history['val_accuracy'][-1]:.2f}")

# %% [markdown]
# Training itself is not changed: the weights are the same, bit for bit, as without the callback. Each logged [moment](../reference/glossary.md#moment) costs one forward pass over the samples, for all layers together.
#
# The angles are in Keras's `logs` too, so `CSVLogger`, `TensorBoard` or `EarlyStopping` see them if they come *after* the logger in the list of callbacks.

# %%
[name for name in history.history if name.startswith("pvec")]

# %% [markdown]
# ## What was written
#
# The folder holds one row per moment, layer and reference in `log.csv`, and the P-vectors themselves in `pvectors/`.
#
# The log counts epochs from 0, as Keras does: row 0 is the state *after* the first epoch, and -1 is before training. Plots count *epochs trained*, from 0 before training to 15 here. So `run.p_vector(-1)` is the start, drawn at 0, and `run.p_vector(0)` is drawn at 1.
#
# `null_angle_deg` is the angle of the [permutation null](../reference/glossary.md#null), and `z` says by how many standard deviations the angle is closer than this null.

# %%
run = kp.open_run(folder / "cnn")
columns = ["angle_deg", "null_angle_deg", "z", "layer", "reference", "epoch"]
run.log[columns].tail(6).round(2)

# %% [markdown]
# ## The angle to the end of training
#
# The last P-vector is known only after training. Since the callback stores P-vectors and not only angles, the angle of each earlier moment to it can be computed now, without the network: `run.plot()` draws it, and `run.angles(to="final")` returns it as a table. In a script, `run.plot().figure.savefig("angles.png")` saves the figure.

# %% alt="Angle of the P-vector to the end of the run, falling to zero, with its permutation null"
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
run.plot(layers="avg_pool", ax=left)
run.plot(layers="avg_pool", centered=True, ax=right)
left.set_title("P-vector")
right.set_title("features mean-centred")
plt.show()

# %% [markdown]
# How to read it:
#
# - Left, the solid curve is the angle between the P-vector after each epoch and the last one. It ends at 0 by construction.
# - The dotted curve is the angle that would remain if the samples of one side were shuffled. Features after a ReLU are non-negative, so *all* P-vectors have a large component along the constant vector, and this null angle is far below 90 degrees. Only where the curve is clearly below its null do both moments respond to the samples alike.
# - Right, that component is removed: the angle after each feature is mean-centred. Its null is 90 degrees, up to sampling noise.

# %%
table = run.angles(to="final", layer="avg_pool")
start, end = table.iloc[0], table.iloc[-2]
for name, row in (("before training", start), ("one epoch before the end", end)):
    print(
        f"{name}: {row.angle_deg:.1f} degrees, null {row.null_angle_deg:.1f}, "
        f"centred {row.centered_angle_deg:.1f}"
    )

# %% [markdown]
# The network *before* training is already far below its null. Nothing has been learned at that point: random filters respond to the same property of the images, mostly their brightness, as trained ones do. This agreement belongs to the architecture and the images. [Tutorial 2](2_more_than_chance.md#the-ladder-of-nulls) shows how to test for it, on the last two rungs of the ladder: without brightness and contrast, and against untrained networks.

# %% [markdown]
# ## Where to go next
#
# - [Is this angle more than chance?](2_more_than_chance.md) goes through the nulls in detail.
# - [Reading a run](3_reading_a_run.md) shows the rest of what a run folder holds.
# - [Compare two runs](../how-to/compare_runs.md) goes from one run to two seeds.
# - [Layers](../how-to/layers.md) explains which layers can be watched, and how.
# - For moments within an epoch, `log_freq=100` also logs every 100 steps, and `log_freq={"first_epoch": 10}` every 10 steps of the first epoch only.
