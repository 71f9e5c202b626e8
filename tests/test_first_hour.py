"""A newcomer's first hour: a bare machine, the README, an own table and an own model.

Every step is a test. ``python -m pytest -m slow tests/test_first_hour.py`` walks through all of it
in an environment that holds nothing but what the README's command installs.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text("utf-8")

TRAIN = """
import joblib, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

people = pd.read_csv("people.csv")
columns = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["job", "city"]),
    (SimpleImputer(), ["age", "income"]),
)
model = make_pipeline(columns, RandomForestClassifier(100, random_state=0))
model.fit(people.drop(columns=["id", "paid"]), people["paid"])
joblib.dump(model, "model.joblib")
"""

TEXTS = """
import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

good = ["a great phone", "great screen, great sound", "fast and great value", "I love it"]
bad = ["a broken phone", "broken on arrival", "slow and broken", "I want my money back"]
model = make_pipeline(TfidfVectorizer(), LogisticRegression())
model.fit(good + bad, ["good"] * 4 + ["bad"] * 4)
joblib.dump(model, "reviews.joblib")
"""

BRIGHT = """
import numpy as np

def predict(images):
    # the brighter the left half, the likelier it is day
    light = np.asarray(images)[:, :, :32].mean(axis=(1, 2, 3))
    return np.stack([1 - light, light], axis=1)
"""

DRAW = """
import numpy as np
from PIL import Image
pixels = np.full((64, 64, 3), 40, np.uint8)
pixels[10:50, 4:28] = 240
Image.fromarray(pixels).save("photo.png")
"""


class Machine:
    """A folder with a Python of its own, and what the README says installed in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.bin = folder / "venv" / "bin"

    def run(self, line: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a line of a shell as the newcomer types it."""
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.home,
            env={
                "PATH": f"{self.bin}:/usr/bin:/bin",
                "HOME": str(self.home),
                **kept,
                **pip,
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done

    def python(self, program: str) -> None:
        self.run(f"python -c {shlex.quote(program)}")

    def explained(self, words: str) -> dict:
        return json.loads(self.run(f"limex explain {words} -f json").stdout)


def people() -> str:
    """Make a table as people have them: words, gaps, an id; who earns more has paid."""
    rows = ["id,age,income,job,city,paid"]
    for number in range(200):
        income = "" if number % 23 == 0 else str(20_000 + 997 * ((number * 37) % 80))
        job = ("nurse", "clerk", "cook")[number % 3]
        city = ("Oslo", "Bergen", "Tromsø")[number % 7 % 3]
        paid = "yes" if income and int(income) > 55_000 else "no"
        rows.append(f"c{number},{20 + (number * 7) % 50},{income},{job},{city},{paid}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Install as the README says, in a copy of the checkout and a Python without packages."""
    made = Machine(tmp_path_factory.mktemp("first-hour"))
    subprocess.run([sys.executable, "-m", "venv", made.home / "venv"], check=True)
    ignored = shutil.ignore_patterns(".git", "build", "*cache*", "venv")
    shutil.copytree(ROOT, made.home / "limex", ignore=ignored)
    install = re.search(r"^\$ (pip install \. && limex demo)$", README, re.MULTILINE)
    made.run(f"cd limex && {install[1]} && mv limex-demo ..")
    (made.home / "people.csv").write_text(people(), "utf-8")
    made.python(TRAIN)
    return made


def test_the_demo_explains_three_kinds_of_input(machine):
    left = {one.name for one in (machine.home / "limex-demo").iterdir()}
    assert {"zoo.json", "review.json", "scene.json", "scene_overlay.png"} <= left


def test_the_first_command_of_the_readme_works_in_the_checkout(machine):
    first = re.search(r"^\$ (limex explain .*)$", README, re.MULTILINE)[1]
    machine.run(f"cd limex && {first}")
    name = re.search(r"-o (\S+)", first)[1]
    assert (machine.home / "limex" / name).stat().st_size > 5_000


def test_a_bare_command_helps_and_a_typo_gets_a_suggestion(machine):
    assert "Usage: limex" in machine.run("limex").stdout
    assert "did you mean explain?" in machine.run("limex explian", code=2).stderr


def test_an_own_model_is_inspected_before_it_is_trusted(machine):
    report = json.loads(machine.run("limex inspect model.joblib -f json").stdout)
    assert report["loadable"]
    assert report["modality"] == "tabular"
    assert report["classes"] == ["no", "yes"]


def test_a_forgotten_row_is_asked_for_and_the_answer_works(machine):
    refused = machine.run("limex explain model.joblib people.csv --drop id,paid", code=2)
    (option,) = re.findall(r"--row \d+", refused.stderr)
    machine.run(f"limex explain model.joblib people.csv --drop id,paid {option}")


def test_the_own_table_is_explained_and_the_planted_column_comes_first(machine):
    record = machine.explained("model.joblib people.csv --drop id,paid --row 3")
    (target,) = record["targets"]
    assert target["components"][0]["where"]["column"] == "income"
    program = (
        "import joblib, pandas as pd; m = joblib.load('model.joblib'); "
        "r = pd.read_csv('people.csv').drop(columns=['id', 'paid']).iloc[[3]]; "
        "print(dict(zip(m.classes_, m.predict_proba(r)[0])))"
    )
    owner = eval(
        machine.run(f"python -c {shlex.quote(program)}").stdout, {"np": __import__("numpy")}
    )
    assert target["model_prediction"] == pytest.approx(owner[target["name"]])


def test_the_own_rows_are_found_by_id_and_by_condition(machine):
    by_id = machine.explained("model.joblib people.csv --drop id,paid --id c17 --id-column id")
    assert by_id["instance"]["id"] == "c17"
    words = (
        "model.joblib people.csv --drop id,paid --where \"city == 'Tromsø' and age > 60\" -f jsonl"
    )
    found = machine.run(f"limex explain {words}").stdout.splitlines()
    assert found
    assert all(json.loads(one)["instance"]["facts"]["values"]["city"] == "Tromsø" for one in found)


def test_options_are_written_down_once(machine):
    (machine.home / "model.joblib.toml").write_text('[tabular]\ndrop = ["id", "paid"]\n')
    try:
        short = machine.explained("model.joblib people.csv --row 5")
    finally:
        (machine.home / "model.joblib.toml").unlink()
    assert (
        short["hash"] == machine.explained("model.joblib people.csv --row 5 --drop id,paid")["hash"]
    )


def test_all_rows_are_explained_summarized_and_checked(machine):
    machine.run(
        "limex explain model.joblib people.csv --drop id,paid --all -o out/ -q --samples 512"
    )
    summary = json.loads(machine.run("limex summarize out/ -f json").stdout)
    assert summary["explained"] == 200
    assert all(one["features"][0]["feature"] == "income" for one in summary["targets"])
    (machine.home / "policy.toml").write_text("[quality]\nmin_effective_samples = 20\n")
    machine.run("limex check out/ --policy policy.toml")
    (machine.home / "strict.toml").write_text('forbid = ["income"]\n')
    assert "income" in machine.run("limex check out/ --policy strict.toml", code=1).stdout
    machine.run("limex render out/ -o page.html")
    assert "income" in (machine.home / "page.html").read_text("utf-8")


def test_an_own_text_model_is_explained(machine):
    machine.python(TEXTS)
    (machine.home / "review.txt").write_text("a slow phone, broken on Monday\n")
    record = machine.explained("reviews.joblib review.txt")
    weights = {one["name"]: one["weight"] for one in record["targets"][0]["components"]}
    assert record["targets"][0]["name"] == "bad"
    assert max(weights, key=weights.get) == "broken"


def test_an_own_function_explains_an_own_image(machine):
    (machine.home / "bright.py").write_text(BRIGHT)
    machine.python(DRAW)
    words = "py:bright:predict photo.png --classes night,day --target day --preprocess unit"
    record = machine.explained(f"{words} --segmenter grid --segments 16 --fill black")
    best = record["targets"][0]["components"][0]
    assert best["where"]["centroid"][0] < 32 or best["where"]["box"][0] < 32
    machine.run(f"limex explain {words} -o overlay.png")
    assert (machine.home / "overlay.png").read_bytes().startswith(b"\x89PNG")


def test_a_pickle_that_runs_code_is_refused(machine):
    (machine.home / "bad.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused = machine.run("limex explain bad.pkl people.csv --row 1", code=4)
    assert "is not safe to load" in refused.stderr
    assert not (machine.home / "owned").exists()


def test_every_json_has_a_schema(machine):
    names = re.findall(r"^(\w+)  ", machine.run("limex schema").stdout, re.MULTILINE)
    for name in names:
        assert json.loads(machine.run(f"limex schema {name}").stdout)["$id"].startswith(
            "urn:limex:"
        )


def test_python_explains_the_model_in_memory(machine):
    machine.python(
        "import joblib, pandas as pd, lime_cli\n"
        "people = pd.read_csv('people.csv').drop(columns=['id', 'paid'])\n"
        "e = lime_cli.explain(joblib.load('model.joblib'), people.iloc[3], background=people)\n"
        "assert e.weights[0].name.startswith('income'), e.weights[0]\n"
        "e.save('row3.html')\n"
    )
    assert (machine.home / "row3.html").is_file()
