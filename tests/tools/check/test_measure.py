"""Summaries, picks, comparisons and policies say what the records hold, on records made by hand."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lime.submodular_pick import SubmodularPick

from lime_cli.engine.explanation import Interval, Surrogate, Weight
from lime_cli.engine.instance import Column, Component
from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, SettingsError
from lime_cli.formats import Look
from lime_cli.records.reading import Entry, read_entries
from lime_cli.records.record import record_of
from lime_cli.tools.check.measure import WRITERS, Checked, by_rule, check, check_drift, github_line
from lime_cli.tools.check.policy import read_policy
from lime_cli.tools.compare.measure import Comparison, Limits, Unmatched, collect, compare, spearman
from lime_cli.tools.compare.measure import record_of as record_of_comparison
from lime_cli.tools.compare.report import save as save_comparison
from lime_cli.tools.compare.report import sheet_of
from lime_cli.tools.summarize.measure import KEY_DOTS, summarize
from lime_cli.tools.summarize.measure import record_of as record_of_summary
from lime_cli.tools.summarize.measure import save as save_summary
from tests.formats.test_json import explanation

FAILURE = {
    "schema": {"name": "limex/failure", "number": 1},
    "instance": {"id": "9", "source": "people.csv", "row": 9},
    "error": {"kind": "InputError", "message": "people.csv: line 11", "hint": ""},
}


def entry(own: str, weights: dict[str, float], error: float = 0.01, **more) -> Entry:
    """A record with these weights of columns; every interval is two errors wide on each side."""
    one = explanation()
    ranked = sorted(weights.items(), key=lambda item: -abs(item[1]))
    surrogate = replace(
        one.surrogates[0],
        fidelity=more.get("fidelity", 0.9),
        model_prediction=more.get("prediction", 0.8),
        weights=tuple(
            Weight(i, w, error, Interval(w - 2 * error, w + 2 * error), (i + 1, i + 1), 1.0)
            for i, (_, w) in enumerate(ranked)
        ),
    )
    made = replace(
        one,
        subject=replace(one.subject, id=own),
        components=tuple(Component(f"{name} > 1", 2.0, Column(name)) for name, _ in ranked),
        surrogates=(surrogate,),
        warnings=more.get("warnings", ()),
        stop=more.get("stop", one.stop),
    )
    record = json.loads(json.dumps(record_of(made)))
    return Entry(f"saved.jsonl:{own}", record)


def named(one: Entry, value: float, condition: str = "{} > 1") -> Entry:
    """The record with another value in the names of its components, and their conditions apart."""
    record = json.loads(json.dumps(one.record))
    for component in record["targets"][0]["components"]:
        column = component["where"]["column"]
        component["where"]["condition"] = condition.format(column)
        component["name"] = f"{column} = {value:g} (above 1)"
        component["value"] = value
    return Entry(one.place, record)


# -- summaries --------------------------------------------------------------------------------


def test_a_summary_means_over_all_instances_an_absent_weight_being_zero():
    found = [entry("0", {"a": 0.4, "b": -0.2}), entry("1", {"a": -0.2})]
    data = record_of_summary(*summarize(found, top=1))
    (target,) = data["targets"]
    first, second = target["features"]
    assert first["feature"] == "a"
    assert first["mean_absolute_weight"] == pytest.approx(0.3)
    assert first["mean_weight"] == pytest.approx(0.1)
    assert first["share_in_top"] == 1.0
    assert first["sign_consistency"] == 0.5
    assert second["mean_absolute_weight"] == pytest.approx(0.1)
    assert second["share_in_top"] == 0.0


def test_a_summary_counts_failures_and_warnings():
    found = [
        entry("0", {"a": 1.0}, warnings=(CodedWarning("large_gap", "x"),)),
        Entry("f:2", FAILURE),
    ]
    data = record_of_summary(*summarize(found, top=1))
    assert (data["explained"], data["failed"]) == (1, 1)
    assert data["failures"] == {"InputError": 1}
    assert data["warnings"] == {"large_gap": 1}


def test_uncertain_signs_say_nothing_of_consistency():
    data = record_of_summary(*summarize([entry("0", {"a": 0.01}, error=0.1)], top=1))
    assert data["targets"][0]["features"][0]["sign_consistency"] is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
@settings(max_examples=30)
def test_quantiles_of_the_fidelity_are_right_to_a_thousandth(values):
    found = [entry(str(i), {"a": 1.0}, fidelity=one) for i, one in enumerate(values)]
    summary, _ = summarize(found, top=1)
    for name, value in summary.aspects["yes"].quantiles().items():
        exact = np.quantile(values, float(name), method="inverted_cdf")
        assert value == pytest.approx(exact, abs=5.1e-4)


def test_a_damaged_record_is_named():
    one = entry("0", {"a": 1.0})
    del one.record["targets"][0]["components"]
    with pytest.raises(InputError, match=r"saved\.jsonl:0: the record is damaged"):
        summarize([one], top=1)


def test_a_summary_is_drawn_and_one_of_nothing_is_refused():
    pytest.importorskip("matplotlib")
    from lime_cli.tools.summarize.measure import save

    out = io.BytesIO()
    summary, _ = summarize([entry("0", {"a": 0.4, "<b>$": -0.2})], top=1)
    save(summary, out)
    assert out.getvalue().startswith(b"\x89PNG")
    summary, _ = summarize([Entry("f:1", FAILURE)], top=1)
    with pytest.raises(InputError, match="no explanation to draw"):
        save(summary, out)


def drawn(limex, folder, name, *more):
    words = ("explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row")
    path = folder / f"{name}.jsonl"
    done = limex(*words, "0-39", "--samples", "64", "-o", path, "-q", *more)
    assert done.code == 0, done.err
    return summarize(read_entries(str(path)), top=3)[0]


def test_one_of_two_classes_is_drawn_as_if_it_had_been_explained_for_all(limex, tmp_path):
    mixed = drawn(limex, tmp_path, "mixed")
    (found,) = mixed.drawn()
    same = drawn(limex, tmp_path, "same", "--target", found.name, "--features", "20")
    (wanted,) = same.drawn()
    assert len(mixed.aspects) == 2
    assert found.n == wanted.n == 40
    assert found.turned[1] > 0
    assert wanted.turned is None
    for name, one in wanted.features.items():
        other = found.features[name]
        assert sorted(w for w, _ in other.dots) == pytest.approx(sorted(w for w, _ in one.dots))
        assert sorted(str(v) for _, v in other.dots) == sorted(str(v) for _, v in one.dots)
    assert sorted(p for p, _ in found.rows) == pytest.approx(sorted(p for p, _ in wanted.rows))


@pytest.mark.parametrize("more", [["--target", "all"], ["--target", "no", "--target", "yes"]])
def test_both_classes_are_drawn_where_both_were_explained(limex, tmp_path, more):
    assert [one.turned for one in drawn(limex, tmp_path, "both", *more).drawn()] == [None, None]


def test_a_value_is_high_or_low_among_all_instances():
    pytest.importorskip("matplotlib")
    from lime_cli.tools.summarize.measure import save

    def one(name, target, value):
        made = named(entry(name, {"milk": 0.4}), value)
        made.record["targets"][0]["name"] = target
        return made

    out = io.BytesIO()
    found = [one("0", "mammal", 1), one("1", "mammal", 1), one("2", "bird", 0)]
    save(summarize(found, top=1)[0], out, "svg")
    mammals, birds = out.getvalue().decode().split("“bird”")
    dots = re.compile(r'r="3.26" style="fill:color-mix\(in srgb,var\(--(\w+)\) (\d+)%,var\(--(\w+)')
    assert dots.findall(mammals) == [("middle", "0", "high")] * 2
    assert dots.findall(birds) == [("low", "100", "middle")]


@pytest.mark.parametrize("lost", ["instance", "targets", "warnings", "stop"])
def test_whatever_a_record_lacks_its_place_is_named(lost):
    one = entry("0", {"a": 1.0})
    del one.record[lost]
    with pytest.raises(InputError, match=r"saved\.jsonl:0: the record is damaged"):
        summarize([one], top=1, picks=1)


# -- submodular pick --------------------------------------------------------------------------


class Given:
    """Explanations with given weights, as marcotcr/lime's pick asks for them."""

    mode = "classification"

    def __init__(self, weights):
        self.weights = weights

    def explain_instance(self, number, *_, **__):
        return Given(self.weights[number])

    def available_labels(self):
        return [1]

    def as_list(self, label):
        return [(f"f{j} > 1", w) for j, w in enumerate(self.weights) if w != 0]


@pytest.mark.parametrize("seed", range(8))
def test_the_pick_is_that_of_marcotcr_lime(seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(30, 12)) * (rng.random((30, 12)) < 0.25)
    theirs = SubmodularPick(
        Given(weights), range(30), None, method="full", num_exps_desired=6, num_features=12
    )
    found = [
        entry(str(i), {f"f{j}": w for j, w in enumerate(row) if w != 0})
        for i, row in enumerate(weights)
    ]
    _, picks = summarize(found, top=5, picks=6)
    assert [one.number for one in picks] == theirs.V


def test_the_pick_covers_more_with_every_instance_up_to_all():
    found = [entry("0", {"a": 1.0}), entry("1", {"b": 1.0, "c": 1.0}), entry("2", {"a": 0.5})]
    _, picks = summarize(found, top=5, picks=9)
    assert picks[0].id == "1"
    covered = [one.covered for one in picks]
    assert covered == sorted(covered)
    assert covered[1] == pytest.approx(1.0)
    assert len(picks) == 3


def test_values_in_one_bin_are_one_component_to_the_pick():
    found = [entry("0", {"a": 1.0}), named(entry("1", {"a": 1.0}), 3), entry("2", {"b": 0.1})]
    _, picks = summarize(found, top=5, picks=2)
    assert sorted(one.id for one in picks) == ["1", "2"]


# -- comparisons ------------------------------------------------------------------------------


def compared(old, new, top=5, limits=None) -> Comparison:
    found = Comparison(limits or Limits(), top)
    return collect(compare(old, new, top, found.unmatched), found)


def test_the_same_result_twice_has_no_change():
    one = [entry("0", {"a": 0.4, "b": -0.2}), entry("1", {"a": 0.1, "b": 0.3})]
    found = compared(one, one)
    assert (found.n, found.beyond, found.flips) == (2, 0, 0)
    assert found.correlation == pytest.approx(1.0)
    assert found.overlap == 2.0


def test_a_change_within_the_error_bars_does_not_count_and_one_beyond_does():
    old = [entry("0", {"a": 0.40, "b": 0.20})]
    new = [entry("0", {"a": 0.43, "b": 0.25})]
    found = compared(old, new)
    assert found.beyond == 1
    (one,) = found.listed()
    assert one.largest is not None
    assert one.largest.feature == "b"
    assert one.largest.errors == pytest.approx(0.05 / (0.01 * 2**0.5))


def test_components_match_by_column_and_condition_and_not_by_name():
    old = [entry("0", {"a": 0.4, "b": -0.2}), entry("1", {"a": 0.1})]
    new = [named(one, 3) for one in old]
    found = compared(old, new)
    assert (found.weights, found.beyond, found.other_conditions) == (3, 0, 0)
    moved = compared(old, [named(new[0], 9, "{} > 8"), new[1]])
    assert (moved.weights, moved.other_conditions) == (3, 2)
    assert moved.example == ("a > 1", "a > 8")
    assert any("such as a > 1 and a > 8" in line for line in sheet_of(moved).lines)


def test_only_certain_signs_flip():
    old = [entry("0", {"a": 0.4, "b": 0.005})]
    new = [entry("0", {"a": -0.4, "b": -0.005})]
    assert compared(old, new).flips == 1


def test_order_does_not_matter_and_what_one_side_lacks_is_counted():
    old = [entry("0", {"a": 0.4}), entry("1", {"a": 0.4}), Entry("f:3", FAILURE)]
    new = [entry("2", {"a": 0.4}), entry("0", {"a": 0.4}), entry("9", {"a": 0.4})]
    found = compared(old, new)
    assert found.n == 1
    assert found.unmatched == Unmatched(only_old=1, only_new=1, failed=1)


def test_an_instance_that_is_there_twice_is_refused():
    old = [entry("0", {"a": 0.4})]
    with pytest.raises(InputError, match="'1' is there twice"):
        compared(old, [entry("1", {"a": 0.4}), entry("1", {"a": 0.4})])


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_flips": 0}, "the sign changed of a > 1"),
        ({"min_overlap": 0.9}, "0% of the top components"),
        ({"max_change": 3.0}, "a > 1 changed from"),
        ({"max_changed": 0.5}, "100.0% of the weights changed"),
        ({"max_prediction_change": 0.05}, "the prediction changed by -0.7"),
        ({"min_correlation": 0.5}, "rank correlation -1.00"),
    ],
)
def test_a_broken_limit_is_a_finding_and_a_kept_one_is_none(limits, said):
    old = [entry("0", {"a": 0.4, "b": 0.1}, prediction=0.8)]
    new = [entry("0", {"a": -0.2, "b": 0.4}, prediction=0.1)]
    (finding,) = compared(old, new, top=1, limits=Limits(**limits)).findings
    assert said in finding
    assert compared(old, old, top=1, limits=Limits(**limits)).findings == []


def test_the_record_of_a_comparison_is_strict_json():
    old, new = [entry("0", {"a": 0.4}, error=0.0)], [entry("0", {"a": 0.5}, error=0.0)]
    data = record_of_comparison(compared(old, new))
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text)["most_changed"][0]["components"][0]["errors"] is None
    assert data["changed_beyond_errors"] == 1.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_rank_correlation_is_that_of_scipy(pairs):
    from scipy.stats import rankdata

    a, b = (list(map(float, one)) for one in zip(*pairs, strict=True))
    found = spearman(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


# -- policies ---------------------------------------------------------------------------------


def findings(tmp_path, text: str, *entries: Entry) -> list[str]:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return [one.message for one in check(entries, read_policy(path), Checked())]


STRONG = {"income": 0.4, "zip_code": 0.1, "age": -0.2}


def test_samples_that_are_all_there_are_suffice(tmp_path):
    policy = "[quality]\nmin_effective_samples = 50"
    assert findings(tmp_path, policy, entry("17", STRONG))
    assert not findings(tmp_path, policy, entry("17", STRONG, stop="exhaustive"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('forbid = ["zip*"]', "zip_code > 1 is number 3 with weight +0.1"),
        ('[[forbid]]\nfeatures = ["age"]\ntop = 2', "age > 1 is number 2"),
        ('[[forbid]]\nfeatures = ["age"]\ntop = 1', None),
        ('[[forbid]]\nfeatures = ["age"]\nshare = 0.25', "age > 1 has 28.6% of the weight"),
        ('[[forbid]]\nfeatures = ["age"]\nshare = 0.3', None),
        ('[[require]]\nfeatures = ["zip_code"]\ntop = 2', "zip_code is not among the top 2"),
        ('[[require]]\nfeatures = ["x", "age"]\ntop = 2', None),
        ('[[require]]\nfeatures = ["age"]\nshare = 0.5', "at least 50.0% is required"),
        ('[[sign]]\nfeatures = ["age"]', "age > 1 has weight -0.2; it must be not negative"),
        ('[[sign]]\nfeatures = ["income"]', None),
        ('[[sign]]\nfeatures = ["income"]\nsign = "negative"', "it must be negative"),
        ('[[sign]]\nfeatures = ["age"]\ntarget = "no"', None),
        ('[[sign]]\nfeatures = ["age"]\ninstance = "2?"', None),
        ("[quality]\nmin_fidelity = 0.95", "the fidelity is 0.900"),
        ("[quality]\nmin_fidelity = 0.85", None),
        ("[quality]\nmax_gap = 0.05", "the gap is +0.1"),
        (
            "[quality]\nmin_effective_samples = 50",
            "the effective sample size is 40, at least 50 is required",
        ),
        ("[quality]\nmin_selected = 1", None),
        ("[quality]\nmax_unresolved = 0", None),
        ('[run]\nforbid_warnings = ["low_*"]', "low_fidelity: poor"),
        ('[run]\nforbid_warnings = ["flat_response"]', None),
    ],
)
def test_a_rule_finds_what_it_forbids_and_nothing_else(tmp_path, text, said):
    one = entry("17", STRONG, warnings=(CodedWarning("low_fidelity", "poor"),))
    found = findings(tmp_path, text, one)
    assert len(found) == (said is not None)
    if said:
        assert said in found[0]


@pytest.mark.parametrize("pattern", ["age", "age > 1", "age > *"])
def test_a_pattern_means_the_column_or_the_condition(tmp_path, pattern):
    one = named(entry("17", STRONG), 52)
    (said,) = findings(tmp_path, f'forbid = ["{pattern}"]', one)
    assert said.startswith("age = 52 (above 1) is number 2")
    assert findings(tmp_path, 'forbid = ["age = 52*"]', one) == []


def test_uncertain_signs_are_counted_and_not_called_negative(tmp_path):
    one = entry("17", {"a": -0.01, "b": 0.3}, error=0.02)
    assert findings(tmp_path, '[[sign]]\nfeatures = ["a"]', one) == []
    (said,) = findings(tmp_path, "[quality]\nmax_unresolved = 0", one)
    assert said == "1 of the top 2 weights are unresolved"
    (said,) = findings(tmp_path, '[[sign]]\nfeatures = ["a"]\nsign = "positive"', one)
    assert "not certain; it must be positive" in said


def test_a_rule_has_one_line_with_its_count_its_worst_and_three_instances(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        '[quality]\nmin_fidelity = 0.5\nmax_gap = 0.05\n\n[[forbid]]\nfeatures = ["a"]\n'
    )
    worst = {"3": 0.1, "8": 0.2, "5": 0.3, "7": 0.4, "1": 0.9}
    entries = [entry(own, {"a": 0.4, "b": 0.2}, fidelity=f) for own, f in worst.items()]
    policy, checked = read_policy(path), Checked()
    found = list(check(entries, policy, checked))
    assert len(found) == 4 + 5 + 5
    out = io.BytesIO()
    WRITERS["table"](found, checked, policy, out, Look())
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith('quality min_fidelity: 4 findings, the worst people.csv 3, "yes":')
    assert "; also 8, 5, ..." in lines[0]
    assert lines[0].endswith("policy.toml:1]")
    assert lines[2].startswith("forbid a: 5 findings")
    assert lines[3].startswith("14 findings in 5 explanations")
    annotations = [github_line(one) for one in by_rule(found)]
    assert [one.partition(":: ")[0][:7] for one in annotations] == ["::error"] * 3
    data = io.BytesIO()
    WRITERS["json"](found, checked, policy, data, Look())
    made = json.loads(data.getvalue())
    assert [(one["key"], one["count"]) for one in made["rules"]] == [
        ("min_fidelity", 4),
        ("max_gap", 5),
        ("a", 5),
    ]
    assert len(made["findings"]) == 14


def test_an_undefined_fidelity_does_not_pass_a_floor(tmp_path):
    (said,) = findings(tmp_path, "[quality]\nmin_fidelity = 0.1", entry("1", {}, fidelity=None))
    assert "undefined" in said


def test_too_many_failures_are_a_finding(tmp_path):
    (said,) = findings(tmp_path, "[run]\nmax_failures = 0", Entry("f:1", FAILURE))
    assert said == "1 instances failed, at most 0 may"


def test_drift_is_measured_against_the_baseline(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("[drift]\nmax_changed = 0\nmax_flips = 0\n")
    old, new = [entry("0", {"a": 0.4, "b": 0.2})], [entry("0", {"a": -0.4, "b": 0.2})]
    policy = read_policy(path)
    found = [one.message for one in check_drift(compare(old, new, 5, Unmatched()), policy)]
    assert found == [
        "1 weights changed beyond both error bars: a > 1",
        "the sign changed of a > 1",
    ]
    assert list(check_drift(compare(old, old, 5, Unmatched()), policy)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("min_fidelity = 0.5", r"policy\.toml:1: unknown key 'min_fidelity'; put it into \[qual"),
        ("[quality]\n\nmin_fidelty = 0.5", r":3: unknown key 'min_fidelty'; did you mean min_fid"),
        ('[quality]\nmin_fidelity = "x"', r":2: min_fidelity: 'x' is not a number"),
        ("[quality]\nmax_unresolved = 0.5", r":2: max_unresolved: 0.5 is not a whole number"),
        ("[quality]\nmax_gap = -1", r":2: max_gap: -1 is not a number of at least 0"),
        ("[quality\n", r":1: is not TOML"),
        (
            "[[sign]]\nfeatures = ['a']\n\n[[sign]]\nfeatures = ['a']\nsign = 'up'",
            r":6: sign: 'up'",
        ),
        ("[[forbid]]\nfeatures = ['a']\n[[forbid]]\ntop = 1", r":3: \[forbid\] names no features"),
        ("[[forbid]]\nfeatures = 3", r":2: features: 3 is not a list of names"),
        ("[[forbid]]\nfeatures = ['a']\ntarget = 3", r":3: target: 3 is not text"),
        ("[forbidden]\na = 1", r":1: unknown key 'forbidden'; did you mean forbid"),
        ("forbid = 3", r":1: forbid is neither a table nor a list"),
        ("", r"policy\.toml: has no rule"),
    ],
)
def test_a_broken_policy_names_its_line(tmp_path, text, said):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_policy(path)


def test_a_surrogate_without_weights_breaks_nothing():
    found = [entry("0", {}), entry("1", {})]
    assert record_of_summary(*summarize(found, top=3, picks=1))["targets"][0]["features"] == []
    assert compared(found, found).weights == 0
    assert isinstance(found[0].explanation().surrogates[0], Surrogate)


# -- images ---------------------------------------------------------------------------------


def circles(svg: bytes | str) -> list[dict[str, str]]:
    root = ElementTree.fromstring(svg)
    return [one.attrib for one in root.iter() if one.tag.endswith("circle")]


def test_the_summary_draws_every_weight_at_its_place_and_as_solid_as_its_value():
    weights = {"0": -0.4, "1": -0.1, "2": 0.05, "3": 0.3, "4": 0.31}
    entries = [
        named(entry(own, {"a": weight}), 10 * i)
        for i, (own, weight) in enumerate(weights.items(), 1)
    ]
    out = io.BytesIO()
    save_summary(summarize(entries, top=5)[0], out, "svg")
    dots = circles(out.getvalue())[: len(weights)]  # the legend's after them
    places = np.array([float(one["cx"]) for one in dots])
    slope, offset = np.polyfit(list(weights.values()), places, 1)
    assert places == pytest.approx(slope * np.array(list(weights.values())) + offset, abs=0.02)
    assert slope > 0
    mixed = r"--(\w+)\) ([\d.]+)%,var\(--(\w+)"
    assert [re.search(mixed, one["style"]).groups() for one in dots] == [
        ("low", "100", "middle"),
        ("low", "50", "middle"),
        ("middle", "100", "high"),
        ("middle", "50", "high"),
        ("middle", "0", "high"),
    ]


def test_the_heat_map_has_instances_by_their_prediction():
    entries = [
        entry(str(i), {"a": weight}, prediction=prediction)
        for i, (weight, prediction) in enumerate([(0.4, 0.9), (-0.4, 0.1), (0.2, 0.5)])
    ]
    out = io.BytesIO()
    save_summary(summarize(entries, top=5)[0], out, "svg")
    root = ElementTree.fromstring(out.getvalue())
    cells = [
        (float(one.attrib["x"]), one.attrib["style"])
        for one in root.iter()
        if one.tag.endswith("rect") and "fill-opacity" in one.attrib.get("style", "")
    ]
    cells.sort()
    colours = [re.search(r"--(for|against)\);fill-opacity:([\d.]+)", style) for _, style in cells]
    assert [(one[1], float(one[2])) for one in colours] == [
        ("against", 1.0),
        ("for", 0.5),
        ("for", 1.0),
    ]


def test_a_comparison_draws_old_and_new_where_they_are():
    old = [entry("0", {"a": 0.40, "b": 0.20})]
    new = [entry("0", {"a": -0.30, "b": 0.25})]
    out = io.BytesIO()
    save_comparison(compared(old, new), out, "svg")
    places = [float(one["cx"]) for one in circles(out.getvalue())]
    slope, offset = np.polyfit([0.40, -0.30, 0.20, 0.25], places, 1)
    assert places == pytest.approx(slope * np.array([0.40, -0.30, 0.20, 0.25]) + offset, abs=0.02)
    assert slope > 0


@pytest.mark.parametrize("form", ["png", "svg", "html"])
@pytest.mark.parametrize("tool", ["summarize", "compare"])
def test_the_pictures_of_many_are_files_without_a_script(limex, tmp_path, tool, form):
    lines = [json.dumps(entry(str(i), {"a": 0.4 - i / 10, "b": 0.1}).record) for i in range(6)]
    found = tmp_path / "one.jsonl"
    found.write_text("\n".join(lines) + "\n")
    out = tmp_path / f"many.{form}"
    inputs = [found] if tool == "summarize" else [found, found]
    assert limex(tool, *inputs, "-o", out).code == 0
    data = out.read_bytes()
    assert len(data) > 2_000
    assert b"<script" not in data
    if form != "png":
        assert data.count(b"<circle") == (24 if tool == "compare" else 12 + KEY_DOTS)
