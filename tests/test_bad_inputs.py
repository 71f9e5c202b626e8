"""The register of bad inputs: every row has a test, in another file or below."""

import ast
import csv
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT

TABLES = "tables/test_bad_tables.py::"
IMAGES = "images/test_bad_images.py::"
TEXTS = "tools/explain/test_text.py::"
BATCHES = "running/test_batch.py::"
STOPS = "running/test_interruptions.py::"
ONE = "tools/explain/test_command.py::"
PICKLES = "models/test_unpickling.py::"
MODELS = "models/test_pickled.py::"
ONNX = "models/test_onnx.py::"
OUTPUTS = "models/test_outputs.py::"
HOLDERS = "models/test_containers.py::"
WORKERS = "running/test_executor.py::"
LEDGER = "running/test_ledger.py::"
HERE = "test_bad_inputs.py::"

REFUSED = TABLES + "test_a_bad_table_is_refused_in_one_line"
ONE_ROW = TABLES + "test_a_bad_row_is_one_failure_among_rows_that_are_explained"
SPELLED = TABLES + "test_another_spelling_of_a_table_gives_the_same_bytes"
NO_FILE = TABLES + "test_what_is_no_file_is_refused"
GAPS = TABLES + "test_gaps_and_new_words_are_explained_where_the_model_takes_them"
BACKGROUND = TABLES + "test_a_bad_background_is_refused"
IMAGE = IMAGES + "test_a_bad_picture_is_one_line_and_writes_nothing"
ANY_PICTURE = IMAGES + "test_every_kind_of_picture_is_explained_at_its_own_size"
NO_TEXT = TEXTS + "test_a_text_without_words_is_an_input_error"
MISUSED = MODELS + "test_what_is_no_usable_model_is_refused_by_name"
SIGNALS = STOPS + "test_a_signal_stops_a_batch_which_says_how_to_go_on"
OTHER_RUN = BATCHES + "test_another_run_in_the_same_folder_is_refused_and_told_what_differs"

ROWS = {
    "1 zero bytes": REFUSED,
    "2 header only": REFUSED,
    "3 blank lines only": REFUSED,
    "4 missing column": REFUSED,
    "5 several missing, or renamed by case": REFUSED,
    "6 extra column": HERE + "test_columns_that_are_passed_over_are_named_when_more_is_asked",
    "7 reordered columns": SPELLED,
    "8 duplicate header": REFUSED,
    "9 one row too long": ONE_ROW,
    "10 all rows too long": REFUSED,
    "11 row too short": ONE_ROW,
    "12 text in a numeric column": ONE_ROW,
    "13 thousands separator": REFUSED,
    "14 decimal comma, semicolons": REFUSED,
    "15 inf, 1e400": ONE_ROW,
    "16 missing value, the model imputes": GAPS,
    "17 missing value, the model cannot": ONE_ROW,
    "18 unseen category, the encoder ignores it": GAPS,
    "19 unseen category, the encoder raises": ONE_ROW,
    "20 not UTF-8": REFUSED,
    "21 UTF-16": REFUSED,
    "22 byte order mark": SPELLED,
    "23 CRLF, no final newline": SPELLED,
    "24 quoted newline": TABLES + "test_a_quoted_newline_is_one_row_and_lines_are_counted_on",
    "25 unclosed quote": REFUSED,
    "26 NUL": REFUSED,
    "27 a million columns": REFUSED,
    "28 huge field": REFUSED,
    "29 image or gzip named .csv": REFUSED,
    "30 folder where a file is due": NO_FILE,
    "31 loop of links": NO_FILE,
    "32 named pipe, standard input": TABLES + "test_a_named_pipe_is_read_once",
    "33 file changes while it is read": TABLES
    + "test_a_file_that_changes_while_it_is_read_is_told",
    "34 duplicate ids": TABLES
    + "test_ids_that_come_twice_are_told_apart_by_row_number_with_a_warning",
    "35 formula cell": HERE + "test_a_formula_in_a_cell_is_text_like_any_other",
    "36 markup and escapes in values": TABLES + "test_markup_and_escapes_are_shown_literally",
    "37 names beyond ASCII": TABLES + "test_names_that_are_not_ascii_work_in_the_c_locale",
    "38 name that begins with a dash": TABLES
    + "test_a_name_that_begins_with_a_dash_is_given_after_two_or_with_its_folder",
    "39 name that is not UTF-8": TABLES + "test_a_name_that_is_not_utf_8_never_crashes",
    "40 row out of range": TABLES + "test_rows_that_are_not_there_are_a_wrong_command_line",
    "41 background empty or of other columns": BACKGROUND,
    "42 background of one row": BACKGROUND,
    "43 constant column": TABLES + "test_a_constant_column_is_skipped_with_a_note",
    "44 column without values in the background": REFUSED,
    "45 codes such as 001": TABLES
    + "test_codes_that_begin_with_zero_stay_text_where_the_model_knows_them_so",
    "46 country code NA": TABLES + "test_the_country_code_na_stays_a_word",
    "47 dates": TABLES + "test_dates_where_the_model_wants_numbers_are_named",
    "48 truth values": TABLES + "test_truth_values_are_spelled_in_three_ways_and_one_is_a_number",
    "49 label file of another length": HERE + "test_a_file_of_too_few_labels_is_one_line",
    "50 label file with markup": HERE + "test_markup_in_a_file_of_labels_stays_text",
    "51 no model at all": PICKLES + "test_what_is_no_model_is_told",
    "52 model cut short": PICKLES + "test_a_file_cut_short_says_so",
    "53 missing module": PICKLES + "test_a_missing_module_is_named",
    "54 class of the training script": PICKLES + "test_a_class_of_the_training_script_is_explained",
    "55 array or list": MISUSED,
    "56 dict with a model inside": HOLDERS
    + "test_the_only_model_of_a_container_is_taken_and_a_key_says_the_same",
    "57 transformer": MISUSED,
    "58 not fitted": MISUSED,
    "59 no probabilities": MODELS + "test_decision_values_come_second_and_are_named_so",
    "60 regressor": MODELS + "test_a_regressor_is_a_regression",
    "61 another number of columns": "tabular/test_modality.py::"
    "test_a_wrong_number_of_columns_is_told_with_both_numbers",
    "62 NaN output": HERE + "test_a_model_that_answers_with_nan_is_one_line",
    "63 NaN for some samples": "test_drop_failed.py::"
    "test_samples_without_an_answer_are_refused_and_the_way_on_is_named",
    "64 model raises": MODELS + "test_a_failure_of_the_model_is_told_in_its_words",
    "65 wrong width": OUTPUTS + "test_names_of_another_number_are_refused_with_both_numbers",
    "66 sums to 5": HERE + "test_outputs_that_sum_to_five_are_said_to_be_no_probabilities",
    "67 several answers": HOLDERS + "test_a_forest_of_several_answers_can_be_narrowed_to_one",
    "68 tree index out of range": PICKLES + "test_a_tree_that_points_outside_is_damaged",
    "69 model crashes": WORKERS + "test_a_row_that_kills_its_process_is_one_error",
    "70 model never returns": WORKERS + "test_a_row_that_never_returns_is_one_error",
    "71 process killed from outside": WORKERS
    + "test_a_process_killed_from_outside_changes_nothing",
    "72 other scikit-learn": PICKLES + "test_an_older_scikit_learn_is_a_warning",
    "73 class of another scikit-learn": PICKLES
    + "test_a_class_of_another_scikit_learn_names_the_version",
    "74 model prints": MODELS + "test_what_a_model_prints_goes_to_standard_error",
    "75 model leaves the program": "running/test_containment.py::"
    "test_a_model_that_ends_its_process_is_one_line_and_exit_code_4",
    "76 model is not deterministic": "models/test_python.py::"
    "test_a_model_that_is_not_the_same_twice_is_said_to_be_so",
    "77 model of all cores": WORKERS + "test_a_forest_that_wants_every_core_gives_the_same_bytes",
    "78 hostile pickles": PICKLES + "test_a_payload_is_refused_and_never_runs",
    "79 pickle under another name": MODELS + "test_a_name_that_belies_the_content_is_refused",
    "80 bomb": PICKLES + "test_a_bomb_is_stopped",
    "81 ONNX of other number types": ONNX
    + "test_a_column_of_another_type_is_cast_where_nothing_is_lost",
    "82 ONNX of strings": ONNX + "test_words_and_numbers_go_to_inputs_of_their_own",
    "83 ONNX with dictionaries": OUTPUTS + "test_dictionaries_carry_the_class_names",
    "84 ONNX of a fixed batch": ONNX + "test_pictures_are_cast_and_fed_in_the_graph_s_batches",
    "85 ONNX of another width": HERE + "test_an_onnx_table_of_another_width_is_one_line",
    "86 ONNX of unknown operators": ONNX + "test_strangers_operators_are_refused_by_name",
    "87 ONNX with weights outside": ONNX + "test_weights_outside_the_folder_are_refused",
    "88 ONNX of several inputs": ONNX + "test_inputs_that_cannot_be_fed_together_are_listed",
    "89 ONNX of logits": OUTPUTS + "test_logits_become_probabilities_when_asked",
    "90 order of channels": ONNX + "test_a_layout_that_the_shape_does_not_tell_is_asked_for",
    "91 image empty, cut or damaged": IMAGE,
    "92 SVG, EPS, HEIC": IMAGE,
    "93 2500 megapixels": IMAGES + "test_a_huge_picture_takes_no_memory",
    "94 header lies about the size": IMAGE,
    "95 modes of images": ANY_PICTURE,
    "96 turned by EXIF": ANY_PICTURE,
    "97 frames and pages": ANY_PICTURE,
    "98 one pixel, one colour": IMAGES + "test_one_colour_is_explained_as_nothing",
    "99 lines of pixels": IMAGES + "test_pixels_and_lines_are_explained_or_said_to_have_no_parts",
    "100 NaN pixels": IMAGE,
    "101 folder of good, broken and stray": HERE + "test_good_broken_and_stray_files_are_counted",
    "102 empty folder": IMAGES + "test_a_missing_picture_and_an_empty_folder_are_one_line",
    "103 100,000 images": IMAGES
    + "test_a_hundred_thousand_pictures_are_listed_by_the_bytes_of_their_names",
    "104 blank text": NO_TEXT,
    "105 text that is none": TEXTS + "test_a_file_that_is_no_text_is_refused",
    "106 punctuation only": NO_TEXT,
    "107 one word": TEXTS + "test_one_word_gets_one_weight_and_a_warning",
    "108 words unknown to the model": TEXTS + "test_words_that_the_model_does_not_know_get_a_note",
    "109 places in any script": TEXTS + "test_places_are_counted_in_characters",
    "110 templates and markup": TEXTS + "test_markup_and_templates_are_taken_at_their_word",
    "111 20,000 words": TEXTS + "test_a_text_of_twenty_thousand_words_is_explained",
    "112 disk full": BATCHES
    + "test_whatever_file_operation_fails_the_command_says_so_and_goes_on_later",
    "113 folder that may not be written": STOPS
    + "test_a_folder_that_may_not_be_written_is_told_before_any_work",
    "114 output exists": ONE + "test_an_existing_file_is_kept_unless_forced",
    "115 output is a link": LEDGER + "test_a_link_in_the_folder_is_replaced_and_never_followed",
    "116 names that file systems refuse": HERE
    + "test_drawings_of_impossible_names_get_names_that_any_system_takes",
    "117 another file system for temporary files": HERE
    + "test_no_folder_of_temporary_files_is_needed",
    "118 kill -9 in a batch": STOPS + "test_a_batch_that_is_killed_goes_on",
    "119 kill -9 at the end": STOPS + "test_whoever_is_killed_whenever_the_end_is_the_same",
    "120 torn parts": LEDGER + "test_a_damaged_part_is_done_again",
    "121 SIGINT": SIGNALS,
    "122 SIGTERM": SIGNALS,
    "123 SIGHUP": SIGNALS,
    "124 worker dies once": WORKERS + "test_a_process_killed_from_outside_changes_nothing",
    "125 every worker dies": WORKERS + "test_a_model_that_dies_of_everything_stops_the_run",
    "126 closed pipe": ONE + "test_a_closed_pipe_is_no_failure_worth_words",
    "127 full device": ONE + "test_a_full_device_is_told_in_one_line",
    "128 no terminal": HERE + "test_without_a_terminal_there_is_no_colour_and_no_progress",
    "129 ASCII terminal": ONE + "test_an_ascii_terminal_gets_ascii",
    "130 two runs in a folder": STOPS
    + "test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on",
    "131 lock left by a kill": STOPS + "test_a_batch_that_is_killed_goes_on",
    "132 another run's folder": OTHER_RUN,
    "133 another version's folder": BATCHES + "test_another_version_of_a_library_is_another_run",
    "134 clock jumps": HERE + "test_nothing_takes_what_a_machine_may_lack_from_a_module",
    "135 too few processes": WORKERS + "test_too_few_processes_are_fewer_workers_or_one_line",
    "136 no shared memory": HERE + "test_nothing_takes_what_a_machine_may_lack_from_a_module",
    "137 numpy.py in this folder": "models/test_python.py::"
    "test_a_module_of_this_folder_is_found_but_hides_no_installed_one",
    "138 no home": HERE + "test_no_home_is_needed",
    "139 broken sidecar, or one that trusts": "options/test_config.py::"
    "test_a_wrong_sidecar_is_told_by_file_and_line",
    "140 no network": HERE + "test_the_network_is_never_used",
}
"""What may be wrong, and the test that holds what becomes of it."""

ZOO = ("explain", "tabular", "sample_models/zoo_mlp.onnx")
ROW = ("--row", "3", "--samples", "64")
SCENES = ("explain", "image", "sample_models/scenes.onnx")


def test_every_row_has_a_test():
    assert [int(one.split()[0]) for one in ROWS] == list(range(1, 141))
    check_register(ROWS)


def check_register(register):
    """Check that every test that a register names is there."""
    for row, where in register.items():
        path, _, name = where.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in tests, f"{row}: {where}"


def one_line(result, code):
    assert (result.code, result.out) == (code, ""), result.err
    assert result.err.startswith("limex: ")
    assert result.err.count("\n") == 1
    return result.err


def run(*arguments, **environment):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lime_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={key: value for key, value in {**os.environ, **environment}.items() if value},
        check=False,
    )


def test_columns_that_are_passed_over_are_named_when_more_is_asked(limex, tmp_path):
    lines = (ROOT / "sample_data" / "zoo.csv").read_text().splitlines()
    more = [f"{line},{'<shade>' if i == 0 else i}" for i, line in enumerate(lines)]
    (tmp_path / "zoo.csv").write_text("\n".join(more))
    rows = (*ZOO, tmp_path / "zoo.csv", *ROW, "-f", "json")
    said = limex(*rows, "-v").err.splitlines()
    assert sum("'<shade>'" in line for line in said) == 1
    assert "; ignored: 'animal', 'class', '<shade>'" in said[-1]
    assert "<shade>" not in limex(*rows).err
    assert "'class'" not in limex(*rows, "-v", "--drop", "class").err


def test_a_formula_in_a_cell_is_text_like_any_other(limex, tmp_path):
    lines = ["=1+1,@now,n", *(f"{'=2+2' if i % 2 else '+a'},{i % 3},{i}" for i in range(60))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    (tmp_path / "limex_cells.py").write_text(
        "def model(rows):\n    return (rows['=1+1'] == '=2+2') + rows['n'] / 99\n"
    )
    rows = ("py:limex_cells:model", "rows.csv", "--row", "1", "--samples", "64", "-f", "csv")
    done = subprocess.run(
        [sys.executable, "-m", "lime_cli", "explain", "tabular", *rows],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [line["component"] for line in csv.DictReader(done.stdout.splitlines())]
    assert sorted(names)[0] == "=1+1 = =2+2"
    assert not any("'" in name for name in names)


def test_a_file_of_too_few_labels_is_one_line(limex, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    table = (*ZOO, "sample_data/zoo.csv", *ROW, "--classes", tmp_path / "names.txt")
    assert "2 names for 7 classes; give as many" in one_line(limex(*table), 3)


def test_markup_in_a_file_of_labels_stays_text(limex, tmp_path):
    hostile = "</script><script>alert(1)</script>"
    (tmp_path / "names.txt").write_text("\n".join(f"{hostile}{i}" for i in range(7)))
    table = (*ZOO, "sample_data/zoo.csv", *ROW, "--classes", tmp_path / "names.txt")
    page = limex(*table, "-f", "html")
    assert page.code == 0, page.err
    assert "<script>alert" not in page.out
    assert "&lt;script&gt;alert(1)" in page.out
    named = json.loads(limex(*table, "-f", "json").out)["targets"][0]["name"]
    assert named.startswith(hostile)


MODULE = """
import numpy
def never(rows):
    return numpy.full((len(rows), 2), numpy.nan)
def fives(rows):
    return numpy.tile([2.0, 1, 1, 0.5, 0.5], (len(rows), 1))
fives.classes = list("abcde")
"""


@pytest.fixture
def strange(tmp_path, monkeypatch):
    (tmp_path / "limex_strange.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "py:limex_strange:"
    sys.modules.pop("limex_strange", None)


def test_a_model_that_answers_with_nan_is_one_line(limex, strange):
    table = ("sample_data/zoo.csv", "--drop", "animal,class", *ROW)
    said = one_line(limex("explain", "tabular", f"{strange}never", *table), 4)
    assert "the model returned NaN or infinity for " in said


def test_outputs_that_sum_to_five_are_said_to_be_no_probabilities(limex, strange):
    table = ("sample_data/zoo.csv", "--drop", "animal,class", *ROW, "-f", "json")
    result = limex("explain", "tabular", f"{strange}fives", *table)
    assert result.code == 0, result.err
    assert "not probabilities (from 0.5 to 2, their sum is 5)" in result.err


def test_an_onnx_table_of_another_width_is_one_line(limex, tmp_path):
    (tmp_path / "rows.csv").write_text("hair,eggs\n" + "".join(f"{i % 2},1\n" for i in range(60)))
    said = one_line(limex(*ZOO, tmp_path / "rows.csv", *ROW), 3)
    assert "rows.csv: lacks columns 'feathers'" in said


def test_good_broken_and_stray_files_are_counted(limex, tmp_path, data):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    scene = (data / "scene.png").read_bytes()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(scene)
    (photos / "broken.png").write_bytes(scene[:900])
    for name in ("notes.txt", "notes.md", "thumbs.db"):
        (photos / name).write_text("a stray")
    result = limex(*SCENES, photos, "--samples", "64", "-o", out)
    assert (result.code, result.out) == (6, "")
    assert "2 explained, 1 failed, 3 skipped" in result.err
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["skipped"], summary["failures"]) == (3, {"InputError": 1})
    found = [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]
    failed = [one for one in found if "error" in one]
    assert ["broken.png" in json.dumps(one) for one in failed] == [True]


def test_drawings_of_impossible_names_get_names_that_any_system_takes(limex, tmp_path):
    names = ["CON", "end.", "a/b\\c:d*?", "x" * 400]
    lines = (ROOT / "sample_data" / "zoo.csv").read_text().splitlines()
    rows = [lines[0] + ",who", *(f"{line},{names[i % 4]}" for i, line in enumerate(lines[1:]))]
    (tmp_path / "zoo.csv").write_text("\n".join(rows))
    table = (*ZOO, tmp_path / "zoo.csv", "--row", "0-3", "--samples", "64", "--id-column", "who")
    result = limex(*table, "-o", tmp_path / "out", "-f", "html")
    assert result.code == 0, result.err
    drawn = sorted(path.name for path in (tmp_path / "out").glob("0*.html"))
    assert [name[:6] for name in drawn] == [f"0000{i}-" for i in range(4)]
    for name in drawn:
        assert len(name) < 120
        assert set(name.removesuffix(".html")).isdisjoint('/\\:*?"<>|.')


def test_no_folder_of_temporary_files_is_needed(tmp_path):
    nowhere = {"TMPDIR": "/nonexistent", "TEMP": "/nonexistent", "TMP": "/nonexistent"}
    for out in ("one.json", "many"):
        row = ("--row", "3") if out == "one.json" else ("--row", "3-5")
        table = (*ZOO, "sample_data/zoo.csv", *row, "--samples", "64", "-o", tmp_path / out)
        done = run(*table, **nowhere)
        assert done.returncode == 0, done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["many", "one.json"]


@pytest.mark.parametrize("given", [{"CI": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_without_a_terminal_there_is_no_colour_and_no_progress(tmp_path, given):
    table = (*ZOO, "sample_data/zoo.csv", "--row", "3-5", "--samples", "64")
    for more in ((), ("-o", tmp_path / "out")):
        done = run(*table, *more, **given)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "\r" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "unwanted",
    [("time.time", "datetime.now", "datetime.today"), ("shared_memory", "sharedctypes")],
    ids=["the clock on the wall", "shared memory"],
)
def test_nothing_takes_what_a_machine_may_lack_from_a_module(unwanted):
    """Neither looks at the clock on the wall, which jumps, nor asks for shared memory."""
    found = []
    for path in (ROOT / "lime_cli").rglob("*.py"):
        text = path.read_text("utf-8")
        if any(one.rpartition(".")[2] in text for one in unwanted):
            for node in ast.walk(ast.parse(text)):
                words = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Import)) else ""
                words += getattr(node, "module", None) or ""
                found += [one for one in unwanted if re.search(rf"\b{re.escape(one)}\b", words)]
    assert found == []


@pytest.mark.parametrize("home", ["", "/nonexistent", "/proc/self"])
def test_no_home_is_needed(tmp_path, home):
    table = (*ZOO, "sample_data/zoo.csv", *ROW, "-f", "html", "-o", tmp_path / "page.html")
    done = run(*table, HOME=home, XDG_CACHE_HOME="", XDG_CONFIG_HOME="")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_the_network_is_never_used(limex, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError(f"asks the network: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for command in (
        (*ZOO, "sample_data/zoo.csv", *ROW, "-o", tmp_path / "a.html"),
        ("explain", "text", "sample_models/reviews.onnx", "sample_data/review.txt", *ROW[2:]),
        (*SCENES, "sample_data/scene.png", *ROW[2:], "-o", tmp_path / "a.png"),
    ):
        assert limex(*command).code == 0
