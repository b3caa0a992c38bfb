"""Who may import whom: the table of rooms, kept true by reading the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "keras_pvec"

MAY_IMPORT = {
    "__init__": set(),  # loads every room on first use, by name
    "row_products": set(),
    "linalg": {"row_products"},
    "samples": set(),
    "pvector": {"linalg"},
    "comparison": {"pvector"},
    "store": {"comparison", "pvector"},
    "features": {"samples"},
    "measurement": {"features", "linalg", "pvector", "row_products", "samples"},
    "callback": {
        "comparison",
        "features",
        "linalg",
        "measurement",
        "pvector",
        "samples",
        "store",
    },
    "models": {"models"},
    "evaluation": {"features", "samples"},
    "reproduction": set(),
    "reproduction.data": {"reproduction.data", "samples"},
    "reproduction.training": {
        "callback",
        "evaluation",
        "features",
        "linalg",
        "measurement",
        "models",
        "pvector",
        "reproduction.data",
        "reproduction.training",
        "row_products",
        "samples",
        "store",
    },
    "reproduction.runner": {"reproduction.data", "reproduction.training", "store"},
    "pretrained": {"features", "pvector", "reproduction.data", "samples"},
    "analysis": {"comparison", "pvector", "store"},
    "claims": set(),
    "doctor": {"comparison", "pvector", "store"},
    "report": {"analysis", "claims", "store"},
    "__main__": {"comparison", "doctor", "store"},
    "figures": {"analysis", "store"},
    "studies": {"analysis", "claims", "figures", "pvector", "store"},
}
WITHOUT_TENSORFLOW = {
    "__init__",
    "__main__",
    "analysis",
    "claims",
    "comparison",
    "doctor",
    "figures",
    "pvector",
    "report",
    "samples",
    "store",
    "studies",
}


def imports(path):
    """Modules that a file imports; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path):
    """The room that a file lies in; those of the reproduction are its folders."""
    parts = [part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts]
    return room_named(parts)


def room_named(parts):
    """The room that a dotted name within the package begins with."""
    if parts[0] == "reproduction" and len(parts) > 1 and parts[1] != "__init__":
        return ".".join(parts[:2])
    return parts[0]


def test_every_room_is_in_the_table():
    found = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert found == set(MAY_IMPORT)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_rooms_import_only_what_they_may(path):
    for module in imports(path):
        parts = module.split(".")
        assert parts[0] not in ("experiments", "common", "absl"), f"{path}: {module}"
        if parts[0] == "keras_pvec" and len(parts) > 1:
            room = room_named(parts[1:])
            allowed = MAY_IMPORT[room_of(path)]
            # `from keras_pvec.reproduction import training` names no single module.
            assert room not in MAY_IMPORT or room in allowed, module
        if parts[0] in ("tensorflow", "keras"):
            assert room_of(path) not in WITHOUT_TENSORFLOW, f"{path}: {module}"
        # Arrays, batches and views are the same on every backend; the reader alone
        # is TensorFlow's.
        if parts[0] == "tensorflow":
            assert room_of(path) != "reproduction.data", f"{path}: {module}"


def test_experiments_do_not_import_each_other():
    folder = ROOT / "experiments"
    names = {path.stem for path in folder.glob("*.py")}
    for path in folder.rglob("*.py"):
        assert not {m.split(".")[0] for m in imports(path)} & names
    assert not (PACKAGE / "utils.py").exists()
