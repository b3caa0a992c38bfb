"""Ways to damage a file, as disks, programs and people do."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[Path, random.Random], None]

_FOREIGN = (
    b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n",
    b"\xff\xfe" + "epoch,step\n1,2\n".encode("utf-16-le"),
    b"a,b,c\n1,2,3\n",
    b"null\n",
    b"[1, 2, 3]\n",
    b"\n",
    b"\x80\x04\x95\x0b\x00\x00\x00",  # a pickle
)


# Any file.


def flip_a_bit(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def overwrite_bytes(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    length = min(rng.randint(1, 64), len(content) - start)
    content[start : start + length] = rng.randbytes(length)
    path.write_bytes(content)


def zero_a_block(path: Path, rng: random.Random) -> None:
    """As some file systems do after a power cut: the size is right."""
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    content[start:] = bytes(len(content) - start)
    path.write_bytes(content)


def truncate(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(1, path.stat().st_size))


def empty(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


def append_bytes(path: Path, rng: random.Random) -> None:
    with open(path, "ab") as file:
        file.write(rng.choice([b"\0" * 512, b"garbage", rng.randbytes(99), b"1,2,3\n"]))


def replace_by_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link_to_nowhere(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def replace_by_link_to_itself(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path)


def replace_by_foreign_file(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.choice(_FOREIGN))


def replace_by_noise(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.randint(1, 2000)))


def swap_with_neighbour(path: Path, rng: random.Random) -> None:
    """Exchanges two files of a kind: of two moments, or of the two splits."""
    others = [p for p in path.parent.glob(f"*{path.suffix}") if p != path]
    if path.parent.name != "pvectors" or not others:
        root = path.parent
        other = (
            root.parent / path.name
            if root.name == "test"
            else root / "test" / path.name
        )
        others = [other] if other.exists() else others
    other = rng.choice(sorted(others))
    content, of_other = path.read_bytes(), other.read_bytes()
    path.write_bytes(of_other)
    other.write_bytes(content)


def replace_by_other_run(path: Path, rng: random.Random) -> None:
    """The same file of a run with another seed, which lies next to this one."""
    parts = list(path.parts)
    at = len(parts) - 1 - parts[::-1].index("run")
    path.write_bytes(Path(*parts[:at], "other", *parts[at + 1 :]).read_bytes())


def lose_folder(path: Path, rng: random.Random) -> None:
    """The folder that holds the file is gone."""
    shutil.rmtree(path.parent)


# CSV files.


def _rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text())))


def _write_rows(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue())


def lose_last_rows(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: rng.randrange(1, len(lines))]))


def lose_a_row(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[rng.randrange(1, len(lines))]
    path.write_bytes(b"".join(lines))


def lose_the_header(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))


def lose_a_newline(path: Path, rng: random.Random) -> None:
    """Two rows are glued together."""
    lines = path.read_bytes().splitlines(keepends=True)
    i = rng.randrange(len(lines))
    lines[i] = lines[i].rstrip(b"\n")
    path.write_bytes(b"".join(lines))


def repeat_a_row(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    i = rng.randrange(1, len(lines))
    lines.insert(rng.randrange(i, len(lines)) + 1, lines[i])
    path.write_bytes(b"".join(lines))


def change_a_cell(path: Path, rng: random.Random) -> None:
    rows = _rows(path)
    i = rng.randrange(1, len(rows))
    j = rng.randrange(len(rows[i]))
    new = [
        "nan",
        "",
        "-1",
        "1e999",
        "999999999999999999999",
        "x",
        "12.5",
        "=1+1",
        "inf",
    ]
    rows[i][j] = rng.choice([cell for cell in new if cell != rows[i][j]])
    _write_rows(path, rows)


def make_an_epoch_huge(path: Path, rng: random.Random) -> None:
    rows = _rows(path)
    rows[rng.randrange(1, len(rows))][0] = str(10 ** rng.randint(6, 15))
    _write_rows(path, rows)


def lose_a_column(path: Path, rng: random.Random) -> None:
    rows = _rows(path)
    j = rng.randrange(len(rows[0]))
    _write_rows(path, [[*row[:j], *row[j + 1 :]] for row in rows])


def swap_columns(path: Path, rng: random.Random) -> None:
    """The names of two columns are exchanged."""
    rows = _rows(path)
    i, j = rng.sample(range(len(rows[0])), 2)
    rows[0][i], rows[0][j] = rows[0][j], rows[0][i]
    _write_rows(path, rows)


def rewrite_as_spreadsheet(path: Path, rng: random.Random) -> None:
    """A byte order mark and the line ends of Windows; the content is the same."""
    text = path.read_text().replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def sort_rows(path: Path, rng: random.Random) -> None:
    """Reverses the order of the rows."""
    rows = _rows(path)
    _write_rows(path, [rows[0], *reversed(rows[1:])])


# run.json.


def change_an_entry(path: Path, rng: random.Random) -> None:
    """Gives an entry, at any depth, another type or value."""
    entries = json.loads(path.read_text())
    places = list(_places(entries))
    holder, key = rng.choice(places)
    values = [None, True, -1, 3.5, "x", [], {}, [1], {"a": 1}, 10**30, "\ud800"]
    holder[key] = rng.choice([v for v in values if v != holder[key]])
    path.write_text(json.dumps(entries))


def lose_an_entry(path: Path, rng: random.Random) -> None:
    entries = json.loads(path.read_text())
    holder, key = rng.choice(list(_places(entries)))
    del holder[key]
    path.write_text(json.dumps(entries))


def nest_deeply(path: Path, rng: random.Random) -> None:
    depth = 10 ** rng.randint(3, 6)
    path.write_text(
        "[" * depth + "]" * depth if rng.random() < 0.5 else '{"a":' * depth
    )


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


# npz files.


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return dict(arrays)


def change_an_array(path: Path, rng: random.Random) -> None:
    """NaN, infinity, zeros, another shape, another type, or a little other number."""
    arrays = _arrays(path)
    names = [name for name in arrays if name != "layers"]
    name = rng.choice(names)
    array = arrays[name]
    if array.dtype.kind in "fiu" and array.size:
        filled = np.array(array, float)
        filled.flat[rng.randrange(array.size)] = rng.choice(
            [np.nan, np.inf, -np.inf, 7.0]
        )
        close = np.array(array, float)
        close.flat[rng.randrange(array.size)] *= 1 + 1e-3
        other = [
            filled,
            filled.astype(complex),
            np.zeros_like(array),
            array.astype(str),
            np.repeat(array[None], 2, 0),
            array.ravel()[:0],
            array.ravel()[: max(array.size - 1, 0)],
            np.array(array, np.float16),
            np.full(array.shape, np.datetime64("2020-01-01")),
            close,
            -np.array(array, float),
        ]
        arrays[name] = rng.choice(other)
    else:
        arrays[name] = rng.choice([np.zeros(3), np.array("x"), np.array([b"a", b"b"])])
    np.savez(path, **arrays)


def lose_an_array(path: Path, rng: random.Random) -> None:
    arrays = _arrays(path)
    del arrays[rng.choice(sorted(arrays))]
    np.savez(path, **arrays)


def rename_layers(path: Path, rng: random.Random) -> None:
    arrays = _arrays(path)
    if "layers" in arrays:
        arrays["layers"] = arrays["layers"][::-1]
    else:
        arrays = {f"{name}_": array for name, array in arrays.items()}
    np.savez(path, **arrays)


def store_objects(path: Path, rng: random.Random) -> None:
    """Arrays that only pickle can read, which could run code."""
    arrays = _arrays(path)
    name = rng.choice(sorted(arrays))
    arrays[name] = np.array([{"a": 1}, None], dtype=object)
    np.savez(path, **arrays)


def claim_a_huge_array(path: Path, rng: random.Random) -> None:
    """The header of an array announces terabytes."""
    header = io.BytesIO()
    shape = rng.choice([(10**12,), (10**6, 10**6), (2**62,), (2**31, 2**31)])
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    _replace_member(path, rng, header.getvalue() + b"\0" * 64)


def claim_a_wrong_shape(path: Path, rng: random.Random) -> None:
    header = io.BytesIO()
    shape = rng.choice([(-1,), (3, -2), (0,), (2, 0), (1,) * 40])
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    _replace_member(path, rng, header.getvalue() + b"\0" * 64)


def compress(path: Path, rng: random.Random) -> None:
    """The same arrays, compressed; the content is the same."""
    np.savez_compressed(path, **_arrays(path))


def _replace_member(path: Path, rng: random.Random, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[rng.choice(sorted(members))] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


ANY_FILE: tuple[Damage, ...] = (
    flip_a_bit,
    overwrite_bytes,
    zero_a_block,
    truncate,
    empty,
    delete,
    append_bytes,
    replace_by_folder,
    replace_by_link_to_nowhere,
    replace_by_link_to_itself,
    replace_by_foreign_file,
    replace_by_noise,
    swap_with_neighbour,
    replace_by_other_run,
)
TABLES: tuple[Damage, ...] = (
    lose_last_rows,
    lose_a_row,
    lose_the_header,
    lose_a_newline,
    repeat_a_row,
    change_a_cell,
    make_an_epoch_huge,
    lose_a_column,
    swap_columns,
    rewrite_as_spreadsheet,
    sort_rows,
)
SETTINGS: tuple[Damage, ...] = (change_an_entry, lose_an_entry, nest_deeply)
ARRAYS: tuple[Damage, ...] = (
    change_an_array,
    lose_an_array,
    rename_layers,
    store_objects,
    claim_a_huge_array,
    claim_a_wrong_shape,
    compress,
)
# Errors of the operating system when the file is read.
UNREADABLE = {"denied": errno.EACCES, "io_error": errno.EIO}


def damages_of(name: str) -> dict[str, Damage]:
    """What can happen to a file, by name."""
    own: dict[str, tuple[Damage, ...]] = {
        ".csv": TABLES,
        ".json": SETTINGS,
        ".npz": ARRAYS,
    }
    more = (lose_folder,) if name.startswith(("pvectors/", "test/")) else ()
    chosen = (*ANY_FILE, *own.get(Path(name).suffix, ()), *more)
    # The settings of another run are those of a valid run; a study compares them with
    # the settings that it asks for. The other run is finished and has no progress.
    is_own = Path(name).name in ("run.json", "progress.json")
    return {d.__name__: d for d in chosen if not (is_own and d is replace_by_other_run)}
