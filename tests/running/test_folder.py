"""A batch drawn as HTML gets an index that leads to the page of every instance."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

TEXT = ("explain", "text", "sample_models/reviews.onnx")


def test_the_index_leads_to_every_page_and_names_what_failed(limex, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for name, words in (("a", b"a warm film"), ("b", b"\xff\xfe\x00"), ("c", b"a loud film")):
        (texts / f"{name}.txt").write_bytes(words)
    out = tmp_path / "out"
    done = limex(*TEXT, texts, "--samples", "64", "-o", f"{out}/", "-f", "html", "-q")
    assert done.code == 6, done.err
    page = (out / "index.html").read_text()
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 2
    for link in links:
        assert (out / link).is_file()
    assert "1 failed" in page
    assert "b.txt" in page


def test_a_batch_without_pages_has_no_index(limex, tmp_path):
    out = tmp_path / "out"
    words = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    assert limex(*words, "--row", "1-2", "--samples", "64", "-o", f"{out}/", "-q").code == 0
    assert (out / "explanations.jsonl").exists()
    assert not (out / "index.html").exists()


@pytest.mark.parametrize("link", [".limex", ".limex/lock"])
def test_no_link_is_followed_where_a_run_keeps_its_state(limex, tmp_path, link):
    precious = tmp_path / "precious"
    target = precious if link == ".limex" else precious / "file"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (precious / "part-00000").write_text("mine")
    (tmp_path / "out" / link).parent.mkdir(parents=True)
    (tmp_path / "out" / link).symlink_to(target)
    command = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    for more in ((), ("--restart",)):
        result = limex(*command, "--row", "1,2", "-o", tmp_path / "out", *more)
        assert (result.code, result.err.count("\n")) == (5, 1), result.err
    assert sorted(one.name for one in precious.iterdir()) == ["file", "part-00000"]
    assert {one.read_text() for one in precious.iterdir()} == {"mine"}


def test_pages_lead_to_their_neighbours_and_the_list_shows_values(limex, tmp_path):
    out = tmp_path / "out"
    loans = ("tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "0-4")
    words = ("explain", *loans, "--samples", "128", "-o", out, "-f", "html", "-q")
    assert limex(*words).code == 0
    pages = sorted(one.name for one in out.glob("[0-9]*.html"))
    for i, name in enumerate(pages):
        (nav,) = re.findall(r'<nav class="pages">(.*?)</nav>', (out / name).read_text())
        links = dict(re.findall(r'<a href="([^"]+)">(\w+)</a>', nav))
        wanted = {"index.html": "all"}
        if i:
            wanted[pages[i - 1]] = "previous"
        if i + 1 < len(pages):
            wanted[pages[i + 1]] = "next"
        assert links == wanted
    before = {name: (out / name).read_bytes() for name in pages}
    assert limex(*words).code == 0
    assert {name: (out / name).read_bytes() for name in pages} == before
    index = (out / "index.html").read_text()
    heads = re.findall(r'<button type="button">([^<]+)</button>', index)[5:]
    assert len({"income", "owns_home", "months", "loan_amount", "age"} & set(heads)) >= 3
    records = [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]
    for record in records[1:]:
        values = record["instance"]["facts"]["values"]
        own = rf'<tr><td dir="auto"><a [^>]*>loans.csv {record["instance"]["id"]}</a>.*?</tr>'
        (row,) = re.findall(own, index)
        cells = re.findall(r'<td class="extra" dir="auto">([^<]*)</td>', row)
        assert cells
        for name, cell in zip(heads, cells, strict=False):
            value = values[name]
            number = isinstance(value, float)
            assert cell == ("missing" if value is None else f"{value:g}" if number else str(value))


def test_an_index_of_images_shows_each_of_them_small(limex, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    colours = {"a": (200, 40, 40), "b": (30, 60, 190)}
    for name, colour in colours.items():
        Image.new("RGB", (80, 60), colour).save(folder / f"{name}.png")
    out = tmp_path / "out"
    model = "sample_models/scenes.onnx"
    given = ("--samples", "32", "--segmenter", "grid", "--segments", "4", "-f", "html", "-q")
    assert limex("explain", "image", model, folder, "-o", out, *given).code == 0
    index = (out / "index.html").read_text()
    found = re.findall(r'<img class="thumb" src="data:image/jpeg;base64,([^"]+)"', index)
    assert len(found) == 2
    for encoded, colour in zip(found, colours.values(), strict=True):
        small = Image.open(io.BytesIO(base64.b64decode(encoded)))
        assert max(small.size) <= 64
        assert np.asarray(small).mean(axis=(0, 1)) == pytest.approx(colour, abs=6)
