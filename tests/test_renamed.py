"""Names of version 0.1: what limex reads takes them with a warning, what it writes has them not."""

import json

import pytest

from lime_cli.registry import RENAMED, renamed
from lime_cli.tools.schema import SCHEMAS, schema_of
from tests.conftest import ROOT

ZOO = ("sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
CASE = ("--row", "3", "--samples", "64", "-f", "json")


def keys_of(schema, place=""):
    """Yield the keys of a schema, those inside joined by points, whatever is a list."""
    for name, inside in schema.get("properties", {}).items():
        yield f"{place}{name}"
        yield from keys_of(inside, f"{place}{name}.")
    for key in ("items", "anyOf", "oneOf"):
        for inside in schema[key] if isinstance(schema.get(key), list) else [schema.get(key)]:
            if isinstance(inside, dict):
                yield from keys_of(inside, place)


@pytest.mark.parametrize("one", [one for one in RENAMED if one.kind in SCHEMAS], ids=str)
def test_a_schema_has_the_new_key_and_not_the_old(one):
    keys = set(keys_of(json.loads(schema_of(one.kind))))
    assert one.new in keys
    assert one.old not in keys


def test_the_docs_list_every_renamed_name():
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    table = text.partition("## Names of version 0.1")[2]
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| ")][1:]
    kinds = {"option": "option", "setting": "`settings`", "code": "code of a warning"}
    assert len(rows) == len(RENAMED)
    for (where, old, new), one in zip(rows, RENAMED, strict=True):
        assert kinds.get(one.kind, f"`{one.kind}`") in where
        assert old.strip() == f"`{one.old}`"
        assert new.strip() == f"`{one.new}`" if one.new else new.strip().startswith("none")


@pytest.fixture(scope="module")
def first_schema(tmp_path_factory):
    """A record as version 0.1 wrote it, with every old setting and code."""
    from lime_cli.cli import run

    path = tmp_path_factory.mktemp("renamed") / "new.json"
    assert run(["explain", "tabular", *ZOO, *CASE, "-o", str(path), "-q"]) == 0
    record = json.loads(path.read_text())
    record["schema"]["number"] = 1
    record["settings"] |= dict.fromkeys(renamed("setting"), "auto")
    for key in ("kernel", "radius", "refit", "against"):
        del record["settings"][key]
    for target in record["targets"]:
        for key in ("fidelity_error", "spread", "kernel", "others", "pairs", "pairs_fidelity"):
            del target[key]
    del record["outputs"], record["counterfactuals"]
    record["warnings"] = [{"code": code, "message": "as it was"} for code in renamed("code")]
    old = path.with_name("old.json")
    old.write_text(json.dumps(record))
    return old


NEW_CODES = [new for new in renamed("code").values() if new]
NOW = (
    "old.json:1: is of an earlier version (schema 1: explain again to get the keys that it lacks, "
)


@pytest.mark.parametrize(
    "command",
    [("render", "-f", "json"), ("summarize", "-f", "json"), ("compare", "-f", "json")],
    ids=lambda command: command[0],
)
def test_records_of_the_first_schema_are_read_by_the_new_names(limex, first_schema, command):
    name, *options = command
    again = [first_schema] if name == "compare" else []
    done = limex(name, first_schema, *again, *options)
    assert done.code == 0, done.err
    assert NOW in done.err
    for old, new in renamed("code").items():
        assert new is None or f"{old} is now {new}" in done.err
        assert f'"{old}"' not in done.out or new is None
    assert all(f'"{new}"' in done.out for new in NEW_CODES if name != "compare")
    assert NOW not in limex(name, first_schema, *again, *options, "-q").err


@pytest.mark.parametrize("old", renamed("code"))
def test_a_policy_takes_the_old_code_of_a_warning(limex, first_schema, tmp_path, old):
    new, policy = renamed("code")[old], tmp_path / "policy.toml"
    policy.write_text(f'[run]\nforbid_warnings = ["{old}"]\n')
    done = limex("check", first_schema, "--policy", policy, "-f", "json")
    assert done.code == 1, done.err
    assert (new or old) in done.out
    now = f"is now {new}" if new else "does not occur any more"
    assert f"policy.toml:2: {old} {now} [old_names]" in done.err
    policy.write_text(f'[run]\nforbid_warnings = ["{new or "few_*"}"]\n')
    assert "policy.toml" not in limex("check", first_schema, "--policy", policy).err


@pytest.mark.parametrize("old", renamed("option"))
@pytest.mark.parametrize("layer", ["line", "variable", "file beside the model", "pyproject.toml"])
def test_an_option_without_effect_is_taken_from_every_layer_and_named(
    limex, tmp_path, monkeypatch, old, layer
):
    line: tuple[str, ...] = ()
    if layer == "line":
        line = (f"--{old}", "on")
    elif layer == "variable":
        monkeypatch.setenv(f"LIMEX_{old.upper()}", "on")
    elif layer == "pyproject.toml":
        (tmp_path / "pyproject.toml").write_text(f'[tool.limex]\n{old} = "on"\n')
        monkeypatch.chdir(tmp_path)
    else:
        (tmp_path / "zoo.onnx").write_bytes((ROOT / ZOO[0]).read_bytes())
        (tmp_path / "zoo.onnx.toml").write_text(f'{old} = "on"\n')
    model = tmp_path / "zoo.onnx" if layer == "file beside the model" else ROOT / ZOO[0]
    done = limex("explain", "tabular", model, ROOT / ZOO[1], *CASE, *line)
    assert done.code == 0, done.err
    assert f"--{old} no longer has any effect; leave it out" in done.err
    assert set(json.loads(done.out)["settings"]).isdisjoint(renamed("setting"))
