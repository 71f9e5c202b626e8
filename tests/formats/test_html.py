"""A page of HTML needs nothing but itself, and shows every name as text."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from lime_cli.engine.explanation import Weight
from lime_cli.engine.instance import Component, Segment, SegmentedImage, Spans
from lime_cli.formats.html import LISTED, outlines, write_page
from tests.formats.test_json import explanation, written

HOSTILE = "</script><img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """Collect elements, their attributes and the text."""

    def __init__(self, page: bytes):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def of_text(words: str, spans, weights):
    one = explanation()
    parts = tuple(
        Component(words[start:end], words[start:end], Spans(((start, end),)))
        for start, end in spans
    )
    surrogate = replace(
        one.surrogates[0],
        weights=tuple(Weight(i, w, 0.01, (w - 0.02, w + 0.02)) for i, w in enumerate(weights)),
    )
    subject = replace(one.subject, modality="text", facts={"text": words})
    return replace(one, subject=subject, components=parts, surrogates=(surrogate,))


def of_picture():
    labels = np.zeros((20, 30), int)
    labels[5:15, 10:20] = 1
    image = SegmentedImage(np.full((20, 30, 3), 120, np.uint8), labels)
    one = explanation()
    part = Component("superpixel 1", None, Segment(1, 100, (10, 5, 20, 15), (15.0, 10.0)))
    subject = replace(one.subject, modality="image", image=image)
    return replace(one, subject=subject, components=(part,))


@pytest.mark.parametrize("count", [1, 3])
def test_a_hostile_name_is_only_text(count):
    page = Reader(written("html", [explanation(HOSTILE, HOSTILE)] * count))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert HOSTILE in "".join(page.texts)


@pytest.mark.parametrize("one", [explanation(), of_picture()], ids=["row", "image"])
def test_nothing_is_asked_from_anywhere(one):
    page = Reader(written("html", [one]))
    for tag, attrs in page.elements:
        for name in ("src", "href", "action"):
            value = attrs.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, value)
    policy = next(
        a["content"]
        for t, a in page.elements
        if t == "meta" and "content" in a and "default-src" in (a["content"] or "")
    )
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_the_words_of_a_text_are_marked_in_place():
    one = of_text("a good, bad day", [(2, 6), (8, 11)], [0.4, -0.1])
    page = Reader(written("html", [one]))
    marks = [attrs for tag, attrs in page.elements if tag == "mark"]
    assert [mark["class"] for mark in marks] == ["p3", "n1"]
    assert "a good, bad day" in "".join(page.texts)


def test_a_picture_is_drawn_with_the_outlines_of_its_segments():
    page = Reader(written("html", [of_picture()]))
    (image,) = [attrs for tag, attrs in page.elements if tag == "img"]
    assert (image["src"] or "").startswith("data:image/png;base64,")
    (path,) = [attrs for tag, attrs in page.elements if tag == "path"]
    assert path["class"] == "segment for"


def test_an_outline_goes_around_its_segment():
    mask = np.zeros((20, 30), bool)
    mask[5:15, 10:20] = True
    numbers = np.array(re.findall(r"(\d+),(\d+)", outlines(mask)), int)
    assert numbers.min(axis=0).tolist() == [10, 5]
    assert numbers.max(axis=0).tolist() == [20, 15]


def test_a_weight_without_a_certain_sign_is_faint():
    one = of_text("a b", [(0, 1), (2, 3)], [0.4, 0.01])
    rows = [a for t, a in Reader(written("html", [one])).elements if t == "tr" and "class" in a]
    assert [row["class"] for row in rows] == ["unresolved"]


def test_many_explanations_stay_under_300_kilobytes():
    many = (
        replace(explanation(), subject=replace(explanation().subject, id=str(i)))
        for i in range(3 * LISTED)
    )
    page = written("html", many)
    assert len(page) < 300_000
    assert f"{3 * LISTED:,} explained" in page.decode()


def test_a_batch_links_to_pages_and_tells_failures():
    out = io.BytesIO()
    failures = [{"name": "people.csv 9", "said": "line 11: <b>"}]
    write_page([explanation()], out, {"17": "00017-people.html"}, failures)
    page = Reader(out.getvalue())
    assert ("a", {"href": "00017-people.html"}) in page.elements
    assert "1 failed" in "".join(page.texts)
    assert "line 11: <b>" in "".join(page.texts)
