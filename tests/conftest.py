"""Tiny real models and instances, and a way to run the command line."""

import contextlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from lime_cli.cli import run
from lime_cli.engine.instance import Column, Component, Subject
from lime_cli.engine.masks import Everything, every_mask
from lime_cli.engine.model import Identity

SLOW_IS_NO_FAULT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("limex", deadline=None, suppress_health_check=SLOW_IS_NO_FAULT)
settings.load_profile("limex")  # whether a test passes does not depend on how fast the machine is

STATE = tempfile.TemporaryDirectory(prefix="limex-state-")
os.environ["XDG_STATE_HOME"] = STATE.name  # no test leaves a key in anybody's home

for count in ("KILLS", "PROCESSES", "PROGRAMS", "SEED"):
    if f"LIMEX_{count}" in os.environ:  # which limex itself would take for an option's variable
        os.environ[f"TESTS_{count}"] = os.environ.pop(f"LIMEX_{count}")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


_generators: dict[str, dict[str, object]] = {}
"""By module, the states of its generators of random numbers once it is imported."""


@pytest.fixture(autouse=True)
def _order_does_not_count(request):
    """Begin every test with the same random numbers, whichever tests ran before it."""
    held = vars(request.module)
    found = {name: one for name, one in held.items() if isinstance(one, np.random.Generator)}
    states = {name: one.bit_generator.state for name, one in found.items()}
    states = _generators.setdefault(request.module.__name__, states)
    for name, one in found.items():
        one.bit_generator.state = states[name]


class FunctionModel:
    """A model that is a function of the masks themselves: (n, d) floats in, (n, k) out."""

    warnings = ()

    def __init__(self, function, task="regression", targets=("y",), probabilities=False):
        self.function, self.probabilities = function, probabilities
        self.identity = Identity("function", "", task, targets)
        self.calls = []

    def predict(self, inputs):
        self.calls.append(len(inputs))
        answers = np.asarray(self.function(inputs), float)
        return answers[:, None] if answers.ndim == 1 else answers


def turning_at(needed):
    """A model whose class changes where so many components, whichever they are, are masked."""
    return FunctionModel(
        lambda z: np.where((z.shape[1] - z.sum(axis=1) >= needed)[:, None], [0.1, 0.9], [0.9, 0.1]),
        task="classification",
        targets=("a", "b"),
    )


@dataclass(frozen=True)
class MaskInstance:
    """An instance whose model input is its mask."""

    d: int
    pool: str = "masks"

    shared = False
    random = False
    n_rows = 1
    input_bytes = 8
    skipped = ()
    warnings = ()

    @property
    def components(self):
        return tuple(Component(f"part {j}", None, Column(f"part {j}")) for j in range(self.d))

    @property
    def subject(self):
        return Subject("0", "masks", "masks", "", {})

    def n_inputs(self):
        return 2.0**self.d

    def codes(self, masks):
        return (~masks.masked).astype(np.int8)

    def everything(self):
        masks = every_mask(self.d)
        return Everything(self.codes(masks), masks.masked, np.ones(masks.n))

    def joint(self, masked, _row):
        return (~masked).astype(np.int8)

    def model_inputs(self, codes):
        return codes.astype(float)

    def original(self):
        return np.ones((1, self.d))


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand tests out in the order of their files: what a file prepares is made once, not twice."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


def limex_in(folder, *words):
    """Run ``limex`` in this process and a folder, its output away from where tests look for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    here, kept = Path.cwd(), (os.dup(1), os.dup(2))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        try:
            os.chdir(folder)
            with (
                open(1, "w", encoding="utf-8", closefd=False) as stdout,
                open(2, "w", encoding="utf-8", closefd=False) as stderr,
                contextlib.redirect_stdout(stdout),
                contextlib.redirect_stderr(stderr),
            ):
                code = run([str(one) for one in words])
        finally:
            os.chdir(here)
            for number, old in enumerate(kept, 1):
                os.dup2(old, number)
                os.close(old)
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode())
    return Result(code, *said)


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
