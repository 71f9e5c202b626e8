"""The waterfall adds up to the prediction, and every number that is said is the record's."""

import json
import re
from dataclasses import replace

import pytest

from lime_cli.engine import explain
from lime_cli.engine.explanation import Interval, Others, Rule, Weight
from lime_cli.engine.instance import Column, Component, Spans
from lime_cli.formats.story import (
    FAINTEST,
    STRONGEST,
    bounds,
    changes_said,
    comparison_said,
    nearest_said,
    numbers_of,
    sentence,
    shades,
    sum_said,
    waterfall,
)
from lime_cli.records.record import explanation_of
from lime_cli.settings import Settings
from tests.conftest import MaskInstance, turning_at
from tests.formats.test_json import explanation
from tests.formats.test_table import review

ZOO = ("tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84")
LOAN = ("tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "3")
SUGAR = ("tabular", "sample_models/diabetes.pkl", "sample_data/diabetes.csv", "--row", "3")
REVIEW = ("text", "sample_models/reviews.onnx", "sample_data/review.txt")
SCENE = ("image", "sample_models/scenes.onnx", "sample_data/scene.png")


def explained(limex, tmp_path, *words):
    path = tmp_path / "one.json"
    done = limex("explain", *words, "--samples", "256", "-q", "-o", path)
    assert done.code == 0, done.err
    return explanation_of(json.loads(path.read_text()))


@pytest.mark.parametrize(
    "words",
    [
        ZOO,
        (*ZOO, "--target", "all", "--features", "3"),
        (*ZOO, "--refit", "--features", "4"),
        (*ZOO, "--penalty", "lasso:0.01", "--selection", "none"),
        (*ZOO, "--like-lime"),
        (*LOAN, "--kernel", "shapley"),
        (*LOAN, "--bins", "none"),
        (*LOAN, "--fixed", "age,income,employment,city,owns_home,loan_amount"),
        SUGAR,
        (*SUGAR, "--like-lime"),
        (*REVIEW, "--each-position"),
        SCENE,
    ],
    ids=" ".join,
)
def test_the_steps_lead_from_the_intercept_to_the_prediction(limex, tmp_path, words):
    one = explained(limex, tmp_path, *words)
    for surrogate in one.surrogates:
        steps = waterfall(one, surrogate)
        level = surrogate.intercept
        for step in steps:
            assert step.start == pytest.approx(level, rel=1e-9, abs=1e-9) or step.kind == "model"
            level = step.end
        changes = [step.change for step in steps if step.kind in ("weight", "others")]
        total = surrogate.intercept + sum(changes)
        assert total == pytest.approx(surrogate.local_prediction, rel=1e-9, abs=1e-9)
        gap = sum(step.change for step in steps if step.kind == "gap")
        assert total + gap == pytest.approx(surrogate.model_prediction, rel=1e-9, abs=1e-9)
        assert [step.component for step in steps if step.kind == "weight"] == [
            weight.component for weight in surrogate.weights
        ]
        low, high = bounds(steps)
        assert all(low <= step.end <= high for step in steps)
        assert len(numbers_of(steps)) == len(steps)


@pytest.mark.parametrize("words", [ZOO, LOAN, REVIEW, SCENE, SUGAR], ids=" ".join)
def test_the_numbers_of_the_sentence_are_those_of_the_record(limex, tmp_path, words):
    one = explained(limex, tmp_path, *words)
    (surrogate,) = one.surrogates
    said = sentence(one, surrogate)
    percent = one.model.task == "classification"
    scale = 100 if percent else 1
    first = re.match(r"The model (?:gives the class \S+|predicts) (\d+\.?\d*)(%?)", said)
    assert first
    assert bool(first[2]) == percent
    places = len(first[1].partition(".")[2])
    assert float(first[1]) == round(scale * surrogate.model_prediction, places)
    weights = {
        re.sub(r" \(.*", "", one.components[w.component].name): w.weight for w in surrogate.weights
    }
    clauses = re.search(r"Kept rather than masked, (.*?)\. (?:The|They)", said)
    assert clauses
    counted = 0
    for clause in clauses[1].split("; "):
        sign = 1 if " raises it by " in clause else -1
        for name, number in re.findall(r"(?:, | and |^)(.+?) (?:\w+ it )?by ([\d.]+)", clause):
            weight = weights[name.strip("“”")]
            assert weight * sign > 0
            assert float(number) == pytest.approx(
                scale * abs(weight), abs=0.6 * 10 ** -len(number.partition(".")[2])
            )
            counted += 1
    assert 1 <= counted <= 5
    assert f"{surrogate.fidelity:.0%}" in said


def of(*weights, error=0.02, **surrogate):
    one = explanation()
    parts = tuple(Component(f"c{i} = 1", 1.0, Column(f"c{i}")) for i in range(len(weights)))
    given = tuple(
        Weight(i, w, error / 2, Interval(w - error, w + error)) for i, w in enumerate(weights)
    )
    changed = replace(one.surrogates[0], weights=given, **surrogate)
    return replace(one, components=parts, surrogates=(changed,), outputs=(0.2, 0.8))


def told(one):
    return sentence(one, one.surrogates[0])


def test_only_weights_of_a_certain_sign_raise_or_lower():
    said = told(of(0.3, 0.01, -0.2, error=0.05))
    assert "c0 = 1 raises it by 30.0 points; c2 = 1 lowers it by 20.0 points" in said
    assert "c1" not in said
    assert "No part certainly raises or lowers it" in told(of(0.01, -0.02, error=0.05))
    assert told(of(-0.3, 0.2)).index("lowers") < told(of(-0.3, 0.2)).index("raises")


@pytest.mark.parametrize(
    ("prediction", "said"),
    [(0.99999, "more than 99.9%"), (1.0, "100.0%"), (1e-5, "less than 0.1%"), (0.0, "0.0%")],
)
def test_a_probability_is_not_rounded_to_certainty(prediction, said):
    assert f"gives the class “yes” {said}." in told(of(0.3, model_prediction=prediction))


def test_scores_and_quantities_are_no_percentages():
    one = replace(of(0.3, model_prediction=2.5), outputs=(-1.0, 2.5))
    assert "%" not in told(one).split(".")[0]
    assert "raises it by 0.300" in told(one)


def test_a_flat_response_and_a_tree_are_told_as_they_are():
    assert "masking parts does not change the prediction" in told(of(fidelity=None))
    tree = of(rules=(Rule(((0, True), (1, True)), 0.9, 0.5), Rule(((0, False),), 0.1, 0.5)))
    tree = replace(tree, components=of(0.1, 0.1).components)
    assert waterfall(tree, tree.surrogates[0]) == ()
    assert "The tree gives 90.0% if c0 = 1 and c1 = 1 are kept" in told(tree)


def test_what_is_not_shown_and_what_is_not_explained_have_steps_of_their_own():
    others = Others(6, 0.1, 0.01, Interval(0.08, 0.12))
    one = of(0.3, others=others, intercept=0.1, local_prediction=0.5, model_prediction=0.8)
    kinds = [step.kind for step in waterfall(one, one.surrogates[0])]
    assert kinds == ["intercept", "weight", "others", "local", "gap", "model"]
    said = sum_said(one, one.surrogates[0])
    assert said.startswith("0.1000 (all parts masked) + 0.3000 (weights shown) + 0.1000 (others)")
    assert said.endswith("+ 0.3000 (gap) = 0.8000, the model's.")


def test_words_of_one_name_are_told_apart():
    one = review()
    parts = (
        Component("good", None, Spans(((32, 36),))),
        Component("good", None, Spans(((46, 50),))),
    )
    one = replace(one, components=parts)
    steps = [step for step in waterfall(one, one.surrogates[0]) if step.kind == "weight"]
    assert [step.beside for step in steps] == ["at character 33", "at character 47"]


def test_shades_are_the_text_and_as_strong_as_the_weights():
    one = review()
    pieces = list(shades(one, one.surrogates[0]))
    assert "".join(piece.text for piece in pieces) == one.subject.facts["text"]
    marked = {piece.text: piece.shade for piece in pieces if piece.shade}
    assert marked["awful"] == pytest.approx(-STRONGEST)
    assert FAINTEST < marked["good"] < STRONGEST


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (LOAN, "replaced by one from loans.csv"),
        ((*LOAN, "--bins", "none"), "replaced by another one from loans.csv"),
        ((*LOAN, "--kernel", "shapley"), "Shapley value"),
        (REVIEW, "it is removed"),
        ((*REVIEW, "--mask", "UNK"), "replaced by UNK"),
        (SCENE, "filled with its mean colour"),
        ((*SCENE, "--fill", "black"), "filled with black"),
    ],
)
def test_the_page_says_what_a_weight_compares_with(limex, tmp_path, words, said):
    one = explained(limex, tmp_path, *words)
    assert said in comparison_said(one, one.surrogates[0])


@pytest.mark.parametrize("form", ["table", "md", "html"])
def test_every_view_tells_the_nearest_change_of_the_record(limex, form):
    record = json.loads(limex("explain", *ZOO, "--samples", "256", "-f", "json").out)
    shown = " ".join(limex("explain", *ZOO, "--samples", "256", "-f", form).out.split())
    nearest = record["counterfactuals"][0]
    quotes = "“”" if form != "table" else '""'
    assert (
        f"the model predicts {quotes[0]}{nearest['name']}{quotes[1]}, {nearest['prediction']:.1%}"
        in shown
    )
    for part in nearest["replaced"]:
        said = f"{part['where']['column']} = {part['replacement']} instead of {part['value']}"
        assert said in shown


@pytest.mark.parametrize(("needed", "told"), [(1, True), (5, True), (6, False)])
def test_a_change_of_many_parts_is_kept_but_not_told(needed, told):
    """The class changes where that many of ten parts are masked: the record has it in any case."""
    model = turning_at(needed)
    (one,) = explain([MaskInstance(10)], model, Settings(samples=1024))
    assert [len(found.replaced) for found in one.counterfactuals] == [needed]
    assert bool(nearest_said(one)) == told
    said = " ".join(changes_said(one, one.surrogates[0]))
    assert ("the model predicts “b”" in said) == told
    assert ("none with at most 5 changes is predicted as another class" in said) != told


def test_markdown_and_the_page_have_the_same_sentence(limex):
    page, text = (
        limex("explain", *ZOO, "--samples", "256", "-f", form).out for form in ("html", "md")
    )
    (said,) = re.findall(r'<p class="lead"[^>]*>([^<]*)</p>', page)
    assert said in text.replace("\\", "")


@pytest.mark.parametrize("form", ["table", "md", "csv", "html", "svg", "png"])
def test_a_record_of_schema_1_is_still_drawn(limex, tmp_path, form):
    path = tmp_path / "old.json"
    limex("explain", *LOAN, "--samples", "256", "-q", "-o", path)
    record = json.loads(path.read_text())
    record["schema"]["number"] = 1
    for key in ("outputs", "counterfactuals"):
        del record[key]
    for key in ("kernel", "radius", "refit", "against"):
        record["settings"].pop(key, None)
    for target in record["targets"]:
        for key in ("fidelity_error", "spread", "kernel", "others", "pairs", "pairs_fidelity"):
            del target[key]
        for one in target["components"]:
            del one["blocks"]
            one["name"] = one["where"].pop("condition")
    path.write_text(json.dumps(record))
    out = tmp_path / f"old.{form}"
    done = limex("render", path, "-f", form, "-o", out)
    assert done.code == 0, done.err
    assert out.stat().st_size > 500
    if form in ("html", "svg"):
        text = out.read_text()
        assert "Kept rather than masked" in text
        assert "points" not in text.split("The weights")[0]  # whether they are odds is not known


def test_a_name_from_right_to_left_leaves_the_number_behind_it_in_its_place():
    said = told(of(0.3, name="جيد"))
    assert "the class “\u200eجيد\u200e” " in said


def test_an_intercept_that_is_no_probability_is_explained():
    one = of(0.9, intercept=-0.3)
    assert "The intercept is not a probability" in sum_said(one, one.surrogates[0])
    one = of(0.9, intercept=0.3)
    assert "not a probability" not in sum_said(one, one.surrogates[0])
