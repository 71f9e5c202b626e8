"""Tiny real models and instances, and a way to run the command line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lime_cli.cli import run
from lime_cli.engine import designs
from lime_cli.engine.instance import Column, Component, Identity, Subject

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


class FunctionModel:
    """A model that is a function of the masks themselves: (n, d) floats in, (n, k) out."""

    caveats = ()

    def __init__(self, function, task="regression", targets=("y",), probabilities=False):
        self.function, self.probabilities = function, probabilities
        self.identity = Identity("function", "", task, targets)
        self.calls = []

    def predict(self, inputs):
        self.calls.append(len(inputs))
        answers = np.asarray(self.function(inputs), float)
        return answers[:, None] if answers.ndim == 1 else answers


@dataclass(frozen=True)
class MaskInstance:
    """An instance whose model input is its mask."""

    d: int
    law: str = "coins"
    pool: str = "masks"

    shared = False
    distance = "cosine"
    design = "random"
    input_bytes = 8
    skipped = ()
    caveats = ()

    @property
    def components(self):
        return tuple(Component(f"part {j}", None, Column(f"part {j}")) for j in range(self.d))

    @property
    def subject(self):
        return Subject("0", "masks", "masks", "", {})

    def n_exhaustive(self):
        return designs.n_masks(self.d)

    def sample(self, n, design, rng):
        return getattr(designs, self.law)(n, self.d, design, rng)

    def interpretable(self, codes):
        return codes.astype(bool)

    def model_inputs(self, codes):
        return codes.astype(float)

    def keeping(self, kept, rng):
        return kept.astype(float)

    def original(self):
        return np.ones((1, self.d))


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def limex(capfdbinary, monkeypatch):
    """Run ``limex`` in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(ROOT)

    def call(*arguments):
        capfdbinary.readouterr()
        code = run([str(one) for one in arguments])
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return call


@pytest.fixture
def samples():
    """The folder of sample models."""
    return ROOT / "sample_models"


@pytest.fixture
def data():
    """The folder of sample data."""
    return ROOT / "sample_data"
