"""Damaged inputs, by the thousand: whatever they hold, limex ends with one line and its own code.

``python -m tests.fuzz --minutes 10 --seed 0`` goes on for so long and tells how many it tried.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from lime_cli.cli import run
from tests.conftest import ROOT

CODES = {0, 1, 2, 3, 4, 5, 6}
TOKENS = [
    b'"', b",", b";", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"nan", b"1e999", b"-",
    b"{", b"}", b"[", b"]", b"null", b"true", b"\\ud800", b"\xe0\xa4", b"=1+1", b"\x1b[2J", b"=",
    b"999999999999999999999", b"''", b"#", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"inf",
]  # fmt: skip
ZOO = str(ROOT / "sample_models" / "zoo_mlp.onnx")
FEW = ["--samples", "16", "-f", "json", "-q"]


def corpus(folder: Path) -> dict[str, tuple[bytes, list[str]]]:
    """Return name, content and command of every kind of file; FILE stands for the damaged one.

    A name with a slash is that of a file in the folder of a batch, which the command goes on with.
    """
    table = b"".join((ROOT / "sample_data" / "zoo.csv").read_bytes().splitlines(True)[:60])
    good = folder / "good.csv"
    good.write_bytes(table)
    rows = [line.split(",") for line in table.decode().splitlines()]
    lines = [json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
    explain = ["explain", "tabular", ZOO, "FILE", "--row", "3", "--background", str(good), *FEW]
    text = ["explain", "text", str(ROOT / "sample_models" / "reviews.onnx"), "FILE", *FEW]
    image = ["explain", "image", str(ROOT / "sample_models" / "scenes.onnx"), "FILE", *FEW]
    saved, profile = folder / "saved.jsonl", folder / "profile.json"
    quiet(["explain", "tabular", ZOO, str(good), "--row", "0-4", "--samples", "64",
           "-o", str(saved), "-q"])  # fmt: skip
    quiet(["profile", str(good), "-o", str(profile)])
    config = b'samples = 16\nfeatures = 5\n[tabular]\nbins = "decile"\ndrop = ["type"]\n'
    policy = (ROOT / "sample_data" / "loans_policy.toml").read_bytes()
    return {
        "x.csv": (table, explain),
        "x.tsv": (table.replace(b",", b"\t"), explain),
        "x.csv.gz": (gzip.compress(table, mtime=0), explain),
        "x.jsonl": ("\n".join(lines).encode(), explain),
        "x.txt": ((ROOT / "sample_data" / "review.txt").read_bytes(), text),
        "x.toml": (config, ["explain", "tabular", ZOO, str(good), "--row", "3", "--config", "FILE",
                            "-f", "json", "-q"]),
        "profile.json": (profile.read_bytes(), ["explain", "tabular", ZOO, str(good), "--row", "3",
                                                "--background", "FILE", *FEW]),
        "saved.jsonl": (saved.read_bytes(), ["summarize", "FILE", "--pick", "2"]),
        "again.jsonl": (saved.read_bytes(), ["render", "FILE", "-f", "html"]),
        "other.jsonl": (saved.read_bytes(), ["compare", str(saved), "FILE"]),
        "policy.toml": (policy, ["check", str(saved), "--policy", "FILE"]),
        **{f"x.{kind}": (drawn(kind), image) for kind in ("png", "gif", "bmp", "tiff", "jpg",
                                                            "webp", "npy")},
        **batches(folder),
    }  # fmt: skip


def batches(folder: Path) -> dict[str, tuple[bytes, list[str]]]:
    """Return the files of a finished batch, and of one that stopped at its first failure."""
    texts = folder / "texts"
    texts.mkdir()
    for name in "abcdef":
        (texts / f"{name}.txt").write_text("!?" if name in "de" else "a fine film")
    model = str(ROOT / "sample_models" / "reviews.onnx")
    found = {}
    for out, more in (("done", []), ("stopped", ["--max-failures", "0"])):
        command = ["explain", "text", model, str(texts), "--samples", "16", "-q",
                   "-o", str(folder / "batch"), *more]  # fmt: skip
        quiet(command)
        (folder / "batch").rename(folder / out)
        for path in sorted((folder / out).rglob("*")):
            if path.is_file() and path.name != "lock":
                name = path.relative_to(folder).as_posix()
                found[name] = path.read_bytes(), command
    return found


def drawn(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    out = io.BytesIO()
    if kind == "npy":
        np.save(out, pixels)
    else:
        Image.fromarray(pixels).save(out, {"jpg": "JPEG"}.get(kind, kind.upper()))
    return out.getvalue()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, double, insert or replace, up to six times."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(found) + 1)
        length = min(chance.choice((1, 1, 2, 8, 64)), len(found) - place)
        match chance.randrange(6):
            case 0 if length:
                found[place] ^= 1 << chance.randrange(8)
            case 1:
                del found[place : place + length]
            case 2:
                found[place:place] = found[place : place + length]
            case 3:
                found[place:place] = chance.choice(TOKENS)
            case 4:
                found[place : place + length] = chance.randbytes(length)
            case 5 if chance.random() < 0.2:
                del found[place:]
    return bytes(found)


def quiet(words: list[str]) -> tuple[int, str]:
    """Run a command; return its code and what it said to a person."""
    err = io.StringIO()
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return code, err.getvalue()


def tries(seed: int, more: Callable[[], bool]) -> Iterator[tuple[str, int, str, bytes]]:
    """Yield kind, code, words and content of one damaged file after the other."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = corpus(folder)
        while more():
            kind = chance.choice(list(kinds))
            data, command = kinds[kind]
            content = damaged(data, chance)
            path = folder / f"damaged-{kind}"
            if "/" in kind:
                path = copied(folder, *kind.split("/", 1))
            path.write_bytes(content)
            code, said = quiet([str(path) if word == "FILE" else word for word in command])
            yield kind, code, said, content


def copied(folder: Path, batch: str, name: str) -> Path:
    """Put a batch where its command looks for it; return the path of one of its files."""
    shutil.rmtree(folder / "batch", ignore_errors=True)
    shutil.copytree(folder / batch, folder / "batch")
    return folder / "batch" / name


def is_fine(code: int, said: str) -> bool:
    """Tell whether a command ended as it should: a known code, and no more than lines of limex."""
    return code in CODES and "Traceback" not in said


def main() -> None:
    """Go on for some minutes; keep what breaks limex and exit with 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    codes: Counter[tuple[str, int]] = Counter()
    broken = 0
    for kind, code, said, content in tries(given.seed, lambda: time.monotonic() < end):
        codes[kind, code] += 1
        if not is_fine(code, said):
            broken += 1
            path = Path(tempfile.gettempdir()) / f"limex-fuzz-{broken}-{kind.replace('/', '-')}"
            path.write_bytes(content)
            print(f"{path}: code {code}\n{said[-2000:]}", flush=True)
    for kind, code in sorted(codes):
        print(f"{kind:<36} code {code} {codes[kind, code]:>7}")
    print(f"{codes.total():,} damaged files, {broken} of them broke limex")
    os._exit(1 if broken else 0)


if __name__ == "__main__":
    main()
