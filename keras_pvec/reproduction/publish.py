"""Publishes results: small tables, and the pages that are made of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from keras_pvec.reproduction.config import ConfigError
from keras_pvec.reproduction.experiment import Outcome
from keras_pvec.reproduction.publication import (
    collect_results,
    headline,
    read_published,
    render_page,
    replace_headline,
)
from keras_pvec.reproduction.results import writing_to
from keras_pvec.runs import write_atomically

PAGE = "README.md"


@dataclasses.dataclass(frozen=True)
class PublicationConfig:
    """What is published, and where.

    Attributes:
        folder: Where published tables are.
        out_dir: Results of experiments, whose tables are copied; `None` for none.
        readme: Another page, whose headline is replaced; `None` for none.
        page: The page of results, which is replaced; default: the folder's `README.md`.
    """

    folder: Path = Path("results/published")
    out_dir: Path | None = None
    readme: Path | None = None
    page: Path | None = None


def publish(config: PublicationConfig) -> Outcome:
    """Copies tables to the folder that is published, and writes the page about them.

    Args:
        config: The settings.

    Raises:
        ConfigError: `readme` cannot be read.
        PublicationError: There are no results, they cannot be read, or `readme` lacks
            the lines that enclose its headline. Nothing is written then.
        ResultsNotWrittenError: The pages cannot be written.
    """
    front = None if config.readme is None else _read(config.readme)
    if front is not None:
        replace_headline(front, "")
    with writing_to(config.folder):
        if config.out_dir is not None:
            for study in collect_results(config.out_dir, config.folder):
                print(f"{study.folder}: {', '.join(study.tables)}")
                for name, n_rows in study.left_out.items():
                    print(f"  too large: {name} ({n_rows} rows)")
        results = read_published(config.folder)
        page = config.page or config.folder / PAGE
        figures = sorted(path.name for path in page.parent.glob("*.png"))
        _write(page, render_page(results, figures))
        if config.readme is not None and front is not None:
            _write(config.readme, replace_headline(front, headline(results)))
    return Outcome(config.folder)


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"The page {page} cannot be read ({error}).") from error


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as file:
        file.write(text.encode())
