"""The index of a batch's folder: one page that leads to the pages of its instances."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation

INDEX = "index.html"


def write_index(folder: Path) -> None:
    """Write the index of a finished batch whose instances have pages; raise OutputError."""
    from lime_cli import files
    from lime_cli.formats.html import write_page
    from lime_cli.results.reading import FAILURE, read_entries

    pages = iter(sorted(one.name for one in folder.glob("[0-9]*-*.html")))
    links: dict[str, str] = {}
    failures: list[dict[str, str]] = []

    def explained() -> Iterator[Explanation]:
        for entry in read_entries(str(folder)):
            if entry.schema == FAILURE:
                name = str(entry.record["instance"]["id"])
                failures.append({"name": name, "said": str(entry.record["error"]["message"])})
                continue
            explanation = entry.explanation()
            links[explanation.subject.id] = next(pages, "")
            yield explanation

    page = io.BytesIO()
    write_page(explained(), page, links, failures)
    files.write_whole(folder / INDEX, page.getvalue())
