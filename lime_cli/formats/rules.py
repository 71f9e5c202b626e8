"""The rules of a tree as lines of a terminal: an indented tree, each leaf with what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from lime_cli.engine.explanation import Rule
from lime_cli.formats.page import GAP, MARGIN, Page
from lime_cli.formats.words import number_format

STEP = "  "
WORDS = {True: "kept", False: "gone"}


def tree_lines(rules: tuple[Rule, ...], names: Mapping[int, str], page: Page) -> Iterator[Text]:
    """Draw leaves in order: value, share of the weighted samples, the way there.

    ``names`` are safe to print; the first leaf is the instance's own.
    """
    form = number_format([rule.value for rule in rules])
    values = [f"{rule.value:{form}}" for rule in rules]
    width = max(map(len, [*values, "value"]))
    head = f"{MARGIN}{'value':>{width}}{GAP}share{GAP}rule"
    yield page.cut(Text(head, style="dim"), page.look.width)
    blank = " " * (len(head) - len("rule"))
    before: tuple[tuple[int, bool], ...] = ()
    for number, (rule, value) in enumerate(zip(rules, values, strict=True)):
        shared = _shared(before, rule.conditions)
        before = rule.conditions
        for depth in range(shared, len(rule.conditions) - 1):
            yield page.cut(Text(blank + _said(rule, depth, names)), page.look.width)
        said = _said(rule, len(rule.conditions) - 1, names) if rule.conditions else "always"
        left = f"{MARGIN}{value:>{width}}{GAP}{rule.share:>5.1%}{GAP}"
        yield page.cut(
            Text.assemble(left, said, style="bold" if number == 0 else ""), page.look.width
        )


def _said(rule: Rule, depth: int, names: Mapping[int, str]) -> str:
    component, kept = rule.conditions[depth]
    return f"{STEP * depth}{WORDS[kept]} {names[component]}"


def _shared(one: tuple[tuple[int, bool], ...], other: tuple[tuple[int, bool], ...]) -> int:
    """Count the conditions that two leaves have in common, from the root."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
