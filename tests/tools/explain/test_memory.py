"""Calls of a model fit into memory: halved until they do, and bounded where that is said."""

import json

import joblib
import numpy as np
import pytest

import lime_cli
from lime_cli.models import model_file
from lime_cli.running import job
from tests import narrow

TEXT = ("explain", "text", "py:tests.narrow:chances", "sample_data/review.txt", "-f", "json")
TABLE = ("explain", "tabular", "py:tests.narrow:rows", "sample_data/zoo.csv")
ROW = (*TABLE, "--row", "84", "--samples", "300", "-f", "json")
IMAGE = ("explain", "image", "py:tests.narrow:images", "sample_data/scene.png", "-f", "json")
SMALL = (*IMAGE, "--size", "32x32", "--channels", "RGB", "--samples", "300")
CASES = {"text": (*TEXT, "--samples", "300"), "row": ROW, "image": SMALL}


@pytest.fixture
def room(monkeypatch):
    """Say how many inputs a call may have; forget the calls so far."""

    def say(n):
        monkeypatch.setattr(narrow, "ROOM", n)
        narrow.answered.clear()
        narrow.refused.clear()
        for kept in (job._prepared, model_file._load):
            kept.cache_clear()  # as in a process of its own

    return say


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_calls_are_halved_until_they_fit_and_nothing_is_asked_twice(limex, room, case):
    room(10**9)
    expected = limex(*case)
    assert expected.code == 0, expected.err
    inputs = sum(narrow.answered)
    room(100)
    found = limex(*case)
    assert found.out == expected.out
    assert max(narrow.answered) <= 100
    assert narrow.refused == sorted(narrow.refused, reverse=True)
    assert narrow.refused[1:] == [one // 2 for one in narrow.refused[:-1]]
    assert abs(sum(narrow.answered) - inputs) < 256  # the last call about rows is filled up


def test_a_smaller_size_is_kept_for_the_rest_of_the_run(limex, room, tmp_path):
    for n in range(6):
        (tmp_path / f"{n}.txt").write_text(f"{n} films, all of them wonderful, were shown here")
    command = ("explain", "text", "py:tests.narrow:chances", tmp_path, "--samples", 300)
    room(20)
    assert limex(*command, "-o", tmp_path / "out").code == 0
    assert len(narrow.refused) == 4  # 256, 128, 64, 32
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    calls = summary["model_calls"]["calls"]
    assert calls < len(narrow.answered) < calls + 10


def test_one_input_that_is_too_much_is_one_line(limex, room, case):
    room(0)
    result = limex(*case)
    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)
    assert "the model ran out of memory with one input in a call; free memory" in result.err


def test_a_number_that_was_asked_for_is_not_halved(limex, room, case):
    room(100)
    result = limex(*case, "--batch-size", 120)
    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)
    assert "out of memory with 120 inputs in a call; give a smaller --batch-size" in result.err
    assert limex(*case, "--batch-size", 99).out == limex(*case, "--batch-size", "auto").out


def test_bounded_memory_bounds_every_call_and_changes_no_byte(limex, room, case):
    room(10**9)
    expected = limex(*case).out
    size = {"text": 340, "tabular": 8, "image": 32 * 32 * 3 * 4}[case[1]]
    for bound, options in ((f"{size * 40}", ()), (f"{size * 0.02}KB", ("--batch-size", 200))):
        room(10**9)
        assert limex(*case, "--max-memory", bound, *options).out == expected
        assert 1 <= max(narrow.answered) <= 40
    room(10**9)
    assert limex(*case, "--max-memory", "1").out == expected
    assert max(narrow.answered) <= 2  # the probe's pair


def test_more_memory_makes_larger_calls(limex, room):
    room(10**9)
    large = (*IMAGE, "--size", "96x96", "--channels", "RGB", "--samples", "128")
    expected = limex(*large).out
    assert max(narrow.answered) == 8 * 2**20 // (96 * 96 * 3 * 4)
    room(10**9)
    assert limex(*large, "--max-memory", "1GiB").out == expected
    assert 120 <= max(narrow.answered) <= 128  # equal masks are asked once


def test_samples_of_marcotcr_lime_are_halved_too(limex, room, case):
    room(10**9)
    grid = ("--segmenter", "grid") if case == SMALL else ()
    case = (*case, *grid, "--like-lime", "-q")
    expected = limex(*case).out
    assert expected
    room(60)
    assert limex(*case).out == expected
    assert narrow.refused


@pytest.mark.parametrize("jobs", [(), ("-j", 2)], ids=["here", "workers"])
def test_a_batch_of_rows_has_the_same_bytes_with_little_memory(limex, room, tmp_path, jobs):
    batch = (*TABLE, "--all", "--samples", 512)
    room(10**9)
    assert limex(*batch, "-o", tmp_path / "whole").code == 0
    room(100)
    assert limex(*batch, "-o", tmp_path / "out", *jobs).code == 0
    files = [tmp_path / name / "explanations.jsonl" for name in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_every_instance_without_memory_is_an_error_record(limex, room, tmp_path):
    room(0)
    result = limex(*TABLE, "--row", "0-4", "--samples", 64, "-o", tmp_path / "out")
    assert result.code == 6
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failures"] == {"OutOfMemory": 5}


def test_a_pickled_model_is_asked_for_less(limex, room, tmp_path):
    joblib.dump(narrow.Estimator(), tmp_path / "model.pkl")
    row = ("explain", "tabular", tmp_path / "model.pkl", *ROW[3:], "--input-form", "frame")
    row = (*row, "--trust-module", "tests.narrow", "--trust")
    room(10**9)
    expected = limex(*row)
    assert expected.code == 0, expected.err
    room(33)
    assert limex(*row).out == expected.out
    assert narrow.refused


def test_an_onnx_graph_is_asked_for_less(limex, tmp_path):
    """Beyond 16 rows it wants an array that no machine has room for."""
    onnx = pytest.importorskip("onnx")
    make, const = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        make.make_node("Shape", ["x"], ["shape"], end=1),
        make.make_node("Greater", ["shape", "sixteen"], ["many"]),
        make.make_node("Where", ["many", "huge", "one"], ["size"]),
        make.make_node("Expand", ["zero", "size"], ["room"]),
        make.make_node("ReduceMax", ["room"], ["nothing"], keepdims=0),
        make.make_node("ReduceSum", ["x", "axes"], ["sums"], keepdims=1),
        make.make_node("Add", ["sums", "nothing"], ["y"]),
    ]
    numbers = {"sixteen": [16], "huge": [2**45], "one": [1], "axes": [1]}
    constants = [const(np.array(value), name) for name, value in numbers.items()]
    constants.append(const(np.array([0.0], np.float32), "zero"))
    ends = [
        make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 3), ("y", 1))
    ]
    graph = make.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "greedy.onnx")
    rows = [f"{i % 7},{i % 5},{i * 3 % 11}\n" for i in range(60)]
    (tmp_path / "rows.csv").write_text("a,b,c\n" + "".join(rows))
    command = ("explain", "tabular", tmp_path / "greedy.onnx", tmp_path / "rows.csv", "--row", 3)
    result = limex(*command, "-f", "json")
    assert result.code == 0, result.err
    assert limex(*command, "-f", "json", "--batch-size", 16).out == result.out
    failed = limex(*command, "--batch-size", 64)
    assert failed.code == 4
    assert "greedy.onnx: the model ran out of memory with 64 inputs in a call" in failed.err


@pytest.mark.parametrize("size", ["0", "-1", "many", "12XB", "5iB", "", "nan", "1e9", "0.1B"])
def test_a_bound_that_is_no_size_is_refused(limex, size):
    result = limex(*TEXT, "--max-memory", size)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "--max-memory" in result.err
    assert "512MB" in result.err


@pytest.mark.parametrize("size", ["0", "-5", "few", "1.5"])
def test_a_number_of_inputs_that_is_none_is_refused(limex, size):
    result = limex(*TEXT, "--batch-size", size)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "--batch-size" in result.err


def test_both_may_stand_beside_the_model_and_in_the_environment(limex, room, monkeypatch, tmp_path):
    (tmp_path / "small.toml").write_text('max-memory = "20 kB"\nbatch-size = "auto"\n')
    room(10**9)
    expected = limex(*TEXT, "--samples", 300, "-q").out
    assert "max_memory" not in expected
    assert max(narrow.answered) > 60
    for options in (("--config", tmp_path / "small.toml"), ()):
        room(10**9)
        assert limex(*TEXT, "--samples", 300, "-q", *options).out == expected
        assert max(narrow.answered) < 60
        monkeypatch.setenv("LIMEX_MAX_MEMORY", "20000")
    monkeypatch.setenv("LIMEX_MAX_MEMORY", "plenty")
    assert "limex: LIMEX_MAX_MEMORY: 'plenty' is not a size" in limex(*TEXT).err


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("side", [16, 32, 200])
def test_no_call_is_given_more_than_the_bound_of_its_inputs(layout, side):
    sizes = []

    def brightness(images):
        sizes.append((len(images), images.nbytes))
        return images.reshape(len(images), -1).mean(axis=1)

    image = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    choices = {"preprocess": "unit", "segmenter": "grid", "layout": layout, "samples": 64}
    found = lime_cli.explain(brightness, image, max_memory="100kB", **choices)
    assert all(n_bytes <= 100_000 or n == 1 for n, n_bytes in sizes)
    assert max(n for n, _ in sizes) == max(1, 100_000 // (side * side * 3 * 4))
    sizes.clear()
    assert (
        lime_cli.explain(brightness, image, **choices).record["targets"]
        == (found.record["targets"])
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", [5, 40, 400])
def test_no_call_is_given_more_text_than_the_bound(words):
    sizes = []

    def length(texts):
        sizes.append((len(texts), sum(map(len, texts))))
        return np.array([len(one) for one in texts]) / 4_000

    text = " ".join(f"word{i}" for i in range(words))
    lime_cli.explain(length, text, max_memory="5kB", samples=64)
    assert all(n_bytes <= 5_000 or n == 1 for n, n_bytes in sizes)
