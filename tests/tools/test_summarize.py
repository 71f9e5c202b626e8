"""Summaries: what a picture draws of many instances, and what it says of those it leaves out."""

import io
from xml.etree import ElementTree

import pytest

from lime_cli.engine.explanation import Interval
from lime_cli.formats import Look
from lime_cli.formats.sheets import write_page
from lime_cli.records.reading import SavedWeight, Target
from lime_cli.tools.summarize.measure import Aspect, ResultSummary, save, sheet_of


def summary_of(counts: dict[str, int], weight: float = 0.25) -> ResultSummary:
    """Summarize instances of two classes, each with a weight of one column."""
    found = ResultSummary(5, explained=sum(counts.values()))
    found.stops["resolved"] = found.explained
    for name, n in counts.items():
        aspect = found.aspects.setdefault(name, Aspect(name))
        for i in range(n):
            size = weight * (1 + i % 3)
            interval = Interval(size - weight / 9, size + weight / 9)
            one = SavedWeight(
                "age", "age", "age", "age", size, interval, weight / 18, 1.0, float(i)
            )
            aspect.add(Target(name, 0.9, 0.9, 0.8, (one,)), 5)
    return found


def drawn(summary: ResultSummary) -> str:
    out = io.BytesIO()
    save(summary, out, "svg")
    texts = ElementTree.fromstring(out.getvalue()).iter("{http://www.w3.org/2000/svg}text")
    return " ".join(one.text or "" for one in texts)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"yes": 20, "no": 10}, None),
        ({"yes": 700, "no": 292}, "592 of 992 are drawn"),
        ({"yes": 500, "no": 492}, "600 of 992 are drawn"),
    ],
)
def test_a_summary_says_how_many_of_all_instances_it_draws(counts, said):
    text = drawn(summary_of(counts))
    assert (said in text) if said else ("are drawn" not in text)


@pytest.mark.parametrize("weight", [1e-7, 0.25, 40_000.0, 3e6])
def test_means_have_the_digits_that_their_size_asks_for(weight):
    out = io.BytesIO()
    write_page(sheet_of(summary_of({"yes": 30}, weight), []), out, Look(unicode=False))
    row = next(line for line in out.getvalue().decode().splitlines() if "  age " in line)
    _, absolute, signed, *_ = row.split()
    assert float(absolute.replace(",", "")) == pytest.approx(2 * weight, rel=0.005)
    assert signed == f"+{absolute}"
