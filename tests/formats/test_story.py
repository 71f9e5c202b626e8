"""The waterfall adds up to the prediction, and every number that is said is the record's."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from lime_cli.engine import explain
from lime_cli.engine.explanation import Interval, Others, Rule, Weight
from lime_cli.engine.instance import Column, Component, Spans
from lime_cli.engine.model import CodedWarning
from lime_cli.formats.story import (
    FAINTEST,
    STRONGEST,
    bounds,
    certainty_said,
    changes_said,
    comparison_said,
    legend,
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
from tests.formats.test_json import explanation, written
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
    clauses = re.search(r"(?:Kept rather than|Compared with) [^,]*, (.*?)\. (?:The|They)", said)
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
    assert "c0 = 1 raises it by 30.0 points on average; c2 = 1 lowers it by 20.0 points" in said
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
    flat = told(of(fidelity=None))
    assert "No part has a weight. How much masking parts decides could not be told" in flat
    tree = of(rules=(Rule(((0, True), (1, True)), 0.9, 0.5), Rule(((0, False),), 0.1, 0.5)))
    tree = replace(tree, components=of(0.1, 0.1).components)
    assert waterfall(tree, tree.surrogates[0]) == ()
    assert "The tree gives 90.0% if c0 = 1 and c1 = 1 are kept" in told(tree)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(), "The best linear fit to so few samples explains 84%"),
        (Settings(refit=True), "The weights explain 84%"),
        (Settings(kernel="shapley"), "The weights explain 84%"),
    ],
)
def test_of_too_few_samples_it_is_not_the_weights_shown_that_explain(settings, said):
    few = CodedWarning("few_effective_samples", "")
    one = replace(of(0.3, fidelity=0.84), warnings=(few,), settings=settings)
    assert said in told(one)
    assert "The weights explain 84%" in told(of(0.3, fidelity=0.84))
    low = told(replace(one, surrogates=of(0.3, fidelity=0.08).surrogates))
    assert ("too few samples to tell" in low) == settings.full_surrogate
    assert ("does not describe the model" in low) != settings.full_surrogate


def test_what_is_not_shown_and_what_is_not_explained_have_steps_of_their_own():
    others = Others(6, 0.1, 0.01, Interval(0.08, 0.12))
    one = of(0.3, others=others, intercept=0.1, local_prediction=0.5, model_prediction=0.8)
    kinds = [step.kind for step in waterfall(one, one.surrogates[0])]
    assert kinds == ["intercept", "weight", "others", "local", "gap", "model"]
    said = sum_said(one, one.surrogates[0])
    assert said.startswith("0.100 (all parts masked) + 0.300 (weights shown) + 0.100 (others)")
    assert said.endswith("+ 0.300 (gap) = 0.800, the model's.")


NUMBER = r"[−+]? ?\d[\d,]*(?:\.\d+)?"


def read(number):
    return Decimal(number.replace("−", "-").replace(",", "").replace(" ", ""))


@pytest.mark.parametrize("scale", [0.3, 40.0, 9000.0])
def test_the_sum_adds_up_as_it_is_written_or_says_that_it_is_rounded(scale):
    random = Random(1)
    found = [_told_as_it_adds_up(random, scale) for _ in range(40)]
    assert len(set(found)) == 2
    assert sum(found) > 20


def _told_as_it_adds_up(random, scale):
    """Check what is said of random weights, and return whether their sum adds up as written."""
    weights = [random.gauss(0, scale) for _ in range(4)]
    intercept, rest, gap = (random.gauss(0, scale) for _ in range(3))
    local = intercept + sum(weights) + rest
    given = {"intercept": intercept, "local_prediction": local, "model_prediction": local + gap}
    one = of(*weights, others=Others(2, rest, None, None), **given)
    said = sum_said(one, one.surrogates[0])
    base, shown, others, total, apart, model = map(read, re.findall(NUMBER, said)[:6])
    adds_up = base + shown + others == total and total + apart == model
    assert adds_up != ("all numbers rounded" in said)
    told = adds_up
    assert total == pytest.approx(Decimal(local), abs=Decimal(scale) / 100)
    steps = waterfall(one, one.surrogates[0])
    numbers = [read(re.match(NUMBER, said)[0]) for said in numbers_of(steps)]
    adds_up = sum(numbers[:6]) == numbers[6] and numbers[6] + numbers[7] == numbers[8]
    assert adds_up != ("Numbers are rounded" in legend(one, one.surrogates[0]))
    return told


def test_a_sum_that_would_not_add_up_gets_more_decimals():
    parts = {"intercept": 1287.6, "local_prediction": 1630.2, "model_prediction": 1630.2}
    one = of(342.6, **parts)
    assert "1,287.6 (all parts masked) + 342.6 (weights shown) = 1,630.2" in sum_said(
        one, one.surrogates[0]
    )


def test_weights_without_a_sampling_error_have_no_whiskers():
    one = of(0.3, error=0.0, fidelity=1.0)
    one = replace(one, stop="exhaustive")
    assert "±" not in "".join(numbers_of(waterfall(one, one.surrogates[0])))
    sure = " ".join(certainty_said(one, one.surrogates[0]))
    assert "no sampling error" in sure
    assert "hisker" not in sure + legend(one, one.surrogates[0])
    for form in ("table", "md"):
        assert "±" not in written(form, [one]).decode()


def test_dotted_words_are_explained_where_there_are_some():
    open_ = Interval(-0.1, 0.2)
    one = review()
    weights = tuple(weight._replace(interval=open_) for weight in one.surrogates[0].weights)
    assert "dotted" not in legend(one, one.surrogates[0])
    assert "dotted words have no certain sign" in legend(
        one, replace(one.surrogates[0], weights=weights)
    )


def test_hatched_others_are_explained_where_every_weight_is_certain():
    others = Others(6, 0.001, 0.01, Interval(-0.02, 0.02))
    one = of(0.3, others=others)
    assert "hatched bars have no certain sign" in legend(one, one.surrogates[0])
    one = of(0.3, others=others._replace(weight=0.1, interval=Interval(0.08, 0.12)))
    assert "hatched" not in legend(one, one.surrogates[0])


def test_a_group_is_named_once_and_a_missing_value_is_read_as_a_word():
    name = "address: street = A, city = B"
    group = Component(name, "A, B", Column("address", name))
    gone = Component("age is missing", None, Column("age"))
    one = replace(of(0.3, -0.2), components=(group, gone))
    said = told(one)
    assert "the group address raises it by 30.0 points on average; a missing age lowers" in said
    steps = waterfall(one, one.surrogates[0])
    assert (steps[1].name, steps[1].beside) == ("address", "street = A, city = B")


def test_two_classes_compared_are_named_as_a_pair():
    one = of(0.3, against=0, target=1)
    names = one.model.targets
    assert f"the difference between “{names[1]}” and “{names[0]}”" in comparison_said(
        one, one.surrogates[0]
    )
    assert [step.name for step in waterfall(one, one.surrogates[0])][-1] == "difference"
    assert legend(one, one.surrogates[0]).startswith("Blue raises the difference")


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
        ((*LOAN, "--text-column", "city"), "and a word is removed"),
        (REVIEW, "it is removed"),
        ((*REVIEW, "--mask", "UNK"), "replaced by UNK"),
        ((*LOAN, "--surrogate", "tree"), "Each line gives the prediction for"),
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
    assert ("No smaller change was found among" in said) == (told and needed > 1)
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
        assert "Compared with other values" in text
        assert "points" not in text.split("The weights")[0]  # whether they are odds is not known


def test_a_name_from_right_to_left_leaves_the_number_behind_it_in_its_place():
    said = told(of(0.3, name="جيد"))
    assert "the class “\u200eجيد\u200e” " in said


def test_an_intercept_that_is_no_probability_is_explained():
    one = of(0.9, intercept=-0.3)
    assert "The intercept is not a probability" in sum_said(one, one.surrogates[0])
    one = of(0.9, intercept=0.3)
    assert "not a probability" not in sum_said(one, one.surrogates[0])
