"""ONNX models of tables that name no classes: several values, scores of outliers."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, NuSVC, OneClassSVM

from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 3)).astype(np.float32)
Y = np.stack([X[:, 0] * 3, X[:, 1] - X[:, 2]], axis=1)
TABLE = Table(("a", "b", "c"), tuple(X[:20].T))


def exported(folder, model):
    from skl2onnx import to_onnx

    path = folder / "model.onnx"
    opset = {"": 15, "ai.onnx.ml": 3}
    path.write_bytes(to_onnx(model, X[:1], target_opset=opset).SerializeToString())
    return ModelFile(str(path)).load()


@pytest.mark.parametrize("model", [LinearRegression(), RandomForestRegressor(5, random_state=0)])
def test_several_values_are_a_regression(tmp_path, model):
    found = exported(tmp_path, model.fit(X, Y))
    assert found.predict(TABLE) == pytest.approx(model.predict(X[:20]), abs=1e-4)
    assert found.identity.task == "regression"
    assert len(found.identity.targets) == 2


@pytest.mark.parametrize("model", [IsolationForest(n_estimators=10, random_state=0), OneClassSVM()])
def test_an_outlier_detector_has_a_score_as_its_pickle(tmp_path, model):
    found = exported(tmp_path, model.fit(X))
    assert found.predict(TABLE)[:, 0] == pytest.approx(model.decision_function(X[:20]), abs=1e-4)
    assert found.identity.task == "regression"
    assert found.identity.targets == ("prediction",)


def test_a_clustering_votes_for_the_group_of_the_nearest_centre_as_its_pickle(tmp_path):
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    found = exported(tmp_path, model)
    votes = model.predict(X[:20])[:, None] == np.arange(3)
    assert np.array_equal(found.predict(TABLE), votes)
    assert found.identity.targets == ("0", "1", "2")
    assert [one.code for one in found.warnings] == ["coarse_output"]


@pytest.mark.filterwarnings("ignore:Attribute `prob")
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("shape", ["ovr", "ovo"])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("kind", [SVC, partial(NuSVC, nu=0.1)])
def test_margins_of_support_vectors_have_the_sign_of_their_pickle(tmp_path, kind, k, shape, zipmap):
    from skl2onnx import to_onnx

    words = np.array(["well", "ill", "dead"])[(X[:, 0] > 0) + 0 + (X[:, 1] > 0.5) * (k > 2)]
    model = kind(decision_function_shape=shape).fit(X, words)
    opset = {"": 15, "ai.onnx.ml": 3}
    made = to_onnx(model, X[:1], options={id(model): {"zipmap": zipmap}}, target_opset=opset)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    found = ModelFile(str(tmp_path / "model.onnx")).load()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    own = ModelFile(str(tmp_path / "model.pkl")).load()
    assert found.predict(TABLE) == pytest.approx(own.predict(TABLE), abs=1e-4)
    assert found.identity.targets == tuple(model.classes_)
    assert found.named([OneRow(one) for one in X[:20]]) == {}


class OneRow:
    """An instance without components: the row itself."""

    components = ()

    def __init__(self, row):
        self._row = row

    def model_inputs(self, masks):
        return Table(("a", "b", "c"), tuple(self._row[:, None]))


def test_the_class_that_a_graph_names_counts_though_another_is_more_probable(tmp_path):
    import onnx
    from onnx import TensorProto, helper
    from skl2onnx import to_onnx

    model = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "ill", "well"))
    made = to_onnx(model, X[:1], options={"zipmap": False}, target_opset=15)
    shares = made.graph.output[1].name
    of = onnx.numpy_helper.from_array
    made.graph.initializer.extend(
        [
            of(np.array(0, np.int64), "first"),
            of(np.array(0.1, np.float32), "least"),
            of(np.array(["ill"], object), "is ill"),
            of(np.array(["well"], object), "is well"),
        ]
    )
    made.graph.node.extend(
        [
            helper.make_node("Gather", [shares, "first"], ["share"], axis=1),
            helper.make_node("Greater", ["share", "least"], ["above"]),
            helper.make_node("Where", ["above", "is ill", "is well"], ["named"]),
        ]
    )
    made.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("named", TensorProto.STRING, [None])
    )
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    found = ModelFile(str(tmp_path / "model.onnx")).load()
    shares = model.predict_proba(X)[:, 0]
    rows = [X[shares < 0.09][0], X[(shares > 0.11) & (shares < 0.49)][0], X[shares > 0.51][0]]
    assert found.named([OneRow(one) for one in rows]) == {1: "ill"}


def in_blocks(folder, kinds, order=(0, 1, 2, 3)):
    """Return a graph that takes blocks of columns, the pipeline it is of, and a table."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    frame = pd.DataFrame(
        {
            "age": RANDOM.integers(18, 80, 60),
            "fare": RANDOM.uniform(5, 90, 60).round(2),
            "sex": RANDOM.choice(["male", "female"], 60),
            "port": RANDOM.choice(["S", "C", "Q"], 60),
        }
    )
    encoder = ColumnTransformer(
        [("n", StandardScaler(), [0, 1]), ("c", OneHotEncoder(handle_unknown="ignore"), [2, 3])]
    )
    labels = (frame["sex"] == "male") ^ (frame["fare"] > 40)
    model = make_pipeline(encoder, LogisticRegression()).fit(frame.to_numpy(), labels)
    types = {"n": FloatTensorType, "s": StringTensorType}
    inputs = [(name, types[kind]([None, n])) for name, kind, n in kinds]
    graph = convert_sklearn(model, initial_types=inputs, target_opset={"": 15, "ai.onnx.ml": 3})
    path = folder / "blocks.onnx"
    path.write_bytes(graph.SerializeToString())
    table = frame[[frame.columns[i] for i in order]].assign(survived=labels.astype(int))
    table.to_csv(folder / "d.csv", index=False)
    return ModelFile(str(path)).load(), model.predict_proba(frame.to_numpy()), folder / "d.csv"


@pytest.mark.parametrize(
    ("kinds", "order"),
    [
        ([("numbers", "n", 2), ("words", "s", 2)], (0, 1, 2, 3)),
        ([("numbers", "n", 2), ("words", "s", 2)], (2, 0, 3, 1)),
        ([("numbers", "n", 2), ("sex", "s", 1), ("port", "s", 1)], (0, 1, 3, 2)),
        ([("age", "n", 1), ("fare", "n", 1), ("words", "s", 2)], (1, 2, 0, 3)),
    ],
    ids=["as they are", "mixed", "words by name", "numbers by name"],
)
def test_blocks_of_columns_are_filled_in_the_order_of_the_table(tmp_path, kinds, order):
    model, true, path = in_blocks(tmp_path, kinds, order)
    fitted = TabularModality(str(path)).fitted(model.asked)
    rows = [fitted.read(source) for source in fitted.sources()]
    inputs = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in rows]
    assert model.predict(Table.joined(inputs)) == pytest.approx(true, abs=1e-4)
    assert "by_position" in [one.code for one in fitted.fitted_warnings]
