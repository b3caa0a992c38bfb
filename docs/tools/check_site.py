"""Checks a built site: `python docs/tools/check_site.py site`.

Every link and image within the site must exist, with its anchor, and no page may load
a script, a style, a font or an image from elsewhere. Links to other sites are not
followed.
"""

from __future__ import annotations

import functools
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_IMPORTED = re.compile(r"""(?:url\(|@import)\s*["']?(https?:)?//""")


class _Page(HTMLParser):
    """The anchors, links and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(values.get("href", ""))
        elif "src" in values:
            self.loaded.append(values["src"])


@functools.cache
def _page(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def problems_of(site: Path) -> list[str]:
    """What is wrong with a site, one line each."""
    problems = [] if any(site.rglob("*.html")) else [f"{site} holds no page"]
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":  # its links are absolute
            continue
        page, where = _page(path), path.relative_to(site)
        for link in page.links:
            problems += [f"{where}: {x}" for x in _problems_of_link(path, link)]
        for link in page.loaded:
            if urlsplit(link).netloc:
                problems.append(f"{where} loads {link}")
            else:
                problems += [f"{where}: {x}" for x in _problems_of_link(path, link)]
    for path in sorted(site.rglob("*.css")):
        if _IMPORTED.search(path.read_text(encoding="utf-8")):
            problems.append(f"{path.relative_to(site)} loads a file of another site")
    return problems


def _problems_of_link(path: Path, link: str) -> list[str]:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return []
    target = path
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
        if target.is_dir():
            target /= "index.html"
    if not target.is_file():
        return [f"{link} does not exist"]
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in _page(target).anchors:
        return [f"{link} has no such anchor"]
    return []


if __name__ == "__main__":
    found = problems_of(Path(sys.argv[1]).resolve())
    print("\n".join(found) or "All links of the site exist.")
    sys.exit(bool(found))
