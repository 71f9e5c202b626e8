"""Slices: the sources of a batch as they are handed out, wherever it was interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lime_cli.modalities import Source


@dataclass(frozen=True)
class Slice:
    """Sources that are explained together."""

    number: int
    first: int
    """Place of the first source in the batch."""
    sources: tuple[Source, ...]

    def inputs(self) -> str:
        """Tell by size and time how the files look now; empty for the rows of one table."""
        if self.sources[0].row is not None:
            return ""
        looks = hashlib.sha256()
        for source in self.sources:
            try:
                found = os.stat(source.path)  # noqa: PTH116
            except OSError:
                looks.update(b"none\n")
                continue
            looks.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
        return looks.hexdigest()[:16]


@dataclass(frozen=True)
class Listing:
    """All sources, counted and identified."""

    n_sources: int
    n_slices: int
    digest: str
    """SHA-256 of ids and rows in order."""


def slices(sources: Iterable[Source], size: int) -> Iterator[Slice]:
    """Cut sources into slices of at most ``size``, which rows of a table fill by their number.

    A row is thus explained with the same neighbours whatever else is asked for.
    """
    held: list[Source] = []
    number = first = 0
    for place, source in enumerate(sources):
        if held and (len(held) == size or _block(source, size) != _block(held[0], size)):
            yield Slice(number, first, tuple(held))
            held, number, first = [], number + 1, place
        held.append(source)
    if held:
        yield Slice(number, first, tuple(held))


def listing_of(found: Iterable[Slice]) -> Listing:
    """Go through all slices; keep none."""
    digest = hashlib.sha256()
    n_sources = n_slices = 0
    for one in found:
        n_slices += 1
        n_sources += len(one.sources)
        for source in one.sources:
            digest.update(f"{source.id}\0{source.row}\n".encode("utf-8", "surrogateescape"))
    return Listing(n_sources, n_slices, digest.hexdigest())


def _block(source: Source, size: int) -> int | None:
    return None if source.row is None else source.row // size
