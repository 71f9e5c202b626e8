"""Batches that are killed, told to stop or run out of disk end with the same bytes.

``TESTS_KILLS`` says how many kills the slow loop makes, and a quarter as many signals the other;
``TESTS_SEED`` says when.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.conftest import ROOT
from tests.running.test_batch import WORDS, leftovers

KILLS = int(os.environ.get("TESTS_KILLS", "4"))
SIGNALS = max(6, KILLS // 4)
SEED = int(os.environ.get("TESTS_SEED", "0"))
N = 24
SLOW = "py:tests.slow:chances"
"""A model that takes its time, so that there is something to interrupt."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts, and what an undisturbed batch makes of them."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "texts").mkdir()
    for n in range(N):
        (folder / "texts" / f"{n:02d}.txt").write_text(
            f"{WORDS[n % 4]} and {WORDS[n % 3]}, say {n}"
        )
    began = time.monotonic()
    assert ended(start(folder, folder / "whole"))[0] == 0
    (folder / "seconds").write_text(str(time.monotonic() - began))
    return folder


def await_a_moment(folder, out, process, chance):
    """Wait for when to interrupt a batch: at any time of it, on a machine of any speed.

    That is while it begins, or once it has published some parts, or none more for a while.
    """
    if chance.random() < 0.4:
        time.sleep(chance.uniform(0.1, float((folder / "seconds").read_text())))
        return
    n = chance.randint(1, 9)
    while process.poll() is None and len(list(out.glob(".limex/part-*"))) < n:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 0.2))


def start(folder, out, *options):
    """Start a batch in a group of its own."""
    words = ["explain", "text", SLOW, folder / "texts", "--samples", 256, "-o", out, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "lime_cli", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process):
    out, err = process.communicate(timeout=600)
    assert out == ""
    return process.returncode, err


def await_parts(out, n, process):
    """Wait until a batch has published so many parts."""
    patience = time.monotonic() + 60
    while len(list(out.glob(".limex/part-*"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.005)


def is_whole(folder, out):
    whole = (folder / "whole" / "explanations.jsonl").read_bytes()
    return (out / "explanations.jsonl").read_bytes() == whole and leftovers(out) == []


def hurt_a_part(out, chance):
    """Tear or zero one part, as a power cut may; tell whether there was one."""
    parts = sorted(out.glob(".limex/part-*"))
    if parts:
        path = chance.choice(parts)
        data = path.read_bytes()
        path.write_bytes(chance.choice([bytes(len(data)), data[: len(data) // 2], b""]))
    return bool(parts)


@pytest.mark.slow
def test_whoever_is_killed_whenever_the_end_is_the_same(folder, tmp_path):
    chance, counts = random.Random(SEED), Counter()
    while counts["kills"] < KILLS:
        out = tmp_path / f"{counts['runs']}"
        counts["runs"] += 1
        while not finishes(folder, out, chance, counts):
            final = out / "explanations.jsonl"
            assert not final.exists() or is_final(folder, final)
            if 2 * counts["hurt"] <= counts["kills"]:
                counts["hurt"] += hurt_a_part(out, chance)
        assert is_whole(folder, out)
    print(dict(counts))
    assert KILLS < 50 or all(counts[one] > KILLS // 6 for one in ("parent", "worker", "group"))
    assert KILLS < 50 or counts["hurt"] > KILLS // 8


def finishes(folder, out, chance, counts):
    """Start a batch and kill somebody; tell whether it came to its end all the same."""
    jobs = chance.choice([(), ("-j", 2)])
    process = start(folder, out, *jobs)
    await_a_moment(folder, out, process, chance)
    victim = min(["parent", "group", "worker"][: 3 if jobs else 2], key=lambda one: counts[one])
    workers = workers_of(process) if victim == "worker" else []
    if process.poll() is None and counts["kills"] < KILLS and (workers or victim != "worker"):
        counts.update(("kills", victim))
        if victim == "worker":
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
        else:
            (os.kill if victim == "parent" else os.killpg)(process.pid, signal.SIGKILL)
            process.communicate()
            await_end_of(process)
            return False
    code, err = ended(process)
    assert code == 0, err
    return True


def session_of(process):
    """Return the processes of a batch's session, with what they were called with."""
    listed = subprocess.run(["ps", "-wweo", "pid,sid,args"], capture_output=True, text=True)
    lines = (line.split(maxsplit=2) for line in listed.stdout.splitlines()[1:])
    return [(int(pid), args) for pid, sid, args in lines if sid == str(process.pid)]


def workers_of(process):
    return [pid for pid, args in session_of(process) if args.endswith("limex-worker")]


def await_end_of(process):
    """Wait until whoever worked for a killed process is gone, as they must be by themselves."""
    patience = time.monotonic() + 10
    while any("defunct" not in args for _, args in session_of(process)):
        assert time.monotonic() < patience, session_of(process)
        time.sleep(0.02)


def is_final(folder, path):
    return path.read_bytes() == (folder / "whole" / "explanations.jsonl").read_bytes()


@pytest.mark.slow
def test_whenever_a_signal_comes_it_leaves_soon_and_the_end_is_the_same(folder, tmp_path):
    chance = random.Random(SEED)
    out, finished = tmp_path / "out", 0
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    counts = Counter()
    for _ in range(SIGNALS):
        process = start(folder, out, *chance.choice([(), ("-j", 2)]))
        await_a_moment(folder, out, process, chance)
        number = chance.choice(list(codes))
        began = time.monotonic()
        if process.poll() is None:
            chance.choice([os.kill, os.killpg])(process.pid, number)
        code, err = ended(process)
        assert time.monotonic() - began < 2.5
        is_up = "Could not import runpy" not in err  # which Python says before it runs anything
        assert code in (0, codes[number], -number) or not is_up, err
        counts.update((number.name, f"exit {code}"))
        assert "Traceback" not in err or "lime_cli/" not in err  # Python may not be up yet
        if code == 0:
            assert is_whole(folder, out)
            finished += 1
            out = tmp_path / f"out{finished}"
    assert ended(start(folder, out))[0] == 0
    assert is_whole(folder, out)
    print(dict(counts))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_a_batch_which_says_how_to_go_on(folder, tmp_path, number, code):
    out = tmp_path / "out"
    process = start(folder, out)
    await_parts(out, 2, process)
    began = time.monotonic()
    os.killpg(process.pid, number)
    assert (found := ended(process))[0] == code, found
    assert time.monotonic() - began < 2.5
    assert "out: kept " in found[1]
    assert f" of {N}; run the same command again to continue" in found[1]
    assert not (out / "explanations.jsonl").exists()
    again = ended(start(folder, out))
    assert again[0] == 0
    assert "out: continues; " in again[1]
    assert is_whole(folder, out)


def test_a_batch_that_is_killed_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    process = start(folder, out)
    await_parts(out, 3, process)
    process.kill()
    process.communicate()
    assert not (out / "explanations.jsonl").exists()
    hurt_a_part(out, random.Random(SEED))
    assert ended(start(folder, out))[0] == 0
    assert is_whole(folder, out)


def test_a_second_run_in_the_same_folder_is_refused_and_the_first_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    process = start(folder, out)
    await_parts(out, 1, process)
    os.killpg(process.pid, signal.SIGSTOP)  # or it may end before the other one looks
    try:
        code, err = ended(start(folder, out))
    finally:
        os.killpg(process.pid, signal.SIGCONT)
    assert ended(process)[0] == 0
    assert code == 5, (code, err)
    assert "is in use by pid " in err
    assert err.count("\n") == 1
    assert is_whole(folder, out)


def test_a_file_that_may_not_grow_is_told_and_nothing_is_lost(folder, tmp_path):
    out = tmp_path / "out"
    words = ["explain", "text", SLOW, folder / "texts", "--samples", 256, "-o", out, "-q"]
    command = " ".join([sys.executable, "-m", "lime_cli", *map(str, words)])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 32; exec {command}"], capture_output=True, cwd=ROOT, check=False
    )
    assert done.returncode == 5, done
    assert done.stderr.decode().count("\n") == 1
    assert b"the file grew beyond the limit" in done.stderr
    assert not (out / "explanations.jsonl").exists()
    assert ended(start(folder, out))[0] == 0
    assert is_whole(folder, out)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_may_not_be_written_is_told_before_any_work(folder, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    code, err = ended(start(folder, tmp_path / "out"))
    assert (code, err.count("\n")) == (5, 1)


def test_signals_that_are_ignored_stay_ignored(folder, tmp_path):
    out = tmp_path / "out"
    words = ["explain", "text", SLOW, folder / "texts", "--samples", 256, "-o", out]
    command = " ".join([sys.executable, "-m", "lime_cli", *map(str, words)])
    process = subprocess.Popen(
        ["bash", "-c", f"trap '' INT HUP; exec {command}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    await_parts(out, 1, process)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGHUP)
    assert ended(process)[0] == 0
    assert is_whole(folder, out)
