"""In a notebook: what is explained shows itself, without script, and images are images."""

import asyncio
import os
import re
import sys

import pytest

from tests.conftest import ROOT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

CELLS = (
    "import pandas as pd, lime_cli\npeople = pd.read_csv('sample_data/zoo.csv')",
    "found = lime_cli.explain('sample_models/zoo_mlp.onnx', people, row=84, samples=256)\nfound",
    "found.plot()",
    "lime_cli.explain('sample_models/zoo_mlp.onnx', people, rows=[3, 4], samples=256)",
    "lime_cli.explain('sample_models/reviews.onnx', 'Not a wonderful film')",
    "found.to_frame()",
    "lime_cli.explain('sample_models/zoo_mlp.onnx', people, row=84, targt='bird')",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_explanations_and_pictures_and_errors_of_one_line():
    if sys.platform == "win32":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    os.environ["PYTHONPATH"] = str(ROOT)
    client = nbclient.NotebookClient(
        book, timeout=300, allow_errors=True, resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    shown = [
        {kind: text for output in cell.outputs for kind, text in output.get("data", {}).items()}
        for cell in book.cells
    ]
    printed = [
        output for cell in book.cells for output in cell.outputs if output.get("name") == "stdout"
    ]
    assert printed == []
    for place in (1, 3, 4):
        page = shown[place]["text/html"]
        assert 'class="limex"' in page
        assert not re.search(r"<script|javascript:|\son\w+=", page)
        assert shown[place]["text/plain"].startswith("<Explanation")
    assert "image/png" in shown[2]
    assert "<table" in shown[5]["text/html"]
    (error,) = (one for one in book.cells[6].outputs if one.output_type == "error")
    assert error.ename == "SettingsError"
    assert error.evalue == "targt: there is no such option; did you mean target?"
