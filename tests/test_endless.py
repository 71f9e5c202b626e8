"""What has no end, or is nested without one, is one line and never fills a disk or a memory."""

import json
import os
import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")

ZOO, MODEL = ROOT / "sample_data" / "zoo.csv", ROOT / "sample_models" / "zoo_mlp.onnx"
SCENES = ROOT / "sample_models" / "scenes.onnx"
REVIEWS = ROOT / "sample_models" / "reviews.onnx"
ROOM = 3 << 30


def limex(*words, shell=None, cwd=None):
    """Run the program in little memory; return exit code and errors."""
    command = f"{shell} " if shell else ""
    line = command + " ".join([sys.executable, "-m", "lime_cli", *map(str, words)])
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM)),
        check=False,
    )
    return done.returncode, done.stderr


TABULAR = ("explain", "tabular", MODEL)


@pytest.mark.parametrize(
    ("words", "shell"),
    [
        ((*TABULAR, "/dev/zero", "--row", 1), None),
        ((*TABULAR, "-", "--all", "-f", "jsonl"), "yes 1,2,3 |"),
        ((*TABULAR, "-", "--all", "-f", "jsonl"), "cat /dev/zero |"),
        ((*TABULAR, ZOO, "--row", 1, "--background", "/dev/zero"), None),
        ((*TABULAR, ZOO, "--row", 1, "--background", "<(yes 1,2,3)"), None),
        ((*TABULAR, "<(yes)", "--row", 1), None),
        (("profile", "/dev/zero", "-o", "x.json"), None),
    ],
)
def test_an_endless_table_stops_at_what_max_input_names(words, shell, tmp_path):
    code, err = limex(*words, "--max-input", "20MB", shell=shell)
    assert (code, err.count("\n")) == (3, 1), err
    assert "has more than 20,000,000 bytes, or no end; save it to a file, or allow more: " in err
    assert "--max-input" in err


def test_a_pipe_within_the_bound_is_read(tmp_path):
    words = (*TABULAR, "-", "--row", 1, "--samples", 64, "-f", "json", "-q")
    assert limex(*words, "--max-input", "1MB", shell=f"cat {ZOO} |") == (0, "")
    size = ZOO.stat().st_size
    assert limex(*words, "--max-input", f"{size}", shell=f"cat {ZOO} |") == (0, "")
    assert limex(*words, "--max-input", f"{size - 1}", shell=f"cat {ZOO} |")[0] == 3


@pytest.mark.parametrize(
    ("words", "shell", "code", "said"),
    [
        (("explain", "text", REVIEWS, "-"), "yes words |", 3, "--max-characters"),
        (("explain", "text", REVIEWS, "/dev/zero"), None, 3, "--max-characters"),
        (("explain", "text", REVIEWS, "<(cat /dev/zero)"), None, 3, "--max-characters"),
        ((*TABULAR, ZOO, "--row", 1, "--classes", "FOLDER/names.txt"), None, 3, "no end"),
        ((*TABULAR, ZOO, "--row", 1, "--config", "/dev/zero"), None, 2, "no end"),
        (("explain", "image", SCENES, "/dev/zero"), None, 3, "is not a file"),
        (("explain", "image", MODEL, "--list", "-"), "yes x.png |", 2, ""),
        (("render", "/dev/zero"), None, 3, "a line has more than 67,108,864 bytes"),
        (("render", "-"), "cat /dev/zero |", 3, "a line has more than 67,108,864 bytes"),
        (("summarize", "-"), "yes '{' |", 3, "it has more than 1,073,741,824 bytes"),
        (("summarize", "-"), "yes '' |", 3, "it has more than 1,073,741,824 bytes"),
        (("inspect", "/dev/zero"), None, 4, "not a plain file"),
        (("explain", "tabular", "/dev/zero", ZOO, "--row", 1), None, 4, ""),
    ],
)
def test_other_endless_things_end_too(words, shell, code, said, tmp_path):
    (tmp_path / "names.txt").symlink_to("/dev/zero")
    words = [str(one).replace("FOLDER", str(tmp_path)) for one in words]
    found, err = limex(*words, shell=shell)
    assert found == code, err
    assert "Traceback" not in err
    assert said in err.splitlines()[0]


DEEP = 100_000


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The file of a record."""
    path = tmp_path_factory.mktemp("record") / "good.json"
    words = (*TABULAR, ZOO, "--row", 1, "--samples", 64, "-q", "-o", path)
    assert limex(*words) == (0, "")
    return path


def told(result):
    """Return code and errors of a command that ran in this process."""
    return result.code, result.err


@pytest.mark.parametrize("command", ["render", "summarize", "check", "compare"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        '{"a":' * DEEP,
        '{"schema":{"name":"limex/explanation","number":2},"a":' + "[" * DEEP + "]" * DEEP + "}",
        '{"schema":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
    ],
    ids=["lists", "objects", "in a record", "as its schema"],
)
def test_deep_records_are_one_line(tmp_path, good, command, text, request):
    (tmp_path / "deep.json").write_text(text)
    policy = ("--policy", ROOT / "sample_data" / "loans_policy.toml")
    more = {"check": policy, "compare": (good,)}.get(command, ())
    here = request.getfixturevalue("limex")
    code, err = told(here(command, tmp_path / "deep.json", *more))
    assert (code, err.count("\n")) == (3, 1), err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * DEEP,
        "a = " + "{b=" * DEEP,
        ".".join("a" * 50_000) + " = 1",
        "[" + ".".join("a" * 50_000) + "]",
        "x = {" + ".".join("a" * 50_000) + " = 1}",
        "[[" + ".".join(['"a"'] * 50_000) + "]]",
    ],
    ids=["lists", "tables", "dots", "a heading", "dots inside", "quoted"],
)
@pytest.mark.parametrize("where", ["beside", "named"])
def test_deep_options_are_one_line(tmp_path, text, where, request):
    (tmp_path / "m.onnx").write_bytes(MODEL.read_bytes())
    (tmp_path / "m.onnx.toml").write_text(text)
    named = ("--config", tmp_path / "m.onnx.toml") if where == "named" else ()
    here = request.getfixturevalue("limex")
    code, err = told(here("explain", "tabular", tmp_path / "m.onnx", ZOO, "--row", 1, *named))
    assert (code, err.count("\n")) == (2, 1), err
    assert "m.onnx.toml" in err
    assert "is nested too deeply" in err


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("names.json", "[" * DEEP, ("--classes", "names.json")),
        ("names.json", '{"a":' * DEEP, ("--classes", "names.json")),
        ("b.json", "[" * DEEP, ("--background", "b.json")),
        ("b.jsonl", '{"a":' * DEEP, ("--background", "b.jsonl")),
    ],
)
def test_other_deep_json_is_one_line(tmp_path, name, text, words, request, monkeypatch):
    (tmp_path / name).write_text(text)
    here = request.getfixturevalue("limex")
    monkeypatch.chdir(tmp_path)
    code, err = told(here(*TABULAR, ZOO, "--row", 1, *words))
    assert (code, err.count("\n")) == (3, 1), err


def spoiled(record):
    """Yield a record with one value after the other replaced by something else."""

    def places(value, path=()):
        yield path
        if isinstance(value, dict):
            for key in value:
                yield from places(value[key], (*path, key))
        elif isinstance(value, list) and value:
            yield from places(value[0], (*path, 0))

    for path in places(record):
        for other in ("\x1b[31mtext", None, -1, [], {}, [[1]], True, 1e400, {"a": "\x1b]0;t\x07"}):
            copy = json.loads(json.dumps(record))
            if not path:
                yield path, other
                continue
            inside = copy
            for one in path[:-1]:
                inside = inside[one]
            if inside[path[-1]] == other:
                continue
            inside[path[-1]] = other
            yield path, copy


@pytest.mark.slow
def test_damaged_records_are_drawn_or_told_in_a_line_and_send_nothing_raw(tmp_path, good, request):
    """Every value of a record, replaced: no traceback, no control character, and no bug."""
    run, n, wrong = request.getfixturevalue("limex"), 0, []
    for path, copy in spoiled(json.loads(good.read_text())):
        (tmp_path / "bad.json").write_text(json.dumps(copy))
        for command in (("render",), ("render", "-f", "csv"), ("summarize",)):
            n += 1
            result = run(*command, tmp_path / "bad.json")
            raw = result.out + result.err if command[-1] != "csv" else result.err  # files may
            if result.code not in (0, 3) or "\x1b" in raw:
                wrong.append((path, command, result.code, result.err[-300:]))
    assert n > 1_000
    assert wrong == []
