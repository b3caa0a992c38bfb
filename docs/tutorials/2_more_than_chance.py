# %% [markdown]
# # 2. Is this angle more than chance?
#
# Two networks, one set of samples, an angle of 8 degrees. Is that small? On its own the number says nothing. This tutorial takes features whose common structure we planted ourselves, so that we know the answer, and shows what each null can and cannot detect. Then it asks the same of two networks that were trained.

# %%
import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.datasets import load_digits

import keras_pvec as kp

images, labels = load_digits(return_X_y=True)
images = images[:600].reshape(-1, 8, 8, 1).astype("float32") / 16
labels = labels[:600]
samples = kp.SampleSet(images, labels, name="digits")
n, d = len(samples), 512

# %% [markdown]
# ## Nothing in common, and yet 5 degrees
#
# Two independent matrices of ReLU features: no sample means anything to either of them.

# %%
rng = np.random.default_rng(0)


def relu_features(planted=0.0):
    """Random ReLU features; `planted` is added to the input of every unit."""
    weights = rng.uniform(0.5, 1.5, d)
    return np.maximum(rng.standard_normal((n, d)) + np.outer(planted, weights), 0)


def features_p_vector(features):
    return kp.p_vector(features, samples=samples)


nothing = np.zeros(n)
p, q = (features_p_vector(relu_features(nothing)) for _ in range(2))
comparison = kp.compare(p, q)
print(f"angle {comparison.angle_deg:.2f} degrees")
print(f"null  {comparison.null_angle_deg:.2f} degrees, z = {comparison.z:.1f}")
print(f"cosine of each to the constant vector: {p.cos_ones:.4f}, {q.cos_ones:.4f}")

# %% [markdown]
# Both vectors are almost the constant vector, because non-negative features have a large mean. The permutation null says what this alone explains: it keeps both vectors and shuffles the samples of one. Theory predicts it: for independent entries with coefficient of variation `cv`, the cosine is `1 / (1 + cv^2 / d)` (see [the uncentred vector](../method/uncentred.md)).

# %%
cv = np.sqrt(1 / 2 - 1 / (2 * np.pi)) * np.sqrt(2 * np.pi)  # of a rectified normal
predicted = np.degrees(np.arccos(1 / (1 + cv**2 / d)))
print(f"predicted: {predicted:.2f} degrees")
assert abs(predicted - comparison.angle_deg) < 0.3

# %% [markdown]
# ## Four kinds of common structure
#
# Now both networks respond to something that varies from sample to sample:
#
# - a **hidden** property of the samples, unrelated to anything we recorded;
# - the **class**: every sample of a class gets the same value;
# - the **brightness** of the image;
# - **nothing**, as above.
#
# All are scaled to the same strength.


# %%
def standardised(values):
    return (values - values.mean()) / values.std()


planted = {
    "nothing": nothing,
    "hidden": standardised(rng.standard_normal(n)),
    "class": standardised(rng.standard_normal(10)[labels]),
    "brightness": standardised(images.mean(axis=(1, 2, 3))),
}
pairs = {
    name: [features_p_vector(relu_features(0.1 * values)) for _ in range(2)]
    for name, values in planted.items()
}
rows = {}
for name, (p, q) in pairs.items():
    comparison = kp.compare(p, q)
    rows[name] = {
        "angle": comparison.angle_deg,
        "null angle": comparison.null_angle_deg,
        "z": comparison.z,
        "centred angle": comparison.centered_angle_deg,
    }
pd.DataFrame(rows).T.round(1)

# %% [markdown]
# By the angle alone, all four pairs look alike. `z` separates *nothing* from the rest, and so does the centred angle (`NaN` means that the centred vector is not determined: pure noise has no leading direction). Neither tells *what* is shared.
#
# ## The ladder of nulls
#
# Each rung removes one explanation:
#
# | rung | what is permuted or removed | an agreement that survives is not only |
# |---|---|---|
# | permutation | all samples of one side | the constant vector |
# | within class | samples within each class | a separation of the classes |
# | image statistics | brightness and contrast, projected out of both | brightness and contrast |
# | untrained pairs | compared with untrained networks | a property of the architecture |
#
# P-values are those of permutation tests: exact at any sample size, at least 1/1000 with 999 permutations.

# %%
recorded = {"labels": labels, **samples.statistics()}


def ladder(p, q, **options):
    comparison = kp.compare(p, q, n_permutations=999, samples=recorded, **options)
    return {test.rung.value: test.p_value for test in comparison.ladder}


p_values = pd.DataFrame({name: ladder(*pair) for name, pair in pairs.items()}).T
p_values.round(3)

# %% [markdown]
# - *nothing* is significant on no rung, up to the 5% of false alarms that a 5% level admits.
# - *hidden* is significant on all rungs.
# - *class* loses its significance within classes: all that the networks share is which class a sample is of. It survives without brightness and contrast, because classes differ in more than these.
# - *brightness* loses it once brightness and contrast are projected out. It survives within classes, because images of one class differ in brightness.

# %%
assert (p_values.loc["hidden"] <= 0.01).all()
assert p_values.loc["class", "permutation"] <= 0.01
assert p_values.loc["class", "within class"] > 0.01
assert p_values.loc["brightness", "permutation"] <= 0.01
assert p_values.loc["brightness", "image statistics"] > 0.01

# %% [markdown]
# A property that correlates with a recorded one is removed together with it, at least in part. A rung that is not passed therefore says "this explanation suffices", not "nothing else is there".
#
# ## Two trained networks
#
# A small MLP and a small CNN, trained on the other 1,197 digits. Their features are compared on the 600 samples above, before and after training.

# %%
all_images, all_labels = load_digits(return_X_y=True)
x = all_images[600:].reshape(-1, 8, 8, 1).astype("float32") / 16
y = all_labels[600:]


def network(kind, seed):
    keras.utils.set_random_seed(seed)
    body = {
        "mlp": [layers.Flatten(), layers.Dense(64, activation="relu")],
        "cnn": [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ],
    }[kind]
    features = layers.Dense(64, activation="relu", name="features")
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), *body, features, layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    return model


def network_p_vector(model):
    return kp.model_p_vectors(model, samples, "features")["features"]


mlp, cnn = network("mlp", 0), network("cnn", 1)
before = [network_p_vector(model) for model in (mlp, cnn)]
for model in (mlp, cnn):
    model.fit(x, y, batch_size=64, epochs=15, verbose=0)
after = [network_p_vector(model) for model in (mlp, cnn)]

# %% [markdown]
# The last rung needs other untrained networks of the same two architectures. Five of each give 25 pairs:

# %%
untrained_mlps = [network_p_vector(network("mlp", seed)) for seed in range(10, 15)]
untrained_cnns = [network_p_vector(network("cnn", seed)) for seed in range(20, 25)]
untrained = [kp.angle(p, q) for p in untrained_mlps for q in untrained_cnns]
comparison = kp.compare(
    *after, n_permutations=999, samples=recorded, untrained_deg=untrained
)
print(
    f"before training: {kp.angle(*before):.1f} degrees; after: "
    f"{comparison.angle_deg:.1f} degrees"
)
pd.DataFrame(
    {
        "angle": [test.angle_deg for test in comparison.ladder],
        "null: 5%": [test.null_angles_deg[0] for test in comparison.ladder],
        "null: 95%": [test.null_angles_deg[2] for test in comparison.ladder],
        "p": [test.p_value for test in comparison.ladder],
        "calibrated cosine": [test.calibrated_cosine for test in comparison.ladder],
    },
    index=[test.rung.value for test in comparison.ladder],
).round(3)

# %% [markdown]
# Read the table from the top; 0 = the same, 90 = unrelated. A small p-value on the first rung says that the two networks agree on the samples beyond the constant vector. Whether they agree *because they were trained* is answered by the last rung only: an angle that is not smaller than those of untrained pairs is a property of the images and the architectures, not of learning. With 25 pairs, its p-value is at least 1/26.
#
# The third rung asks *what* they agree on. If nothing is left there, training may have brought the two networks closer together, but by following brightness and contrast of the images more closely, not by something new that they both found.
#
# The calibrated cosine is 0 at the 95% quantile of the null and 1 for equal vectors. Unlike `z`, it does not grow with the number of samples, so that it can be compared across sample sets.
