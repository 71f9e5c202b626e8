"""Every view of a classifier's explanation tells what else the model predicts."""

import json
import re

import numpy as np
import pytest

CASE = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84")


def test_a_record_holds_what_the_model_says_of_the_instance(limex):
    import onnxruntime
    import pandas as pd

    record = json.loads(limex(*CASE, "--samples", "128", "-f", "json").out)
    session = onnxruntime.InferenceSession("sample_models/zoo_mlp.onnx")
    table = pd.read_csv("sample_data/zoo.csv")
    row = table.iloc[[84]]
    names = [one.name for one in session.get_inputs()]
    if len(names) == 1:
        columns = [one for one in table.columns if one not in ("animal", "class")]
        fed = {names[0]: row[columns].to_numpy(np.float32)}
    else:
        kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
        fed = {one.name: row[[one.name]].to_numpy(kinds[one.type]) for one in session.get_inputs()}
    said = session.run(None, fed)[-1]
    truth = (
        [said[0][name] for name in record["model"]["targets"]]
        if isinstance(said, list)
        else said[0]
    )
    assert record["outputs"] == pytest.approx([float(one) for one in truth], abs=1e-6)
    assert record["outputs"][record["targets"][0]["index"]] == pytest.approx(
        record["targets"][0]["model_prediction"]
    )


@pytest.mark.parametrize("form", ["table", "md", "html"])
def test_every_view_names_the_other_classes(limex, form):
    record = json.loads(limex(*CASE, "--samples", "128", "-f", "json").out)
    drawn = limex(*CASE, "--samples", "128", "-f", form).out
    order = np.argsort(record["outputs"])[::-1]
    second = record["model"]["targets"][order[1]]
    value = record["outputs"][order[1]]
    if form == "html":
        row = re.search(rf"<tr><th[^>]*>{second}</th>.*?</tr>", drawn)
        assert row
        assert f">{value:.1%}<" in row[0]
    else:
        assert f"{second} {value:.3g}" in drawn
    assert "2 more" in " ".join(drawn.split())


def test_two_classes_and_numbers_have_none(limex):
    loans = ("explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "1")
    assert "other classes" not in limex(*loans, "--samples", "128").out
