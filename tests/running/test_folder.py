"""A batch drawn as HTML gets an index that leads to the page of every instance."""

import re

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
