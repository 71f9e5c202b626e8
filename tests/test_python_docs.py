"""The Python blocks of the README and the docs run, in their order, on the samples."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

BEFORE = """
import warnings
warnings.simplefilter("ignore")
import pandas as pd
from sklearn.linear_model import LogisticRegression
people = pd.read_csv("sample_data/breast_cancer.csv").iloc[:, :5]
model = LogisticRegression(max_iter=5000).fit(people, ["yes", "no"] * (len(people) // 2) + ["no"])
incoming = [one for _, one in people.head(2).iterrows()]
"""
"""What the README takes to be there."""


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_of_a_page_runs(page, tmp_path):
    blocks = BLOCK.findall((ROOT / page).read_text("utf-8"))
    if page == "README.md":
        blocks = [one for one in blocks if "import lime_cli" in one]
    assert blocks
    for name in ("sample_models", "sample_data"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "page.py").write_text(BEFORE + "\n".join(blocks), "utf-8")
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if page == "docs/python.md":
        assert "did you mean kernel_width?" in done.stdout
        assert (tmp_path / "tumour.html").exists()
