"""How a batch begins in its folder: whose it is, what is done already, what is to be cleaned."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lime_cli import files
from lime_cli.errors import OutputError
from lime_cli.files import digest_of_file
from lime_cli.running.ledger import (
    FINISHED,
    INDEX,
    INSIDE,
    PART,
    SUMMARY,
    BatchIdentity,
    Ledger,
    Stretch,
    index_of,
    part_of,
)

_RUN, _LOCK = "run.json", "lock"

_DRAWING = re.compile(r"\d{5,}-.*\.\w+")


@dataclass(frozen=True)
class Beginning:
    """What becomes of what the folder holds already."""

    restart: bool = False
    retry_failed: bool = False
    force: bool = False
    """Whether files of others may be there."""


@contextlib.contextmanager
def opened(folder: Path, identity: BatchIdentity, beginning: Beginning) -> Iterator[Ledger]:
    """Open the folder of a batch, alone; raise OutputError where it cannot be used.

    That is where it is locked, cannot be written, holds another run, or files of others.
    """
    inside = folder / INSIDE
    _require_usable(folder, beginning.force)
    files.make_folder(folder)
    if inside.is_symlink():
        raise OutputError(f"{inside}: is a link", "remove it, or name another folder")
    files.make_folder(inside)
    with files.locked(inside / _LOCK):
        ledger = Ledger(folder, identity)
        if beginning.restart:
            _clear(folder)
        _remove(folder, files.UNFINISHED)
        _remove(inside, files.UNFINISHED)
        _identify(folder, identity)
        _resume(ledger, inside, beginning.retry_failed)
        yield ledger


def _identify(folder: Path, identity: BatchIdentity) -> None:
    """Put the identity down; a folder in which something was kept must have the same."""
    inside = folder / INSIDE
    names = files.names_in(inside)
    if any(name.startswith((PART, INDEX)) for name in names):
        identity.require_same(str(folder), files.read(inside / _RUN) if _RUN in names else b"")
    elif _RUN not in names or files.read(inside / _RUN) != identity.data():
        files.write_whole(inside / _RUN, identity.data())
        files.settle(inside)
        files.settle(folder)


def _require_usable(folder: Path, force: bool) -> None:
    if not files.is_folder(folder.parent):
        raise OutputError(f"{folder}: there is no folder {folder.parent}", "make it first")
    if files.exists(folder) and not files.is_folder(folder):
        raise OutputError(f"{folder}: is a file", "several results need a folder")
    if force or _RUN in files.names_in(folder / INSIDE):
        return
    others = [name for name in files.names_in(folder) if name != INSIDE]
    if others:
        raise OutputError(
            f"{folder}: is a folder that holds other files ({others[0]})",
            "name an empty one or a file, or --force",
        )


def _clear(folder: Path) -> None:
    """Remove a run and its results, the identity last."""
    for name in files.names_in(folder):
        if name in (FINISHED, SUMMARY) or _DRAWING.fullmatch(name):
            files.remove(folder / name)
    _remove(folder / INSIDE, INDEX)
    _remove(folder / INSIDE, PART)
    files.remove(folder / INSIDE / _RUN)


def _remove(folder: Path, beginning: str) -> None:
    for name in files.names_in(folder):
        if name.startswith(beginning):
            files.remove(folder / name)


def _resume(ledger: Ledger, inside: Path, retry_failed: bool) -> None:
    """Find what is done; with ``retry_failed`` parts in which something failed are not."""
    stretches = _stretches(ledger, inside)
    for name in files.names_in(inside):
        if not name.startswith(PART):
            continue
        part = part_of(files.read(inside / name))
        if part is None or (retry_failed and part.tally.failed):
            files.remove(inside / name)
            continue
        number = int(name.removeprefix(PART))
        ledger.parts[number] = part.inputs
        ledger.count(number, part.tally)
    for number, stretch in stretches.items():
        if retry_failed and stretch.failed and number not in ledger.parts:
            continue
        ledger.stretches[number] = stretch
        if number not in ledger.parts:
            ledger.count(number, stretch.tally)


def _stretches(ledger: Ledger, inside: Path) -> dict[int, Stretch]:
    """Read the index of the finished file, if there is one; remove the others."""
    names = [name for name in files.names_in(inside) if name.startswith(INDEX)]
    finished = ledger.finished.is_file()
    valid = names[0] if finished and len(names) == 1 else ""
    if finished and len(names) > 1:
        digest = digest_of_file(ledger.finished)
        valid = next((one for one in names if digest.startswith(one.removeprefix(INDEX))), "")
    for name in names:
        if name != valid:
            files.remove(inside / name)
    if not valid:
        return {}
    stretches = index_of(files.read(inside / valid))
    end = max((one.start + one.size for one in (stretches or {}).values()), default=0)
    if stretches is None or end != ledger.finished.stat().st_size:
        raise OutputError(f"{ledger.finished}: was changed since", "start anew with --restart")
    return stretches
