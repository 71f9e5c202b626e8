"""The ledger loses no finished line, is never half a result, and knows its own run."""

import contextlib
import errno
import hashlib
import os
import subprocess
import sys

import pytest

from lime_cli import files
from lime_cli.errors import OutputError
from lime_cli.running.ledger import BatchIdentity, Beginning, LedgerPart, Tally, opened, part_of
from tests.conftest import ROOT

N = 4


def identity(**settings):
    return BatchIdentity({"settings": {"seed": 1, **settings}}, {})


def part(number, failed=False):
    tally = Tally()
    if failed:
        tally.count_failure("InputError", f"{number}: broken")
    else:
        tally.count(10, (0.5,))
        tally.count_warning("flat", f"flat {number}")
    return LedgerPart(f'{{"number":{number},"failed":{str(failed).lower()}}}\n'.encode(), tally)


def work(folder, beginning=None, broken=(), drawn=True, who=None):
    """Go on with a batch of N parts, as the command does; return its tally."""
    with opened(folder, who or identity(), beginning or Beginning()) as ledger:
        for number in range(N):
            if not ledger.has(number, ""):
                drawings = [(f"{number:05d}-x.png", b"image")] if drawn else []
                ledger.publish(number, part(number, number in broken), drawings)
        tally = ledger.finish()
        ledger.summarize(tally.summary())
        return tally


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def whole(tmp_path):
    """The files of an undisturbed batch, by name."""
    folder = tmp_path / "whole"
    work(folder)
    return {
        name: (folder / name).read_bytes()
        for name in names(folder)
        if (folder / name).is_file() and "lock" not in name
    }


def content(folder):
    return {
        name: (folder / name).read_bytes()
        for name in names(folder)
        if (folder / name).is_file() and "lock" not in name
    }


def test_a_batch_ends_as_a_header_and_its_lines_in_order(tmp_path):
    work(tmp_path / "out")
    header, *lines = (tmp_path / "out" / "explanations.jsonl").read_bytes().splitlines()
    assert b'"limex/run"' in header
    assert [b'"number":%d,' % n in line for n, line in enumerate(lines)] == [True] * N
    assert not [name for name in names(tmp_path) if "part-" in name or "unfinished" in name]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_whatever_file_operation_fails_the_next_run_ends_with_the_same_bytes(
    tmp_path, whole, monkeypatch, error
):
    n, failed = 0, True
    while failed:
        n, failed, count = n + 1, False, 0
        folder = tmp_path / f"out{n}"

        def fail(operation, path, n=n):
            nonlocal count
            count += 1
            if count == n:
                raise OSError(error, os.strerror(error), str(path))

        monkeypatch.setattr(files, "before", fail)
        try:
            work(folder)
        except OutputError:
            failed = True
            final = folder / "explanations.jsonl"
            assert not final.exists() or final.read_bytes() == whole["explanations.jsonl"]
        monkeypatch.setattr(files, "before", lambda operation, path: None)
        work(folder)
        assert content(folder) == whole
    assert n > 40


@pytest.mark.parametrize("damage", ["torn", "zeroed", "emptied", "lengthened"])
def test_a_damaged_part_is_done_again(tmp_path, whole, damage):
    folder = tmp_path / "out"
    with opened(folder, identity(), Beginning()) as ledger:
        for number in range(3):
            ledger.publish(number, part(number), [(f"{number:05d}-x.png", b"image")])
    hurt = folder / ".limex" / "part-00000001"
    data = hurt.read_bytes()
    hurt.write_bytes(
        {
            "torn": data[: len(data) // 2],
            "zeroed": bytes(len(data)),
            "emptied": b"",
            "lengthened": data + b"\n",
        }[damage]
    )
    with opened(folder, identity(), Beginning()) as ledger:
        assert [ledger.has(number, "") for number in range(N)] == [True, False, True, False]
    work(folder)
    assert content(folder) == whole


def test_a_part_reads_back_as_it_was_written():
    assert part_of(part(7).data()) == part(7)
    assert part_of(part(7, failed=True).data()) == part(7, failed=True)


def test_a_part_of_files_that_look_otherwise_now_is_done_again(tmp_path):
    with opened(tmp_path / "out", identity(), Beginning()) as ledger:
        ledger.publish(0, LedgerPart(b"{}\n", Tally(), "as it was"))
        assert ledger.has(0, "as it was")
        assert not ledger.has(0, "mended")


def test_a_finished_folder_has_nothing_left_to_do(tmp_path, whole):
    work(tmp_path / "out")
    with opened(tmp_path / "out", identity(), Beginning()) as ledger:
        assert all(ledger.has(number, "") for number in range(N))
        assert ledger.finish().explained == N
    assert content(tmp_path / "out") == whole


def test_failed_ones_are_done_again_in_a_finished_folder(tmp_path, whole):
    folder = tmp_path / "out"
    assert work(folder, broken=(1, 2)).failed == 2
    assert work(folder).failed == 2
    tally = work(folder, Beginning(retry_failed=True))
    assert (tally.explained, tally.failed) == (N, 0)
    assert content(folder) == whole


def test_a_retry_cut_short_at_any_operation_keeps_the_old_result_or_gives_the_new(
    tmp_path, whole, monkeypatch
):
    folder, n, failed = tmp_path / "out", 0, True
    while failed:
        n, failed, count = n + 1, False, 0
        work(folder, Beginning(restart=True), broken=(1, 2))
        old = (folder / "explanations.jsonl").read_bytes()

        def fail(operation, path, n=n):
            nonlocal count
            count += 1
            if count == n:
                raise OSError(errno.EIO, "input/output error", str(path))

        monkeypatch.setattr(files, "before", fail)
        try:
            work(folder, Beginning(retry_failed=True))
        except OutputError:
            failed = True
        monkeypatch.setattr(files, "before", lambda operation, path: None)
        final = (folder / "explanations.jsonl").read_bytes()
        assert final in (old, whole["explanations.jsonl"])
        work(folder, Beginning(retry_failed=True))
        assert content(folder) == whole


def test_another_run_is_refused_in_words_and_restart_begins_anew(tmp_path, whole):
    folder = tmp_path / "out"
    work(folder, who=identity(seed=2))
    with pytest.raises(OutputError, match=r"holds a different run \(seed 2, now 1\)") as refused:
        work(folder)
    assert "--restart" in refused.value.hint
    work(folder, Beginning(restart=True))
    assert content(folder) == whole


def test_a_folder_in_which_nothing_was_kept_belongs_to_nobody(tmp_path, whole):
    with opened(tmp_path / "out", identity(seed=2), Beginning()):
        pass
    work(tmp_path / "out")
    assert content(tmp_path / "out") == whole


def test_files_of_others_are_refused_unless_forced(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "diary.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"contains other files \(diary.txt\)"):
        work(folder)
    assert names(folder) == ["diary.txt"]
    work(folder, Beginning(force=True))
    assert (folder / "diary.txt").read_text() == "precious"


def test_a_link_in_the_folder_is_replaced_and_never_followed(tmp_path):
    folder, precious = tmp_path / "out", tmp_path / "precious"
    precious.write_text("precious")
    folder.mkdir()
    for name in ("explanations.jsonl", "00001-x.png", "summary.json"):
        (folder / name).symlink_to(precious)
    work(folder, Beginning(force=True))
    assert precious.read_text() == "precious"
    assert not (folder / "explanations.jsonl").is_symlink()


def precious_things(tmp_path):
    """Make a file and a folder that a link may lead to, and return how they look."""
    (tmp_path / "precious").mkdir()
    for name in (
        "file",
        "part-00000",
        "part-00000000",
        "index-0123456789abcdef",
        "lock",
        "run.json",
    ):
        (tmp_path / "precious" / name).write_text("precious")
    return tmp_path / "precious"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("how", [os.symlink, os.link])
@pytest.mark.parametrize(
    "name",
    ["lock", "run.json", "part-00000001", "index-0123456789abcdef", f"{files.UNFINISHED}part-0"],
)
def test_no_link_in_the_inside_is_followed(tmp_path, name, how, restart):
    precious, inside = precious_things(tmp_path), tmp_path / "out" / ".limex"
    work(tmp_path / "out")
    (inside / name).unlink(missing_ok=True)
    how(precious / "file", inside / name)
    with contextlib.suppress(OutputError):
        work(tmp_path / "out", Beginning(restart=restart))
    assert {one.read_text() for one in precious.iterdir()} == {"precious"}


@pytest.mark.parametrize("restart", [False, True])
def test_an_inside_that_is_a_link_is_refused(tmp_path, restart):
    precious = precious_things(tmp_path)
    before = names(precious)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".limex").symlink_to(precious)
    with pytest.raises(OutputError, match="is a link"):
        work(tmp_path / "out", Beginning(restart=restart, force=True))
    assert names(precious) == before
    assert {one.read_text() for one in precious.iterdir()} == {"precious"}


@pytest.mark.parametrize("name", ["part-00000001", "index-0123456789abcdef", "run.json"])
def test_a_pipe_in_the_inside_is_not_waited_for(tmp_path, name):
    work(tmp_path / "out")
    path = tmp_path / "out" / ".limex" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with contextlib.suppress(OutputError):
        work(tmp_path / "out")


@pytest.mark.parametrize("finished", [False, True])
def test_a_restart_deletes_what_the_ledger_names_and_nothing_else(tmp_path, finished):
    folder = tmp_path / "out"
    with opened(folder, identity(), Beginning()) as ledger:
        for number in range(N):
            ledger.publish(number, part(number), [(f"{number:05d}-x.png", b"image")])
        if finished:
            ledger.summarize(ledger.finish().summary())
    own = ("00001-mine.png", "20260101-holiday.jpg", "00002-x.svg", "explanations.csv")
    for name in own:
        (folder / name).write_text("precious")
    with opened(folder, identity(seed=3), Beginning(restart=True)):
        assert sorted(files.names_in(folder)) == sorted([".limex", *own])
    assert {(folder / name).read_text() for name in own} == {"precious"}


def test_a_foreign_ledger_names_nothing_to_delete(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    monkeypatch.setattr(files, "secret", lambda: b"somebody else's")
    with opened(folder, identity(), Beginning(force=True)) as ledger:
        ledger.publish(0, part(0), [("thesis.tex", b"precious")])
    monkeypatch.undo()
    work(folder, Beginning(restart=True))
    assert (folder / "thesis.tex").read_text() == "precious"


def forged(folder, key, monkeypatch, finished):
    """Let somebody who knows all but the key make a folder of the same run with other lines."""
    monkeypatch.setattr(files, "secret", lambda: key)
    lie = LedgerPart(b'{"number":1,"failed":"a lie"}\n', part(1).tally)
    with opened(folder, identity(), Beginning()) as ledger:
        for number in range(N):
            ledger.publish(number, lie if number == 1 else part(number))
        if finished:
            ledger.summarize(ledger.finish().summary())
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize("name", ["part-00000002", "part-2", "part-x", "part-00000009"])
def test_a_part_that_was_given_another_name_is_done_again(tmp_path, whole, name):
    folder = tmp_path / "out"
    with opened(folder, identity(), Beginning()) as ledger:
        ledger.publish(1, part(1))
    inside = folder / ".limex"
    (inside / name).write_bytes((inside / "part-00000001").read_bytes())
    work(folder)
    assert (folder / "explanations.jsonl").read_bytes() == whole["explanations.jsonl"]


def test_a_part_of_another_batch_is_done_again(tmp_path, whole):
    folder, other = tmp_path / "out", tmp_path / "other"
    for where, who in ((folder, identity()), (other, identity(seed=2))):
        with opened(where, who, Beginning()) as ledger:
            ledger.publish(0, part(0))
            if where == other:
                ledger.publish(1, part(9))
    stolen = (other / ".limex" / "part-00000001").read_bytes()
    (folder / ".limex" / "part-00000001").write_bytes(stolen)
    work(folder)
    assert (folder / "explanations.jsonl").read_bytes() == whole["explanations.jsonl"]


@pytest.mark.parametrize("name", ["index-", "index-{}"])
def test_an_index_of_another_name_makes_no_changed_result_good(tmp_path, name):
    folder = tmp_path / "out"
    work(folder)
    lied = (folder / "explanations.jsonl").read_bytes().replace(b"false", b"trueX", 1)
    (folder / "explanations.jsonl").write_bytes(lied)
    (index,) = (folder / ".limex").glob("index-*")
    index.rename(index.with_name(name.format(hashlib.sha256(lied).hexdigest()[:16])))
    with pytest.raises(OutputError, match="was not written by this account"):
        work(folder)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("key", [b"", b"a guess", bytes(32)])
def test_what_another_account_made_is_not_taken_for_done(tmp_path, key, finished, monkeypatch):
    folder = tmp_path / "out"
    forged(folder, key, monkeypatch, finished)
    with pytest.raises(
        OutputError, match=r"was not written by this account|was changed after it was written"
    ):
        work(folder, drawn=False)
    work(folder, Beginning(restart=True), drawn=False)
    assert b"a lie" not in (folder / "explanations.jsonl").read_bytes()


def test_a_forged_part_in_an_honest_folder_is_done_again(tmp_path, whole, monkeypatch):
    folder, other = tmp_path / "out", tmp_path / "other"
    with opened(folder, identity(), Beginning()) as ledger:
        ledger.publish(0, part(0), [("00000-x.png", b"image")])
    forged(other, b"a guess", monkeypatch, finished=False)
    (folder / ".limex" / "part-00000001").write_bytes((other / ".limex/part-00000001").read_bytes())
    lines = part(1).lines.replace(b"false", b"true")
    plain = lines + b"{}\n"
    sealed_by_hash = plain + hashlib.sha256(plain).hexdigest().encode() + b"\n"
    (folder / ".limex" / "part-00000002").write_bytes(sealed_by_hash)
    with opened(folder, identity(), Beginning()) as ledger:
        assert [ledger.has(number, "") for number in range(N)] == [True, False, False, False]
    work(folder)
    assert content(folder) == whole


@pytest.mark.parametrize("at", [0, 40, -2])
def test_a_result_changed_in_its_own_length_is_not_built_upon(tmp_path, at):
    folder = tmp_path / "out"
    work(folder)
    data = bytearray((folder / "explanations.jsonl").read_bytes())
    data[at] ^= 1
    (folder / "explanations.jsonl").write_bytes(data)
    with pytest.raises(OutputError, match="was changed after it was written"):
        work(folder)


def test_the_key_is_made_once_for_this_account_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    files.secret.cache_clear()
    key = files.secret()
    (path,) = (tmp_path / "state" / "limex").iterdir()
    assert (len(key), path.stat().st_mode & 0o77) == (32, 0)
    files.secret.cache_clear()
    assert files.secret() == key
    path.unlink()
    path.symlink_to("/dev/zero")
    files.secret.cache_clear()
    assert files.secret() == b""
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    files.secret.cache_clear()
    assert files.secret() == b""
    monkeypatch.undo()
    files.secret.cache_clear()


def test_a_changed_result_is_not_built_upon(tmp_path):
    folder = tmp_path / "out"
    work(folder)
    with (folder / "explanations.jsonl").open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(OutputError, match="was changed after it was written"):
        work(folder)


def test_leftovers_are_cleaned(tmp_path, whole):
    folder = tmp_path / "out"
    work(folder)
    (folder / f"{files.UNFINISHED}explanations.jsonl").write_bytes(b"half")
    (folder / ".limex" / f"{files.UNFINISHED}part-00000001").write_bytes(b"half")
    (folder / ".limex" / "index-0123456789abcdef").write_bytes(b"half")
    work(folder)
    assert content(folder) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")
def test_a_folder_in_use_is_refused_naming_the_process(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom lime_cli import files\n"
        "with files.locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    folder = tmp_path / "out"
    work(folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / ".limex" / "lock")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        holder.stdout.readline()
        with pytest.raises(OutputError, match=rf"is in use by pid {holder.pid} on "):
            work(folder)
    finally:
        holder.kill()
        holder.communicate()
    work(folder)


def test_a_tally_counts_the_same_in_any_pieces():
    whole, halves = Tally(), [Tally(), Tally()]
    for n in range(100):
        for tally in (whole, halves[n >= 50]):
            tally.count(n, (n / 100, None))
            tally.count_warning("odd" if n % 2 else "even", f"{n} {'ab'[n >= 60]}")
    halves[0].add(Tally.of(halves[1].data()))
    assert halves[0].data() == whole.data()
    assert whole.sentences == {"even": ["0 a", "60 b"], "odd": ["1 a", "61 b"]}
    assert whole.summary()["fidelity"] == {
        "minimum": 0.0,
        "tenth": 0.09,
        "median": 0.49,
        "ninetieth": 0.89,
        "maximum": 0.99,
    }
    assert Tally().summary()["fidelity"]["median"] is None
