"""The tables of claims that studies return: printed, and joined to one ledger.

All that the experiments know of the columns of these tables is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from keras_pvec.reproduction import claims
from keras_pvec.reproduction.studies import STUDIES, Findings, Study

# The claim about pretrained networks, which no study of `STUDIES` tests.
PRETRAINED_CLAIM = "C13"


def claim_ids() -> tuple[str, ...]:
    """The ids of all claims, in order."""
    of_studies = {claim for study in STUDIES.values() for claim in study.claims}
    return tuple(sorted({PRETRAINED_CLAIM, *of_studies}, key=_number))


def print_claims(table: pd.DataFrame) -> None:
    """Prints each claim with its verdict and the numbers behind it."""
    for row in table.itertuples():
        print(f"\n{row.claim}: {row.verdict.upper()}. {row.statement}")
        print(f"  measured:  {row.measured}")
        if row.met:
            print(f"  met by:    {row.met}")
        if row.null:
            print(f"  null:      {row.null}")
        if row.criterion:
            print(f"  criterion: {row.criterion}")
    print()


def join_claims(
    findings: Mapping[Study, Findings], reason: Callable[[Study], str]
) -> pd.DataFrame:
    """The claims of all studies in one table, in order.

    Args:
        findings: What studies found.
        reason: Says why a study that is not among them found nothing.
    """
    tables = [
        found.claims.assign(study=study.name) for study, found in findings.items()
    ]
    for study in STUDIES.values():
        if study not in findings:
            rows = [
                claims.not_tested(claim, "Not analysed.", reason(study))
                for claim in study.claims
            ]
            tables.append(claims.as_table(rows).assign(study=""))
    joined = pd.concat(tables, ignore_index=True)
    return joined.sort_values(
        "claim", key=lambda column: column.map(_number), kind="stable"
    )


def untested_pretrained_claim(reason: str) -> pd.DataFrame:
    """The claim about pretrained networks, if it was not tested.

    Args:
        reason: Why it was not.
    """
    statement = "Pretrained ImageNet networks have small angles to each other."
    return claims.as_table([claims.not_tested(PRETRAINED_CLAIM, statement, reason)])


def _number(claim: str) -> int:
    return int(claim.removeprefix("C"))
