"""Record what some hundred commands say and write, and tell what changed since.

    python tests/corpus.py record before.json     on the code as it was
    python tests/corpus.py compare before.json    on the code as it is; exit code 1 for a difference
    python tests/corpus.py compare before.json --only render

A command's standard output, standard error, exit code and the files it writes are compared byte by
byte, less what no two runs share: process numbers and seconds.
"""

# ruff: noqa: E501
from __future__ import annotations

import argparse
import csv
import difflib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (".json", ".jsonl", ".csv", ".md", ".html", ".svg", ".txt", ".toml", ".xml")
VARYING = (
    (re.compile(r"\b\d+(\.\d+)? ?(s|seconds|min|ms)\b"), "N s"),
    (re.compile(r'"(seconds|instances_per_second|pid)": ?[\d.e+-]+'), r'"\1": N'),
    (re.compile(r"/tmp/[\w.-]+"), "/TMP"),
)

ZOO = "sample_models/zoo_mlp.onnx sample_data/zoo.csv"
LOANS = "sample_models/loans.pkl sample_data/loans.csv"
REVIEW = "sample_models/reviews.onnx sample_data/review.txt"
SCENE = "sample_models/scenes.onnx sample_data/scene.png"
FEW = "--samples 64"

COMMANDS = f"""
--version
--help
explain --help
explain tabular --help
explain text --help
explain image --help
evaluate tabular --help
render --help
summarize --help
compare --help
check --help
inspect --help
profile --help
demo --help
explain tabular {ZOO} --row 84
explain tabular {ZOO} --row 84 -f json
explain tabular sample_models/zoo_mlp.pkl sample_data/zoo.csv --row 84 -f json
explain tabular {LOANS} --row 3,10-12 -f jsonl
explain tabular {LOANS} --row 3,10-12 -o loans.jsonl
explain tabular {LOANS} --row 3,10-12 --seed 1 -o loans_new.jsonl
explain tabular {LOANS} --row 3-5 -f csv {FEW}
explain tabular {LOANS} --row 3-5 -f md {FEW}
explain tabular {LOANS} --row 3-5 -o loans.html {FEW}
explain tabular {LOANS} --row 3 -o loan.png {FEW}
explain tabular {LOANS} --row 3 -o loan.svg {FEW}
explain tabular {LOANS} --where "age > 75 and owns_home" -f jsonl {FEW}
explain tabular {LOANS} --row 1 --group credit=loan_amount,months --features 4 --onehot
explain tabular {LOANS} --row 1 --drop approved --fixed city --categorical months -f json {FEW}
explain tabular {LOANS} --row 1 --features-only age,income --text-column city {FEW}
explain tabular {LOANS} --row 1 --surrogate tree
explain tabular {LOANS} --row 1 --surrogate tree -f json
explain tabular {LOANS} --row 1 --selection forward --penalty lasso {FEW}
explain tabular {LOANS} --row 1 --selection highest --kernel-width 0.5 {FEW}
explain tabular {LOANS} --row 1 --selection none --radius 0.3 {FEW}
explain tabular {LOANS} --row 1 --target all --max-samples 512 --tolerance 0.2 -v
explain tabular sample_models/cancer_forest.joblib sample_data/breast_cancer.csv --row 5 --bins decile
explain tabular sample_models/cancer_forest.onnx sample_data/breast_cancer.csv --row 0-9 --target malignant --drop diagnosis -o old.jsonl
explain tabular sample_models/cancer_forest.onnx sample_data/breast_cancer.csv --row 0-9 --target malignant --drop diagnosis --seed 1 -o new.jsonl
explain tabular sample_models/diabetes.pkl sample_data/diabetes.csv --row 3 --bins none --features 4
explain tabular sample_models/diabetes.onnx sample_data/diabetes.csv --row 3 --bins entropy --label progression {FEW}
explain tabular {ZOO} --row 84 --like-lime -f json
explain tabular {LOANS} --row 3 --like-lime --seed 2
explain tabular {LOANS} --row 3 --like-lime --bins none -f json
explain tabular {ZOO} --id wolf --id-column animal {FEW}
explain tabular {ZOO} --row 3 --batch-size 16 --max-memory 2MB -f json
explain tabular {ZOO} --row 3 --kernel shapley --samples 512 -f json
explain tabular {ZOO} --row 3 --drop-failed 0.1 --threads 1 {FEW}
explain tabular {ZOO} --row 3 --save-samples samples.npz -o zoo.json {FEW}
explain tabular {ZOO} --all -o animals/ {FEW}
explain tabular {ZOO} --all -o animals/ {FEW}
explain tabular {ZOO} --all -o animals/ --samples 65
explain tabular {ZOO} --all -o animals/ --restart --samples 65 -q
explain tabular {LOANS} --row 0-19 -o loans_folder/ -j 2 -f html {FEW}
explain tabular {LOANS} --row 0-7 -o loans_pictures/ -f png {FEW} --max-failures 3 --time-limit 600
explain tabular {LOANS} --row 0-7 --shard 1/2 -o shard/ {FEW}
explain tabular {LOANS} --row 0-3 -f jsonl -j 2 {FEW} --item-timeout 60
explain tabular {LOANS} --row 0-19 --target yes -o policy.jsonl
explain tabular {LOANS} --row 0 --background broken.csv
explain tabular broken_model.pkl sample_data/loans.csv --row 0
explain tabular {LOANS} --row 9999
explain tabular {LOANS} --row 1 --categorical nobody
explain tabular {LOANS} --row 1 --target maybe
explain tabular {LOANS} --row 1 --samples -3
explain tabular {LOANS} --row 1 --where "age >"
explain tabular {LOANS} --row 1 -o nowhere/file.json
explain tabular {LOANS} --row 1 -o loans.html
explain tabular {LOANS} --row 1 -f nothing
explain tabular {LOANS} --row 1 --scheduler tcp://localhost:1
explain tabular {LOANS} --row 1 --sha256 0000
explain tabular sample_models/loans.pkl nothing.csv --row 1
explain tabular sample_models/loans.pkl ragged.csv --row 0
explain tabular sample_models/loans.pkl gaps.csv --all --background sample_data/loans.csv -f jsonl {FEW}
explain tabular sample_models/loans.pkl gaps.csv --all --background sample_data/loans.csv -o gaps/ {FEW}
explain tabular sample_models/loans.pkl rows.jsonl --all --background sample_data/loans.csv -f csv {FEW}
explain tabular evil.pkl sample_data/loans.csv --row 0
explain tabular py:functions:score sample_data/loans.csv --row 1 --features-only age,income -f json {FEW}
explain tabular {LOANS} < /dev/null
<row.csv explain tabular sample_models/loans.pkl - --all --background sample_data/loans.csv {FEW}
--json-errors explain tabular sample_models/loans.pkl nothing.csv --row 1
explain text {REVIEW}
explain text {REVIEW} -f json
explain text {REVIEW} -f html
explain text {REVIEW} -o review.svg {FEW}
explain text {REVIEW} --unit sentence
explain text {REVIEW} --unit auto
explain text {REVIEW} --unit 'regex:[a-z]{{5,}}' -f json {FEW}
explain text {REVIEW} --unit char --max-characters 40 --mask "?" {FEW}
explain text {REVIEW} --each-position {FEW}
explain text {REVIEW} --surrogate tree -f md {FEW}
explain text {REVIEW} --like-lime --features 3
explain text sample_models/reviews.pkl --text "Not a wonderful film" --target all -f json
explain text sample_models/reviews.onnx sample_data --glob 'review*' -f jsonl {FEW}
explain text sample_models/reviews.onnx sample_data --glob 'review*.txt' -o reviews/ --max-failures 10 {FEW} -f html
explain text sample_models/reviews.pkl sample_data/reviews.csv --column text --row 0-4 -f csv {FEW}
<sample_data/review.txt explain text sample_models/reviews.onnx - {FEW}
explain text sample_models/reviews.onnx --text ""
explain text sample_models/reviews.onnx nothing.txt
explain image {SCENE} --top 4 -o overlay.png {FEW}
explain image {SCENE} --style heat -o heat.png {FEW}
explain image {SCENE} --style panel --negative --weight-scale 0.2 -o panel.png {FEW}
explain image {SCENE} --fill black --target top:2 -f json {FEW}
explain image {SCENE} -o scene.json {FEW}
explain image {SCENE} --segmenter grid --segments 20 --save-segments cells.png -o cells_overlay.png {FEW}
explain image {SCENE} --segmenter cells.png --fill inpaint -o again.png {FEW}
explain image {SCENE} --segmenter felzenszwalb --fill blur {FEW}
explain image {SCENE} --segmenter quickshift --fill noise --resize crop -f md {FEW}
explain image {SCENE} --fill '#102030' --preprocess unit --channels BGR -f json {FEW}
explain image {SCENE} --like-lime --samples 40 -f json
explain image {SCENE} --preprocess nothing
explain image sample_models/scenes.onnx sample_data/ --glob 'scene*' -o scenes/ -f png {FEW}
explain image sample_models/scenes.onnx sample_data/review.txt
explain image {LOANS}
render loans.jsonl -f md
render loans.jsonl --id 11
render loans.jsonl -f json
render loans.jsonl -o weights.csv
render loans.jsonl -o page.html
render animals -f table
render scene.json --pictures sample_data --style heat -o scene_heat.png
render scene.json --pictures sample_data/scene.png -o scene.html
render scene.json
render sample_data/zoo.csv
render loans.jsonl --id nobody
summarize animals/ -f json
summarize old.jsonl --pick 2
summarize old.jsonl --pick 2 -f csv
summarize old.jsonl -o summary.png
summarize old.jsonl -o summary.html
compare old.jsonl new.jsonl
compare old.jsonl new.jsonl --max-flips 0 --max-changed 0.25 -f md
compare old.jsonl new.jsonl -f json --top 3
compare old.jsonl loans.jsonl
check policy.jsonl --policy sample_data/loans_policy.toml
check policy.jsonl --policy sample_data/loans_strict.toml -f json
check policy.jsonl --policy sample_data/loans_policy.toml --junit check.xml --github
check new.jsonl --policy drift.toml --baseline old.jsonl
check policy.jsonl --policy wrong.toml
evaluate tabular {ZOO} --row 84
evaluate tabular {ZOO} --row 3,80-81 -f jsonl --samples 128 --seeds 3
evaluate tabular {ZOO} --row 3 -o curves.png --samples 128 --seeds 3
evaluate text sample_models/reviews.onnx --text "Not a wonderful film" -f json
evaluate image {SCENE} --samples 64 --seeds 3
inspect sample_models/scenes.onnx
inspect sample_models/loans.pkl --no-load
inspect sample_models/loans.pkl --data sample_data/loans.csv -f json
inspect sample_models/zoo_mlp.pkl --check-against sample_models/zoo_mlp.onnx --data sample_data/zoo.csv
inspect sample_models/scenes.onnx --check-against sample_models/scenes.onnx --data sample_data/scene.png
inspect sample_models/cancer_forest.joblib
inspect sample_models/reviews.pkl -f json
inspect evil.pkl
inspect broken_model.pkl
inspect side/zoo_mlp.onnx --write-config
explain tabular side/zoo_mlp.onnx sample_data/zoo.csv --row 3 {FEW}
explain tabular side/zoo_mlp.onnx sample_data/zoo.csv --row 3 {FEW} --no-config
explain tabular {LOANS} --row 1 --config bad.toml
explain tabular {LOANS} --row 1 --config good.toml
LIMEX_SAMPLES=32 explain tabular {LOANS} --row 1 -f json
LIMEX_SAMPLES=many explain tabular {LOANS} --row 1 -f json
profile sample_data/loans.csv --drop approved -o loans.profile.json
profile sample_data/loans.csv --drop approved --private --min-count 20 -o loans.private.json
explain tabular {LOANS} --row 1 --background loans.profile.json -f json
explain tabular {LOANS} --row 1 --background loans.private.json -f json {FEW}
profile nothing.csv -o no.profile.json
demo -q
explian tabular
explain
explain sound
"""


def prepared(folder: Path) -> None:
    """Lay out the inputs of the commands."""
    for name in ("sample_models", "sample_data"):
        shutil.copytree(ROOT / name, folder / name)
    loans = (folder / "sample_data/loans.csv").read_text().splitlines()
    files = {
        "row.csv": "\n".join(loans[:3]) + "\n",
        "ragged.csv": "\n".join([loans[0], loans[1] + ",7", *loans[2:60]]) + "\n",
        "gaps.csv": "\n".join([loans[0], loans[1], "x" + loans[2], "," + loans[3]]) + "\n",
        "broken.csv": "\x00\x01",
        "broken_model.pkl": "nothing",
        "drift.toml": "[drift]\nmax_flips = 0\n\n[quality]\nmin_fidelity = 0.9\n",
        "wrong.toml": "[quality]\nmin_fidelty = 0.5\n",
        "good.toml": 'samples = 100\ntarget = "yes"\n',
        "bad.toml": "samples = 100\nsampels = 3\n",
        "functions.py": "def score(table):\n    return table['age'] / 100 + table['income'] / 1e5\n",
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in list(csv.DictReader(loans))[:3]),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "evil.pkl").write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
    key = folder / ".local/state/limex/key"  # the same in every run, for files are sealed by it
    key.parent.mkdir(parents=True, mode=0o700)
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    (folder / "side").mkdir()
    shutil.copy(ROOT / "sample_models/zoo_mlp.onnx", folder / "side")
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file that a command may have written."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not str(path.relative_to(folder)).startswith(("sample_", "cache/", ".cache/"))
        and path.name != "lock"
        and "__pycache__" not in path.parts
    }


def steady(text: str, folder: Path) -> str:
    """Put letters where two runs of the same code differ."""
    text = text.replace(str(folder), "/HERE").replace(str(ROOT), "/ROOT")
    for pattern, words in VARYING:
        text = pattern.sub(words, text)
    return text


def kept(name: str, content: bytes, folder: Path) -> str:
    """Return what is compared of a file: its text, or its digest."""
    if name.endswith(TEXT) and len(content) < 20_000:
        return steady(content.decode("utf-8", "replace"), folder)
    if name.endswith(".npz"):
        return f"{len(content)} bytes"  # a zip file with the time in it
    return hashlib.sha256(content).hexdigest()


def run(line: str, folder: Path) -> dict[str, object]:
    """Run one command; return what it said and wrote."""
    words = shlex.split(line)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "100", "LANG": "C.UTF-8"}
    env |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    stdin = b""
    while words[0].startswith(("LIMEX_", "<")):
        first = words.pop(0)
        if first.startswith("<"):
            stdin = (folder / first[1:]).read_bytes()
        else:
            name, _, value = first.partition("=")
            env[name] = value
    before = files_of(folder)
    done = subprocess.run(
        [sys.executable, "-m", "lime_cli", *words],
        cwd=folder, env=env, input=stdin, capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    after = files_of(folder)
    written = {
        name: kept(name, content, folder)
        for name, content in after.items()
        if before.get(name) != content
    }
    return {
        "code": done.returncode,
        "out": steady(done.stdout.decode("utf-8", "replace"), folder),
        "err": steady(done.stderr.decode("utf-8", "replace"), folder),
        "written": written,
        "gone": sorted(set(before) - set(after)),
    }


def recorded(only: str = "") -> dict[str, object]:
    """Run all commands one after the other in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="corpus"))
    try:
        prepared(folder)
        lines = [line for line in COMMANDS.strip().splitlines() if only in line]
        found = {}
        for n, line in enumerate(lines):
            key = line if line not in found else f"{line}  # again"
            found[key] = run(line, folder)
            print(f"\r{n + 1}/{len(lines)}", end="", file=sys.stderr)
        return found
    finally:
        shutil.rmtree(folder)


def differences(old: dict[str, object], new: dict[str, object]) -> int:
    """Print what differs; return for how many commands."""
    count = 0
    for line, now in new.items():
        before = old.get(line)
        if before == now:
            continue
        count += 1
        print(f"\n=== limex {line}")
        if before is None:
            print("    (not recorded)")
            continue
        texts = [json.dumps(one, indent=1).replace("\\n", "\n") for one in (before, now)]
        shown = list(difflib.unified_diff(*(one.splitlines() for one in texts), lineterm="", n=1))
        print("\n".join(one[:300] for one in shown[:40]))
    print(f"\n{count} of {len(new)} commands differ")
    return count


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default="", help="commands that contain this")
    arguments = parser.parse_args()
    found = recorded(arguments.only)
    if arguments.what == "record":
        arguments.file.write_text(json.dumps(found, indent=1))
        return 0
    return min(differences(json.loads(arguments.file.read_text()), found), 1)


if __name__ == "__main__":
    sys.exit(main())
