"""The record says everything, survives the way there and back, and keeps to its schema."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import date
from importlib import resources

import jsonschema
import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.explanation import Explanation, Interval, Weight
from lime_cli.engine.instance import Column, Component, Segment, Skipped, Spans, Subject
from lime_cli.engine.masks import Everything, every_mask
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.errors import InputError
from lime_cli.formats import Look
from lime_cli.models.model_file import ModelFile
from lime_cli.records.record import explanation_of, hash_of, record_of
from lime_cli.registry import FORMATS
from lime_cli.settings import Settings
from tests.conftest import ROOT


@dataclass(frozen=True, eq=False)
class Coins:
    """An instance whose components stay or go by a fair coin; model inputs are the masks."""

    subject: Subject
    components: tuple[Component, ...]
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[CodedWarning, ...] = ()
    distance: str = "cosine"
    pool: str = "coins"
    shared: bool = False
    input_bytes: int = 8

    random: bool = False

    def n_inputs(self):
        return 2.0 ** len(self.components)

    def codes(self, masks):
        return (~masks.masked).astype(np.int8)

    def everything(self):
        masks = every_mask(len(self.components))
        return Everything(self.codes(masks), masks.masked, np.ones(masks.n))

    def model_inputs(self, codes):
        return codes.astype(float)

    def original(self):
        return np.ones((1, len(self.components)))


@dataclass(frozen=True)
class Sigmoid:
    """Two classes; the second's probability from a weighted sum."""

    weights: tuple[float, ...]
    warnings: tuple[CodedWarning, ...] = ()
    probabilities: bool = True

    @property
    def identity(self):
        return Identity("python", "b" * 64, "classification", ("no", "yes"))

    def predict(self, inputs):
        yes = 1 / (1 + np.exp(-(inputs @ np.array(self.weights))))
        return np.column_stack([1 - yes, yes])


PLACES = {
    "tabular": (Column("age"), Column("city"), Column("income")),
    "text": (Spans(((0, 5),)), Spans(((6, 9), (14, 17))), Spans(((10, 13),))),
    "image": tuple(Segment(i, 16, (4 * i, 0, 4 * i + 4, 4), (4 * i + 1.5, 1.5)) for i in range(3)),
}
FACTS = {
    "tabular": {
        "row": {"age": np.int64(39), "city": "Oslo", "income": np.float64("nan")},
        "background": {"digest": "c" * 64, "rows": np.int64(200)},
    },
    "text": {"text": "awful and not and"},
    "image": {"size": (np.int64(12), np.int64(4)), "read": date(2020, 1, 2)},
}


def explained(modality="tabular", weights=(2.0, -1.0, 0.5), **settings) -> Explanation:
    values = (np.float64(39.5), "Oslo", None)
    instance = Coins(
        Subject("17", modality, "people.csv", "a" * 64, FACTS[modality]),
        tuple(
            Component(f"part {i}", value, where)
            for i, (value, where) in enumerate(zip(values, PLACES[modality], strict=True))
        ),
        skipped=(Skipped("id", "fixed by the user"),),
        warnings=(CodedWarning("duplicate_id", "the id 17 stands there twice"),),
    )
    (one,) = explain([instance], Sigmoid(weights), Settings(samples=64, **settings))
    return one


def schema():
    text = (
        resources.files("lime_cli.records").joinpath("schema/explanation-2.json").read_text("utf-8")
    )
    return json.loads(text)


def validate(record):
    jsonschema.Draft202012Validator(schema()).validate(record)


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("modality", PLACES)
@pytest.mark.parametrize("weights", [(2.0, -1.0, 0.5), (0.0, 0.0, 0.0)])
def test_records_of_every_modality_keep_to_the_schema(modality, weights):
    record = record_of(explained(modality, weights, targets=("all",)))
    validate(record)
    assert (record["targets"][0]["fidelity"] is None) == (weights == (0.0, 0.0, 0.0))


def test_a_record_with_uncertainty_keeps_to_the_schema():
    one = with_uncertainty(explained())
    validate(record_of(one))
    assert record_of(one)["targets"][0]["components"][0]["interval"] == [1.0, 3.0]


def with_uncertainty(one: Explanation) -> Explanation:
    weight = Weight(
        0, 2.0, np.float64(0.5), Interval(np.float64(1.0), np.float64(3.0)), (1, 2), 1.0
    )
    return replace(one, surrogates=(replace(one.surrogates[0], weights=(weight,)),))


@pytest.mark.parametrize("key", ["extra", "targets"])
def test_the_schema_refuses_more_and_less(key):
    record = record_of(explained())
    if key in record:
        del record[key]
    else:
        record[key] = 1
    with pytest.raises(jsonschema.ValidationError):
        validate(record)


def test_keys_stand_in_a_fixed_order():
    assert list(record_of(explained())) == [
        "schema",
        "limex",
        "hash",
        "instance",
        "model",
        "outputs",
        "settings",
        "background",
        "samples",
        "effective_samples",
        "stop",
        "targets",
        "counterfactuals",
        "warnings",
        "skipped",
        "environment",
    ]


def test_everything_is_plain_and_strict_json():
    record = record_of(with_uncertainty(explained()))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert type(record["instance"]["facts"]["row"]["age"]) is int
    assert type(record["targets"][0]["components"][0]["value"]) is float


def test_what_is_no_finite_number_becomes_null():
    one = explained()
    subject = replace(one.subject, facts={"row": [math.nan, math.inf, np.float32("nan"), 1.5]})
    assert record_of(replace(one, subject=subject))["instance"]["facts"]["row"] == [
        None,
        None,
        None,
        1.5,
    ]


def test_what_json_cannot_say_is_a_bug():
    one = explained()
    with pytest.raises(TypeError, match="object"):
        record_of(replace(one, subject=replace(one.subject, facts={"x": object()})))


def test_the_background_moves_out_of_the_facts():
    record = record_of(explained())
    assert record["background"] == {"digest": "c" * 64, "rows": 200}
    assert "background" not in record["instance"]["facts"]
    assert "background" in FACTS["tabular"]
    assert record_of(explained("text"))["background"] is None


def test_the_kernel_width_is_the_one_that_was_used():
    record = record_of(explained(kernel_width=0.8))
    assert record["settings"]["kernel_width"] == 0.8
    assert record["targets"][0]["kernel"]["width"] == pytest.approx(0.8)
    assert explanation_of(record).kernel_width == pytest.approx(0.8)


def test_numbers_are_given_in_full():
    one, record = explained(), record_of(explained())
    assert record["targets"][0]["intercept"] == one.surrogates[0].intercept
    assert record["targets"][0]["gap"] == one.surrogates[0].gap


@pytest.mark.parametrize("modality", PLACES)
def test_a_record_survives_the_way_through_a_file_and_back(modality):
    record = record_of(with_uncertainty(explained(modality, targets=("all",))))
    again = record_of(explanation_of(json.loads(json.dumps(record))))
    assert again == record
    assert json.dumps(again) == json.dumps(record)


def test_only_weighted_components_come_back_and_targets_share_them():
    one = explained(targets=("all",), features=1)
    back = explanation_of(record_of(one))
    assert len(one.components) == 3
    assert [c.name for c in back.components] == ["part 0"]
    assert [w.component for s in back.surrogates for w in s.weights] == [0, 0]


def test_equal_runs_have_equal_hashes_and_other_seeds_have_not():
    assert record_of(explained())["hash"] == record_of(explained())["hash"]
    assert record_of(explained())["hash"] != record_of(explained(seed=1))["hash"]


def test_the_hash_covers_everything_but_itself_and_the_environment():
    record = record_of(explained())
    changed = {**record, "hash": "", "environment": {"python": "9"}}
    assert hash_of(changed) == record["hash"]
    assert hash_of({**record, "samples": 1}) != record["hash"]


@pytest.mark.parametrize("name", ["part", "caf\u00e9 \u65e5\u672c", "\\u0041", 'a "b"'])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_line_is_the_record_and_its_hash_is_that_of_what_is_read_back(name, unicode):
    one = explained()
    components = tuple(replace(part, name=f"{name} {i}") for i, part in enumerate(one.components))
    one = replace(one, components=components)
    stream = io.BytesIO()
    FORMATS["jsonl"]([one], stream, Look(unicode=unicode))
    line = stream.getvalue().decode()
    record = record_of(one)
    assert line == json.dumps(record, separators=(",", ":"), ensure_ascii=not unicode) + "\n"
    read = json.loads(line)
    rest = {key: read[key] for key in read if key not in ("hash", "environment")}
    text = json.dumps(rest, separators=(",", ":"))
    assert read["hash"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_environment_names_what_takes_part_and_nothing_else():
    code = (
        "import sys, numpy, regex, lime_cli.records.record as r;"
        "assert set(r.environment_of('onnx', 'text')) == {'python', 'numpy', 'regex'};"
        "heavy = {'pandas', 'sklearn', 'scipy', 'rich', 'click', 'onnxruntime'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def damaged(path, value):
    record = copy.deepcopy(record_of(explained()))
    place = record
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return record


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ([], "not an explanation"),
        ({"schema": {"name": "other/thing", "number": 1}}, "not an explanation"),
        (damaged(["schema", "number"], 3), "schema 3, but this version of limex reads schema 2"),
        (damaged(["stop"], None), "lacks 'stop'"),
        (damaged(["targets", 0, "components", 0, "where"], {"planet": 1}), "lacks 'box'"),
        (damaged(["instance", "mood"], "good"), "damaged"),
        (damaged(["settings", "samples"], -1), "damaged"),
        (damaged(["targets"], 7), "damaged"),
    ],
)
def test_what_is_no_record_of_this_schema_is_refused(record, said):
    with pytest.raises(InputError, match=said):
        explanation_of(record)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, None),
        ({"activation": "sigmoid"}, {"activation": "sigmoid"}),
        ({"threads": 1, "trust": True}, None),
    ],
)
def test_options_that_change_what_a_model_answers_are_in_the_record(options, said):
    file = ModelFile(str(ROOT / "sample_models" / "zoo_mlp.onnx"), **options)
    assert dict(file.load().identity.options) == dict(file.options) == (said or {})
    one = explained()
    record = record_of(replace(one, model=one.model._replace(options=file.options)))
    validate(record)
    assert record["model"].get("options") == said
    assert explanation_of(record).model.options == file.options


def test_a_tokenizer_is_named_by_its_digest(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    file = ModelFile("m.onnx", tokenizer=str(tmp_path / "tokenizer.json"))
    digest = hashlib.sha256(b"{}").hexdigest()
    assert file.options == (("tokenizer", digest),)


def test_a_record_of_schema_1_is_still_drawn(limex, tmp_path):
    record = record_of(explained())
    record["schema"]["number"] = 1
    for key in ("outputs",):
        del record[key]
    for key in ("kernel", "radius", "refit"):
        del record["settings"][key]
    record["settings"] |= {"design": "auto", "assist": "auto", "kernel_width": 1.25}
    for target in record["targets"]:
        for key in ("fidelity_error", "spread", "kernel", "others", "pairs", "pairs_fidelity"):
            del target[key]
    record["hash"] = hash_of(record)
    path = tmp_path / "old.json"
    path.write_text(json.dumps(record))
    for form in ("table", "html", "md", "csv", "json"):
        done = limex("render", path, "-f", form)
        assert done.code == 0, done.err
        assert "part 0" in done.out
    found = explanation_of(record)
    assert found.surrogates[0].weights == explained().surrogates[0].weights
    assert found.kernel_width == 1.25
