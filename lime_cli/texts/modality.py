"""Texts: units (words, say) are the components; masked means removed or masked."""

from __future__ import annotations

import codecs
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli import clock
from lime_cli.engine.instance import Component, Skipped, Spans, Subject
from lime_cli.engine.masks import KeptOrMasked
from lime_cli.engine.model import CodedWarning, FloatArray, IntArray
from lime_cli.engine.texts import Pieces, Texts, pieces_of
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.files import digest_of, from_json
from lime_cli.modality import OfFiles
from lime_cli.models.model_file import ModelInput, TextReading
from lime_cli.sources import Source, local, suffix_of
from lime_cli.tables.dialect import PLAIN
from lime_cli.tables.readers import is_table, open_table
from lime_cli.tables.rows import Rows, cells_of, require
from lime_cli.tables.streams import is_once, name_of
from lime_cli.texts.units import PREFIX, Span, check_unit, cut, stretches

MAX_CHARACTERS = 1_000_000

WIDEST = 4
"""Bytes of a character, at most, in any encoding in use."""


@dataclass(frozen=True)
class Files:
    """How files are read."""

    encoding: str = "utf-8"
    max_characters: int = MAX_CHARACTERS

    def __post_init__(self) -> None:
        """Raise SettingsError for no characters."""
        if self.max_characters < 1:
            raise SettingsError(
                f"--max-characters: {self.max_characters} is not valid", "give 1 or more"
            )

    def read(self, name: str) -> str:
        """Return the text of a file; raise InputError for one too long, or that holds no text."""
        shown = "stdin" if name == "-" else Path(name).name
        most = WIDEST * (self.max_characters + 1)  # one for the mark of the byte order
        data = _data(name, most + 1)
        _check_plain(data, shown)
        text = "" if len(data) > most else self._decoded(data, shown)
        if len(data) > most or len(text) > self.max_characters:
            raise InputError(
                f"{shown}: has more than {self.max_characters:,} characters",
                "raise --max-characters, or cut it into parts",
            )
        if "\0" in text:
            raise InputError(
                f"{shown}: is not text (NUL at character {text.index(chr(0))})",
                "give plain text, or name its --encoding",
            )
        return text.replace("\r\n", "\n").replace("\r", "\n")  # as open(name).read() does

    def _decoded(self, data: bytes, shown: str) -> str:
        name = codecs.lookup(self.encoding).name
        try:
            return data.decode("utf-8-sig" if name == "utf-8" else name)
        except UnicodeError as error:
            place = getattr(error, "start", 0)
        if name == "utf-8" and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            with contextlib.suppress(UnicodeError):  # bytes that say so, which UTF-8 has nowhere
                return data.decode("utf-16")
        raise InputError(
            f"{shown}: is not {name.upper()} at byte {place}",
            "name its encoding, such as --encoding latin-1, or save it as UTF-8",
        )


FILES = Files()

ARCHIVE = "unpack it, and give the plain texts in it"

FOREIGN = (
    (b"%PDF", "a PDF", "save its text: pdftotext FILE"),
    (b"{\\rtf", "a document of a word processor (RTF)", "save it as plain text"),
    (b"\xd0\xcf\x11\xe0", "a document of Microsoft Office", "save it as plain text"),
    (
        b"PK\x03\x04",
        "a document of a word processor, or an archive",
        f"save its text; or {ARCHIVE}",
    ),
    (b"\x1f\x8b", "packed with gzip", ARCHIVE),
    (b"\x89PNG", "an image", "use limex explain image"),
    (b"\xff\xd8\xff", "an image", "use limex explain image"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the text", "git lfs pull"),
)
"""What stands first in files that are no plain text, what they are, and what to do."""


def _check_plain(data: bytes, shown: str) -> None:
    """Raise InputError for a file that is known by its first bytes to be no plain text."""
    for sign, kind, hint in FOREIGN:
        if data.startswith(sign):
            raise InputError(f"{shown}: is {kind}", hint)


def _data(name: str, most: int) -> bytes:
    try:
        if is_once(name):
            clock.read_once()
        if name == "-":
            return sys.stdin.buffer.read(most)
        with local(name).open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such file", "check its path, or give the words with --text"
        ) from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None


LONG = 200
"""Words; ``--unit auto`` looks at the sentences of a longer text first."""

MANY = 1_000
"""Components; so many cannot be weighed one by one, whatever the unit."""

FINE, FINEST = 300, 100
"""Units of the strongest stretches that are weighed one by one, at most: of a text that is too
long, and of one that ``--unit auto`` looks at in two steps."""

BLANK = "."
"""What a model is asked where nothing of a text is left: many cannot answer an empty one."""


@dataclass(frozen=True, eq=False)
class TextInstance(KeptOrMasked):
    """A text with its components."""

    source: Source
    text: str
    components: tuple[Component, ...]
    modality: TextModality
    unit: str
    """What the components are; of the modality's ``auto``, the one that was chosen."""
    within: tuple[Span, ...] = ()
    """The stretches that components are taken from; empty for the whole text."""
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[CodedWarning, ...] = ()
    reading: TextReading | None = None
    """What the model sees of it; None where it does not say."""

    @property
    def pool(self) -> str:
        """Name the text and how it is cut."""
        modality = self.modality
        within = f"{self.within}:" if self.within else ""
        within += f"{self.seen}:" if self.seen else ""
        choices = f"{self.unit}:{modality.merge_repeats}:{modality.mask}"
        return f"text:{choices}:{within}{self.text}"

    @property
    def input_bytes(self) -> int:
        """Count the characters, in Python's one, two or four bytes, and the mask; or tokens."""
        widest = max(self.text, default="")
        wide = 1 if widest <= "\xff" else 2 if widest <= "\uffff" else 4
        tokens = self.reading.n_seen * self.reading.token_bytes if self.reading else 0
        return max(tokens, wide * len(self.text) + 2 * len(self.components) + 64)

    @property
    def seen(self) -> Span | None:
        """The part of a text that is cut which the model sees, whole words of it; else None."""
        return self.reading.seen if self.reading else None

    @property
    def subject(self) -> Subject:
        facts = {
            "text": self.text,
            "unit": self.unit,
            "merge_repeats": self.modality.merge_repeats,
            "mask": self.modality.mask,
        }
        if self.within:
            facts["within"] = [list(span) for span in self.within]
        if self.seen:
            facts["seen"] = list(self.seen)
        return Subject(
            self.source.id,
            "text",
            self.source.id if self.source.path == TYPED else Path(self.source.path).name,
            digest_of(self.text.encode("utf-8", "surrogatepass")),
            facts,
        )

    def model_inputs(self, codes: IntArray) -> Texts:
        """Return n texts in which only the kept units stand."""
        return Texts(self._pieces, codes.astype(bool))

    def original(self) -> list[str]:
        return [self.text]

    @cached_property
    def _pieces(self) -> Pieces:
        pieces, owners = pieces_of(self.text, self.components)
        if self.seen:  # what the model does not see must not move into its sight
            start, end = self.seen
            first, last = pieces[0][start:], pieces[-1]
            last = last[: len(last) - (len(self.text) - end)]
            pieces = (first, *pieces[1:-1], last)
        mask = self.modality.mask or ""
        blank = "" if self.modality.as_lime else BLANK
        return Pieces(pieces, owners, mask, blank)


@dataclass(frozen=True, eq=False)
class LongText(TextInstance):
    """A text too long to weigh unit by unit: the components are its stretches."""

    parts: tuple[tuple[Span, ...], ...] = ()
    """The units of each stretch."""
    fine: str = "word"
    """What those units are."""

    def finer(self, strengths: FloatArray) -> TextInstance:
        """Return the same text with the units of its strongest stretches as components."""
        order = np.argsort(-strengths, kind="stable").tolist()
        sizes = np.cumsum([len(self.parts[j]) for j in order])
        most = FINEST if self.modality.unit == "auto" else FINE
        strongest = sorted(order[: max(1, int((sizes <= most).sum()))])
        units = [span for j in strongest for span in self.parts[j]]
        within = tuple((self.parts[j][0][0], self.parts[j][-1][1]) for j in strongest)
        skipped = tuple(
            Skipped(f"characters {one[0][0]}-{one[-1][1]}", "parts with smaller weights")
            for j, one in enumerate(self.parts)
            if j not in strongest
        )
        return TextInstance(
            self.source,
            self.text,
            components_of(self.text, units, self.modality.merge_repeats),
            self.modality,
            self.fine,
            within,
            (*self.skipped, *skipped),
            self.warnings,
            self.reading,
        )


def instance_of(
    source: Source,
    text: str,
    units: Sequence[Span],
    modality: TextModality,
    reading: TextReading | None = None,
) -> TextInstance:
    """Return the text by its units, or by its stretches where there are too many of them."""
    units, reading, skipped, warnings = _cut_off(source, text, units, modality, reading)
    auto = modality.unit == "auto"
    unit = "word" if auto else modality.unit
    components = components_of(text, units, modality.merge_repeats)
    long = len(components) > MANY or (auto and len(units) > LONG)
    if not long or modality.as_lime:
        return TextInstance(
            source, text, components, modality, unit, (), skipped, warnings, reading
        )
    parts = tuple(tuple(one) for one in stretches(text, units))
    ends = [(one[0][0], one[-1][1]) for one in parts]
    said = CodedWarning(
        "long_text",
        f"{len(components):,} different units are too many to explain one by one; limex explains "
        "those in the parts of the text with the largest weights",
    )
    warnings = warnings if auto else (*warnings, said)
    return LongText(
        source,
        text,
        components_of(text, ends, merge=False),
        modality,
        "stretch",
        skipped=skipped,
        warnings=warnings,
        reading=reading,
        parts=parts,
        fine=unit,
    )


LISTED = 20
"""Different units that are named one by one where the model does not see them, at most."""


def _cut_off(
    source: Source,
    text: str,
    units: Sequence[Span],
    modality: TextModality,
    reading: TextReading | None,
) -> tuple[Sequence[Span], TextReading | None, tuple[Skipped, ...], tuple[CodedWarning, ...]]:
    """Leave out the units of a text that the model does not see, and say so."""
    if reading is None or reading.seen is None:
        return units, reading, (), ()
    start, end = reading.seen
    seen = [one for one in units if one[0] < end and one[1] > start]
    if not seen:
        raise InputError(
            f"{source.id}: the model sees only its blanks and punctuation", "raise --max-tokens"
        )
    start, end = min(start, seen[0][0]), max(end, seen[-1][1])
    unseen = [one for one in units if one[1] <= start or one[0] >= end]
    kept = {text[a:b] for a, b in seen} if modality.merge_repeats else set()
    names = dict.fromkeys(text[a:b] for a, b in unseen if text[a:b] not in kept)
    if len(names) > LISTED:
        names = dict.fromkeys(
            f"characters {a}-{b}" for a, b in ((0, start), (end, len(text))) if b > a
        )
    skipped = tuple(Skipped(name, "the model does not see it") for name in names)
    sides = [
        *([f"before {text[seen[0][0] : seen[0][1]]!r}"] if start > 0 else []),
        *([f"after {text[seen[-1][0] : seen[-1][1]]!r}"] if end < len(text) else []),
    ]
    said = CodedWarning(
        "text_cut",
        f"it has {reading.n_tokens:,} tokens, the model gets {reading.n_seen:,} and does not see "
        f"the text {' and '.join(sides)}; --max-tokens changes this",
    )
    return seen, reading._replace(seen=(start, end)), skipped, (said,)


def components_of(text: str, spans: Sequence[Span], merge: bool) -> tuple[Component, ...]:
    """Return a component for each span, or for each different text among them."""
    if not merge:
        return tuple(
            Component(text[start:end], None, Spans(((start, end),))) for start, end in spans
        )
    places: dict[str, list[Span]] = {}
    for start, end in spans:
        places.setdefault(text[start:end], []).append((start, end))
    return tuple(Component(word, None, Spans(tuple(found))) for word, found in places.items())


@dataclass(frozen=True)
class TextModality(OfFiles):
    """Explain texts."""

    inputs: tuple[str, ...] = ()
    """Files, folders of files, or ``-`` for standard input."""
    text: str | None = None
    """A text given on the command line."""
    table: Rows | None = None
    """Rows of a table whose cells in ``column`` are the texts."""
    column: str | None = None
    unit: str = "word"
    """One of ``words.UNITS``, ``regex:EXPR``, or ``auto``: words, in a long text only those of the
    strongest sentences."""
    merge_repeats: bool = True
    """Whether all copies of a unit are one component."""
    mask: str | None = None
    """What stands in for a unit that is masked; None removes it."""
    recursive: bool = False
    glob: str | None = None
    """Pattern of the names taken from folders; None goes by ``suffixes``."""
    files: Files = FILES
    like_lime: bool = False
    """Whether every sample is made as marcotcr/lime makes it."""
    reading: Callable[[str], TextReading] | None = field(default=None, compare=False)
    """Tells what the model sees of a text, where it may not be all."""

    default_samples = 256
    max_samples = 8_192
    slice_size = 4
    suffixes = (".txt", ".text", ".md")
    called = "texts"

    def __post_init__(self) -> None:
        """Raise SettingsError for a unit that there is none of."""
        if self.unit != "auto":
            check_unit(self.unit)

    @property
    def as_lime(self) -> bool:
        """Whether empty texts are asked about too, and long ones are weighed unit by unit."""
        return self.like_lime or self.unit.startswith("lime-")

    def sources(self) -> Iterator[Source]:
        """List the texts in the order given, a folder's by name; raise InputError for none."""
        if self.table is not None:
            self._check_column(self.table)
            yield from self.table.sources()
            return
        for name in self.inputs:
            _check_prose(name)
        if self.text is not None:
            yield Source("text", TYPED)
        yield from self.listing.sources(self.inputs)

    def _check_column(self, table: Rows) -> None:
        """Raise InputError once for a table without the column, rather than at each of its rows."""
        if self.column is None or is_once(table.path) or suffix_of(table.path) in LINES:
            return  # lines of JSON need not all hold the same
        try:
            with open_table(table.path, table.dialect) as stream:
                require(stream.name, stream.header, (self.column,), renames=False)
        except InputError as error:
            if is_table(table.path):
                raise
            hint = "leave --column out if the file is one text"
            raise InputError(error.message, f"{error.hint}; or {hint}") from None

    def fitted(self, model_input: ModelInput) -> TextModality:
        """Return itself; raise ModelError for a model that takes something else."""
        model_input.require("text")
        n_columns = len(model_input.columns or ())
        if n_columns > 1:
            raise ModelError(
                f"{model_input.model}: takes a table of {n_columns} columns, not a text",
                "use limex explain tabular",
            )
        return replace(self, reading=model_input.reading)

    def read(self, source: Source) -> TextInstance:
        """Read one text; raise InputError for one that is empty, or no text, or has no units."""
        text, name = self._text(source), self._name(source)
        if not text.strip():
            raise InputError(f"{name}: there is no text", "give a text with at least one word")
        units = cut(text, "word" if self.unit == "auto" else self.unit)
        if not units:
            raise InputError(f"{name}: there are no {self._units()} to vary", "give another --unit")
        return instance_of(source, text, units, self, self.reading(text) if self.reading else None)

    def _text(self, source: Source) -> str:
        if self.table is None or self.column is None:
            return _typed(self.text) if source.path == TYPED else self.files.read(source.path)
        record = source.record or self.table.record(source.row or 0)
        cells = cells_of(source, record, self.table.dialect)
        column, _, inside = self.column.partition(".")
        nested = suffix_of(source.path) in LINES and self.column not in cells.header
        if not nested or column not in cells.header:
            column, inside = self.column, ""
        require(cells.name, cells.header, (column,))
        text: str = cells.column(column)[0]
        if suffix_of(source.path) in LINES and (inside or text.startswith("{")):
            return self._inside(source, text, inside.split(".") if inside else [])
        return text

    def _inside(self, source: Source, cell: str, keys: list[str]) -> str:
        """Return the text that stands under keys in a cell of JSON; raise InputError for none."""
        found = _object(cell)
        if found is None and not keys:
            return cell
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            words = [key for key, one in found.items() if isinstance(one, (str, dict))]
            listed = " or ".join(f"--column {self.column}.{key}" for key in words[:3])
            raise InputError(
                f"{self._name(source)}: column {self.column!r} holds an object, not a text",
                f"name what is in it: {listed}" if listed else "there are no texts in it",
            )
        if not isinstance(found, str):
            held = "nothing" if found is None else f"{type(found).__name__} {found!r:.40}"
            raise InputError(f"{self._name(source)}: column {self.column!r} holds {held}, no text")
        return found

    def _name(self, source: Source) -> str:
        record = source.record
        if record is None:
            return TYPED if source.path == TYPED else source.id
        return f"{name_of(source.path)}: {record.unit} {record.line}"

    def _units(self) -> str:
        unit = self.unit.removeprefix("lime-")
        if unit.startswith(PREFIX):
            return "matches"
        return "words" if unit in ("auto", "icu") else f"{unit}s"


TYPED = "--text"
"""Where a text is that was typed, or given in Python."""

LINES = (".jsonl", ".ndjson", ".json")


def _check_prose(name: str) -> None:
    """Raise InputError for a table that would be read as one text, its commas and all."""
    if name == "-" or not is_table(name):
        return
    if suffix_of(name) in LINES and _are_strings(name):
        raise InputError(
            f"{Path(name).name}: holds strings in JSON, not a text",
            'write each on a line of its own as {"text": ...}, and say --column text',
        )
    try:
        with open_table(name, PLAIN) as stream:
            header = stream.header
            named = suffix_of(name) in LINES or len(header[0].split()) == 1  # prose has more words
            rows = named and next(iter(stream.records), None) is not None
    except (InputError, SettingsError):  # it is not a table, whatever its name is
        return
    if len(header) > 1 or rows:
        columns = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
        raise InputError(
            f"{Path(name).name}: is a table, not a text",
            f"name the column that holds the texts: --column NAME, one of {columns}; or use "
            "limex explain tabular",
        )


def _object(words: str) -> Any:
    """Return the JSON object that a cell holds, else None."""
    try:
        found = from_json(words)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _are_strings(name: str) -> bool:
    """Tell whether a file of JSON holds nothing but strings: one, a list, or one on each line."""
    try:
        words = Path(name).read_text("utf-8-sig")
    except (OSError, ValueError):
        return False
    for parts in ([words], words.splitlines()):
        with contextlib.suppress(ValueError):
            held = [from_json(part) for part in parts if part.strip()]
            flat = held[0] if len(held) == 1 and isinstance(held[0], list) else held
            return bool(flat) and all(isinstance(one, str) for one in flat)
    return False


def _typed(text: str | None) -> str:
    """Return words of the command line as UTF-8, whatever locale they were decoded by."""
    try:
        data = (text or "").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of pairs, which a command line on Windows may hold
        data = (text or "").encode("utf-8", "replace")
    return data.decode("utf-8", "replace")
