"""Packages that add a model format, an output format and a modality by entry points."""

import json

import pytest

from lime_cli.errors import SettingsError
from lime_cli.registry import FORMATS, LOADERS, plugins
from lime_cli.tools.explain import explain

MODULE = '''
import json
from lime_cli.options.groups import Options, argument, option
from lime_cli.registry import MODALITIES


def names(explanations, out, look):
    for explanation in explanations:
        out.write(" ".join(one.name for one in explanation.components).encode() + b"\\n")


def score(texts):
    return [float(text.count("good")) for text in texts]


def load(file, content):
    return file._replace(path="py:limex_added:score", format="python").load()


class Notes(Options, heading="Input"):
    """Explain a note of a file of notes."""

    notes: str = argument("NOTES")
    note: str = option("--note", "Name of the note.", default="first", common=True)

    def modality(self):
        with open(self.notes) as stream:
            return MODALITIES["text"](inputs=(), text=json.load(stream)[self.note])
'''

ENTRY_POINTS = """
[limex.formats]
names = limex_added:names

[limex.models]
counting = limex_added:load

[limex.modalities]
notes = limex_added:Notes
"""


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A folder on the path with a package that adds all three, and inputs for them."""
    (tmp_path / "limex_added.py").write_text(MODULE)
    information = tmp_path / "limex_added-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: limex-added\nVersion: 1\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "model.bin").write_bytes(b"anything")
    (tmp_path / "notes.json").write_text(json.dumps({"first": "good bad", "last": "a good day"}))
    monkeypatch.syspath_prepend(tmp_path)
    plugins.cache_clear()
    yield tmp_path
    plugins.cache_clear()
    explain.commands.pop("notes", None)


def test_a_package_adds_an_output_format_and_a_model_format(limex, added):
    call = ("explain", "text", added / "model.bin", "--text", "good bad", "--samples", "16", "-q")
    result = limex(*call, "--model-format", "counting", "-f", "names")
    assert (result.code, sorted(result.out.split())) == (0, ["bad", "good"]), result.err
    assert ("names" in FORMATS, "counting" in list(LOADERS)) == (True, True)


def test_a_package_adds_a_modality_with_options_of_its_own(limex, added):
    result = limex("explain", "--help")
    assert "\n  notes " in result.out
    assert "--note TEXT" in limex("explain", "notes", "--help").out
    call = ("explain", "notes", added / "model.bin", added / "notes.json", "--note", "last")
    chosen = ("--model-format", "counting", "--samples", "16", "-f", "json")
    result = limex(*call, *chosen)
    assert result.code == 0, result.err
    components = json.loads(result.out)["targets"][0]["components"]
    assert [one["name"] for one in components] == ["good"]
    assert (
        "marcotcr/lime does not support this kind of input"
        in limex(*call, *chosen, "--like-lime").err
    )


def test_a_name_that_no_package_adds_is_refused_with_the_list(limex, added):
    result = limex("explain", "text", added / "model.bin", "--text", "good", "-f", "nothing")
    assert (result.code, "'nothing' is not one of table" in result.err) == (2, True)
    with pytest.raises(SettingsError, match=r"unknown format 'nothing'.*names"):
        FORMATS["nothing"]
