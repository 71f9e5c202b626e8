"""Batches from the shell: the same bytes whatever happens on the way, and words that help."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys

import joblib
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from lime_cli import files
from tests.conftest import ROOT

ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--samples", 64)
TEXT = ("explain", "text", "sample_models/reviews.onnx")
IMAGE = ("explain", "image", "sample_models/scenes.onnx")
QUICK = ("--samples", 32)
WORDS = ("A wonderful film", "A dull film", "Slow, loud and far too long", "Warm and funny")


def lines(folder):
    """Return header and records of a finished batch."""
    found = (folder / "explanations.jsonl").read_text().splitlines()
    header, *records = map(json.loads, found)
    return header, records


def ids(folder):
    return [one["instance"]["id"] for one in lines(folder)[1]]


def leftovers(folder):
    """Return what should not be in the folder of a finished batch."""
    inside = [path.name for path in (folder / ".limex").iterdir()]
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".limex-")]
    known = ("run.json", "lock")
    return hidden + [one for one in inside if one not in known and not one.startswith("index-")]


@pytest.fixture
def texts(tmp_path):
    """A folder of nine short texts."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for n in range(9):
        (folder / f"{n}.txt").write_text(f"{WORDS[n % len(WORDS)]}, they say {n}")
    return folder


def test_all_rows_of_a_table_go_into_a_folder(limex, tmp_path):
    result = limex(*ZOO, "--all", "-o", tmp_path / "out")
    assert (result.code, result.out) == (0, "")
    assert "out: 101 explained" in result.err
    header, records = lines(tmp_path / "out")
    assert header["schema"]["name"] == "limex/run"
    assert str(tmp_path) not in json.dumps(header)
    assert ids(tmp_path / "out") == [str(n) for n in range(101)]
    direct = limex(*ZOO, "--all", "-f", "jsonl", "--threads", 1).out
    assert [json.loads(line) for line in direct.splitlines()] == records
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["instances"], summary["explained"], summary["failed"]) == (101, 101, 0)
    assert summary["samples"] == sum(one["samples"] for one in records)
    assert summary["warnings"]["background_is_input"]["count"] == 101
    assert summary["schema"] == {"name": "limex/batch", "number": 1}
    assert leftovers(tmp_path / "out") == []


def test_a_summary_tells_what_the_model_was_asked_and_what_it_was_spared(limex, tmp_path):
    command = (*ZOO[:-2], "--all", "--samples", 1024, "--batch-size", 10)
    assert limex(*command, "-o", tmp_path / "out").code == 0
    call_counts = json.loads((tmp_path / "out" / "summary.json").read_text())["model_calls"]
    assert call_counts["inputs"] + call_counts["repeated"] == 101 * (1 + 1024)
    assert call_counts["repeated"] > 0
    assert call_counts["inputs"] / 10 <= call_counts["calls"] < call_counts["inputs"] / 10 + 101
    header, records = lines(tmp_path / "out")
    assert "model_calls" not in json.dumps([header, *records])


def test_running_a_finished_batch_again_says_so(limex, tmp_path, texts):
    command = (*TEXT, texts, *QUICK, "-o", tmp_path / "out")
    assert limex(*command).code == 0
    written = [tmp_path / "out" / name for name in ("explanations.jsonl", "summary.json")]
    before = [one.stat().st_mtime_ns for one in written]
    again = limex(*command)
    assert again.code == 0
    assert "is already complete: 9 explained" in again.err
    assert [one.stat().st_mtime_ns for one in written] == before


@pytest.mark.parametrize("forged", ["number", "no JSON", "link"])
def test_a_summary_that_says_something_else_is_written_again(limex, tmp_path, texts, forged):
    command = (*TEXT, texts, *QUICK, "-o", tmp_path / "out")
    assert limex(*command).code == 0
    summary = tmp_path / "out" / "summary.json"
    true = json.loads(summary.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**true, "explained": 8}) if forged != "no JSON" else "[" * 9_999)
    summary.unlink()
    summary.symlink_to(other) if forged == "link" else other.rename(summary)
    assert limex(*command).code == 0
    assert {**json.loads(summary.read_text()), "timing": 0} == {**true, "timing": 0}
    assert not summary.is_symlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("--seed", 1), "(seed 0, now 1)"),
        (("--unit", "char"), "(unit word, now char)"),
        (("--glob", "[1-8].txt"), "instances 9, now 8"),
        (("-f", "json"), "now json"),
        (("--shard", "1/2"), "now 1/2"),
    ],
)
def test_another_run_in_the_same_folder_is_refused_and_told_what_differs(
    limex, tmp_path, texts, change, said
):
    command = (*TEXT, texts, *QUICK, "-o", tmp_path / "out")
    limex(*command)
    refused = limex(*command, *change)
    assert (refused.code, refused.out) == (5, "")
    assert "holds a different run" in refused.err
    assert said in refused.err
    assert refused.err.count("\n") == 1
    assert limex(*command, *change, "--restart").code == 0


def test_another_version_of_a_library_is_another_run(limex, tmp_path, texts, monkeypatch):
    command = (*TEXT, texts, *QUICK, "-o", tmp_path / "out")
    limex(*command)
    from lime_cli.running import folder

    monkeypatch.setattr(folder, "version", lambda package: "0.0.1")
    refused = limex(*command)
    assert refused.code == 5
    assert "now 0.0.1" in refused.err


def test_pictures_are_drawn_beside_their_records(limex, tmp_path, data):
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    shutil.copy(data / "scene.png", folder / "a cat: ümläut.png")
    shutil.copy(data / "scene.png", folder / "more" / "z.png")
    (folder / "broken.png").write_text("no image")
    (folder / "notes.txt").write_text("a stray")
    result = limex(*IMAGE, folder, *QUICK, "--recursive", "-o", tmp_path / "out", "-f", "png")
    assert result.code == 6
    assert "2 explained, 1 failed, 1 skipped" in result.err
    assert "broken.png: is not an image" in result.err
    assert ids(tmp_path / "out") == ["a cat: ümläut.png", "broken.png", "more/z.png"]
    drawn = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert drawn == ["00000-a-cat-ml-ut.png", "00002-z.png"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["skipped"], summary["failures"]) == (1, {"InputError": 1})


def test_paths_come_from_standard_input_too(tmp_path, data):
    for name in "ab":
        shutil.copy(data / "scene.png", tmp_path / f"{name}.png")
    given = f'{tmp_path}/b.png\n{{"path": "{tmp_path}/a.png"}}\n'
    out = tmp_path / "out"
    command = [*map(str, IMAGE), "-", *map(str, QUICK), "-o", str(out), "-q"]
    subprocess.run(
        [sys.executable, "-m", "lime_cli", *command], input=given.encode(), check=True, cwd=ROOT
    )
    assert ids(out) == ["b.png", "a.png"]


def broken_files(folder):
    """Break 20 of 200 texts in ten ways; return a way to mend them."""
    ways = [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b" \n\t\n"),
        lambda path: path.write_bytes(b"\xff\xfea\x00b"),  # half a letter too many
        lambda path: path.write_bytes(b"\xc3\x28"),
        lambda path: path.write_bytes(b"\x80abc"),
        lambda path: path.write_bytes(b"!?!"),
        lambda path: path.write_bytes("…—…".encode()),
        lambda path: path.write_bytes(bytes(range(128, 160))),
        lambda path: (path.unlink(), path.symlink_to(folder / "nowhere.txt")),
        lambda path: (path.unlink(), path.symlink_to(path)),
    ]
    broken = [folder / f"{n:03d}.txt" for n in range(5, 200, 10)]
    for n, path in enumerate(broken):
        ways[n % len(ways)](path)

    def mend():
        for path in broken:
            path.unlink(missing_ok=True)
            path.write_text("A mended film")

    return mend


def test_broken_files_cost_only_themselves_and_mended_ones_are_done_again(limex, tmp_path):
    folder, out = tmp_path / "texts", tmp_path / "out"
    folder.mkdir()
    for n in range(200):
        (folder / f"{n:03d}.txt").write_text(f"{WORDS[n % 4]} {n}")
    mend = broken_files(folder)
    command = (*TEXT, folder, *QUICK, "-o", out)
    result = limex(*command)
    assert result.code == 6
    assert "180 explained, 20 failed" in result.err
    _, records = lines(out)
    failures = [one for one in records if one["schema"]["name"] == "limex/failure"]
    assert [one["instance"]["id"] for one in failures] == [
        f"{n:03d}.txt" for n in range(5, 200, 10)
    ]
    assert all(one["instance"]["id"] in one["error"]["message"] for one in failures)
    assert len(records) == 200
    mend()
    retried = limex(*command, "--retry-failed")
    assert (retried.code, retried.out) == (0, "")
    assert "200 explained" in retried.err
    kept = (out / "explanations.jsonl").read_bytes()
    assert limex(*command, "--restart").code == 0
    assert (out / "explanations.jsonl").read_bytes() == kept


def test_whatever_file_operation_fails_the_command_says_so_and_goes_on_later(
    limex, tmp_path, texts, monkeypatch
):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for path in list(texts.iterdir())[5:]:
        path.unlink()
    limex(*TEXT, texts, *QUICK, "-o", tmp_path / "whole")
    whole = (tmp_path / "whole" / "explanations.jsonl").read_bytes()
    errors, n, failed = (errno.ENOSPC, errno.EIO, errno.EACCES), 0, True
    while failed:
        n, count = n + 1, 0
        out = tmp_path / f"out{n}"

        def fail(operation, path, n=n):
            nonlocal count
            count += 1
            if count == n:
                raise OSError(errors[n % 3], os.strerror(errors[n % 3]), str(path))

        monkeypatch.setattr(files, "before", fail)
        result = limex(*TEXT, texts, *QUICK, "-o", out, "-q")
        failed = result.code != 0
        if failed:
            assert (result.code, result.err.count("\n")) == (5, 1), result.err
            assert "Traceback" not in result.err
        monkeypatch.setattr(files, "before", lambda operation, path: None)
        assert limex(*TEXT, texts, *QUICK, "-o", out).code == 0
        assert (out / "explanations.jsonl").read_bytes() == whole
        assert leftovers(out) == []
    assert n > 25


def test_too_many_failures_stop_a_batch(limex, tmp_path, texts):
    for n in (0, 4):
        (texts / f"{n}.txt").write_bytes(b"\xff")
    result = limex(*TEXT, texts, *QUICK, "-o", tmp_path / "out", "--max-failures", 1)
    assert result.code == 6
    (kept,) = re.findall("2 failed, --max-failures is 1: kept (.) of 9; run the same", result.err)
    assert 5 <= int(kept) < 9
    assert not (tmp_path / "out" / "explanations.jsonl").exists()
    assert limex(*TEXT, texts, *QUICK, "-o", tmp_path / "out").code == 6
    assert len(lines(tmp_path / "out")[1]) == 9


def test_a_time_limit_stops_a_batch_that_goes_on_later(limex, tmp_path, texts):
    command = (*TEXT, texts, *QUICK, "-o", tmp_path / "out")
    result = limex(*command, "--time-limit", "1e-9")
    assert result.code == 6
    assert "--time-limit 1e-09 is over: kept 0 of 9; run the same command again" in result.err
    assert limex(*command, "--time-limit", 600).code == 0
    assert len(lines(tmp_path / "out")[1]) == 9


def test_shards_make_up_the_whole(limex, tmp_path, texts):
    command = (*TEXT, texts, *QUICK)
    limex(*command, "-o", tmp_path / "whole")
    for n in (1, 2):
        assert limex(*command, "-o", tmp_path / f"{n}", "--shard", f"{n}/2").code == 0
    first, second = (lines(tmp_path / f"{n}")[1] for n in (1, 2))
    assert len(first) + len(second) == 9
    assert (
        sorted([*first, *second], key=lambda one: one["instance"]["id"])
        == (lines(tmp_path / "whole")[1])
    )


def test_progress_is_lines_of_json_when_asked(limex, tmp_path, texts):
    result = limex(*TEXT, texts, *QUICK, "-o", tmp_path / "out", "--progress", "json")
    told = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert told[-1]["done"] == told[-1]["total"] == 9
    assert told[-1]["failed"] == 0


def test_a_model_that_cannot_be_used_ends_the_batch(limex, tmp_path, texts):
    result = limex("explain", "text", "none.onnx", texts, "-o", tmp_path / "out")
    assert (result.code, result.err.count("\n")) == (4, 1)
    assert limex(*TEXT, texts, *QUICK, "-o", tmp_path / "out").code == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("-o", "OUT/none/out"), 5, "there is no folder"),
        (("-o", "OUT/file/"), 5, "is a file"),
        (("-f", "jsonl", "--restart"), 2, "-o DIR"),
        (("-f", "json"), 2, "9 instances do not fit into one json file; use -f jsonl\n"),
        (("-o", "OUT/a.json"), 2, "/a.jsonl\n"),
        (("-f", "svg"), 2, "one svg file; use -f jsonl, or a file each in a folder: -o DIR -f svg"),
        (("-o", "OUT/out", "--shard", "3/2"), 2, "--shard"),
        (("-o", "OUT/out", "--retry-failed", "--restart"), 2, "leave one out"),
        (("-o", "OUT/out", "--time-limit", "0"), 2, "--time-limit"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    limex, tmp_path, texts, options, code, said
):
    (tmp_path / "file").write_text("precious")
    words = [one.replace("OUT", str(tmp_path)) for one in options]
    result = limex(*TEXT, texts, *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert result.err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "precious"


def test_a_run_with_another_vectorizer_beside_the_model_is_another_run(limex, tmp_path):
    texts, labels = ["good film", "bad film", "dull film", "good one"], [1, 0, 0, 1]
    folder = tmp_path / "model"
    folder.mkdir()

    def save(vectorizer):
        joblib.dump(vectorizer, folder / "vectorizer.pkl")
        joblib.dump(LogisticRegression().fit(CountVectorizer().fit_transform(texts), labels),
                    folder / "model.pkl")  # fmt: skip

    words = tmp_path / "texts"
    words.mkdir()
    for i, text in enumerate(texts):
        (words / f"{i}.txt").write_text(text)
    command = ("explain", "text", folder / "model.pkl", words, "--samples", 32, "-q", "-o")
    save(CountVectorizer().fit(texts))
    assert limex(*command, tmp_path / "out").code == 0
    save(TfidfVectorizer().fit(texts))
    refused = limex(*command, tmp_path / "out")
    assert (refused.code, "vectorizer.pkl" in refused.err) == (5, True), refused.err
