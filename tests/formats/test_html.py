"""A page of HTML needs nothing but itself, and shows every name as text."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lime_cli.engine.explanation import AtRadius, Interval, Weight
from lime_cli.engine.instance import Component, Segment, SegmentedImage, Spans
from lime_cli.engine.model import CodedWarning
from lime_cli.formats.html import (
    ASKED,
    ASKED_OF_A_TREE,
    LISTED,
    fragment,
    middle,
    outlines,
    part,
    thumb_of_page,
    write_page,
)
from lime_cli.formats.story import STRONGEST, unit_of
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
        weights=tuple(
            Weight(i, w, 0.01, Interval(w - 0.02, w + 0.02)) for i, w in enumerate(weights)
        ),
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
    assert tags.count("script") == (count > 1)
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
    assert "script-src" not in policy
    assert "script" not in [tag for tag, _ in page.elements]


def test_the_words_of_a_text_are_marked_in_place():
    one = of_text("a good, bad day", [(2, 6), (8, 11)], [0.4, -0.1])
    page = Reader(written("html", [one]))
    marks = [attrs for tag, attrs in page.elements if tag == "mark"]
    assert [(mark["class"], mark["style"]) for mark in marks[:2]] == [
        ("for", "--strength:65%"),
        ("against", "--strength:27%"),
    ]
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
    page = Reader(written("html", [one]))
    rows = [a for t, a in page.elements if t == "tr" and "weight" in (a.get("class") or "")]
    assert [row["class"] for row in rows] == ["weight", "weight open"]
    marks = [attrs["class"] for tag, attrs in page.elements if tag == "mark"]
    assert marks[:2] == ["for", "for open"]


def test_the_page_of_many_explanations_stays_under_a_megabyte():
    many = (
        replace(explanation(), subject=replace(explanation().subject, id=str(i)))
        for i in range(3 * LISTED)
    )
    page = written("html", many)
    assert len(page) < 1_000_000
    assert f"{3 * LISTED:,} explanations" in page.decode()


def test_a_batch_links_to_pages_and_tells_failures():
    out = io.BytesIO()
    failures = [{"name": "people.csv 9", "said": "line 11: <b>"}]
    write_page([explanation()], out, {"17": "00017-people.html"}, failures)
    page = Reader(out.getvalue())
    assert ("a", {"href": "00017-people.html"}) in page.elements
    assert "1 failed" in "".join(page.texts)
    assert "line 11: <b>" in "".join(page.texts)


CASES = {
    "row": ("tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84"),
    "quantity": ("tabular", "sample_models/diabetes.pkl", "sample_data/diabetes.csv", "--row", "3"),
    "text": ("text", "sample_models/reviews.onnx", "sample_data/review.txt"),
    "typed text": ("text", "sample_models/reviews.onnx", "--text", "slow,wonderful"),
    "image": ("image", "sample_models/scenes.onnx", "sample_data/scene.png"),
    "tree": (
        *("tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "3"),
        *("--surrogate", "tree"),
    ),
    "shapley": (
        *("tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "3"),
        *("--kernel", "shapley"),
    ),
}


@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_the_page_alone_answers_what_a_reader_asks(limex, tmp_path, words):
    page, record = tmp_path / "one.html", tmp_path / "one.json"
    for path in (page, record):
        assert limex("explain", *words, "--samples", "256", "-q", "-o", path).code == 0
    found, made = Reader(page.read_bytes()), json.loads(record.read_text())
    text = " ".join(found.texts)
    asked_of = ASKED_OF_A_TREE if "tree" in words else ASKED
    for asked in ("What is explained, and how", *asked_of, "How sure is it?"):
        assert asked in text
    changes = made["counterfactuals"] is not None or made["targets"][0]["components"]
    assert ("What would change the answer?" in text) == bool(changes)
    assert made["model"]["digest"] in text
    assert made["environment"]["model_file"] in text
    typed = [Path(one).name if "/" in one else one for one in words]
    assert f"limex explain {' '.join(typed)} --samples 256" in text
    assert made["instance"]["source"] in text
    if made["background"]:
        assert made["background"]["source"] in text
    for name, value in made["instance"]["facts"].get("values", {}).items():
        row = re.search(rf">{re.escape(name)}</th><td[^>]*>([^<]*)<", page.read_text())
        assert row
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert float(row[1]) == pytest.approx(value, rel=1e-5)
        else:
            assert row[1] == ("missing" if value is None else str(value))
    assert "script" not in [tag for tag, _ in found.elements]


def test_the_values_of_a_group_carry_the_sign_of_its_weight(limex):
    loans = ("tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "3")
    given = ("--group", "home=city,owns_home", "--samples", "256", "-f", "html")
    page = limex("explain", *loans, *given).out
    (values,) = re.findall(r'<table class="values">.*?</table>', page, re.DOTALL)
    found = re.findall(r'<tr class="([^"]*)"><th[^>]*>([^<]*)<', values)
    signs = {name: sign for sign, name in found}
    assert signs["city"] == signs["owns_home"] != ""


STRIPPED = re.compile(r"<(style|svg)\b.*?</\1>", re.DOTALL)
"""What JupyterLab removes from the output of a notebook that is not trusted, and GitHub."""


@pytest.mark.parametrize(
    "one", [explanation("age > 40"), of_text("so good", [(3, 7)], [0.3]), of_picture()]
)
def test_a_part_without_styles_and_drawings_still_shows_its_picture(one):
    part_ = fragment([one], [])
    bare = STRIPPED.sub("", part_)
    (encoded,) = re.findall(
        r'<img class="still" alt="" src="data:image/svg\+xml;base64,([^"]+)"', bare
    )
    picture = ElementTree.fromstring(base64.b64decode(encoded))
    said = "".join(picture.itertext())
    assert unit_of(one, one.surrogates[0]).value(one.surrogates[0].model_prediction) in said
    assert ".still{display:none}" in part_.replace(bare, "")


@pytest.mark.parametrize("changed", [b"AAAA", b"AAA"])
def test_a_page_whose_image_was_changed_is_listed_without_one(changed):
    assert thumb_of_page(b'<img src="data:image/png;base64,' + changed + b'">') == ""


def test_a_part_of_a_notebook_has_the_colours_of_its_theme():
    style = re.search(r"(?s)<style>(.*?)</style>", fragment([explanation()], []))[1]
    for scheme, mark in (("dark", "[data-jp-theme-light=false]"), ("light", ".vscode-light")):
        (rule,) = [
            found[2]
            for found in re.finditer(r":is\(([^)]*)\) [.limex]+\{([^}]*)\}", style)
            if mark in found[1]
        ]
        ground = re.search(r"--ground:#(\w+)", rule)[1]
        assert (ground[0] == "f") == (scheme == "light")
        assert f"color-scheme:{scheme}" in rule


def test_a_number_of_a_superpixel_lies_in_it():
    """A ring round a disc, whose centroids are one point: each number is in its own part."""
    y, x = np.mgrid[:400, :400]
    away = np.hypot(x - 200, y - 200)
    for mask in (away < 60, (away >= 60) & (away < 150), away >= 150):
        column, row = middle(mask)
        assert mask[row, column]


def test_a_weight_without_a_certain_sign_is_marked_in_the_list(limex, tmp_path):
    page, record = tmp_path / "two.html", tmp_path / "two.jsonl"
    table = ("sample_models/loans.pkl", "sample_data/loans.csv")
    words = ("explain", "tabular", *table, "--row", "1,3", "--samples", "32", "-q")
    for path in (page, record):
        assert limex(*words, "-o", path).code == 0
    shown = re.findall(
        r"~[+−]", page.read_text().partition('<table class="list">')[2].partition("</table>")[0]
    )
    records = map(json.loads, record.read_text().splitlines())
    first = [part for one in records for part in one["targets"][0]["components"][:3]]
    wide = [one for one in first if one["interval"][0] <= 0 <= one["interval"][1]]
    assert len(shown) == len(wide) > 0
    assert "~ the sign of the weight is not certain" in page.read_text()


def test_the_largest_outputs_are_listed_and_the_one_explained(limex, tmp_path):
    page = tmp_path / "one.html"
    limex("explain", *CASES["row"], "--samples", "64", "--target", "fish", "-q", "-o", page)
    name = r'<tr[^>]*><th scope="row" dir="auto">([a-z]+)</th><td class="share">'
    rows = re.findall(name, page.read_text())
    assert rows == ["mammal", "reptile", "bird", "amphibian", "bug", "fish"]
    assert "1 more, together &lt;0.1%" in page.read_text()


def test_a_warning_names_what_to_type():
    one = explanation()
    said = "yes: the weights explain 20% of the effect of masking; --radius 0.1 has 0.69"
    low = replace(
        one,
        warnings=(CodedWarning("low_fidelity", said),),
        made_by="limex explain tabular m.pkl t.csv --row 3",
    )
    page = "".join(Reader(written("html", [low])).texts)
    assert "limex explain tabular m.pkl t.csv --row 3 --radius 0.1" in page
    assert said in page


def test_a_gap_names_the_radius_at_which_it_is_smaller():
    one = explanation()
    radii = tuple(AtRadius(r, f, 0.01, g) for r, f, g in ((0.5, 0.9, 0.3), (0.1, 0.7, 0.02)))
    surrogate = replace(one.surrogates[0], radius=0.5, by_radius=radii, local_prediction=0.5)
    wide = replace(
        one,
        surrogates=(surrogate,),
        warnings=(
            CodedWarning("large_gap", "yes: the model predicts 0.8; try a smaller --radius"),
        ),
        made_by="limex explain tabular m.pkl t.csv --row 3",
    )
    page = "".join(Reader(written("html", [wide])).texts)
    assert "limex explain tabular m.pkl t.csv --row 3 --radius 0.1" in page
    assert "0.5 (0.90, +0.300), 0.1 (0.70, +0.020)" in page


def luminance(colour: np.ndarray) -> float:
    part = colour / 255
    linear = np.where(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """The ratio of WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_in_dark(scheme):
    """4.5 for letters, on shaded words too, and 3 for bars and lines (WCAG 2, AA)."""
    light, dark = re.findall(r":root\{([^}]*)\}", part("page.css"))
    found = dict(re.findall(r"--([a-z]+):#([0-9a-f]{3,6})", light))
    style = light if scheme == "light" else dark
    if scheme == "dark":
        found |= dict(re.findall(r"--([a-z]+):#([0-9a-f]{3,6})", dark))

    def colour(name):
        digits = found[name] if len(found[name]) == 6 else "".join(2 * one for one in found[name])
        return np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)], float)

    for ground in ("ground", "panel"):
        for ink in ("ink", "faint"):
            assert contrast(colour(ink), colour(ground)) >= 4.5
        for bar in ("for", "against"):
            assert contrast(colour(bar), colour(ground)) >= 3
            share = STRONGEST * float(re.search(r"--shade:([0-9.]+)", style)[1])
            strong = share * colour(bar) + (1 - share) * colour(ground)
            assert contrast(colour("ink"), strong) >= 4.5, (bar, ground)
    assert contrast(colour("for"), colour("ground")) >= 4.5  # links


def test_blue_and_orange_differ_for_every_kind_of_colour_vision():
    """Machado, Oliveira & Fernandes 2009, severity 1: no pair comes closer than 60 of 255."""
    kinds = {
        "protan": (0.1523, 1.0526, -0.2049, 0.1145, 0.7863, 0.0992, -0.0039, -0.0481, 1.0520),
        "deutan": (0.3673, 0.8606, -0.2280, 0.2801, 0.6725, 0.0474, -0.0118, 0.0429, 0.9689),
        "tritan": (1.2555, -0.0767, -0.1788, -0.0784, 0.9308, 0.1476, 0.0047, 0.6914, 0.3039),
    }
    for root in re.findall(r":root\{([^}]*)\}", part("page.css")):
        found = dict(re.findall(r"--(for|against):#([0-9a-f]{6})", root))
        pair = [
            np.array([int(found[k][i : i + 2], 16) for i in (0, 2, 4)]) for k in ("for", "against")
        ]
        for matrix in kinds.values():
            seen = [np.clip(np.reshape(matrix, (3, 3)) @ one, 0, 255) for one in pair]
            assert np.linalg.norm(seen[0] - seen[1]) > 60


@pytest.mark.parametrize(
    ("task", "targets", "said"),
    [
        ("regression", ("price",), "predicts for row 17 of people.csv."),
        ("regression", ("0", "1"), "predicts for row 17 of people.csv: output “0”."),
        ("classification", ("no", "yes"), "predicts for row 17 of people.csv: class “no”."),
    ],
)
def test_the_line_below_the_title_says_what_is_explained_of_which_model(task, targets, said):
    one = explanation()
    subject = replace(one.subject, facts={**one.subject.facts, "row": 17})
    surrogate = replace(one.surrogates[0], name=targets[0])
    model = one.model._replace(task=task, targets=targets)
    one = replace(one, subject=subject, surrogates=(surrogate,), model=model)
    assert said in "".join(Reader(written("html", [one])).texts)


def test_legends_say_only_what_is_there():
    raising = of_text("a good film", [(2, 6)], [0.3])
    page = "".join(Reader(written("html", [raising])).texts)
    body = page[page.index("0 ") :]
    assert "raised" in body
    assert "lowered" not in body
    assert "orange" not in body
    assert "not certain" not in body


def test_every_explanation_of_a_list_can_be_reached():
    many = [
        replace(explanation(), subject=replace(explanation().subject, id=str(i))) for i in range(30)
    ]
    page = Reader(written("html", many))
    anchors = {attributes.get("id") for kind, attributes in page.elements if kind == "details"}
    links = [a["href"] for kind, a in page.elements if kind == "a" and "href" in a]
    assert len(links) == 30
    assert {one.removeprefix("#") for one in links} <= anchors
