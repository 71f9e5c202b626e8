"""Text files: what a name stands for, and what is refused."""

import io
import sys

import pytest

from lime_cli.errors import InputError, SettingsError
from lime_cli.texts.modality import Files, TextModality


def ids(folder, **choices):
    modality = TextModality(inputs=(str(folder),), **choices)
    return [source.id for source in modality.sources()]


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.txt", "Z.md", "page.html", ".hidden.txt", "data.bin"):
        (tmp_path / name).write_text("words")
    below = tmp_path / "more" / "deep"
    below.mkdir(parents=True)
    (below / "c.txt").write_text("words")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "d.txt").write_text("words")
    return tmp_path


def test_a_folder_gives_its_texts_by_the_bytes_of_their_names(folder):
    assert ids(folder) == ["Z.md", "a.txt", "b.txt"]
    assert ids(folder, recursive=True) == ["Z.md", "a.txt", "b.txt", "more/deep/c.txt"]
    assert ids(folder, glob="*.html") == ["page.html"]
    assert TextModality(inputs=(str(folder),)).strays() == 2
    assert ids(folder, recursive=True, glob="*/deep/*") == ["more/deep/c.txt"]


def test_what_a_folder_lists_can_be_read(folder):
    modality = TextModality(inputs=(str(folder),), recursive=True)
    for source in modality.sources():
        assert modality.read(source).text == "words"


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no texts in this folder; wanted: \.txt \.text \.md"):
        ids(tmp_path)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\ufeffgrüße".encode(), "utf-8"),
        ("grüße".encode(), "UTF8"),
        ("grüße".encode("latin-1"), "latin-1"),
        ("grüße".encode("utf-16"), "utf-16"),
        ("grüße".encode("utf-16"), "utf-8"),
        (b"\xfe\xff" + "grüße".encode("utf-16-be"), "utf-8"),
        ("grüße".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_files_are_read_by_their_encoding(tmp_path, data, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    assert Files(encoding=encoding).read(str(path)) == "grüße"


def test_lines_end_as_python_reads_them(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n\r\nfour")
    assert Files().read(str(path)) == path.read_text("utf-8-sig") == "one\ntwo\nthree\n\nfour"


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        (b"ok \xff", "utf-8", "a.txt: is not UTF-8 at byte 3; name its encoding"),
        (b"\xff\xfea", "utf-8", "name its encoding"),
        (b"\x89PNG\r\n", "utf-8", "a.txt: is an image; use limex explain image"),
        (b"%PDF-1.7\n%\xe2\xe3", "utf-8", "a.txt: is a PDF; save its text: pdftotext FILE"),
        (b"%PDF-1.7\n%\xe2\xe3", "latin-1", "a.txt: is a PDF"),
        (b"PK\x03\x04\x14\0", "utf-8", "a document of a word processor, or an archive"),
        (b"{\\rtf1 Hello}", "utf-8", "a document of a word processor (RTF)"),
        (b"\xd0\xcf\x11\xe0\xa1", "cp1251", "a document of Microsoft Office"),
        (b"\x1f\x8b\x08", "utf-8", "is packed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "utf-8", "git lfs pull"),
        (b"\xfa\xfbtext", "utf-8", "is not UTF-8 at byte 0"),
        (b"one\0two", "utf-8", "a.txt: is not text (NUL at character 3)"),
        (b"odd", "utf-16", "is not UTF-16 at byte"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, encoding, message):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        Files(encoding=encoding).read(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["a" * 1001, "é" * 1001, "👍" * 5000])
def test_a_text_that_is_too_long_is_refused_with_the_option_that_allows_it(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"more than 1,000 characters; raise --max-characters"):
        Files(max_characters=1000).read(str(path))
    assert Files(max_characters=5000).read(str(path)) == text


def test_standard_input_is_bounded_too(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a" * 10**6)))
    with pytest.raises(InputError, match="stdin: has more than 10 characters"):
        Files(max_characters=10).read("-")
    assert sys.stdin.buffer.tell() < 100


def test_a_limit_below_one_is_refused():
    with pytest.raises(SettingsError, match="--max-characters: 0"):
        Files(max_characters=0)
