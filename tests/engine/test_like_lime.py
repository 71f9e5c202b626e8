"""marcotcr/lime's published-by-running reference numbers: cases A to S of its semantics."""

import json
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_iris

from lime_cli.engine.instance import Component, Segment, Subject
from lime_cli.engine.like_lime import explain_like_lime
from lime_cli.images.modality import ImageInstance
from lime_cli.models.model_file import ModelInput
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.like_lime import samples_of_row
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from lime_cli.texts.modality import TextModality
from tests.conftest import FunctionModel

PRINTED = 1e-9
"""The reference numbers are printed to 12 digits."""


def sigmoid(z):
    p = 1 / (1 + np.exp(-np.asarray(z, float)))
    return np.stack([1 - p, p], axis=1)


def table_of(X, names, schema, labels=None):
    """Make a background of an array, every cell spelled in full."""
    rows = [[*map(repr, line)] for line in np.asarray(X).tolist()]
    header = names
    if labels is not None:
        rows, header = [[*r, str(k)] for r, k in zip(rows, labels, strict=True)], (*names, "label")
    cells = Cells("t.csv", header, tuple(map(tuple, rows)), tuple(range(2, len(rows) + 2)))
    return build_background(cells, names, schema)


def row_of(background, values):
    return RowInstance(Source("0", "t.csv", 0), background, tuple(values), ())


def matrix(table):
    return np.stack(table.columns, axis=1).astype(float)


def explained(instance, function, task="classification", **settings):
    targets = ("y",) if task == "regression" else ("no", "yes")
    model = FunctionModel(function, task, targets, task == "classification")
    chosen = {"seed": 42, "penalty": 1.0, "targets": ("label 1",), "like_lime": True, **settings}
    of_row = partial(samples_of_row, predicted={})
    (found,) = explain_like_lime([instance], model, Settings(**chosen), of_row)
    return found


def weights_of(explanation):
    (surrogate,) = explanation.surrogates
    return [(one.component, one.weight) for one in surrogate.weights]


def agrees(explanation, weights, intercept, r2, value):
    """Compare with reference numbers: weights by component, in order."""
    (surrogate,) = explanation.surrogates
    found = weights_of(explanation)
    assert [j for j, _ in found] == [j for j, _ in weights]
    close = {"rel": PRINTED, "abs": 1e-13}
    assert [w for _, w in found] == pytest.approx([w for _, w in weights], **close)
    assert surrogate.intercept == pytest.approx(intercept, **close)
    assert surrogate.fit_r2 == pytest.approx(r2, **close)
    assert surrogate.local_prediction == pytest.approx(value, **close)


IRIS = load_iris()
NAMES = ("sl", "sw", "pl", "pw")
SL, SW, PL, PW = range(4)


def petals(table):
    X = matrix(table)
    return sigmoid(X[:, PL] + 2 * X[:, PW] - 6.5)


def iris(bins="quartile"):
    entropy = bins == "entropy"
    schema = Schema(numeric=NAMES, bins=bins, label="label" if entropy else None)
    background = table_of(IRIS.data, NAMES, schema, IRIS.target if entropy else None)
    return row_of(background, IRIS.data[100].tolist())


FORWARD = {"samples": 1000, "features": 4, "selection": "forward"}
A = (
    [(PL, 0.399649105944), (PW, 0.368238685302), (SW, -0.0110867736133), (SL, 0.00542737417674)],
    (0.262051435983, 0.490160081108, 1.02427982779),
)
F = [(PL, 0.399582027786), (PW, 0.367365093184)], (0.260941783544, 0.489892165891, 1.02788890451)


def test_case_a_quartiles():
    agrees(explained(iris(), petals, **FORWARD), A[0], *A[1])


def test_case_b_deciles():
    agrees(
        explained(iris("decile"), petals, **FORWARD),
        [
            (PL, 0.367775647219),
            (PW, 0.350937026397),
            (SW, -0.0410644574969),
            (SL, 0.0110915561716),
        ],
        *(0.387263753886, 0.224644084316, 1.07600352618),
    )


def test_case_c_entropy_bins_consume_a_draw_for_every_tree():
    agrees(
        explained(iris("entropy"), petals, **FORWARD),
        [
            (PL, 0.393491366936),
            (PW, 0.352691790051),
            (SW, -0.0234056511302),
            (SL, -0.0117662150126),
        ],
        *(0.295571803055, 0.463346416761, 1.0065830939),
    )


@pytest.mark.parametrize("selection", ["lasso", "highest", "forward"])
def test_cases_f_g_h_selections_of_two(selection):
    settings = {**FORWARD, "features": 2, "selection": selection}
    agrees(explained(iris(), petals, **settings), F[0], *F[1])


def test_case_i_without_selection_all_are_kept():
    settings = {**FORWARD, "features": 2, "selection": "none"}
    agrees(explained(iris(), petals, **settings), A[0], *A[1])


def test_case_j_kernel_width():
    agrees(
        explained(iris(), petals, **FORWARD, kernel_width=1.0),
        [(PL, 0.388829672657), (PW, 0.359160960135), (SW, -0.0133294520605), (SL, 0.0057613050815)],
        *(0.269130027133, 0.520885605973, 1.00955251295),
    )


def test_case_l_regression():
    def f(table):
        X = matrix(table)
        return 3 * X[:, SL] - 2 * X[:, SW] + X[:, PL] * X[:, PW]

    agrees(
        explained(iris(), f, task="regression", **FORWARD),
        [(PW, 5.23369149574), (PL, 3.1479810554), (SL, 1.41841738648), (SW, 0.0432431585629)],
        *(13.2806143285, 0.348503585459, 23.1239474246),
    )


def test_case_m_a_categorical_column():
    data = np.column_stack([IRIS.data[:, :3], IRIS.target])
    names = ("sl", "sw", "pl", "cls")
    schema = Schema(numeric=names[:3], categorical=("cls",))
    background = table_of(data, names, schema)

    def species(table):
        X = matrix(table)
        return sigmoid(X[:, 2] - 4 + 1.5 * (X[:, 3] == 2))

    row = row_of(background, [*IRIS.data[100, :3].tolist(), 2])
    agrees(
        explained(row, species, **FORWARD),
        [(2, 0.449718093146), (3, 0.223316025142), (1, -0.0236085688482), (0, 0.00969516103836)],
        *(0.366763997378, 0.481936024449, 1.02588470786),
    )


def test_case_a_in_between():
    asked = []

    def remembered(table):
        asked.append(matrix(table))
        return petals(table)

    explanation = explained(iris(), remembered, **FORWARD)
    samples = next(X for X in asked if len(X) > 256)
    assert samples.shape == (999, 4)
    expected = [[7.076191, 2.965178, 1.400847, 2.388578], [6.287883, 3.604699, 5.441607, 0.183988]]
    assert samples[:2] == pytest.approx(np.array(expected), abs=5e-7)
    assert explanation.samples == 999
    assert explanation.effective_samples == pytest.approx(962.941, abs=5e-4)
    assert explanation.kernel_width == 1.5


T = "This movie was not good, it was a bad bad film but the cast was good."


def opinion(texts):
    return sigmoid(
        [1.2 * ("good" in t) - 1.5 * ("bad" in t) + 0.4 * ("cast" in t) - 0.2 for t in texts]
    )


def text_of(text, merge=True, unit="lime-word", mask=None):
    modality = TextModality(text=text, unit=unit, merge_repeats=merge, mask=mask)
    return modality.fitted(ModelInput()).read(Source("--text", "--text"))


def test_case_n_words():
    explanation = explained(text_of(T), opinion, **{**FORWARD, "features": 5})
    agrees(
        explanation,
        [
            (7, -0.325896011311),
            (4, 0.252255114691),
            (11, 0.0834422536345),
            (10, -0.00107015452805),
            (2, -0.00105172102277),
        ],
        *(0.464959423871, 0.997900121395, 0.472638905335),
    )
    names = [explanation.components[j].name for j, _ in weights_of(explanation)]
    assert names == ["bad", "good", "cast", "the", "was"]
    assert explanation.kernel_width == 25


def test_case_o_each_position():
    agrees(
        explained(text_of(T, False, mask="UNKWORDZ"), opinion, **{**FORWARD, "features": 5}),
        [
            (9, -0.137234254248),
            (8, -0.116102397503),
            (4, 0.102195435679),
            (13, 0.100028881345),
            (15, 0.0959437878198),
        ],
        *(0.427684427323, 0.615652519782, 0.472515880415),
    )


def test_case_p_ten_words():
    explanation = explained(text_of(T), opinion, samples=1000, features=10, selection="highest")
    names = {j: component.name for j, component in enumerate(explanation.components)}
    expected = {
        "bad": -0.325970883665,
        "good": 0.252218801747,
        "cast": 0.0833466815714,
        "was": -0.00118623454228,
        "the": -0.00112877974163,
        "a": 0.00072549273942,
        "it": 0.000611118835765,
        "film": -0.000571469930476,
        "This": -0.000188545427037,
        "but": 0.00013275680611,
    }
    place = {name: j for j, name in names.items()}
    agrees(
        explanation,
        [(place[name], weight) for name, weight in expected.items()],
        *(0.464712127029, 0.997908139179, 0.472701065422),
    )


def test_case_q_characters():
    agrees(
        explained(
            text_of("good bad", False, "lime-char", "\0"),
            opinion,
            samples=500,
            features=8,
            selection="highest",
        ),
        [
            (5, -0.164512300477),
            (7, -0.145450221156),
            (6, -0.116108880554),
            (2, 0.102239564684),
            (1, 0.100843177102),
            (0, 0.0939284065092),
            (3, 0.0798541061118),
            (4, 0.00507200332517),
        ],
        *(0.454024630596, 0.560062503871, 0.409890486141),
    )


def grid_picture(fill):
    """A 32x32 image of 16 square superpixels, and what stands where they are gone."""
    image = np.zeros((32, 32, 3))
    image[..., 0] = np.linspace(0, 200, 32)[None, :]
    image[..., 1] = np.linspace(0, 100, 32)[:, None]
    image[..., 2] = 30
    image[8:16, 16:24] = (250, 250, 40)
    labels = np.arange(32)[:, None] // 8 * 4 + np.arange(32)[None, :] // 8
    gone = np.zeros_like(image)
    if fill == "mean":
        for label in range(16):
            gone[labels == label] = [image[labels == label][:, c].mean() for c in range(3)]
    return picture_of(image, gone, labels)


def picture_of(image, gone, labels):
    components = tuple(
        Component(f"superpixel {j}", None, Segment(j, 1, (0, 0, 1, 1), (0.5, 0.5)))
        for j in range(labels.max() + 1)
    )
    subject = Subject("0", "image", "p.png", "", {})
    return ImageInstance(subject, components, (), "p", image, gone, labels, "NHWC")


def brightness(rows, columns, middle, width):
    return lambda images: sigmoid((images[:, rows, columns].mean(axis=(1, 2, 3)) - middle) / width)


IMAGE = {"samples": 400, "features": 100_000, "selection": "highest"}


def test_case_r1_a_picture_on_black():
    model = brightness(slice(8, 16), slice(16, 24), 120, 40)
    explanation = explained(grid_picture("black"), model, **IMAGE)
    assert len(weights_of(explanation)) == 16
    (surrogate,) = explanation.surrogates
    first = [(6, 0.7541391204), (13, -0.001749785255), (10, -0.001739821711), (5, 0.001714158949)]
    assert [j for j, _ in weights_of(explanation)[:4]] == [j for j, _ in first]
    found = [weight for _, weight in weights_of(explanation)[:4]]
    assert found == pytest.approx([w for _, w in first], rel=1e-9, abs=1e-12)
    assert surrogate.intercept == pytest.approx(0.055125040047, rel=PRINTED, abs=1e-12)
    assert surrogate.fit_r2 == pytest.approx(0.999591583295, rel=PRINTED)
    assert surrogate.local_prediction == pytest.approx(0.810202943548, rel=PRINTED)


def test_case_r2_a_constant_answer_has_score_one_and_no_fidelity():
    model = brightness(slice(8, 16), slice(16, 24), 120, 40)
    explanation = explained(grid_picture("mean"), model, **IMAGE)
    (surrogate,) = explanation.surrogates
    assert [weight for _, weight in weights_of(explanation)] == [0.0] * 16
    assert surrogate.intercept == pytest.approx(0.817574476194, rel=PRINTED)
    assert (surrogate.fit_r2, surrogate.fidelity) == (1.0, None)
    assert "flat_response" in [warning.code for warning in explanation.warnings]


def test_case_s_a_picture_on_means():
    model = brightness(slice(6, 14), slice(10, 22), 100, 10)
    explanation = explained(grid_picture("mean"), model, **IMAGE)
    (surrogate,) = explanation.surrogates
    first = [
        (1, 0.0162209094333),
        (5, 0.00973345884064),
        (2, 0.00322790445909),
        (7, -3.87190706e-05),
        (6, 3.60112503e-05),
    ]
    found = dict(weights_of(explanation))
    for j, weight in first:
        assert found[j] == pytest.approx(weight, rel=2e-9), j
    assert surrogate.intercept == pytest.approx(0.424280558597, rel=PRINTED)
    assert surrogate.fit_r2 == pytest.approx(0.999604627367, rel=PRINTED)
    assert surrogate.local_prediction == pytest.approx(0.45345853199, rel=PRINTED)


def test_a_low_fidelity_of_limes_samples_does_not_advise_options_that_they_do_not_have(limex):
    forest = ("sample_models/cancer_forest.onnx", "sample_data/breast_cancer.csv", "--row", "5")
    done = limex("explain", "tabular", *forest, "--drop", "diagnosis", "--like-lime", "-f", "json")
    said = {one["code"]: one["message"] for one in json.loads(done.out)["warnings"]}
    assert {"low_fidelity", "large_gap"} <= set(said)
    for code in ("low_fidelity", "large_gap"):
        assert said[code].endswith("leave out --like-lime to let limex choose a radius")
