"""Defects of other tools that explain with LIME: what becomes of each here, and its test."""

import json
import re
from math import comb

import numpy as np
import pytest

from lime_cli.engine.neighbourhood import Product, ladder
from tests.test_bad_inputs import HERE as BAD_INPUTS
from tests.test_bad_inputs import SCENES, ZOO, check_register

PEERS = "test_peers.py::"
COLUMNS = "tabular/test_modality.py::"
SEGMENTS = "images/test_segments.py::"
NUMBERS = "images/test_image_types.py::"
ONE = "tools/explain/test_command.py::"
OUTPUTS = "models/test_outputs.py::"

DEFECTS = {
    "a bin of no width gives a standard score": COLUMNS
    + "test_every_value_drawn_was_observed_in_its_column",
    "labels that do not begin at 0 give wrong weights": "images/test_cutting.py::"
    "test_segments_come_from_a_file_under_their_own_numbers",
    "labels with gaps": SEGMENTS + "test_labels_run_from_0_without_gaps",
    "only one segment": "images/test_cutting.py::test_one_pixel_is_one_superpixel_and_that_is_said",
    "the seed of the segmentation is ignored": SEGMENTS
    + "test_the_seed_of_quickshift_is_honoured_and_repeats",
    "bytes and floats of one image are cut otherwise": NUMBERS
    + "test_the_same_colours_are_the_same_model_input_whatever_their_type",
    "the second call differs from the first": ONE + "test_a_row_alone_is_the_row_among_others",
    "a kernel too narrow gives a meaningless result": PEERS
    + "test_a_kernel_too_narrow_for_any_sample_is_said_and_breaks_nothing",
    "labels are explained in place of probabilities": "models/test_onnx.py::"
    "test_a_classifier_s_probabilities_are_found_beside_its_labels",
    "a session is made for every batch": "models/test_onnx.py::"
    "test_the_model_is_loaded_once_per_process",
    "classifiers are explained as regressions, three classes refused": PEERS
    + "test_the_class_that_is_predicted_is_explained_whichever_it_is",
    "weights of images are thrown away": PEERS
    + "test_a_record_holds_a_weight_for_every_superpixel",
    "masks are made for the segments wished for": SEGMENTS
    + "test_the_wish_for_a_number_is_roughly_met",
    "a failure ends as a success": ONE + "test_a_bad_input_gets_one_line_and_its_exit_code",
    "a missing value ends in an obscure error": "tabular/test_missing_values.py::"
    "test_a_row_that_lacks_what_the_model_needs_is_told_so",
    "a text without words ends in an obscure error": "tools/explain/test_text.py::"
    "test_a_text_without_words_is_an_input_error",
    "grey images and those with transparency fail": "images/test_pixels.py::"
    "test_every_mode_becomes_rgb_of_the_same_size",
    "a page of more than a megabyte": "formats/test_html.py::"
    "test_the_page_of_many_explanations_stays_under_a_megabyte",
    "a page with names that are not escaped": "formats/test_html.py::"
    "test_a_hostile_name_is_only_text",
    "a result that is no JSON": "records/test_record.py::"
    "test_a_record_survives_the_way_through_a_file_and_back",
    "an explainer that cannot be sent to a process": "running/test_executor.py::"
    "test_bytes_depend_neither_on_workers_nor_on_the_size_of_works",
    "a wrong word is taken": PEERS + "test_a_selection_that_there_is_not_is_a_wrong_command_line",
    "outputs of one column": OUTPUTS + "test_one_probability_is_read_with_its_complement",
    "outputs of one axis": OUTPUTS + "test_one_number_without_classes_is_a_regression",
    "class 1 is explained whatever is predicted": PEERS
    + "test_the_class_that_is_predicted_is_explained_whichever_it_is",
    "samples that no seed decides": "test_oracles.py::"
    "test_the_same_seed_gives_the_same_and_another_seed_another_answer",
    "a kernel of another kind's unit": PEERS
    + "test_the_kernel_tells_near_from_far_for_every_kind_of_input",
    "fidelity and intercept are lost": PEERS + "test_every_format_tells_how_well_the_weights_fit",
    "statistics are believed that do not hold together": "tools/test_profile.py::"
    "test_a_profile_that_cannot_be_used_is_one_line",
    "broken outputs": BAD_INPUTS + "test_a_model_that_answers_with_nan_is_one_line",
}
"""What is wrong elsewhere, and the test that it is not so here."""

REVIEW = ("explain", "text", "sample_models/reviews.onnx", "sample_data/review.txt")
INPUTS = {
    "a text": REVIEW,
    "a row": (*ZOO, "sample_data/zoo.csv", "--row", "3"),
    "an image": (*SCENES, "sample_data/scene.png"),
}


def test_every_defect_has_a_test():
    check_register(DEFECTS)


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize("width", ["1e-300", "1e-160", "1e-5", "1e-3"])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("surrogate", ["linear", "tree"])
def test_a_kernel_too_narrow_for_any_sample_is_said_and_breaks_nothing(
    limex, kind, width, surrogate
):
    options = ("--samples", "64", "--surrogate", surrogate, "-f", "json")
    result = limex(*INPUTS[kind], *options, "--kernel-width", width)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "so no sample differs from the instance" in result.err
    remedy = re.search(r"--radius [\d.]+\d", result.err)[0].split()
    assert record(limex(*INPUTS[kind], *options, *remedy))["targets"]


def test_the_class_that_is_predicted_is_explained_whichever_it_is(limex):
    rows = (*ZOO, "sample_data/zoo.csv", "--row", "0-20", "--samples", "64", "-f", "jsonl")
    told = [json.loads(line)["targets"] for line in limex(*rows).out.splitlines()]
    assert all(len(one) == 1 for one in told)
    assert all(one[0]["model_prediction"] > 0.5 for one in told)
    assert len({one[0]["index"] for one in told}) > 2


def test_a_record_holds_a_weight_for_every_superpixel(limex):
    every = ("--selection", "none", "--features", "500", "--samples", "256", "-f", "json")
    found = record(limex(*INPUTS["an image"], *every))
    segments = {one["where"]["segment"] for one in found["targets"][0]["components"]}
    assert segments == set(range(found["instance"]["facts"]["segments"]))


def test_a_selection_that_there_is_not_is_a_wrong_command_line(limex):
    result = limex(*REVIEW, "--selection", "forwrd")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "'forwrd' is not one of lasso, forward" in result.err


@pytest.mark.parametrize("d", [3, 30, 300])
def test_the_kernel_tells_near_from_far_for_every_kind_of_input(d):
    for radius in ladder(d)[1:]:
        kernel = Product(radius)
        ways = np.array([float(comb(d, m)) for m in range(d + 1)])
        proximity = kernel.sizes(d) / ways
        proximity /= proximity[0]
        assert np.all(np.diff(proximity[:9]) < 0)
        assert proximity[:9] == pytest.approx(np.exp(-np.arange(d + 1)[:9] / (2 * kernel.width**2)))


@pytest.mark.parametrize("form", ["table", "csv", "md", "html"])
def test_every_format_tells_how_well_the_weights_fit(limex, form):
    found = record(limex(*REVIEW, "--samples", "512", "-f", "json"))["targets"][0]
    drawn = limex(*REVIEW, "--samples", "512", "-f", form).out
    for name in ("fidelity", "intercept", "model_prediction", "local_prediction"):
        spelled = f"{found[name]:.2f}" if name == "fidelity" else str(found[name])[:4]
        assert spelled in drawn, name
