"""Processor cores: as many as the system lets this process use, and no library takes more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lime_cli import cores

SCENES = Path(__file__).parents[1] / "sample_models" / "scenes.onnx"


def grouped(folder, membership, files):
    """Lay out control groups as the kernel does; return where they are and who is in which."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "membership").write_text(membership)
    return folder, folder / "membership"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, []),
        ("0::/\n", {"cpu.max": "max 100000\n"}, []),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, [2.5]),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, [0.5]),
        ("0::/a\n", {"a/cpu.max": "200000 50000\n", "cpu.max": "300000 100000\n"}, [4.0, 3.0]),
        ("0::/../elsewhere\n", {}, []),
        ("0::/a\n", {"a/cpu.max": "nonsense\n"}, []),
        (
            "5:memory:/m\n4:cpu,cpuacct:/a\n0::/\n",
            {"cpu/a/cpu.cfs_quota_us": "150000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            [1.5],
        ),
        (
            "4:cpu:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            [],
        ),
    ],
)
def test_quotas_are_those_of_the_own_control_group_and_of_those_around_it(
    tmp_path, membership, files, expected
):
    assert list(cores._quotas(*grouped(tmp_path, membership, files))) == expected


@pytest.mark.parametrize(("quota", "expected"), [(0.5, 1), (1.9, 1), (2.0, 2), (10**6, None)])
def test_a_quota_limits_the_cores_to_whole_ones_and_at_least_one(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(cores, "_quotas", lambda *_: iter([quota, 64.0]))
    assert cores.usable_cores() == (expected or 8)


def test_a_system_without_control_groups_has_what_it_is_pinned_to(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    monkeypatch.setattr(cores, "GROUPS", tmp_path)
    assert cores.usable_cores() == 2


def test_libraries_are_limited_unless_a_person_said_how_many():
    environment = {}
    cores.limit_libraries(3, environment)
    assert set(environment.values()) == {"3"}
    assert "OPENBLAS_NUM_THREADS" in environment
    said = {"OMP_NUM_THREADS": "7"}
    cores.limit_libraries(3, said)
    assert said == {"OMP_NUM_THREADS": "7"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no process")
@pytest.mark.parametrize(("threads", "expected"), [(None, 1), (2, 2)])
def test_a_session_has_the_cores_that_the_process_is_pinned_to_and_does_not_spin(threads, expected):
    program = f"""
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import onnxruntime
made = []
plain = onnxruntime.InferenceSession
def kept(*args, **rest):
    made.append(args[1])
    return plain(*args, **rest)
onnxruntime.InferenceSession = kept
from lime_cli.models.model_file import ModelFile
ModelFile({str(SCENES)!r}, threads={threads}).load()
spins = made[-1].get_session_config_entry("session.intra_op.allow_spinning")
print(made[-1].intra_op_num_threads, spins)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [str(expected), "0"], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="models are asked in this process")
@pytest.mark.parametrize(("options", "expected"), [((), "1"), (("--threads", "2"), "2")])
def test_a_command_gives_libraries_one_thread_unless_asked_otherwise(options, expected):
    program = f"""
import os, sys
from lime_cli import cli, cores
for name in cores.LIBRARIES:
    os.environ.pop(name, None)
sys.argv = ["limex", "explain", "tabular", "zoo_mlp.onnx", "nothing.csv", *{options!r}]
from lime_cli.running import containment
containment.Containment.report = lambda self, code: print(os.environ["OPENBLAS_NUM_THREADS"])
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert expected in done.stdout.split(), done.stderr
