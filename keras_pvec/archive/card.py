"""The data card of an archive: what it holds, how it was made, and how to read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from keras_pvec.archive.schema import Index

_NOT_STATED = "not stated by whoever packed the archive"
_PAPER = (
    'Liu et al. 2022, "Exploring the common principal subspace of deep features in '
    'neural networks", Machine Learning, doi 10.1007/s10994-021-06076-6'
)
# Name, shape, unit and content.
_P_VECTOR_ARRAYS = (
    ("moments", "(n, 2)", "", "epoch (from 0; -1 before training), updates done"),
    ("vectors", "(n, n_samples, k)", "unit length", "top left singular vectors"),
    ("centered_vector", "(n, n_samples)", "unit length", "of mean-centred features"),
    ("singular_values", "(n, k or k+1)", "of the features", "largest first"),
    ("centered_singular_value", "(n,)", "of the features", "the largest, centred"),
    ("frobenius_norm", "(n,)", "of the features", "Frobenius norm"),
    ("centered_frobenius_norm", "(n,)", "of the features", "Frobenius norm, centred"),
    ("row_norms", "(n, n_samples)", "of the features", "norm of each sample"),
    ("n_features", "(n,)", "", "number of features"),
    ("error_deg", "(n, k)", "degrees", "estimated error of each vector"),
    ("certified_error_deg", "(n, k)", "degrees", "proven bound; 90 if none"),
    ("centered_error_deg", "(n,)", "degrees", "estimated error, centred"),
)
_OTHERS = (
    ("archive.json", "", "", "names of runs, layers and sample sets by number"),
    ("runs.csv", "one row per run", "", "settings, quality, versions"),
    ("runs/<i>/run.json", "", "", "the same and more, as the training wrote it"),
    ("runs/<i>/log.csv", "per moment, layer, reference", "degrees", "angles, nulls"),
    ("runs/<i>/metrics.csv", "one row per epoch", "", "losses and metrics"),
    ("runs/<i>/moments", "(n_moments, 2)", "", "all moments of the run"),
    ("runs/<i>/after_fit/<j>/", "n = 1", "", "the model that `fit` left, if another"),
    ("runs/<i>/features/<j>/values", "(n, n_selected, ...)", "", "features"),
    ("runs/<i>/features/<j>/moments", "(n, 2)", "", "their moments"),
    ("runs/<i>/features/sample_indices", "(n_selected,)", "", "their samples"),
    ("samples/<i>/labels", "(n_samples, ...)", "", "labels"),
    ("samples/<i>/mean, std", "(n_samples,)", "of the inputs", "per sample"),
    ("samples/<i>/channel_mean, channel_std", "(n_samples, channels)", "", "the same"),
    ("SHA256SUMS", "", "", "checksums, for `sha256sum --check` after unpacking"),
)
_CONVENTIONS = """\
`n` is the number of moments of a layer, `n_samples` that of the samples of its run and
`k` that of stored singular vectors. Indices count from 0. Arrays are float64 or int64;
NaN stands for what was not stored. Column 0 of `vectors` is the P-vector. Features are
not centred, unless stated otherwise. A vector is defined up to its sign: the angle
between `u` and `v` is `arccos(abs(u @ v))`, and 90 degrees means unrelated. Only
vectors of the same sample set can be compared."""
_READING = """\
NumPy and pandas suffice:

```python
import json, zipfile
import numpy as np, pandas as pd

with np.load(FILE) as members:
    index = json.loads(members["archive.json"])
    layer = index["runs"][0]["p_vectors"].index(LAYER)
    vectors = members[f"runs/0/p_vectors/{layer}/vectors"]      # (n, n_samples, k)
    epochs, steps = members[f"runs/0/p_vectors/{layer}/moments"].T
with zipfile.ZipFile(FILE) as members:
    log = pd.read_csv(members.open("runs/0/log.csv"))
```

keras_pvec reads it as runs: `kp.load_archive(FILE)`.
"""


@dataclasses.dataclass(frozen=True)
class Description:
    """What a data card says that the runs themselves do not.

    Attributes:
        title: Title of the card.
        summary: What the runs are, as a paragraph.
        licence: Licence of the data that the networks were trained on, and of the
            archive.
        citation: How to cite the data.
    """

    title: str = "Trajectories of P-vectors"
    summary: str = ""
    licence: str = ""
    citation: str = ""


def card_text(
    description: Description,
    index: Index,
    versions: Mapping[str, Any],
    moments: Mapping[str, int],
) -> str:
    """The data card as Markdown.

    Args:
        description: What its author says.
        index: The index of the archive.
        versions: Versions of the packages that made the runs, as text by package.
        moments: Number of moments of each run.
    """
    parts = [
        f"# {description.title}",
        description.summary,
        _content(index),
        "## How it was made",
        "Networks were trained with the Keras callback `keras_pvec.PVectorLogger`, "
        "which runs fixed samples through the network at each moment and stores the "
        f"top left singular vectors of the features: P-vectors ({_PAPER}). Runs were "
        f"packed by keras_pvec {index.written_by}, format version {index.version}. "
        f"Versions in training: {_versions(versions)}. Seeds and settings are in "
        "`run.json` of each run.",
        "No image is in this archive. Labels, brightness and contrast of the samples, "
        "and features where they are stored, derive from the data.",
        "## Licence and citation",
        f"Licence of the data: {description.licence or _NOT_STATED}.",
        f"Citation of the data: {description.citation or _NOT_STATED}.",
        f"Citation of the method: {_PAPER}.",
        "## Runs",
        _runs(index, moments),
        "## Sample sets",
        _samples(index),
        "## Fields",
        _CONVENTIONS,
        _table("array of runs/<i>/p_vectors/<j>/", _P_VECTOR_ARRAYS),
        _table("other member", _OTHERS),
        "## How to read it",
        _READING.rstrip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _content(index: Index) -> str:
    with_features = sum(bool(run.features) for run in index.runs)
    text = (
        f"P-vectors of {len(index.runs)} run{'s' * (len(index.runs) != 1)} on "
        f"{len(index.samples)} sample set{'s' * (len(index.samples) != 1)}"
    )
    return f"{text}; features of {with_features}." if with_features else f"{text}."


def _versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) or "not known"


def _table(heading: str, rows: Sequence[tuple[str, str, str, str]]) -> str:
    lines = [f"| {heading} | shape | unit | content |", "|---|---|---|---|"]
    lines += (f"| `{name}` | {' | '.join(cells)} |" for name, *cells in rows)
    return "\n".join(lines)


def _runs(index: Index, moments: Mapping[str, int]) -> str:
    lines = [
        "| number | name | samples | moments | layers | training |",
        "|---|---|---|---|---|---|",
    ]
    for i, run in enumerate(index.runs):
        state = "finished" if run.complete else "not finished when it was packed"
        lines.append(
            f"| {i} | {_cell(run.name)} | {run.samples} | {moments[run.name]} | "
            f"{_cell(', '.join(run.layers))} | {state} |"
        )
    return "\n".join(lines)


def _samples(index: Index) -> str:
    lines = ["| number | name | samples | SHA-256 |", "|---|---|---|---|"]
    for i, samples in enumerate(index.samples):
        lines.append(
            f"| {i} | {_cell(samples.name or 'not known')} | {samples.n_samples} | "
            f"{samples.sha256 or 'not known'} |"
        )
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
