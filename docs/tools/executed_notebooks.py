"""Notebooks as pages: executed, and written as Markdown with their outputs.

A notebook is a Python file in the percent format, which Jupyter opens through jupytext.
It holds no outputs: they are computed when the site is built, and an error in a cell
fails the build. As Markdown, a notebook has the same links, formulas and search as
every other page.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from nbclient import NotebookClient

_TIMEOUT_S = 900
# Two kernels at a time: half of a kernel's time goes to importing a framework.
_KERNELS = 2
_SETUP = """\
%matplotlib inline
import matplotlib
matplotlib.rcParams.update({"figure.dpi": 144, "figure.constrained_layout.use": True})

def _checked(command, shell=get_ipython(), run=get_ipython().system):
    command = shell.var_expand(command, depth=1)  # in the frame of the cell
    run(command)
    if shell.user_ns["_exit_code"]:  # of which IPython only takes note
        raise RuntimeError(f"{command!r} failed")

get_ipython().system = _checked
"""
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")


class ExecutedNotebook(NamedTuple):
    """A notebook as the files of a site.

    Attributes:
        markdown: The page.
        images: Contents of PNG files by name, which lie beside the page.
        source: The notebook without outputs, as the content of an `.ipynb` file.
    """

    markdown: str
    images: dict[str, bytes]
    source: str


def execute_notebooks(
    paths: list[Path], package: Path, cache: Path
) -> list[ExecutedNotebook]:
    """Executes notebooks, two at a time.

    Args:
        paths: The notebooks.
        package: Folder of the package that they import.
        cache: A folder of executed notebooks. One is executed again when it or the
            package has changed.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised an error.
    """
    code = b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))
    cache.mkdir(parents=True, exist_ok=True)

    def execute(path: Path) -> ExecutedNotebook:
        notebook = _with_kernel(jupytext.read(path))
        source = nbformat.writes(notebook)
        digest = hashlib.sha256(source.encode() + code).hexdigest()
        executed = cache / f"{path.stem}-{digest[:16]}.ipynb"
        if not executed.exists():
            _execute(notebook, path.parent)
            nbformat.write(notebook, executed)
        outputs = nbformat.read(executed, as_version=4)
        return ExecutedNotebook(*_as_markdown(outputs, path.stem), source)

    with ThreadPoolExecutor(_KERNELS) as pool:
        return list(pool.map(execute, paths))


def _with_kernel(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with what depends on its content only."""
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"  # not a random one
    return notebook


def _execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    setup = nbformat.v4.new_code_cell(_SETUP)
    notebook.cells.insert(0, setup)
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=_environment(), stderr=subprocess.DEVNULL)
    notebook.cells.remove(setup)


def _environment() -> dict[str, str]:
    """That of this process, in which `!keras-pvec` is found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def _as_markdown(
    notebook: nbformat.NotebookNode, name: str
) -> tuple[str, dict[str, bytes]]:
    download = (
        f"[Download this notebook]({name}.ipynb){{ download .notebook-download }}"
    )
    parts: list[str] = []
    images: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            if len(parts) == 1:
                parts.append(download)  # below the title and its first paragraph
            continue
        parts.append(_fenced("python", cell.source))
        printed = "".join(x.text for x in cell.outputs if x.get("name") == "stdout")
        if printed:
            parts.append(_fenced("text", printed, "output"))
        for output in cell.outputs:
            if output.output_type == "stream":
                continue  # printed, or what frameworks say when they start
            data = output.data
            if "image/png" in data:
                image = f"{name}_{len(images)}.png"
                images[image] = base64.b64decode(data["image/png"])
                alt = cell.metadata.get("alt", "Figure drawn by the code above")
                parts.append(f"![{alt}]({image}){{ .output }}")
            elif "text/html" in data:
                parts.append(_as_block(data["text/html"]))
            elif "text/plain" in data:
                parts.append(_fenced("text", data["text/plain"], "output"))
    return "\n\n".join(parts) + "\n", images


def _fenced(language: str, text: str, css_class: str = "") -> str:
    text = _TERMINAL_CODES.sub("", text).rstrip()
    info = f"{{ .{language} .{css_class} }}" if css_class else language
    return f"````{info}\n{text}\n````"


def _as_block(html: str) -> str:
    # Markdown leaves a block of HTML alone up to its first blank line.
    html = re.sub(r"<style.*?</style>", "", html, flags=re.S)
    # The theme styles tables without a class.
    html = re.sub(r"<table [^>]*>", "<table>", html)
    html = re.sub(r"\n\s*", "\n", html.strip())
    return f'<div class="output output-table">\n{html}\n</div>'
