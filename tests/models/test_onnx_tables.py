"""ONNX models of tables that name no classes: several values, scores of outliers."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.svm import OneClassSVM

from lime_cli.models.model_file import ModelFile
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
