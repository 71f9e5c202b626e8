"""Every JSON that limex writes keeps to the schema that ``limex schema`` prints."""

import json
import re
from functools import cache

import jsonschema
import pytest

from lime_cli.tools.schema import SCHEMAS, schema_of
from tests.conftest import ROOT, limex_in

ZOO = ("sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
LOANS = ("sample_models/loans.pkl", "sample_data/loans.csv")
SCENE = ("sample_models/scenes.onnx", "sample_data/scene.png")
REVIEW = ("sample_models/reviews.onnx", "sample_data/review.txt")
FEW = ("--samples", "128")


@pytest.fixture(scope="module")
def out(tmp_path_factory, run_limex):
    """A folder with explanations of two seeds, one with a failure, and a broken row."""
    folder = tmp_path_factory.mktemp("schemas")
    rows = (ROOT / "sample_data/zoo.csv").read_text().splitlines()
    broken = "\n".join((*rows[:70], "x,1", *rows[70:])) + "\n"
    (folder / "broken.csv").write_text(broken)
    for name, seed in (("old", "0"), ("new", "1")):
        into = ("-o", folder / name, "--seed", seed, "--target", "all", *FEW, "-q")
        run_limex("explain", "tabular", *LOANS, "--row", "0-9", *into)
    run_limex(
        "explain",
        "tabular",
        ZOO[0],
        folder / "broken.csv",
        "--row",
        "68-72",
        "-o",
        folder / "failed",
        *FEW,
        "-q",
    )
    return folder


@pytest.fixture(scope="module")
def run_limex():
    """Call the command line where the samples lie; return exit code and outputs."""

    def call(*words):
        done = limex_in(ROOT, *words)
        assert done.code in (0, 1, 3, 4, 6), done.err
        return done

    return call


@pytest.fixture(scope="module")
def documents(run_limex, out):
    """What limex writes of each kind, made once."""
    return cache(lambda name: [one for made in DOCUMENTS[name] for one in made(run_limex, out)])


def in_folder(folder, name, kind):
    lines = (folder / name / "explanations.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["schema"]["name"] == f"limex/{kind}"]


def printed(done):
    return [json.loads(done.out)]


def profiled(run, out, more):
    path = out / "profile.json"
    run("profile", "sample_data/loans.csv", *more, "-o", path, "--force")
    return [json.loads(path.read_text())]


def progress(run, out):
    into = ("-o", out / "progress", "--restart", "--progress", "json")
    done = run("explain", *ZOO, "--all", *FEW, *into)
    return [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]


DOCUMENTS = {
    "explanation": [
        lambda run, out: in_folder(out, "old", "explanation"),
        lambda run, out: printed(run("explain", "image", *SCENE, *FEW, "-f", "json")),
        lambda run, out: printed(run("explain", "text", *REVIEW, *FEW, "-f", "json")),
        lambda run, out: printed(
            run("explain", *ZOO, "--row", "3", "--surrogate", "tree", *FEW, "-f", "json")
        ),
        lambda run, out: printed(run("explain", *ZOO, "--row", "3", "--like-lime", "-f", "json")),
    ],
    "failure": [lambda run, out: in_folder(out, "failed", "failure")],
    "run": [lambda run, out, name=name: in_folder(out, name, "run") for name in ("old", "failed")],
    "batch": [
        lambda run, out, name=name: [json.loads((out / name / "summary.json").read_text())]
        for name in ("old", "failed")
    ],
    "summary": [
        lambda run, out: printed(run("summarize", out / "old", "-f", "json")),
        lambda run, out: printed(run("summarize", out / "failed", "--pick", "2", "-f", "json")),
    ],
    "comparison": [
        lambda run, out: printed(run("compare", out / "old", out / "new", "-f", "json")),
        lambda run, out: printed(
            run(
                "compare",
                out / "old",
                out / "new",
                "--max-flips",
                "0",
                "--max-change",
                "0",
                "-f",
                "json",
            )
        ),
    ],
    "rows": [
        lambda run, out: printed(run("compare", out / "old", "--rows", "0,2", "-f", "json")),
    ],
    "check": [
        lambda run, out, name=name: printed(
            run("check", out / "old", "--policy", f"sample_data/{name}.toml", "-f", "json")
        )
        for name in ("loans_policy", "loans_strict")
    ],
    "evaluation": [
        lambda run, out: printed(
            run("evaluate", "tabular", *ZOO, "--row", "3", *FEW, "--seeds", "3", "-f", "json")
        ),
        lambda run, out: printed(
            run("evaluate", "text", *REVIEW, *FEW, "--seeds", "2", "-f", "json")
        ),
        lambda run, out: printed(
            run(
                "evaluate",
                "image",
                *SCENE,
                *FEW,
                "--seeds",
                "2",
                "--surrogate",
                "tree",
                "-f",
                "json",
            )
        ),
    ],
    "inspection": [
        lambda run, out, words=words: printed(run("inspect", *words, "-f", "json"))
        for words in (
            ("sample_models/zoo_mlp.pkl",),
            ("sample_models/zoo_mlp.pkl", "--no-load"),
            ("sample_models/reviews.pkl",),
            (
                "sample_models/zoo_mlp.onnx",
                "--check-against",
                "sample_models/zoo_mlp.pkl",
                "--data",
                ZOO[1],
            ),
            ("sample_models/scenes.onnx",),
            ("sample_models/reviews.onnx",),
            ("sample_models/diabetes.onnx",),
            ("README.md",),
        )
    ],
    "profile": [
        lambda run, out, more=more: profiled(run, out, more)
        for more in ((), ("--private",), ("--group", "credit=loan_amount,months"))
    ],
    "error": [
        lambda run, out, words=words: [
            json.loads(run("--json-errors", "explain", "tabular", *words).err.splitlines()[-1])
        ]
        for words in (("no.pkl", ZOO[1], "--row", "1"), (ZOO[0], "no.csv", "--row", "1"))
    ],
    "progress": [lambda run, out: progress(run, out)],
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_limex_writes_keeps_to_its_schema(documents, name):
    schema = json.loads(schema_of(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert documents(name)
    for document in documents(name):
        validator.validate(document)
        if "schema" in document:
            assert document["schema"]["name"] == f"limex/{name}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_document_with_a_key_too_many_breaks_its_schema(documents, name):
    schema = json.loads(schema_of(name))
    document = documents(name)[0]
    validator = jsonschema.Draft202012Validator(schema)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**document, "surplus": 1})


def undescribed(schema, path=""):
    for key, value in schema.get("properties", {}).items():
        if "description" not in value:
            yield f"{path}.{key}"
        yield from undescribed(value, f"{path}.{key}")
    if "items" in schema:
        yield from undescribed(schema["items"], f"{path}[]")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_describes_every_key(name):
    assert not list(undescribed(json.loads(schema_of(name))))


def test_schema_lists_the_schemas_and_prints_one(limex):
    listed = limex("schema")
    assert re.findall(r"^(\w+)  ", listed.out, re.MULTILINE) == list(SCHEMAS)
    assert json.loads(limex("schema", "error").out) == json.loads(schema_of("error"))
    refused = limex("schema", "explanatoin")
    assert (refused.code, refused.out) == (2, "")
    assert "did you mean explanation?" in refused.err
