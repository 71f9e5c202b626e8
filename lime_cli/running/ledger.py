"""The ledger: the folder of a batch, which loses no finished line and is never half a result.

DIR/explanations.jsonl    appears when it is whole: a header, then a line per instance
DIR/summary.json          what it holds, counted
DIR/00042-slug.png        drawings
DIR/.limex/run.json       the identity of the run
DIR/.limex/lock           held while a run is at work
DIR/.limex/part-00000042  lines that wait for the others, from that place on
DIR/.limex/index-1a2b3c   where each part's lines went in the file of that digest
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lime_cli import files
from lime_cli.console import with_another
from lime_cli.engine.predictions import NOTHING, CallCounts
from lime_cli.errors import OutputError, and_more
from lime_cli.files import digest_of, json_line, json_page
from lime_cli.version import __version__

EXAMPLES = 5
"""Failures that are told one by one."""

_STEPS = 100
"""Fidelities are counted to a hundredth, so that their quantiles need no list of them."""

_QUANTILES = {"minimum": 0.0, "tenth": 0.1, "median": 0.5, "ninetieth": 0.9, "maximum": 1.0}


@dataclass
class Tally:
    """Counts of instances, failures, model inputs, fidelities and warnings; they add up."""

    explained: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """By class of the error."""
    samples: int = 0
    fidelities: Counter[int] = field(default_factory=Counter)
    """Of targets, by the fidelity in hundredths."""
    warnings: Counter[str] = field(default_factory=Counter)
    """By code."""
    sentences: dict[str, list[str]] = field(default_factory=dict)
    """The first warnings of each code that say something else, in input order."""
    examples: list[str] = field(default_factory=list)
    """The first failures in words, in input order."""
    call_counts: CallCounts = NOTHING
    """What the model was asked, by however many processes."""

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def instances(self) -> int:
        return self.explained + self.failed

    def count(self, samples: int, fidelities: Iterable[float | None]) -> None:
        self.explained += 1
        self.samples += samples
        self.fidelities.update(round(one * _STEPS) for one in fidelities if one is not None)

    def add_calls(self, call_counts: CallCounts) -> None:
        self.call_counts = self.call_counts.plus(call_counts)

    def count_failure(self, kind: str, words: str) -> None:
        self.failures[kind] += 1
        self.examples = [*self.examples, words][:EXAMPLES]

    def count_warning(self, code: str, sentence: str) -> None:
        """Count a warning; the first sentence of a code stands for those of its kind."""
        self.warnings[code] += 1
        self.sentences[code] = with_another(self.sentences.get(code, []), sentence)

    def add(self, other: Tally) -> None:
        """Add what comes after in input order."""
        self.explained += other.explained
        self.samples += other.samples
        self.call_counts = self.call_counts.plus(other.call_counts)
        self.failures.update(other.failures)
        self.fidelities.update(other.fidelities)
        self.warnings.update(other.warnings)
        for code, sentences in other.sentences.items():
            for sentence in sentences:
                self.sentences[code] = with_another(self.sentences.get(code, []), sentence)
        self.examples = [*self.examples, *other.examples][:EXAMPLES]

    def data(self) -> dict[str, Any]:
        """Return the tally as JSON data, in a fixed order."""
        return {
            "explained": self.explained,
            "failures": dict(sorted(self.failures.items())),
            "samples": self.samples,
            "fidelities": sorted(self.fidelities.items()),
            "warnings": dict(sorted(self.warnings.items())),
            "sentences": dict(sorted(self.sentences.items())),
            "examples": self.examples,
            "model_calls": self.call_counts,
        }

    @staticmethod
    def of(data: dict[str, Any]) -> Tally:
        """Read what ``data`` returned."""
        return Tally(
            data["explained"],
            Counter(data["failures"]),
            data["samples"],
            Counter(dict(data["fidelities"])),
            Counter(data["warnings"]),
            dict(data["sentences"]),
            list(data["examples"]),
            CallCounts(*data["model_calls"]),
        )

    def summary(self) -> dict[str, Any]:
        """Return what a person reads of it, as JSON data."""
        return {
            "instances": self.instances,
            "explained": self.explained,
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "samples": self.samples,
            "model_calls": self.call_counts._asdict(),
            "fidelity": {name: self._fidelity_at(share) for name, share in _QUANTILES.items()},
            "warnings": {
                code: {"count": count, "message": self.sentences[code][0]}
                for code, count in sorted(self.warnings.items())
            },
        }

    def _fidelity_at(self, share: float) -> float | None:
        """Return a quantile to a hundredth; None where no target has a fidelity."""
        left = share * (self.fidelities.total() - 1)
        for hundredths, count in sorted(self.fidelities.items()):
            left -= count
            if left < 0:
                return hundredths / _STEPS
        return None


_SEAL_BYTES = 65  # of 256 bits in hexadecimal and a newline


@dataclass(frozen=True)
class LedgerPart:
    """Lines of consecutive instances, and what a summary counts of them."""

    lines: bytes
    tally: Tally
    inputs: str = ""
    """What the files of its instances looked like when they were read; empty: not looked at."""
    drawings: tuple[str, ...] = ()
    """Names of the files that were drawn of its instances."""
    run: str = ""
    """The digest of the batch that it belongs to."""
    place: int = 0
    """Of its first instance."""

    def data(self) -> bytes:
        """Return the content of the file: the lines, the tally, the seal of both."""
        said = {"run": self.run, "place": self.place, "inputs": self.inputs}
        said |= {"tally": self.tally.data(), "drawings": self.drawings}
        return sealed(self.lines + json_line(said))

    def is_of(self, run: str, name: str) -> bool:
        """Tell whether it is of a batch, and was kept under a name: a seal says who wrote it."""
        return (self.run, f"{PART}{self.place:08d}") == (run, name)


def part_of(data: bytes) -> LedgerPart | None:
    """Read a part; None where it is torn, zeroed or anything else."""
    if not _is_whole(data):
        return None
    sealed_at = len(data) - _SEAL_BYTES
    end = data.rfind(b"\n", 0, sealed_at - 1) + 1
    said = json.loads(data[end:sealed_at])
    drawings, run, place = tuple(said["drawings"]), said.get("run", ""), said.get("place", 0)
    return LedgerPart(data[:end], Tally.of(said["tally"]), said["inputs"], drawings, run, place)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a part's lines lie in the finished file."""

    start: int
    """In bytes."""
    size: int
    """In bytes."""
    failed: int
    inputs: str
    packed: bytes
    """The tally and the names of drawings as JSON, compressed: there may be many stretches, and
    few are ever read."""

    @property
    def tally(self) -> Tally:
        """What a summary counts of these lines."""
        return Tally.of(json.loads(zlib.decompress(self.packed))[0])

    @property
    def drawings(self) -> list[str]:
        """Names of the files that were drawn of these instances."""
        return list(json.loads(zlib.decompress(self.packed))[1])


def stretch_of(start: int, part: LedgerPart) -> Stretch:
    """Say where a part's lines begin in the finished file."""
    packed = zlib.compress(json_line([part.tally.data(), part.drawings]))
    return Stretch(start, len(part.lines), part.tally.failed, part.inputs, packed)


def index_pieces(stretches: dict[int, Stretch], run: str, digest: str) -> Iterator[bytes]:
    """Yield the content of an index, line by line, and its seal.

    It begins with the digests of its batch and of the finished file.
    """
    first = json_line([run, digest])
    seal = _new_seal(first)
    yield first
    for place, one in stretches.items():
        packed = zlib.decompress(one.packed).decode()
        line = json_line([place, one.start, one.size, one.failed, one.inputs, packed])
        seal.update(line)
        yield line
    yield _line_of(seal)


@dataclass(frozen=True)
class Index:
    """What a finished file holds."""

    run: str = ""
    digest: str = ""
    """Of the file."""
    stretches: dict[int, Stretch] = field(default_factory=dict)
    """By the place of the first line."""


def index_of(data: bytes) -> Index | None:
    """Read an index; None where it is not whole."""
    content = unsealed(data)
    if content is None:
        return None
    (run, digest, *_), *lines = map(json.loads, content.splitlines())
    stretches = {}
    for place, start, size, failed, inputs, packed in lines:
        stretches[place] = Stretch(start, size, failed, inputs, zlib.compress(packed.encode()))
    return Index(run, digest, stretches)


def sealed(content: bytes) -> bytes:
    """Put a seal behind a content: a digest that nobody makes who lacks this account's key."""
    return content + _line_of(_new_seal(content))


def unsealed(data: bytes) -> bytes | None:
    """Take the seal off; None where it is not the content's, or not this account's."""
    return data[:-_SEAL_BYTES] if _is_whole(data) else None


def _is_whole(data: bytes) -> bool:
    """Tell whether the seal at the end is the content's, which may be large: copy nothing."""
    content = memoryview(data)[:-_SEAL_BYTES]
    return hmac.compare_digest(data[-_SEAL_BYTES:], _line_of(_new_seal(content)))


def _new_seal(content: bytes | memoryview = b"") -> hmac.HMAC:
    return hmac.new(files.secret(), content, hashlib.sha256)


def _line_of(seal: hmac.HMAC) -> bytes:
    return f"{seal.hexdigest()}\n".encode()


HEADER_SCHEMA = {"name": "limex/run", "number": 1}


@dataclass(frozen=True)
class BatchIdentity:
    """The choices, inputs and versions of a batch as JSON data."""

    parts: dict[str, Any]
    """By group: model, input, settings, drawn, slices, versions."""
    paths: dict[str, Any]
    """Where model and inputs are: said to a person, never compared."""

    @property
    def digest(self) -> str:
        """Identify the batch: the SHA-256 of its parts."""
        return digest_of(json.dumps(self.parts, sort_keys=True).encode())

    def data(self) -> bytes:
        said = {"run": self.digest, "parts": self.parts, "paths": self.paths}
        return sealed(json.dumps(said, indent=1).encode() + b"\n")

    def header(self) -> bytes:
        """Return the first line of the finished file: equal for equal batches."""
        said = {"schema": HEADER_SCHEMA, "limex": __version__, "run": self.digest, **self.parts}
        return json_line(said)

    def require_same(self, folder: str, data: bytes) -> None:
        """Raise OutputError unless the folder's run, as ``data`` wrote it, is this one."""
        content = unsealed(data)
        if content is None:
            raise OutputError(
                f"{folder}: .limex/run.json is damaged, or was not written by this account",
                "start over with --restart",
            )
        held = json.loads(json.dumps(json.loads(content)["parts"]))
        mine = json.loads(json.dumps(self.parts))
        found = list(_differences(held, mine))
        if not found:
            return
        said = f"{folder}: holds a different run ({and_more(found, 3)})"
        raise OutputError(said, "name another folder, or add --restart")


def _differences(held: Any, mine: Any, name: str = "") -> Iterator[str]:
    """Say what differs, each as ``seed 1, now 2``."""
    if isinstance(held, dict) and isinstance(mine, dict):
        for key in {**held, **mine}:
            yield from _differences(held.get(key), mine.get(key), key)
    elif held != mine:
        yield f"{name.replace('_', '-')} {_short(held)}, now {_short(mine)}"


def _short(value: Any) -> str:
    match value:
        case None:
            return "none"
        case str():
            return f"{value[:8]}..." if len(value) == 64 else value
        case _:
            return json.dumps(value)


FINISHED, SUMMARY, INSIDE = "explanations.jsonl", "summary.json", ".limex"

PART, INDEX = "part-", "index-"

_DIGITS = 16  # of a digest in a name


@dataclass
class Ledger:
    """What is done of a batch, by the place of the first instance among all."""

    folder: Path
    identity: BatchIdentity
    stretches: dict[int, Stretch] = field(default_factory=dict)
    """Of the file that an earlier run finished."""
    parts: dict[int, str] = field(default_factory=dict)
    """Parts that wait for the others, and what their inputs looked like."""
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each part and stretch, the instances done and those of them that failed."""
    n_done: int = 0
    n_failed: int = 0

    @property
    def finished(self) -> Path:
        return self.folder / FINISHED

    def is_summarized(self, summary: dict[str, Any]) -> bool:
        """Tell whether the folder's summary says this, but for the clock: it has no seal."""
        if SUMMARY not in files.names_in(self.folder):
            return False
        try:
            found = json.loads(files.read(self.folder / SUMMARY))
        except (OutputError, ValueError, RecursionError):  # a link, or no JSON
            return False
        same = json.loads(json_page(summary))
        return isinstance(found, dict) and {**found, "timing": 0} == {**same, "timing": 0}

    def n_at(self, place: int) -> int:
        """Count the instances that were kept together from a place on; 0 where none were."""
        return self.counts.get(place, (0, 0))[0]

    def has(self, place: int, inputs: str) -> bool:
        """Tell whether what was kept from a place on is of inputs that still look the same."""
        if place in self.parts:
            return self.parts[place] == inputs
        return place in self.stretches and self.stretches[place].inputs == inputs

    def forget(self, place: int) -> None:
        """Give up what was kept from a place on: it is to be done again, maybe in other parts."""
        if self.parts.pop(place, None) is not None:
            files.remove(self._part(place))
        self.stretches.pop(place, None)
        done, failed = self.counts.pop(place, (0, 0))
        self.n_done -= done
        self.n_failed -= failed

    def publish(
        self, place: int, part: LedgerPart, drawings: Iterable[tuple[str, bytes]] = ()
    ) -> None:
        """Keep a part for good, the drawings its lines stand for first."""
        drawn = []
        for name, content in drawings:
            files.write_whole(self.folder / name, content)
            drawn.append(name)
        if drawn:
            files.sync_folder(self.folder)
        part = replace(part, drawings=tuple(drawn), run=self.identity.digest, place=place)
        files.write_whole(self._part(place), part.data())
        files.sync_folder(self._inside)
        self.parts[place] = part.inputs
        self.count(place, part.tally)

    def count(self, place: int, tally: Tally) -> None:
        """Count what a part or a stretch holds."""
        self.counts[place] = tally.instances, tally.failed
        self.n_done += tally.instances
        self.n_failed += tally.failed

    def finish(self) -> Tally:
        """Merge the parts in order, put the file in place, clean up; return its tally.

        Whenever this is cut short, the folder holds the old file or the new one, whole, and
        enough to do it again.
        """
        if self.parts or not self.stretches:
            self._merge()
        total = Tally()
        for stretch in self.stretches.values():
            total.add(stretch.tally)
        return total

    def summarize(self, summary: dict[str, Any]) -> None:
        """Write the summary, then forget the parts."""
        files.write_whole(self.folder / SUMMARY, json_page(summary))
        files.sync_folder(self.folder)
        for place in sorted(self.parts):
            files.remove(self._part(place))
        self.parts.clear()

    def _merge(self) -> None:
        merged = _Merged(self)
        unfinished = self.folder / f"{files.UNFINISHED}{FINISHED}"
        files.write_unfinished(unfinished, merged.pieces())
        digest = merged.digest.hexdigest()
        name = f"{INDEX}{digest[:_DIGITS]}"
        pieces = index_pieces(merged.stretches, self.identity.digest, digest)
        files.write_pieces(self._inside / name, pieces)
        files.sync_folder(self._inside)
        files.replace(unfinished, self.finished)
        files.sync_folder(self.folder)
        for other in files.names_in(self._inside):
            if other.startswith(INDEX) and other != name:
                files.remove(self._inside / other)
        self.stretches = merged.stretches

    def part(self, place: int) -> LedgerPart:
        """Read a part back; raise OutputError where its content was changed."""
        path = self._part(place)
        part = part_of(files.read(path))
        if part is None or not part.is_of(self.identity.digest, path.name):
            raise OutputError(f"{self._part(place)}: is damaged", "run the same command again")
        return part

    @property
    def _inside(self) -> Path:
        return self.folder / INSIDE

    def _part(self, place: int) -> Path:
        return self._inside / f"{PART}{place:08d}"


class _Merged:
    """The finished file on its way: its pieces in order, its digest, where the parts lie in it."""

    def __init__(self, ledger: Ledger) -> None:
        self.digest = hashlib.sha256()
        self.stretches: dict[int, Stretch] = {}
        self._ledger = ledger

    def pieces(self) -> Iterator[bytes]:
        """Yield the header, then each part's lines, from its file or from the last result."""
        for piece in self._pieces():
            self.digest.update(piece)
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        ledger = self._ledger
        header = ledger.identity.header()
        yield header
        start = len(header)
        for place in sorted({*ledger.parts, *ledger.stretches}):
            if place in ledger.parts:
                part = ledger.part(place)
                self.stretches[place] = stretch_of(start, part)
                yield part.lines
            else:
                before = ledger.stretches[place]
                self.stretches[place] = replace(before, start=start)
                yield from files.read_range(ledger.finished, before.start, before.size)
            start += self.stretches[place].size


_RUN, _LOCK = "run.json", "lock"


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
        files.sync_folder(inside)
        files.sync_folder(folder)


def _require_usable(folder: Path, force: bool) -> None:
    if not files.is_folder(folder.parent):
        raise OutputError(f"{folder}: there is no folder {folder.parent}", "create it first")
    if files.exists(folder) and not files.is_folder(folder):
        raise OutputError(f"{folder}: is a file", "several results need a folder")
    if force or _RUN in files.names_in(folder / INSIDE):
        return
    others = [name for name in files.names_in(folder) if name != INSIDE]
    if others:
        raise OutputError(
            f"{folder}: is a folder that contains other files ({others[0]})",
            "name an empty one or a file, or add --force",
        )


def _clear(folder: Path) -> None:
    """Remove a run and its results: the files that its parts and its index name, identity last."""
    inside = folder / INSIDE
    names = files.names_in(inside)
    own = [FINISHED, SUMMARY] if _RUN in names else []
    for name in names:
        if name.startswith(PART):
            part = part_of(files.read(inside / name))
            own += part.drawings if part else ()
        elif name.startswith(INDEX):
            index = index_of(files.read(inside / name)) or Index()
            own += (drawn for one in index.stretches.values() for drawn in one.drawings)
    for name in sorted({*own} & {*files.names_in(folder)}):
        files.remove(folder / name)
    _remove(inside, INDEX)
    _remove(inside, PART)
    files.remove(inside / _RUN)


def _remove(folder: Path, beginning: str) -> None:
    for name in files.names_in(folder):
        if name.startswith(beginning):
            files.remove(folder / name)


def _resume(ledger: Ledger, inside: Path, retry_failed: bool) -> None:
    """Find what is done; with ``retry_failed`` parts in which something failed are not.

    Nor is what the finished file holds of instances that a part was made of since.
    """
    stretches = _stretches(ledger, inside)
    for name in files.names_in(inside):
        if not name.startswith(PART):
            continue
        part = part_of(files.read(inside / name))
        own = part is not None and part.is_of(ledger.identity.digest, name)
        if part is None or not own or (retry_failed and part.tally.failed):
            files.remove(inside / name)
            continue
        place = part.place
        ledger.parts[place] = part.inputs
        ledger.count(place, part.tally)
    again = {place + i for place in ledger.parts for i in range(ledger.n_at(place))}
    for place, stretch in stretches.items():
        tally = stretch.tally
        if again.isdisjoint(range(place, place + tally.instances)) and not (
            retry_failed and stretch.failed
        ):
            ledger.stretches[place] = stretch
            ledger.count(place, tally)


def _stretches(ledger: Ledger, inside: Path) -> dict[int, Stretch]:
    """Read the index of the finished file, if there is one; remove the others."""
    names = [name for name in files.names_in(inside) if name.startswith(INDEX)]
    finished = FINISHED in files.names_in(ledger.folder)
    digest = files.digest_of_result(ledger.finished) if finished and names else ""
    valid = next((one for one in names if digest.startswith(one.removeprefix(INDEX))), "")
    if finished and names and not valid:
        raise OutputError(
            f"{ledger.finished}: was changed after it was written", "start over with --restart"
        )
    for name in names:
        if name != valid:
            files.remove(inside / name)
    if not valid:
        return {}
    index = index_of(files.read(inside / valid))
    if index is None or (index.run, index.digest) != (ledger.identity.digest, digest):
        raise OutputError(
            f"{ledger.finished}: was not written by this account", "start over with --restart"
        )
    return index.stretches
