"""Two files of P-vectors, compared layer by layer."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_pvec.comparison import (
    DetailedComparison,
    NullTest,
    compare_in_detail,
    describe,
    null_ladder,
)
from keras_pvec.diagnostics.angles import Verdict, judge
from keras_pvec.diagnostics.findings import Kind
from keras_pvec.diagnostics.report import ANGLE_HEADER, angle_cells, angle_legend
from keras_pvec.diagnostics.sentences import KIND_LABELS, VERDICT_LABELS
from keras_pvec.diagnostics.stored_checks import is_unit
from keras_pvec.diagnostics.text import (
    format_json,
    format_number,
    format_table,
    wrap,
)
from keras_pvec.diagnostics.vector_checks import kinds_of
from keras_pvec.pvector import PVector
from keras_pvec.runs import RunNotFoundError, load_p_vectors

# The number that Keras gives to an unnamed layer, as in "dense_7" or "dense_7@2.input".
_NUMBER = re.compile(r"_(?P<number>\d+)(?=$|[@#.])")

# A table shows at most this many elements of a list.
_MAX_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class LayerComparison:
    """A layer of one file compared with a layer of another.

    Attributes:
        layer: Name of the layer in the first file.
        other_layer: Its name in the second file.
        comparison: The comparison of the two P-vectors.
        verdict: How the angle compares with its null.
        kinds: Ways in which one of the P-vectors may mislead, if any.
        ladder: Tests of the angle against the ladder of nulls, if they were wanted.
    """

    layer: str
    other_layer: str
    comparison: DetailedComparison
    verdict: Verdict
    kinds: tuple[Kind, ...]
    ladder: tuple[NullTest, ...] = ()

    @property
    def name(self) -> str:
        """The name of the layer, or both where they differ."""
        if self.layer == self.other_layer:
            return self.layer
        return f"{self.layer} / {self.other_layer}"


def compare_files(
    first: str | os.PathLike,
    second: str | os.PathLike,
    layer: str | None = None,
    *,
    n_permutations: int = 0,
    samples: Mapping[str, np.ndarray] | None = None,
) -> list[LayerComparison]:
    """Compares the P-vectors of two files, layer by layer.

    Args:
        first: An `.npz` file, as in the folder `pvectors` of a run.
        second: Another `.npz` file, of the same samples.
        layer: The layer to compare; default: all common layers, and layers whose names
            differ only in a number (`dense_7`, `dense_9`), in order. Files with one
            layer each are compared whatever the names of the layers.
        n_permutations: Random permutations on each rung of the ladder of nulls; 0
            leaves the ladder out.
        samples: Data about the samples, for the ladder, as `Run.samples` gives them.

    Returns:
        One comparison per layer, in the order of the first file.

    Raises:
        RunNotFoundError: A file does not exist.
        ValueError: A file does not hold P-vectors, or the files have no layer in
            common.
        SampleMismatchError: The P-vectors are of different samples.
    """
    first_vectors, second_vectors = _load(first), _load(second)
    pairs = [
        (name, name)
        for name in first_vectors
        if name in second_vectors and layer in (None, name)
    ]
    if layer is None:
        pairs += _renumbered_pairs(list(first_vectors), list(second_vectors))
    if not pairs and layer is None and len(first_vectors) == len(second_vectors) == 1:
        pairs = [(next(iter(first_vectors)), next(iter(second_vectors)))]
    if not pairs:
        received = "" if layer is None else f" Received: layer={layer!r}"
        raise ValueError(
            f"No layer to compare: {first} has {list(first_vectors)}, {second} has "
            f"{list(second_vectors)}.{received}"
        )
    compared = [
        _compare_layers(name, first_vectors[name], other, second_vectors[other])
        for name, other in pairs
    ]
    if not n_permutations:
        return compared
    data = samples or {}
    ladders = [
        null_ladder(
            first_vectors[name],
            second_vectors[other],
            labels=data.get("labels"),
            statistics=data,
            n_permutations=n_permutations,
        )
        for name, other in pairs
    ]
    return [
        dataclasses.replace(layer, ladder=ladder)
        for layer, ladder in zip(compared, ladders, strict=True)
    ]


def _renumbered_pairs(
    first: Sequence[str], second: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs of layers that Keras numbered differently, where no name is in both files
    and both have as many of a kind."""
    kinds: dict[str, tuple[list[str], list[str]]] = {}
    for side, names in enumerate((first, second)):
        for name in names:
            kinds.setdefault(_NUMBER.sub("", name), ([], []))[side].append(name)
    return [
        pair
        for names, others in kinds.values()
        if len(names) == len(others) and set(names).isdisjoint(others)
        for pair in zip(
            sorted(names, key=_number_in), sorted(others, key=_number_in), strict=True
        )
    ]


def _number_in(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found["number"]) if found else 0


def _load(path: str | os.PathLike) -> dict[str, PVector]:
    path = Path(path)
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder. Expected an .npz file, as in the folder pvectors of "
            "a run."
        )
    if not path.is_file():
        raise RunNotFoundError(f"There is no file {path}.")
    p_vectors = load_p_vectors(path)
    for layer, p in p_vectors.items():
        if not is_unit(p):
            raise ValueError(
                f"{path} is damaged: the P-vector of layer {layer!r} does not have "
                "unit length."
            )
    return p_vectors


def _compare_layers(name: str, p: PVector, other: str, q: PVector) -> LayerComparison:
    comparison = compare_in_detail(p, q)
    kinds = dict.fromkeys([*kinds_of(comparison), *kinds_of(describe(q))])
    return LayerComparison(name, other, comparison, judge(comparison), tuple(kinds))


def comparison_text(comparisons: Sequence[LayerComparison], width: int = 80) -> str:
    """Tables: the angles, other measures, the most influential samples, and the ladder
    of nulls if it was computed.

    Args:
        comparisons: One for each layer, at least one.
        width: Characters in a line.
    """
    angles, measures, deciding = [], [], []
    for layer in comparisons:
        c = layer.comparison
        angles.append(
            [
                layer.name,
                *angle_cells(
                    c.angle_deg, c.null_angle_deg, c.centered_angle_deg, c.z, c.energy1
                ),
                KIND_LABELS[layer.kinds[0]]
                if layer.kinds
                else VERDICT_LABELS[layer.verdict],
            ]
        )
        measures.append(
            [
                layer.name,
                format_number(c.trimmed_angle_deg),
                format_number(c.trimmed_null_angle_deg),
                format_number(c.row_normalised_angle_deg),
                format_number(c.row_normalised_null_angle_deg),
                format_number(c.stored_energy, decimals=2),
            ]
        )
        deciding.append(
            [
                layer.name,
                _first([format_number(a) for a in c.principal_angles_deg]),
                _first([str(i) for i in c.influential_samples]),
            ]
        )
    n_samples = comparisons[0].comparison.n_samples
    measure_header = ("trimmed", "null", "row-norm.", "null", "stored")
    influence_header = ("principal angles", "most influential samples")
    sections = [
        format_table(("layer", *ANGLE_HEADER), angles, width=width),
        angle_legend(n_samples, width),
        format_table(("layer", *measure_header), measures, width=width),
        format_table(("layer", *influence_header), deciding, names=2, width=width),
        wrap(
            "trimmed: without the most influential samples, 1% of all. row-norm.: each "
            "sample's features scaled to unit length. stored: share of ||X||_F^2 in "
            "the stored vectors, from which all numbers of these two tables are "
            "computed.",
            width,
        ),
    ]
    if any(layer.ladder for layer in comparisons):
        sections += _ladder_sections(comparisons, width)
    return "\n\n".join(sections)


def _ladder_sections(comparisons: Sequence[LayerComparison], width: int) -> list[str]:
    rows = [
        [
            layer.name,
            test.rung.value,
            format_number(test.angle_deg),
            *map(format_number, test.null_angles_deg),
            format_number(test.calibrated_cosine, decimals=2),
            format_number(test.p_value, decimals=3),
        ]
        for layer in comparisons
        for test in layer.ladder
    ]
    header = ("layer", "null", "angle", "5%", "median", "95%", "calibrated", "p")
    return [
        format_table(header, rows, names=2, width=width),
        wrap(
            "null: what is removed. 5% to 95%: quantiles of the angle under the null. "
            "calibrated: the cosine on a scale from 0, its 95% quantile under the "
            "null, to 1. p: probability under the null of an angle no larger. "
            "Nulls whose data are not known are left out.",
            width,
        ),
    ]


def _first(values: Sequence[str]) -> str:
    shown = ", ".join(values[:_MAX_SHOWN])
    return shown + ", ..." * (len(values) > _MAX_SHOWN) or "-"


def comparison_json(
    first: str, second: str, comparisons: Sequence[LayerComparison]
) -> str:
    """All numbers as JSON: an entry for each layer under `layers`."""
    return format_json(
        {
            "first": first,
            "second": second,
            "layers": [
                {
                    "layer": layer.layer,
                    "other_layer": layer.other_layer,
                    "verdict": layer.verdict,
                    "kinds": layer.kinds,
                    **layer.comparison.as_row(),
                    **({"ladder": layer.ladder} if layer.ladder else {}),
                }
                for layer in comparisons
            ],
        }
    )
