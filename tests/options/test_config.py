"""Options from a sidecar, from the environment and from the command line: who wins, who is told."""

import json
import shutil
from pathlib import Path

import pytest

from lime_cli.errors import SettingsError
from lime_cli.options import layers
from lime_cli.options.layers import read_config, sidecar_of
from lime_cli.tools.explain import explain
from tests.conftest import ROOT

ANIMAL = ("sample_data/zoo.csv", "--row", "84", "-f", "json")


@pytest.fixture
def reviews(tmp_path, samples):
    """A text model in a folder of its own, and a way to write its sidecar."""
    return beside(tmp_path, samples / "reviews.onnx")


@pytest.fixture
def zoo(tmp_path, samples):
    """A table model in a folder of its own."""
    return beside(tmp_path, samples / "zoo_mlp.onnx")


def beside(folder, model):
    copy = folder / model.name
    shutil.copyfile(model, copy)

    def write(text):
        sidecar_of(str(copy)).write_text(text)
        return copy

    return write


def settings(result):
    assert result.code == 0, result.err
    return json.loads(result.out)["settings"]


def test_a_sidecar_is_read_and_said(limex, reviews):
    model = reviews('samples = 300\ntarget = ["negative"]\nkernel-width = 0.5\n')
    result = limex("explain", "text", model, "sample_data/review.txt", "-f", "json")
    used = settings(result)
    assert (used["samples"], used["targets"], used["kernel_width"]) == (300, ["negative"], 0.5)
    assert result.err == f"limex: options from {model}.toml\n"
    assert limex("explain", "text", model, "sample_data/review.txt", "-q").err == ""


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_a_sidecar_that_is_no_file_is_said_not_to_be_read(limex, zoo, make):
    model = zoo("")
    sidecar = sidecar_of(str(model))
    sidecar.unlink()
    make(sidecar)
    assert f"{sidecar} is not read: it is not a plain file\n" in limex("inspect", model).err


def test_a_sidecar_of_another_name_is_said_not_to_be_read(limex, zoo, tmp_path):
    model = zoo("seed = 3\n")
    command = ("explain", "tabular", model, *ANIMAL)
    other = tmp_path / "zoo_mlp.toml"
    other.write_text("seed = 5\n")
    assert settings(limex(*command))["seed"] == 3
    sidecar_of(str(model)).unlink()
    done = limex(*command)
    assert settings(done)["seed"] == 0
    assert f"{other} is not read: options for zoo_mlp.onnx are read from zoo_mlp.onnx.toml" in (
        done.err
    )
    typed = limex(*command, "--config", other)
    assert (settings(typed)["seed"], "is not read" in typed.err) == (5, False)
    assert "is not read" not in limex(*command, "--no-config").err
    for text in ('title = "another tool"\n', "not = TOML = at all"):
        other.write_text(text)
        assert "is not read" not in limex(*command).err


def test_later_layers_win(limex, zoo, monkeypatch):
    model = zoo("samples = 300\nseed = 3\nfeatures = 4\n[tabular]\nfeatures = 5\n")
    monkeypatch.setenv("LIMEX_SEED", "4")
    monkeypatch.setenv("LIMEX_FEATURES", "6")
    used = settings(limex("explain", "tabular", model, *ANIMAL, "--features", "7"))
    assert (used["samples"], used["seed"], used["features"]) == (300, 4, 7)
    monkeypatch.delenv("LIMEX_FEATURES")
    assert settings(limex("explain", "tabular", model, *ANIMAL))["features"] == 5


def test_a_sidecar_can_be_ignored_and_another_named(limex, zoo, tmp_path, monkeypatch):
    model = zoo("seed = 3\n")
    (tmp_path / "other.toml").write_text("seed = 5\n")
    command = ("explain", "tabular", model, *ANIMAL)
    assert settings(limex(*command, "--no-config"))["seed"] == 0
    assert settings(limex(*command, "--config", tmp_path / "other.toml"))["seed"] == 5
    both = limex(*command, "--no-config", "--config", tmp_path / "other.toml")
    assert both.code == 2
    missing = limex(*command, "--config", tmp_path / "none.toml")
    assert (missing.code, "no such file" in missing.err) == (2, True)
    monkeypatch.setenv("LIMEX_CONFIG", str(tmp_path / "other.toml"))
    assert settings(limex(*command))["seed"] == 5
    monkeypatch.setenv("LIMEX_NO_CONFIG", "1")
    monkeypatch.delenv("LIMEX_CONFIG")
    assert settings(limex(*command))["seed"] == 0


def test_tables_concern_their_modality_only(limex, zoo):
    model = zoo('preprocess = "imagenet"\n[image]\nseed = 9\n[text]\nunit = "line"\n')
    assert settings(limex("explain", "tabular", model, *ANIMAL))["seed"] == 0


def test_names_may_hold_commas_in_a_list(limex, reviews):
    model = reviews('classes = ["bad, really", "good"]\ntarget = "bad, really"\n')
    result = limex("explain", "text", model, "sample_data/review.txt", "-f", "json")
    assert settings(result)["targets"] == ["bad, really"]
    assert json.loads(result.out)["model"]["targets"] == ["bad, really", "good"]


def test_files_are_looked_for_beside_the_sidecar(limex, zoo, tmp_path, data):
    (tmp_path / "train").mkdir()
    shutil.copyfile(data / "zoo.csv", tmp_path / "train" / "seen.csv")
    names = "amphibian bird bug fish invertebrate mammal reptile".upper().split()
    (tmp_path / "names.txt").write_text("\n".join(names))
    model = zoo('classes = "names.txt"\n[tabular]\nbackground = "train/seen.csv"\n')
    result = limex("explain", "tabular", model, *ANIMAL)
    found = json.loads(result.out)
    assert found["background"]["source"] == "seen.csv"
    assert found["model"]["targets"] == names


def test_flags_are_true_or_false(limex, reviews, monkeypatch):
    command = ("explain", "text", reviews("[text]\neach-position = true\n"))
    call = (*command, "--text", "good good", "--samples", "50", "-f", "json", "-q")
    assert len(json.loads(limex(*call).out)["targets"][0]["components"]) == 2
    assert len(json.loads(limex(*call, "--merge-repeats").out)["targets"][0]["components"]) == 1
    monkeypatch.setenv("LIMEX_MERGE_REPEATS", "yes")
    assert len(json.loads(limex(*call).out)["targets"][0]["components"]) == 1
    monkeypatch.setenv("LIMEX_MERGE_REPEATS", "perhaps")
    assert "limex: LIMEX_MERGE_REPEATS: 'perhaps' is not valid" in limex(*call).err


def test_a_list_in_a_variable_is_separated_by_commas(limex, zoo, monkeypatch):
    monkeypatch.setenv("LIMEX_TARGET", "mammal, bird")
    used = settings(limex("explain", "tabular", zoo(""), *ANIMAL))
    assert used["targets"] == ["mammal", "bird"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# one\nsmaples = 3", "onnx.toml:2: unknown option 'smaples'; did you mean 'samples'?"),
        ("kernel_width = 3", "onnx.toml:1: unknown option 'kernel_width'; did you mean 'kernel-"),
        ('[image]\nunit = "word"', "onnx.toml:2: unknown option 'unit' in [image]"),
        ("[tables]\nseed = 1", "onnx.toml:1: unknown table [tables]"),
        ('seed = 1\nfill = "mean', "onnx.toml:2: is not TOML"),
        ("seed = 1\nseed = 2", "onnx.toml"),
        ("\nseed = 1999-01-01", "onnx.toml:2: seed: is neither a text"),
        ("seed = [1]", "onnx.toml:1: seed: is a list; give one value"),
        ("\n\nsamples = 1.5", "onnx.toml:3: samples: '1.5' is neither auto nor a number"),
        ("samples = 1", "onnx.toml:1: samples: 1 is not valid; give a whole number"),
        ("selection = 'best'", "onnx.toml:1: selection: 'best' is not one of"),
        ("[tabular]\nbins = 'many'", "onnx.toml:2: bins: 'many' is not valid"),
        ("like-lime = 1", "onnx.toml:1: like-lime: 1 is not valid; give true or false"),
        ("trust = true", "onnx.toml:1: trust cannot be set"),
        ("trust-module = ['os']", "onnx.toml:1: trust cannot be set"),
        ("[tabular]\nimport = 'mine'", "onnx.toml:2: trust cannot be set"),
        ("force = true", "onnx.toml:1: force cannot be set"),
        ("output = 'x.json'", "onnx.toml:1: output cannot be set"),
    ],
)
def test_a_wrong_sidecar_is_told_by_file_and_line(limex, zoo, text, said):
    result = limex("explain", "tabular", zoo(text), *ANIMAL)
    assert (result.code, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LIMEX_SAMPLES", "many", "limex: LIMEX_SAMPLES: 'many' is neither auto nor a number"),
        ("LIMEX_KERNEL_WIDTH", "-1", "limex: LIMEX_KERNEL_WIDTH: -1.0 is not valid"),
        ("LIMEX_SEP", "ab", "limex: LIMEX_SEP: 'ab' is not valid"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(limex, zoo, monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    result = limex("explain", "tabular", zoo(""), *ANIMAL)
    assert result.code == 2
    assert said in result.err


def test_a_variable_of_explain_does_not_reach_another_option_of_that_name(limex, zoo, monkeypatch):
    for name, value in (("FORMAT", "csv"), ("TOLERANCE", "2"), ("COLUMN", "text")):
        monkeypatch.setenv(f"LIMEX_{name}", value)
    result = limex("inspect", zoo(""), "--no-load")
    assert result.code == 0, result.err


@pytest.mark.parametrize(("name", "sign"), [("NEGATIVE", "negative"), ("POSITIVE", "positive")])
def test_a_variable_of_one_of_several_flags_is_that_flag(limex, samples, monkeypatch, name, sign):
    monkeypatch.setenv(f"LIMEX_{name}", "yes")
    seen = []
    monkeypatch.setattr(
        "lime_cli.tools.explain._explain", lambda *given: seen.append(given[2]) or 0
    )
    call = ("explain", "image", samples / "scenes.onnx", "sample_data/scene.png")
    limex(*call)
    limex(*call, "--both")
    assert [look.sign for look in seen] == [sign, "both"]


def test_a_wrong_option_typed_is_not_blamed_on_the_sidecar(limex, zoo):
    result = limex("explain", "tabular", zoo("samples = 300\n"), *ANIMAL, "--samples", "1")
    assert "limex: --samples: 1 is not valid" in result.err


@pytest.mark.parametrize("name", ["LIMEX_TRUST", "LIMEX_TRUST_MODULE", "LIMEX_IMPORT"])
def test_the_environment_grants_no_trust(limex, tmp_path, monkeypatch, name):
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    monkeypatch.setenv(name, "os" if "_" in name[6:] or "IMPORT" in name else "1")
    result = limex("explain", "tabular", tmp_path / "bad.pkl", *ANIMAL)
    assert (result.code, "is not safe to load" in result.err) == (4, True)


def test_what_a_file_may_not_say_are_options_of_every_kind_of_explanation():
    for command in explain.commands.values():
        own = {"save-segments"} if command.name != "image" else set()
        assert set(layers.switches(command)) >= (layers.TRUSTING | layers.WRITING) - own


def test_the_sidecar_of_the_docs_works(limex, tmp_path, samples):
    page = (ROOT / "docs" / "inspect.md").read_text("utf-8")
    model = beside(tmp_path, samples / "scenes.onnx")(page.split("```toml\n")[1].split("```")[0])
    (tmp_path / "classes.txt").write_text("nothing\nastronaut\ncat\ncup\nrocket\n")
    used = settings(limex("explain", "image", model, "sample_data/scene.png", "-f", "json"))
    assert (used["samples"], used["targets"]) == (500, ["cat", "cup"])


def test_the_file_is_read_as_it_stands(tmp_path):
    path = tmp_path / "m.toml"
    path.write_bytes(b'\xef\xbb\xbfa = 1\r\n[text]\r\n"b" = [1, 2]\r\n')
    entries = read_config(path, ("text",)).entries
    assert [(one.key, one.value, one.table, one.place) for one in entries] == [
        ("a", 1, "", "m.toml:1"),
        ("b", (1, 2), "text", "m.toml:3"),
    ]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_config(path, ())
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(SettingsError, match="too large"):
        read_config(path, ())


def test_a_module_is_imported_before_the_model_is_loaded(limex, tmp_path, monkeypatch):
    (tmp_path / "my_plugin_for_limex.py").write_text("import sys\nprint('here', file=sys.stderr)\n")
    monkeypatch.syspath_prepend(tmp_path)
    command = ("explain", "tabular", "sample_models/zoo_mlp.onnx", *ANIMAL)
    result = limex(*command, "--import", "my_plugin_for_limex")
    assert (result.code, "here" in result.err) == (0, True)
    result = limex(*command, "--import", "no_such_plugin")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--import no_such_plugin: fails" in result.err


def test_help_needs_no_model(limex):
    for command in (("explain", "text"), ("inspect",)):
        result = limex(*command, "--help-all")
        assert (result.code, "--config FILE" in result.out) == (0, True)
        assert limex(*command).code == 2


ACTING = [
    ("executor", '"dask"'),
    ("scheduler", '"tcp://127.0.0.1:9"'),
    ("jobs", "2"),
    ("restart", "true"),
    ("retry-failed", "true"),
    ("shard", '"1/2"'),
    ("max-failures", "1"),
    ("item-timeout", "5"),
    ("threads", "1"),
    ("max-memory", '"1GB"'),
    ("provider", '"cuda"'),
    ("progress", '"json"'),
    ("model-format", '"python"'),
]


@pytest.mark.parametrize(("key", "value"), ACTING)
def test_a_sidecar_describes_and_never_acts(limex, zoo, key, value):
    result = limex("explain", "tabular", zoo(f"seed = 1\n{key} = {value}\n"), *ANIMAL)
    assert (result.code, result.out) == (2, "")
    said = result.err.splitlines()[-1]
    assert "onnx.toml:2: " in said
    assert f"{key}: python" in said or f" {key} cannot be set in a file beside a model" in said
    assert f"use --{key} on the command line" in said


def test_a_file_that_a_person_names_may_say_how_to_run(limex, zoo, tmp_path):
    (tmp_path / "mine.toml").write_text("threads = 1\nseed = 5\n")
    result = limex("explain", "tabular", zoo(""), *ANIMAL, "--config", tmp_path / "mine.toml")
    assert settings(result)["seed"] == 5


@pytest.mark.parametrize("outside", ["../people.csv", "link.csv"])
def test_a_sidecar_names_no_file_outside_its_folder(limex, tmp_path, samples, data, outside):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copyfile(data / "zoo.csv", tmp_path / "people.csv")
    (folder / "link.csv").symlink_to(tmp_path / "people.csv")
    model = beside(folder, samples / "zoo_mlp.onnx")(f'[tabular]\nbackground = "{outside}"\n')
    result = limex("explain", "tabular", model, *ANIMAL)
    assert (result.code, result.out) == (2, "")
    assert f"onnx.toml:2: background: {outside} lies outside the folder" in result.err
    typed = limex("explain", "tabular", model, *ANIMAL, "--config", f"{model}.toml")
    assert typed.code == 0, typed.err


def test_names_in_a_sidecar_are_not_looked_for_in_the_folder_of_work(
    limex, zoo, tmp_path, data, monkeypatch
):
    work = tmp_path / "work"
    work.mkdir()
    (work / "names").write_text("a\nb\nc\nd\ne\nf\ng\n")
    model, table = zoo('classes = "names"\n').resolve(), (data / "zoo.csv").resolve()
    monkeypatch.chdir(work)
    command = ("explain", "tabular", model, table, "--row", "3", "--samples", "16", "-f", "json")
    result = limex(*command)
    assert (result.code, "1 names for 7 classes" in result.err) == (3, True), result.err
    (tmp_path / "names").write_text("h\ni\nj\nk\nl\nm\nn\n")
    assert json.loads(limex(*command).out)["model"]["targets"] == list("hijklmn")


@pytest.mark.parametrize("segmenter", ["../map.png", "/map,1.png"])
def test_a_label_map_of_a_sidecar_lies_in_its_folder(limex, tmp_path, samples, segmenter):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "map.png").write_bytes(b"")
    model = beside(folder, samples / "scenes.onnx")(f'[image]\nsegmenter = "{segmenter}"\n')
    result = limex("explain", "image", model, "sample_data/scene.png")
    assert (result.code, result.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("name", ["a\\u0000b.csv", "a" * 5000 + ".csv"])
def test_what_is_no_name_of_a_file_is_one_line(limex, zoo, name):
    result = limex("explain", "tabular", zoo(f'[tabular]\nbackground = "{name}"\n'), *ANIMAL)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "onnx.toml:2: background: " in result.err
