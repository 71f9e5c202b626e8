"""Texts: units (words, say) are the components; gone means removed or masked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from pathlib import Path

import numpy as np

from lime_cli.digests import digest_of
from lime_cli.engine import designs
from lime_cli.engine.instance import (
    BoolArray,
    Caveat,
    Component,
    Design,
    IntArray,
    Samples,
    Skipped,
    Spans,
    Subject,
)
from lime_cli.errors import InputError, ModelError
from lime_cli.modalities import Source
from lime_cli.modalities.listing import Listing
from lime_cli.modalities.rows import Rows, cells_of, require
from lime_cli.modalities.streams import name_of
from lime_cli.modalities.words import Span, cut
from lime_cli.models import ModelInput


@dataclass(frozen=True)
class TextModality:
    """Explain texts."""

    inputs: tuple[str, ...] = ()
    """Files, folders of files, or ``-`` for standard input."""
    text: str | None = None
    """A text given on the command line."""
    table: Rows | None = None
    """Rows of a table whose cells in ``column`` are the texts."""
    column: str | None = None
    unit: str = "word"
    merge_repeats: bool = True
    """Whether all copies of a unit are one component."""
    mask: str | None = None
    """What stands in for a unit that is gone; None removes it."""
    recursive: bool = False
    glob: str | None = None
    """Pattern of the names taken from folders."""

    default_samples = 256
    max_samples = 8_192
    slice_size = 4

    def sources(self) -> Iterator[Source]:
        """List the texts in the order given, a folder's by name; raise InputError for none."""
        if self.table is not None:
            yield from self.table.sources()
            return
        if self.text is not None:
            yield Source("--text", "--text")
        yield from self._listing().sources(self.inputs)

    def strays(self) -> int:
        """Count the files of folders that are no texts: every file is one."""
        return 0

    def _listing(self) -> Listing:
        return Listing(self.recursive, self.glob)

    def stamp(self) -> tuple[int, ...]:
        """Return nothing: inputs share no file."""
        return ()

    def fitted(self, model_input: ModelInput) -> TextModality:
        """Return itself; raise ModelError for a model that takes something else."""
        model_input.require("text")
        n_columns = len(model_input.columns or ())
        if n_columns > 1:
            raise ModelError(
                f"{model_input.model}: takes a table of {n_columns} columns, not a text",
                "try limex explain tabular",
            )
        return self

    def read(self, source: Source) -> TextInstance:
        """Read one text; raise InputError for one that is empty, or not UTF-8, or has no units."""
        text, name = self._text(source), self._name(source)
        if not text.strip():
            raise InputError(f"{name}: there is no text", "give a text with at least one word")
        spans = cut(text, self.unit)
        if not spans:
            raise InputError(f"{name}: there are no {self._units()} to vary", "give another --unit")
        return TextInstance(source, text, _components(text, spans, self.merge_repeats), self)

    def _text(self, source: Source) -> str:
        if self.table is None or self.column is None:
            return _typed(self.text) if source.path == "--text" else _read(source.path)
        record = source.record or self.table.record(source.row or 0)
        cells = cells_of(source, record, self.table.dialect)
        require(cells.name, cells.header, (self.column,))
        return cells.column(self.column)[0]

    def _name(self, source: Source) -> str:
        record = source.record
        if record is None:
            return source.id
        return f"{name_of(source.path)}: {record.unit} {record.line}"

    def _units(self) -> str:
        unit = self.unit.removeprefix("lime-")
        return "matches" if unit.startswith("regex:") else f"{unit}s"


@dataclass(frozen=True, eq=False)
class TextInstance:
    """A text with its components."""

    source: Source
    text: str
    components: tuple[Component, ...]
    modality: TextModality

    shared = False
    distance = "cosine"
    design = "paired"
    skipped: tuple[Skipped, ...] = ()
    caveats: tuple[Caveat, ...] = ()

    @property
    def pool(self) -> str:
        """Name the text and how it is cut."""
        modality = self.modality
        return f"text:{modality.unit}:{modality.merge_repeats}:{modality.mask}:{self.text}"

    @property
    def input_bytes(self) -> int:
        """Count four bytes a character."""
        return 4 * len(self.text) + 64

    @property
    def subject(self) -> Subject:
        """The text itself."""
        facts = {
            "text": self.text,
            "unit": self.modality.unit,
            "merge_repeats": self.modality.merge_repeats,
            "mask": self.modality.mask,
        }
        return Subject(
            self.source.id,
            "text",
            Path(self.source.path).name,
            digest_of(self.text.encode()),
            facts,
        )

    def n_exhaustive(self) -> float:
        """Count the masks."""
        return designs.n_masks(len(self.components))

    def sample(self, n: int, design: Design | None, rng: np.random.Generator) -> Samples:
        """Let a uniform number of components go; codes are masks."""
        return designs.subsets(n, len(self.components), design, rng)

    def interpretable(self, codes: IntArray) -> BoolArray:
        """Return (n, d): the masks themselves."""
        return codes.astype(bool)

    def model_inputs(self, codes: IntArray) -> list[str]:
        """Return n texts in which only the kept units stand."""
        pieces, owner = self._pieces
        kept = np.ones((len(codes), len(pieces)), bool)
        kept[:, owner >= 0] = codes[:, owner[owner >= 0]].astype(bool)
        if self.modality.mask is None:
            return ["".join(compress(pieces, row)) for row in kept.tolist()]
        table = np.array([[self.modality.mask] * len(pieces), pieces], dtype=object)
        return ["".join(row) for row in table[kept.astype(np.int64), np.arange(len(pieces))]]

    def original(self) -> list[str]:
        """Return the text itself."""
        return [self.text]

    @cached_property
    def _pieces(self) -> tuple[list[str], IntArray]:
        """Return the pieces of the text and whose component each is, -1 for those between."""
        spans = sorted(
            (start, end, j)
            for j, component in enumerate(self.components)
            if isinstance(component.where, Spans)
            for start, end in component.where.spans
        )
        pieces, owner, place = [], [], 0
        for start, end, j in spans:
            pieces += [self.text[place:start], self.text[start:end]]
            owner += [-1, j]
            place = end
        return [*pieces, self.text[place:]], np.array([*owner, -1])


def _components(text: str, spans: list[Span], merge: bool) -> tuple[Component, ...]:
    if not merge:
        return tuple(
            Component(text[start:end], None, Spans(((start, end),))) for start, end in spans
        )
    places: dict[str, list[Span]] = {}
    for start, end in spans:
        places.setdefault(text[start:end], []).append((start, end))
    return tuple(Component(word, None, Spans(tuple(found))) for word, found in places.items())


def _typed(text: str | None) -> str:
    """Return words of the command line as UTF-8, whatever locale they were decoded by."""
    return (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such file", "check its path, or give the words with --text"
        ) from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{Path(name).name}: is not UTF-8 at byte {error.start}", "save it as UTF-8"
        ) from None
