"""HTML: one page that needs nothing but itself, for one explanation or many.

Names, values and words are only ever text: the template escapes everything, and the page's own
policy allows no script but its own and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from jinja2 import Environment, select_autoescape
from markupsafe import Markup

from lime_cli import __version__
from lime_cli.formats.spreads import Spreads
from lime_cli.formats.views import Item, item_of, row_of

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.formats import Look

DETAILED = 25
"""Explanations of several that a page shows in full."""
LISTED = 1_000
"""Rows of a page's list; so many take about 250 KB."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write one page: an explanation, or a list of them with the first ones in full."""
    write_page(explanations, out, {}, [])


def write_page(
    explanations: Iterable[Explanation],
    out: IO[bytes],
    links: Mapping[str, str],
    failures: list[dict[str, str]],
) -> None:
    """Write the page of a batch.

    ``links`` leads from ids to pages of their own; without them the first explanations are shown
    in full on this one. ``failures`` have a ``name`` and what was ``said``.
    """
    items: list[Item] = []
    rows: list[dict[str, Any]] = []
    spreads, n = Spreads(), 0
    for explanation in explanations:
        n += 1
        spreads.add(explanation)
        link = links.get(explanation.subject.id, "")
        if not links and len(items) < DETAILED:
            items.append(item_of(explanation, f"i{n}"))
            link = f"#i{n}"
        rows += islice(row_of(explanation, link), max(0, LISTED - len(rows)))
    data = _data(items, rows, n, failures)
    data["spreads"] = spreads.drawn() if n > 1 else []
    out.write(_render(data).encode("utf-8", "xmlcharrefreplace"))


def _data(
    items: list[Item], rows: list[dict[str, Any]], n: int, failures: list[dict[str, str]]
) -> dict[str, Any]:
    rest = f"The list shows the first {len(rows):,} rows." if len(rows) >= LISTED else ""
    if items and n > len(items):
        rest = f"The first {len(items)} of {n:,} explanations are shown in full. {rest}"
    one = items[0]["name"] if n == 1 and items else f"{n:,} explanations"
    failed = f", {len(failures):,} failed" if failures else ""
    return {
        "title": one,
        "subtitle": f"{n:,} explained{failed}",
        "items": items,
        "rows": rows,
        "failures": failures[:LISTED],
        "rest": rest if n > 1 else "",
    }


def _render(data: Mapping[str, Any]) -> str:
    script = part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return filled("explanations.html", {**data, "script": Markup(script), "script_hash": digest})


def filled(template: str, data: Mapping[str, Any]) -> str:
    """Fill a template of this package; everything in ``data`` is escaped unless it is Markup."""
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    style = Markup(part("page.css"))
    return environment.from_string(part(template)).render(**data, version=__version__, style=style)


def part(name: str) -> str:
    """Read a file of the templates."""
    return (files("lime_cli.formats") / "templates" / name).read_text("utf-8")
