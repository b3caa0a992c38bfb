"""The snippets of the how-to pages run as they stand, after those of the index."""

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def python_blocks(page: Path) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
    return "\n".join(blocks)


@pytest.mark.parametrize("name", sorted(page.stem for page in HOW_TO.glob("*.md")))
def test_snippets_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "snippets"}
    for page in dict.fromkeys(("index", name)):
        code = compile(python_blocks(HOW_TO / f"{page}.md"), f"{page}.md", "exec")
        try:
            exec(code, names)
        except ModuleNotFoundError as error:
            if error.name.split(".")[0] == "keras_pvec":
                raise
            pytest.skip(f"{error.name} is not installed")
