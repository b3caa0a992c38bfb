"""What MkDocs does for this site beyond its plugins.

- Notebooks (`tutorials/*.py`, `method/*.py`) are executed and become pages.
- `results/README.md` with its figures becomes the page `reproduction/results.md`.
- `reference/command_line.md` is made of the program's `--help`.
- Entries of the navigation that end in `/*` stand for the pages not listed.
- Formulas become MathML.
- Figures link to themselves, to be seen in full size.
- Short inline code, such as `--overwrite`, does not break at the end of a line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from command_line import command_line_page
from executed_notebooks import execute_notebooks
from mathml import with_mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_NOTEBOOK_FOLDERS = ("tutorials", "method")
_SHORT_CODE = re.compile(r"<code>([^\s<]{1,28})</code>")
_FIGURE = re.compile(r'<img [^>]*?src="([^"]+)"[^>]*>')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    docs = Path(config.docs_dir)
    listed = set(_paths(config.nav))
    config.nav = _expanded(config.nav, docs, listed)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    docs = Path(config.docs_dir)
    notebooks = _notebooks(docs)
    root = docs.parent
    pages = execute_notebooks(notebooks, root / "keras_pvec", root / ".cache" / "docs")
    for path, executed in zip(notebooks, pages, strict=True):
        page = path.relative_to(docs).with_suffix(".md").as_posix()
        folder = path.parent.relative_to(docs).as_posix()
        contents = {
            page: executed.markdown,
            page.removesuffix("md") + "ipynb": executed.source,
            **{f"{folder}/{name}": png for name, png in executed.images.items()},
        }
        for uri, content in contents.items():
            files.append(File.generated(config, uri, content=content))
    results = root / "results"
    for path in (results / "README.md", *sorted(results.glob("*.png"))):
        name = "results.md" if path.suffix == ".md" else path.name
        uri = f"reproduction/{name}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    uri = "reference/command_line.md"
    files.append(File.generated(config, uri, content=command_line_page()))
    return files


def on_page_content(html: str, **_: Any) -> str:
    html = _SHORT_CODE.sub(r'<code class="short">\1</code>', html)
    return _FIGURE.sub(r'<a class="figure" href="\1">\g<0></a>', with_mathml(html))


def _notebooks(docs: Path) -> list[Path]:
    return [
        path
        for folder in _NOTEBOOK_FOLDERS
        for path in sorted(docs.glob(f"{folder}/*.py"))
    ]


def _paths(nav: Any) -> list[str]:
    """All paths in a navigation."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [path for entry in entries for path in _paths(entry)]


def _expanded(nav: list[Any], docs: Path, listed: set[str]) -> list[Any]:
    """The navigation with the pages that its `/*` entries stand for."""
    expanded: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            expanded += [
                {
                    title: _expanded(part, docs, listed)
                    if isinstance(part, list)
                    else part
                }
                for title, part in entry.items()
            ]
        elif entry.endswith("/*"):
            folder = entry.removesuffix("/*")
            pages = {
                p.relative_to(docs).as_posix() for p in docs.glob(f"{folder}/*.md")
            }
            pages |= {
                p.relative_to(docs).with_suffix(".md").as_posix()
                for p in _notebooks(docs)
                if p.parent.name == folder
            }
            expanded += sorted(pages - listed)
        else:
            expanded.append(entry)
    return expanded
