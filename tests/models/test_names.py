"""Names of the classes, however a list or a file writes them."""

import json
import pickle
import re

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from lime_cli.errors import InputError
from lime_cli.models.model_file import ModelFile
from lime_cli.models.names import fitted_names, names_in, read_names
from lime_cli.models.outputs import Stated, decide_outputs
from lime_cli.tabular.row import Table

FISH = ("tench, Tinca tinca", "goldfish", "great white shark")


def read(tmp_path, text, name="names.txt"):
    (tmp_path / name).write_text(text, "utf-8")
    return read_names(str(tmp_path / name))


def test_a_list_on_the_command_line_is_split_at_commas():
    assert read_names("no, yes ,perhaps") == ("no", "yes", "perhaps")
    assert read_names("alone") == ("alone",)


@pytest.mark.parametrize(
    "text",
    [
        "{}\n{}\n{}\n",
        "\ufeff{}\r\n{}\r\n\r\n{}",
        "0 {}\n1 {}\n2 {}",
        "0: {}\n1: {}\n2: {}",
        "0,{}\n1,{}\n2,{}",
        "0\t{}\n1\t{}\n2\t{}",
        "1: {}\n2: {}\n3: {}",
        "n01440764 {}\nn01443537 {}\nn01484850 {}",
        "n01440764\t{}\nn01443537\t{}\nn01484850\t{}",
        "0 n01440764 {}\n1 n01443537 {}\n2 n01484850 {}",
    ],
    ids=["bare", "mark", "space", "colon", "comma", "tab", "from 1", "wnid", "wnid tab", "both"],
)
def test_a_file_of_lines_gives_the_human_part(tmp_path, text):
    assert read(tmp_path, text.format(*FISH)) == FISH


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tag_id,name,category\n99,general,9\n1,1girl,0\n2,solo,0", ("general", "1girl", "solo")),
        ("ClassId,SignName\n2,stop\n0,yield\n1,bend", ("yield", "bend", "stop")),
        ("label\tcount\na b\t3\nc\t4", ("a b", "c")),
        ('name,r,g,b\n"sky, blue",0,0,9\nroad,1,1,1', ("sky, blue", "road")),
        ("name\nmine", ("name", "mine")),
        ("a, b\nc, d", ("a, b", "c, d")),
    ],
)
def test_a_table_gives_its_column_of_names(tmp_path, text, names):
    assert read(tmp_path, text, "names.csv") == names


def test_indexed_lines_may_stand_in_any_order(tmp_path):
    assert read(tmp_path, "2 c\n0 a\n1 b") == ("a", "b", "c")


def test_numbers_that_are_no_indices_stay_in_the_names(tmp_path):
    assert read(tmp_path, "7 up\n20 minutes") == ("7 up", "20 minutes")


@pytest.mark.parametrize(
    "held",
    [
        ["a", "b", "c"],
        {"0": "a", "1": "b", "2": "c"},
        {"2": ["n3", "c"], "0": ["n1", "a"], "1": ["n2", "b"]},
        {"a": 0, "c": 2, "b": 1},
        {"model_type": "bert", "id2label": {"0": "a", "1": "b", "2": "c"}},
    ],
    ids=["list", "index", "index and id", "name", "configuration"],
)
def test_json_is_read_in_either_direction(tmp_path, held):
    assert read(tmp_path, json.dumps(held), "names.json") == ("a", "b", "c")


@pytest.mark.parametrize("text", ["{0: 'a',\n 1: \"b's\",\n 2: 'c, d'}", "['a', \"b's\", 'c, d',]"])
def test_names_are_read_as_python_writes_them(tmp_path, text):
    assert read(tmp_path, text) == ("a", "b's", "c, d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no names"),
        ("[1, 2", "is not JSON"),
        ("{a, b}", "is not JSON"),
        ('{"a": "b"}', "not a list of names"),
        ('{"0": "a", "2": "b"}', "none for index 1"),
    ],
)
def test_a_file_without_names_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "names.txt" in str(caught.value)


def test_a_file_that_is_missing_or_not_utf_8_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_names(str(tmp_path / "none.txt"))
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\nth\xe9")
    with pytest.raises(InputError, match="not UTF-8 at byte 3"):
        read_names(str(tmp_path / "latin.txt"))


@pytest.mark.parametrize("first", ["background", "__background__", "dummy", "Background class"])
def test_the_background_of_1001_names_is_left_out_for_1000_outputs(first):
    names = (first, *(f"class {i}" for i in range(1000)))
    assert fitted_names(names, 1001) == names
    assert fitted_names(names, 1000) == names[1:]
    assert fitted_names(names, 999) is None


def test_another_first_name_too_many_is_a_mismatch():
    names = tuple(map(str, range(4)))
    with pytest.raises(InputError, match="4 names for 3 classes"):
        decide_outputs(np.eye(3), ModelFile("m", classes=names), "m", Stated())


@pytest.mark.parametrize(
    "text", ['["a", "b"]', "['a', 'b']", "{0: 'a', 1: 'b'}", '{"0": "a", "1": "b"}', "a, b"]
)
def test_metadata_is_read_as_json_or_as_python_writes_it(text):
    assert names_in(text) == ("a", "b")


@pytest.mark.parametrize("text", ["", "resnet", "{", "{0: 'a', 2: 'b'}", "__import__('os')", "3"])
def test_metadata_that_lists_no_names_is_left_alone(text):
    assert names_in(text) is None


@pytest.mark.parametrize("gap", [",", ", ", "\t"])
def test_an_index_may_stand_behind_its_name(tmp_path, gap):
    path = tmp_path / "names.csv"
    path.write_text(f"acer rubrum{gap}1\nabies{gap}0\nzelkova, a tree{gap}2\n")
    assert read_names(str(path)) == ("abies", "acer rubrum", "zelkova, a tree")
    path.write_text(f"type 7{gap}7\nother{gap}9\n")
    assert read_names(str(path)) == (f"type 7{gap}7", f"other{gap}9")


def beside(tmp_path, names, **choices):
    """Return what is said of the classes of a model that names none of its three."""
    for name, text in names:
        (tmp_path / name).write_text(text)
    write(tmp_path / "m.pkl")
    model = ModelFile(str(tmp_path / "m.pkl"), **choices).load()
    model.predict(Table(("a",), (np.arange(3.0),)))
    return [one.message for one in model.warnings if one.code == "classes_assumed"]


def write(path):
    path.write_bytes(pickle.dumps(KNeighborsClassifier(1).fit([[0], [1], [2]], [0, 1, 2])))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat\ndog\nfox\n"),
        ("imagenet_classes.txt", "cat\ndog\nfox"),
        ("synset.txt", "n01440764 cat\nn01443537 dog\nn01484850 fox\n"),
        ("class_indices.json", '{"cat": 0, "dog": 1, "fox": 2}'),
        ("index_to_name.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "fox"]}'),
        ("coco.names", "cat\ndog\nfox\n"),
    ],
)
def test_names_that_lie_beside_a_model_are_named_but_not_used(tmp_path, name, text):
    (said,) = beside(tmp_path, [("class_weights.json", '{"0": 1.5, "1": 2}'), (name, text)])
    _, typed, _ = re.split(r"; --classes (\S+) ", said)
    assert typed == str(tmp_path / name)
    assert read_names(typed) == ("cat", "dog", "fox")
    assert beside(tmp_path, [], classes=read_names(typed)) == []


@pytest.mark.parametrize(
    "names",
    [[("labels.txt", "cat\ndog")], [("notes.txt", "a\nb\nc")], [("labels.txt", "0\n1\n2")]],
    ids=["too few", "not called so", "numbers"],
)
def test_other_files_beside_a_model_are_not_named(tmp_path, names):
    assert beside(tmp_path, names) == []
