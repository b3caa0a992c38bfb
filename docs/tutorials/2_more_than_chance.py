# %% [markdown]
# # 2. Is this angle more than chance?
#
# Two networks, one set of samples, an angle of 8 degrees. Is that small? On its own the number says nothing. This tutorial takes features whose common structure we planted ourselves, so that we know the answer, and shows what each null can and cannot detect. Then it asks the same of two networks that were trained, and ends with a table of [what to conclude](#how-to-decide). It takes about a minute.
#
# Install `'.[reproduction]'`, or `'.[experiments]'` with another backend; see [Installation](../installation.md).

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
# Two independent matrices of ReLU features. They have nothing to do with the samples:

# %%
rng = np.random.default_rng(0)


def relu_features(planted):
    """Random ReLU features; `planted` is added to the input of every unit, one value
    per sample."""
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
# Both vectors are almost the constant vector, because non-negative features have a large mean. The [permutation null](../reference/glossary.md#null) says what this alone explains: it keeps both vectors and shuffles the samples of one. Theory predicts it: for independent entries with coefficient of variation `cv`, the cosine is `1 / (1 + cv^2 / d)` (see [the uncentred vector](../method/uncentred.md)).

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
# By the angle alone, all four pairs look alike. `z` is the number of standard deviations by which the angle is closer than its null; between -3 and 3, the angle shows nothing. It separates *nothing* from the rest, and so does the centred angle (`NaN` means that the centred vector is not determined: pure noise has no leading direction). Neither tells *what* is shared.
#
# ## The ladder of nulls
#
# Each rung of the ladder removes one explanation:
#
# | rung | what is permuted or removed | an agreement that survives is not only |
# |---|---|---|
# | permutation | all samples of one side | the constant vector |
# | within class | samples within each class | a separation of the classes |
# | image statistics | brightness and contrast, projected out of both | brightness and contrast |
# | untrained pairs | nothing: compared with untrained networks | a property of the architecture and the images |
#
# The p-values of the first three rungs are those of permutation tests, at least 1/1000 with 999 permutations. On the first two rungs they are exact at any sample size. The third permutes what the projection leaves of one vector (Freedman and Lane 1983), which is exact only in the limit of many samples. The last rung permutes nothing: it ranks the angle among those of untrained pairs, and pairs share networks, so its p-value is an indication and not exact.
#
# The first two rungs ask for *more* agreement than under the null: a pair that is farther apart than its null has a p-value near 1. The third compares what is left of both vectors after the constant vector, brightness and contrast have been projected out, up to sign.


# %%
def ladder(p, q):
    comparison = kp.compare(p, q, n_permutations=999, samples=samples)
    return comparison.ladder_table.p_value


p_values = pd.DataFrame({name: ladder(*pair) for name, pair in pairs.items()}).T
p_values.round(3)

# %% [markdown]
# - *nothing* is not significant on any rung, up to the 5% of false alarms that a 5% level admits.
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
# ## Farther apart than the null
#
# The angle can also be *larger* than its null. Two such pairs:
#
# - **reversed**: both networks respond to the same hidden property with opposite signs. The samples that activate one of them most activate the other least.
# - **classes reversed**: they share the response to the hidden property, but the classes that activate one of them most activate the other least.

# %%
hidden, of_class = 0.1 * planted["hidden"], 0.1 * planted["class"]
opposed = {
    "reversed": (hidden, -hidden),
    "classes reversed": (hidden / 2 + of_class, hidden / 2 - of_class),
}
farther = {
    name: [features_p_vector(relu_features(values)) for values in pair]
    for name, pair in opposed.items()
}
rows = {}
for name, (p, q) in farther.items():
    comparison = kp.compare(p, q)
    rows[name] = {
        "angle": comparison.angle_deg,
        "null angle": comparison.null_angle_deg,
        "z": comparison.z,
        "centred angle": comparison.centered_angle_deg,
        "correlation": np.corrcoef(p.vector, q.vector)[0, 1],
    }
pd.DataFrame(rows).T.round(2)

# %%
p_values = pd.DataFrame({name: ladder(*pair) for name, pair in farther.items()}).T
p_values.round(3)

# %% [markdown]
# `z` is far below -3 in both. That is not a lack of agreement, which would give a `z` near 0, but agreement with the opposite sign: `z` is `sqrt(n - 1)` times the correlation of the entries of both vectors, and the correlation is negative.
#
# The rungs seem to contradict each other, and do not:
#
# - *permutation* fails, since it asks for the same sign.
# - *image statistics* passes, and the *centred angle* is well below 90. Neither distinguishes a structure from its mirror image: without the constant vector, nothing fixes the sign.
# - *within class* tells the two apart. It fails for *reversed*. It passes for *classes reversed*: with the classes kept in place, what is left within each of them agrees.
#
# The conclusion for *reversed*: "The two networks respond to a common property of the samples, and in opposite directions. By the P-vector they are farther apart than shuffled samples." For *classes reversed*: "They disagree on which classes activate them most, and agree within classes." The means of both vectors by class show the former:

# %%
p, q = farther["classes reversed"]
means = pd.DataFrame({"p": p.vector, "q": q.vector}).groupby(labels).mean()
print(f"correlation of the class means: {means.corr().loc['p', 'q']:.2f}")
assert means.corr().loc["p", "q"] < -0.9
assert p_values.loc["reversed", "within class"] > 0.5
assert p_values.loc["classes reversed", "within class"] <= 0.01
assert (p_values["permutation"] > 0.5).all()
assert (p_values["image statistics"] <= 0.01).all()

# %% [markdown]
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
    *after, n_permutations=999, samples=samples, untrained_deg=untrained
)
for name, x in (("before", kp.compare(*before)), ("after", comparison)):
    print(
        f"{name} training: {x.angle_deg:.1f} degrees, null {x.null_angle_deg:.1f}, "
        f"z = {x.z:.1f}, centred {x.centered_angle_deg:.1f}"
    )
comparison.ladder_table.round(3)

# %% [markdown]
# Read the table from the top. A small p-value on the first rung says that the two networks agree on the samples beyond the constant vector. The third rung asks *what* they agree on. If nothing is left there, training may have brought the two networks closer together, but by following brightness and contrast of the images more closely, not by something new that they both found.
#
# Whether they agree *because they were trained* is the question of the last rung: an angle that is not smaller than those of untrained pairs is a property of the images and the architectures, not of learning. With 25 pairs, its p-value is at least 1/26. A smaller angle is not yet proof of the opposite. Training also moves P-vectors towards the constant vector or away from it, which changes angles and nulls alike, so look at `z` as well:

# %%
z = [kp.compare(p, q).z for p in untrained_mlps for q in untrained_cnns]
print(
    f"untrained pairs: z from {min(z):.1f} to {max(z):.1f}, median {np.median(z):.1f}"
)
print(f"trained pair:    z = {comparison.z:.1f}")
print(f"centred angle at z = 3: {np.degrees(np.arccos(3 / np.sqrt(n - 1))):.1f}")

# %% [markdown]
# Here the angle of the trained pair is smaller than those of untrained pairs, but its null is smaller too, and by `z` the trained pair is within the range of the untrained ones. The centred angle is close to the limit at which it begins to show something. The conclusion for these two networks: "They agree on the samples, hardly more than untrained pairs may, and brightness and contrast explain the agreement."
#
# The calibrated cosine is 0 at the 95% quantile of the null and 1 for equal vectors. Unlike `z`, it does not grow with the number of samples, so that it can be compared across sample sets.
#
# ## How to decide
#
# Start with `z`, then go down the ladder. Each row says what may be concluded, for the P-vectors of these samples.
#
# | what you see | what it says | what to do next |
# |---|---|---|
# | `z` above 3 | the networks agree on the samples, beyond the constant vector | the other rungs: on what, and is it learned? |
# | `z` from -3 to 3 | no agreement is shown. It may be absent, or too weak for so few samples: `z` grows with their number | more samples; the centred angle |
# | `z` below -3 | agreement with the opposite sign, as [above](#farther-apart-than-the-null): what activates one network most activates the other least. Not "unrelated" | correlation of the class means; *within class*; the centred angle |
# | *permutation* passes, *within class* fails | which class a sample is of explains the agreement | report it as agreement on the classes |
# | *permutation* passes, *image statistics* fails | brightness and contrast explain the agreement | report it as agreement on these |
# | *permutation* fails, *within class* passes | the responses to the classes are opposite, and within the classes the networks agree | correlation of the class means |
# | *permutation* fails, *image statistics* passes | there is a common structure apart from brightness and contrast. Either it has the opposite sign (`z` negative), or it has the same sign and opposite responses to brightness or contrast cancel it (`z` may be near 0) | the sign of `z`; the centred angle |
# | plain and centred disagree | they answer different questions, see below | name the one that you asked |
# | *untrained pairs* passes | the angle is smaller than without training | is `z` larger than that of untrained pairs, too? |
# | first rung passes, *untrained pairs* fails | the networks agree, but no more than untrained ones: no sign that learning brought them closer | compare `z` and centred angles with those of untrained pairs, see below |
#
# **Plain or centred?** The plain P-vector says how strongly each sample activates the features as a whole. Its angle asks whether the *same* samples do so most, so the sign counts; most of it is the constant vector. The centred vector is the main axis along which the features vary. Its angle asks whether both networks have the same main axis, in *either* direction. So, plain close and centred far: the networks are activated by the same samples, but vary most along different axes. Plain farther than its null and centred close: the same axis, reversed, or a reversed overall activation beside a common axis. For "do they have a common structure?", report the centred angle and the rungs; for the claims of the paper about P-vectors, the plain one.
#
# **Untrained pairs closer?** If untrained networks are nearer to the constant vector than trained ones, their angles are small for a reason that has nothing to do with the samples: two vectors that are 4 and 5 degrees from the constant vector [cannot be more than 9 degrees apart](../method/uncentred.md#the-cap). Compare `z` and the centred angles then, as above. If untrained pairs are closer in these too, the agreement was there before training, and training has reduced it.
#
# **How many pairs?** One pair of networks is one observation. The p-value of a permutation says that *these two* agree, not that two such networks usually do. Repeat it with several seeds, and report the range.
#
# [Compare two runs](../how-to/compare_runs.md) has the calls for run folders, and [the uncentred vector](../method/uncentred.md) the theory.
