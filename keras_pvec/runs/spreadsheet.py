"""Tables for people as CSV files that a spreadsheet opens without running anything."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

# What a spreadsheet takes for the beginning of a formula, in full width too.
_FORMULA_STARTS = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")


def write_spreadsheet(table: pandas.DataFrame, file: str | IO[bytes]) -> None:
    """Writes a table as CSV, without its index.

    Text that a spreadsheet would run as a formula, such as the name of a layer that
    begins with "=", gets an apostrophe in front. Numbers are written as they are.

    Args:
        table: The table.
        file: Path of the file, or an open file.
    """
    safe = table.rename(columns=_neutralized)
    for i, dtype in enumerate(table.dtypes):
        if dtype.kind not in "biufcmM":
            safe.isetitem(i, [_neutralized(cell) for cell in table.iloc[:, i]])
    # Names that are not UTF-8 cannot be encoded.
    safe.to_csv(file, index=False, errors="backslashreplace")


def _neutralized(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(_FORMULA_STARTS):
        return cell
    return cell if _is_number(cell) else f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not text[0].isspace()
