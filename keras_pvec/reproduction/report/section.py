"""What a report shows of one dataset, and which runs that was made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from keras_pvec.reproduction.analysis import model_of
from keras_pvec.reproduction.claims import CLAIMS, ClaimResult, Verdict
from keras_pvec.reproduction.record import TrainingRecord
from keras_pvec.reproduction.report.charts import ReportFigure
from keras_pvec.reproduction.report.specification import column_centred
from keras_pvec.reproduction.report.specification_files import Specification
from keras_pvec.runs import Run


@dataclasses.dataclass(frozen=True)
class Section:
    """What was found on one dataset.

    Attributes:
        title: Dataset and preset.
        claims: The results.
        figures: By caption.
        runs: The runs behind them; none for networks that came trained.
        n_missing: How many more were planned and are not finished.
        left_out: Why runs are not part of all results, one sentence each.
        specification: The results under all readings, where they were asked for.
    """

    title: str
    claims: Sequence[ClaimResult]
    figures: Mapping[str, ReportFigure]
    runs: Sequence[Run]
    n_missing: int = 0
    left_out: Sequence[str] = ()
    specification: Specification | None = None

    def under(self, claim: str, centred: bool) -> list[ClaimResult]:
        """The results of a claim under its primary reading, or under the one that
        differs from it in column-centred features only.

        Args:
            claim: Id of the claim.
            centred: Which of the two.
        """
        if self.specification is None:
            return []
        return [
            result
            for result in self.specification.results
            if result.claim == claim
            and result.reading
            == (column_centred(result.spec.primary) if centred else result.spec.primary)
        ]


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What the runs of a section have in common, and where they differ.

    Attributes:
        n_runs: How many runs there are.
        n_missing: How many more were planned and are not finished.
        left_out: Why runs are not part of all results, one sentence each.
        models: Names of the models, in the order of the runs.
        seeds: Different seeds.
        epochs: Different numbers of epochs.
        n_train: Different numbers of training images.
        hours: Time of training, all runs together.
        versions: Libraries with their versions, e.g. `"keras 3.15.1"`.
        git_revisions: Revisions of the code.
    """

    n_runs: int
    n_missing: int
    left_out: tuple[str, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    n_train: tuple[int, ...]
    hours: float
    versions: tuple[str, ...]
    git_revisions: tuple[str, ...]


def provenance_of(section: Section) -> Provenance:
    """Gathers what the runs of a section noted about themselves."""
    records = [TrainingRecord.of(run) for run in section.runs]
    revisions = {record.git_revision for record in records if record.git_revision}
    settings = [record.settings for record in records]
    versions = {
        f"{name} {version}"
        for run in section.runs
        for name, version in run.info.versions.items()
    }
    return Provenance(
        n_runs=len(section.runs),
        n_missing=section.n_missing,
        left_out=tuple(section.left_out),
        models=tuple(dict.fromkeys(map(model_of, section.runs))),
        seeds=tuple(sorted({s["seed"] for s in settings if "seed" in s})),
        epochs=tuple(sorted({s["epochs"] for s in settings if "epochs" in s})),
        n_train=tuple(sorted({r.n_train for r in records if r.n_train is not None})),
        hours=sum(record.wall_time_s for record in records) / 3600,
        versions=tuple(sorted(versions)),
        git_revisions=tuple(sorted(revisions)),
    )


def provenance_details(provenance: Provenance) -> dict[str, str]:
    """A provenance in words, by what to call each part."""
    runs = f"{provenance.n_runs}"
    if provenance.n_missing:
        runs += f", {provenance.n_missing} more are missing"
    left_out = " ".join(provenance.left_out)
    return {
        "runs": runs,
        **({"left out": left_out} if left_out else {}),
        "models": _listed(provenance.models),
        "seeds": _listed(provenance.seeds),
        "epochs": _listed(provenance.epochs),
        "training images": _listed(provenance.n_train),
        "training time": f"{provenance.hours:.2f} hours",
        "versions": _listed(provenance.versions),
        "git revision": _listed(provenance.git_revisions) or "unknown",
    }


def overview(
    sections: Sequence[Section],
) -> dict[str, list[list[tuple[int, ClaimResult]]]]:
    """The results of each claim side by side, so that datasets compare at a glance.

    Returns:
        By id, in the order of the registry: for each section, the results of that claim
        with their places in the section.
    """
    table = {
        claim: [
            [(i, r) for i, r in enumerate(section.claims) if r.claim == claim]
            for section in sections
        ]
        for claim in CLAIMS
    }
    return {claim: cells for claim, cells in table.items() if any(cells)}


def column_titles(section: Section) -> list[str]:
    """Heads of the columns that a section has in the overview."""
    if section.specification is None:
        return [section.title]
    return [f"{section.title}: primary reading", f"{section.title}: column-centred"]


def columns(
    section: Section, claim: str, results: Sequence[ClaimResult]
) -> list[list[ClaimResult]]:
    """What the overview shows of one claim: in the column of the section or, with
    results under all readings, under the primary and the column-centred reading.

    Args:
        section: The section.
        claim: Id of the claim.
        results: Those of the section for this claim, which stand for the primary
            reading where there is no result under it.
    """
    if section.specification is None:
        return [list(results)]
    primary = section.under(claim, centred=False) or list(results)
    return [primary, section.under(claim, centred=True)]


def used_verdicts(sections: Sequence[Section]) -> list[Verdict]:
    """The verdicts that occur, in their own order."""
    found = {
        result.verdict
        for section in sections
        for result in (
            *section.claims,
            *(section.specification.results if section.specification else ()),
        )
    }
    return [verdict for verdict in Verdict if verdict in found]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
