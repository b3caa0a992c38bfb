"""Who may import whom: the table of rooms, kept true by reading the imports."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "keras_pvec"

# The library: which other rooms of it each may import. None imports the reproduction.
LIBRARY = {
    "__init__": set(),  # loads every room on first use, by name
    "input_checks": set(),
    "html_tables": set(),
    "pass_bars": set(),
    "solver": {"input_checks"},
    "samples": {"input_checks"},
    "pvector": {"input_checks", "pass_bars", "solver"},
    "comparison": {"html_tables", "input_checks", "pvector", "samples"},
    # Reads runs without importing them, so that a run can plot itself.
    "plots": {"comparison", "pvector"},
    "runs": {"comparison", "html_tables", "plots", "pvector", "samples", "solver"},
    "features": {"samples"},
    "measurement": {"features", "pass_bars", "pvector", "samples", "solver"},
    "callback": {
        "features",
        "fitting",
        "measurement",
        "runs",
        "samples",
    },
    "fitting": {"runs"},
    "archive": {"pvector", "runs"},
    "diagnostics": {"comparison", "pvector", "runs"},
    "cli": {"__init__", "archive", "diagnostics", "plots", "runs"},
    "__main__": {"cli"},
}
# The reproduction: which other rooms of it each may import, besides the library.
REPRODUCTION = {
    "__init__": set(),
    "backends": set(),
    "model_names": set(),
    "models": {"backends", "model_names"},
    "data": set(),
    "devices": {"backends"},
    "evaluation": set(),
    "failures": set(),
    "record": {"model_names"},
    "training": {
        "backends",
        "data",
        "evaluation",
        "model_names",
        "models",
        "record",
    },
    "runner": {"data", "devices", "failures", "record", "training"},
    "pretrained": {"data"},
    "analysis": {"record"},
    "claims": {"analysis"},
    "readings": {"claims", "data", "models", "record", "training"},
    "figures": {"analysis", "claims"},
    "report": {"analysis", "claims", "figures", "model_names", "record"},
    "publication": {"claims", "figures", "report"},
    "steps": set(),
    "studies": {"analysis", "claims", "figures", "readings", "record", "steps"},
    # From settings to runs to results.
    "config": {
        "backends",
        "claims",
        "data",
        "devices",
        "model_names",
        "studies",
        "training",
    },
    "other_readings": {
        "claims",
        "data",
        "failures",
        "readings",
        "runner",
        "steps",
        "studies",
    },
    "archive": {
        "config",
        "data",
        "devices",
        "experiment",
        "readings",
        "record",
        "training",
    },
    "flag_values": {"config"},
    "planner": {
        "config",
        "data",
        "model_names",
        "models",
        "runner",
        "studies",
        "training",
    },
    "results": {"config", "figures", "report", "studies"},
    "experiment": {
        "claims",
        "config",
        "data",
        "devices",
        "flag_values",
        "other_readings",
        "planner",
        "report",
        "results",
        "runner",
        "studies",
    },
    "imagenet": {
        "config",
        "data",
        "devices",
        "experiment",
        "planner",
        "pretrained",
        "report",
        "results",
        "studies",
    },
    "reproduction_config": {
        "claims",
        "config",
        "data",
        "flag_values",
        "imagenet",
        "studies",
    },
    "reproduce": {
        "claims",
        "config",
        "devices",
        "experiment",
        "failures",
        "flag_values",
        "imagenet",
        "planner",
        "report",
        "reproduction_config",
        "results",
        "runner",
        "studies",
    },
    "publish": {"config", "experiment", "publication", "results"},
    "__main__": {"flags", "reproduce"},
    "flags": {
        "archive",
        "backends",
        "config",
        "data",
        "devices",
        "experiment",
        "failures",
        "flag_values",
        "imagenet",
        "model_names",
        "pretrained",
        "publication",
        "publish",
        "reproduction_config",
        "results",
        "runner",
        "studies",
        "training",
    },
}
# The only room that knows of the command line.
COMMAND_LINE = "reproduction.flags"
# What a binary may import: its flags, and the function that it calls.
FOR_BINARIES = {
    "keras_pvec.reproduction.flags",
    "keras_pvec.reproduction.archive.run_archive",
    "keras_pvec.reproduction.experiment.run_study",
    "keras_pvec.reproduction.imagenet.run_imagenet",
    "keras_pvec.reproduction.publish.publish",
    "keras_pvec.reproduction.reproduce.reproduce",
}
# What comes with the extra [reproduction], and is not for the library.
NOT_FOR_THE_LIBRARY = {
    "PIL",
    "absl",
    "matplotlib",
    "sklearn",
    "tensorflow_datasets",
    "tqdm",
}
# Rooms that read and compare what is stored, in the library and in the reproduction.
WITHOUT_KERAS = {
    "__init__",
    "__main__",
    "archive",
    "cli",
    "comparison",
    "diagnostics",
    "html_tables",
    "input_checks",
    "plots",
    "pvector",
    "samples",
    "runs",
    "reproduction.__init__",
    "reproduction.analysis",
    "reproduction.claims",
    "reproduction.figures",
    "reproduction.model_names",
    "reproduction.publication",
    "reproduction.record",
    "reproduction.report",
    "reproduction.studies",
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
    """The room that a file lies in, as `"runs"` or `"reproduction.training"`."""
    parts = [part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts]
    return ".".join(parts[:2]) if parts[0] == "reproduction" else parts[0]


def rooms_named(module):
    """The room that an imported name within the package belongs to, if it is one."""
    parts = module.split(".")[1:]
    known = REPRODUCTION if parts[:1] == ["reproduction"] else LIBRARY
    prefix = parts[:1] if known is REPRODUCTION else []
    rest = parts[len(prefix) :]
    return [".".join([*prefix, rest[0]])] if rest and rest[0] in known else []


def allowed(room):
    above, _, own = room.rpartition(".")
    if not above:
        return LIBRARY[own] | {own}
    inner = {f"reproduction.{name}" for name in REPRODUCTION[own] | {own}}
    return inner | set(LIBRARY)


FRAMEWORKS = {"tensorflow", "jax", "torch"}


def test_every_room_is_in_a_table():
    found = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert found == {*LIBRARY, *(f"reproduction.{name}" for name in REPRODUCTION)}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_rooms_import_only_what_they_may(path):
    room = room_of(path)
    for module in imports(path):
        top = module.split(".")[0]
        assert top != "experiments", f"{path}: {module}"
        if room != COMMAND_LINE:
            assert top != "absl", f"{path}: {module}"
        if top == "keras_pvec":
            assert set(rooms_named(module)) <= allowed(room), f"{path}: {module}"
            if room in LIBRARY:
                assert not module.startswith("keras_pvec.reproduction"), path
        if room in LIBRARY and not (room == "plots" and top == "matplotlib"):
            assert top not in NOT_FOR_THE_LIBRARY, f"{path}: {module}"
        # A framework is imported in the module that is named for it.
        assert top not in FRAMEWORKS or path.stem == top, f"{path}: {module}"
        if room in WITHOUT_KERAS:
            assert top not in ("keras", "tensorflow"), f"{path}: {module}"
        # It needs TensorFlow, on any backend.
        if path.name != "tfds_reader.py":
            assert top != "tensorflow_datasets", f"{path}: {module}"
        # It need not be installed.
        if path.name != "ray_pool.py":
            assert top != "ray", f"{path}: {module}"


def test_the_rule_finds_what_breaks_it():
    assert rooms_named("keras_pvec.reproduction.training.fit") == [
        "reproduction.training"
    ]
    assert rooms_named("keras_pvec.runs.RunFolder") == ["runs"]
    assert "reproduction.figures" not in allowed("reproduction.claims")
    assert "callback" in allowed("reproduction.training")
    assert "callback" not in allowed("runs")


def test_the_library_needs_nothing_of_the_extra():
    """Its public names are loaded without what `[reproduction]` installs."""
    program = """
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {names!r}:
                    raise ImportError(name)

        sys.meta_path.insert(0, Blocked())
        import keras_pvec as kp

        for name in kp.__all__:
            getattr(kp, name)
        assert not [m for m in sys.modules if m.startswith("keras_pvec.reproduction")]
    """.replace("{names!r}", repr(NOT_FOR_THE_LIBRARY - {"absl"}))
    # TensorFlow and Keras import absl by themselves.
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_stored_runs_are_analysed_without_a_framework():
    program = """
        import sys
        from keras_pvec.reproduction import analysis, claims, figures, report, studies

        assert "tensorflow" not in sys.modules
        assert "keras" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").rglob("*.py")), ids=lambda p: p.stem
)
def test_a_binary_is_a_docstring_flags_and_one_call(path):
    assert set(imports(path)) <= FOR_BINARIES
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    docstring, *code = tree.body
    lines = path.read_text().splitlines()[docstring.end_lineno :]
    assert len([line for line in lines if line]) <= 15
    *rest, main = code
    assert isinstance(main, ast.If)
    assert len(main.body) == 1
    assert all(isinstance(node, (ast.ImportFrom, ast.Expr)) for node in rest)


def test_no_room_for_all_sorts():
    assert not (PACKAGE / "utils.py").exists()
