"""Texts: units (words, say) are the components; gone means removed or masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lime_cli.errors import InputError, ModelError
from lime_cli.modalities import Source
from lime_cli.modalities.listing import Listing
from lime_cli.modalities.passage import TextInstance, instance_of
from lime_cli.modalities.rows import Rows, cells_of, require
from lime_cli.modalities.streams import name_of
from lime_cli.modalities.textfiles import FILES, Files
from lime_cli.modalities.words import PREFIX, check_unit, cut
from lime_cli.models import ModelInput

SUFFIXES = (".txt", ".text", ".md")
"""What texts in a folder are told by."""


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
    """One of ``words.UNITS``, ``regex:EXPR``, or ``auto``: words, in a long text only those of the
    strongest sentences."""
    merge_repeats: bool = True
    """Whether all copies of a unit are one component."""
    mask: str | None = None
    """What stands in for a unit that is gone; None removes it."""
    recursive: bool = False
    glob: str | None = None
    """Pattern of the names taken from folders; None: ``SUFFIXES``."""
    files: Files = FILES
    like_lime: bool = False
    """Whether every sample is made as marcotcr/lime makes it."""

    default_samples = 256
    max_samples = 8_192
    slice_size = 4

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
            yield from self.table.sources()
            return
        if self.text is not None:
            yield Source("--text", "--text")
        yield from self._listing().sources(self.inputs)

    def strays(self) -> int:
        """Count the files of folders that are no texts."""
        return self._listing().n_strays(self.inputs)

    def ignored(self) -> tuple[str, ...]:
        """Return nothing: the model is given all there is."""
        return ()

    def _listing(self) -> Listing:
        return Listing(self.recursive, self.glob, SUFFIXES, "texts")

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
        """Read one text; raise InputError for one that is empty, or no text, or has no units."""
        text, name = self._text(source), self._name(source)
        if not text.strip():
            raise InputError(f"{name}: there is no text", "give a text with at least one word")
        units = cut(text, "word" if self.unit == "auto" else self.unit)
        if not units:
            raise InputError(f"{name}: there are no {self._units()} to vary", "give another --unit")
        return instance_of(source, text, units, self)

    def _text(self, source: Source) -> str:
        if self.table is None or self.column is None:
            return _typed(self.text) if source.path == "--text" else self.files.read(source.path)
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
        if unit.startswith(PREFIX):
            return "matches"
        return "words" if unit in ("auto", "icu") else f"{unit}s"


def _typed(text: str | None) -> str:
    """Return words of the command line as UTF-8, whatever locale they were decoded by."""
    try:
        data = (text or "").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of pairs, which a command line on Windows may hold
        data = (text or "").encode("utf-8", "replace")
    return data.decode("utf-8", "replace")
