"""The metadata of the package, and the files of a release."""

import ast
import re
import sys
from pathlib import Path

import pytest

import keras_pvec as kp

ROOT = Path(__file__).parents[2]
# Distributions by the name of their module, where the two differ.
DISTRIBUTIONS = {"PIL": "pillow", "absl": "absl-py", "sklearn": "scikit-learn"}
# pandas writes Parquet with it; its lack is told.
OPTIONAL = {"keras_hub", "pyarrow", "rsatoolbox"}


@pytest.fixture(scope="module")
def project():
    tomllib = pytest.importorskip("tomllib", reason="comes with Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalized(requirement):
    return re.split(r"[\[<>=~! ]", requirement)[0].replace("_", "-").lower()


def test_the_version_is_the_same_everywhere(project):
    assert "version" in project["dynamic"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.*)$", citation, re.M)[1] == kp.__version__
    assert f"## [{kp.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_extras_name_extras_that_exist(project):
    extras = project["optional-dependencies"]
    assert {
        *("tensorflow", "jax", "torch", "plot", "reproduction", "ray"),
        *("docs", "test", "dev"),
    } <= set(extras)
    for requirement in (r for of_extra in extras.values() for r in of_extra):
        if found := re.fullmatch(r"keras-pvec\[(.*)\]", requirement):
            assert set(found[1].split(",")) <= set(extras)


def test_everything_that_is_imported_is_required(project):
    declared = {*project["dependencies"]}
    declared |= {
        r for extra in project["optional-dependencies"].values() for r in extra
    }
    required = {normalized(requirement) for requirement in declared}
    for path in (ROOT / "keras_pvec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in {name.split(".")[0] for name in names}:
                if name in {*sys.stdlib_module_names, *OPTIONAL, "keras_pvec"}:
                    continue
                wanted = DISTRIBUTIONS.get(name, name).replace("_", "-")
                assert wanted in required, f"{path}: {name}"


def test_workflows_call_the_same_commands_as_a_developer():
    for name in ("ci", "release"):
        text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
        commands = re.findall(r"run: (.*)", text)
        assert ".ci/run" in commands
        for command in commands:
            if command.startswith(".ci/"):
                assert (ROOT / command).stat().st_mode & 0o111
