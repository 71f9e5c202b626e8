"""The ledger: the folder of a batch, which loses no finished line and is never half a result.

DIR/explanations.jsonl    appears when it is whole: a header, then a line per instance
DIR/summary.json          what it holds, counted
DIR/00042-slug.png        drawings
DIR/.limex/run.json       the identity of the run
DIR/.limex/lock           held while a run is at work
DIR/.limex/part-00000042  lines that wait for the others
DIR/.limex/index-1a2b3c   where each part's lines went in the file of that digest
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lime_cli import files
from lime_cli.errors import OutputError
from lime_cli.results.identity import Identity
from lime_cli.results.parts import Part, Stretch, index_pieces, part_of, stretch_of
from lime_cli.results.tally import Tally

FINISHED, SUMMARY, INSIDE = "explanations.jsonl", "summary.json", ".limex"
PART, INDEX = "part-", "index-"
_DIGITS = 16  # of a digest in a name


@dataclass
class Ledger:
    """What is done of a batch, by the number of the part."""

    folder: Path
    identity: Identity
    stretches: dict[int, Stretch] = field(default_factory=dict)
    """Of the file that an earlier run finished."""
    parts: dict[int, str] = field(default_factory=dict)
    """Parts that wait for the others, and what their inputs looked like."""
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each part, the instances done and those of them that failed."""
    n_done: int = 0
    n_failed: int = 0

    @property
    def finished(self) -> Path:
        """The file that appears at the end."""
        return self.folder / FINISHED

    @property
    def summarized(self) -> bool:
        """Tell whether the summary is there."""
        return SUMMARY in files.names_in(self.folder)

    def has(self, number: int, inputs: str) -> bool:
        """Tell whether a part is done, of inputs that still look the same."""
        if number in self.parts:
            return self.parts[number] == inputs
        return number in self.stretches and self.stretches[number].inputs == inputs

    def publish(self, number: int, part: Part, drawings: Iterable[tuple[str, bytes]] = ()) -> None:
        """Keep a part for good, the drawings its lines stand for first."""
        drawn = False
        for name, content in drawings:
            files.write_whole(self.folder / name, content)
            drawn = True
        if drawn:
            files.settle(self.folder)
        files.write_whole(self._part(number), part.data())
        files.settle(self._inside)
        self.parts[number] = part.inputs
        self.count(number, part.tally)

    def count(self, number: int, tally: Tally) -> None:
        """Count what a part holds, in place of what it held before."""
        done, failed = self.counts.get(number, (0, 0))
        self.counts[number] = tally.instances, tally.failed
        self.n_done += tally.instances - done
        self.n_failed += tally.failed - failed

    def finish(self, numbers: Iterable[int]) -> Tally:
        """Merge the parts in order, put the file in place, clean up; return its tally.

        Whenever this is cut short, the folder holds the old file or the new one, whole, and
        enough to do it again.
        """
        if self.parts or not self.stretches:
            self._merge(numbers)
        total = Tally()
        for stretch in self.stretches.values():
            total.add(stretch.tally)
        return total

    def summarize(self, summary: dict[str, Any]) -> None:
        """Write the summary, then forget the parts."""
        content = (json.dumps(summary, indent=2, ensure_ascii=True) + "\n").encode()
        files.write_whole(self.folder / SUMMARY, content)
        files.settle(self.folder)
        for number in sorted(self.parts):
            files.remove(self._part(number))
        self.parts.clear()

    def _merge(self, numbers: Iterable[int]) -> None:
        merged = _Merged(self, numbers)
        unfinished = self.folder / f"{files.UNFINISHED}{FINISHED}"
        files.write_unfinished(unfinished, merged.pieces())
        name = f"{INDEX}{merged.digest.hexdigest()[:_DIGITS]}"
        files.write_pieces(self._inside / name, index_pieces(merged.stretches))
        files.settle(self._inside)
        files.replace(unfinished, self.finished)
        files.settle(self.folder)
        for other in files.names_in(self._inside):
            if other.startswith(INDEX) and other != name:
                files.remove(self._inside / other)
        self.stretches = merged.stretches

    def part(self, number: int) -> Part:
        """Read a part back; raise OutputError where it is not what was written."""
        part = part_of(files.read(self._part(number)))
        if part is None:
            raise OutputError(f"{self._part(number)}: is damaged", "run the same command again")
        return part

    @property
    def _inside(self) -> Path:
        return self.folder / INSIDE

    def _part(self, number: int) -> Path:
        return self._inside / f"{PART}{number:08d}"


class _Merged:
    """The finished file on its way: its pieces in order, its digest, where the parts lie in it."""

    def __init__(self, ledger: Ledger, numbers: Iterable[int]) -> None:
        self.digest = hashlib.sha256()
        self.stretches: dict[int, Stretch] = {}
        self._ledger, self._numbers = ledger, numbers

    def pieces(self) -> Iterator[bytes]:
        """Yield the header, then each part's lines, from its file or from the last result."""
        for piece in self._pieces():
            self.digest.update(piece)
            yield piece

    def _pieces(self) -> Iterator[bytes]:
        ledger = self._ledger
        header = ledger.identity.header()
        yield header
        place = len(header)
        for number in self._numbers:
            if number in ledger.parts:
                part = ledger.part(number)
                self.stretches[number] = stretch_of(place, part)
                yield part.lines
            else:
                before = ledger.stretches[number]
                self.stretches[number] = replace(before, start=place)
                yield from files.read_range(ledger.finished, before.start, before.size)
            place += self.stretches[number].size
