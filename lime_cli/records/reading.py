"""Saved explanations, read one by one: their weights in a form that compares, and their images."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isinf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lime_cli.console import SILENT, Console
from lime_cli.engine.explanation import Interval
from lime_cli.errors import InputError, and_more
from lime_cli.files import digest_of_file, from_json, nearest_file
from lime_cli.records.record import NAME, explanation_of
from lime_cli.registry import renamed

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import SegmentedImage, Subject
    from lime_cli.images.numbers import ImageReading

FEW = 3
"""Instances that a refusal names."""


@dataclass(frozen=True)
class SavedWeight:
    """One weight of a record."""

    feature: str
    """Column, word or superpixel: the same for every instance that has it."""
    condition: str
    """What it meets while it is kept: ``age > 40``; of a word or a superpixel its name."""
    name: str
    """The component's own name: ``age = 52 (above 40)``."""
    place: str
    """Tells components of one instance apart, in every explanation of it."""
    weight: float
    interval: Interval | None
    std_error: float | None
    selected: float | None
    value: float | None = None
    """Of the column, where that is a number or a boolean."""
    blocks: tuple[int, ...] | None = None
    """What its error has in common with another's, as ``engine.explanation.Weight`` says."""

    @property
    def certain(self) -> bool:
        """Whether the sign is certain; True where no interval was computed."""
        return self.interval is None or not self.interval.holds_zero


@dataclass(frozen=True)
class Target:
    """One explained output of a record; ``weights`` by falling size."""

    name: str
    prediction: float
    local_prediction: float
    fidelity: float | None
    weights: tuple[SavedWeight, ...]

    @property
    def gap(self) -> float:
        """Model's prediction minus the surrogate's."""
        return self.prediction - self.local_prediction

    @property
    def total(self) -> float:
        """Sum of absolute weights."""
        return sum(abs(weight.weight) for weight in self.weights)


def targets_of(record: dict[str, Any]) -> Iterator[Target]:
    """Read the targets of a record; KeyError, TypeError or ValueError for a damaged one."""
    for target in record["targets"]:
        yield Target(
            str(target["name"]),
            float(target["model_prediction"]),
            float(target["local_prediction"]),
            _number(target["fidelity"]),
            tuple(map(_seen, target["components"])),
        )


def instance_of(record: dict[str, Any]) -> tuple[str, str]:
    """Return the source and the id of a record's instance."""
    return str(record["instance"]["source"]), str(record["instance"]["id"])


def _seen(component: dict[str, Any]) -> SavedWeight:
    where = component["where"]
    if "column" in where:
        feature = place = str(where["column"])
    elif "segment" in where:
        feature = place = str(component["name"])
    else:
        feature, place = str(component["name"]), f"{component['name']} {where['spans']}"
    interval = component["interval"]
    return SavedWeight(
        feature,
        str(where.get("condition", component["name"])),
        str(component["name"]),
        place,
        float(component["weight"]),
        None if interval is None else Interval(*map(float, interval)),
        _number(component["std_error"]),
        _number(component["selected"]),
        float(component["value"]) if isinstance(component["value"], int | float) else None,
        tuple(component["blocks"]) if component.get("blocks") else None,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


LEDGER = "explanations.jsonl"
"""The file of a batch's folder that holds its records."""

FAILURE, RUN = "limex/failure", "limex/run"
"""Schemas of the other lines of a ledger: an instance that failed, and the header."""


@dataclass(frozen=True)
class Entry:
    """One saved record and where it was found."""

    place: str
    """File and line, for messages."""
    record: dict[str, Any]

    @property
    def schema(self) -> str:
        """Name of what the record holds: an explanation, a failure, a run."""
        schema = self.record.get("schema")
        return str(schema.get("name")) if isinstance(schema, dict) else ""

    def explanation(self) -> Explanation:
        """Rebuild the explanation; raise InputError, naming the place, for a damaged one."""
        try:
            return explanation_of(self.record)
        except InputError as error:
            raise InputError(f"{self.place}: {error.message}", error.hint) from None


def read_entries(path: str, console: Console = SILENT) -> Iterator[Entry]:
    """Read records in their order, one at a time, ``-`` from standard input.

    Headers of ledgers are passed over; failures are not. The console is told once where records are
    of an earlier version. Raises InputError for what is no record, and for a file without any.
    """
    name, found, told = path, False, False
    with _opened(path) as stream:
        for line, record in _parsed(_bounded(stream, name), name):
            entry = Entry(f"{name}:{line}", record)
            if entry.schema == RUN:
                continue
            if entry.schema not in (NAME, FAILURE):
                raise InputError(
                    f"{entry.place}: this is not an explanation",
                    "give JSON, JSON lines or the folder of a batch that limex explain wrote",
                )
            found = True
            old = _old_names(record)
            if old and not told:
                console.warn([("old_names", f"{entry.place}: is of an earlier version ({old})")])
            told = told or bool(old)
            yield entry
    if not found:
        raise InputError(f"{name}: contains no explanation", "give a file that limex explain wrote")


def _old_names(record: dict[str, Any]) -> str:
    """Give the codes of a record's warnings their names of today; say what was old."""
    names, old = renamed("code"), []
    schema = record.get("schema")
    if isinstance(schema, dict) and schema.get("number") == 1 and schema.get("name") == NAME:
        old.append("schema 1: explain again to get the keys that it lacks")
    warnings = record.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        code = warning.get("code") if isinstance(warning, dict) else None
        if isinstance(code, str) and names.get(code):
            warning["code"] = names[code]
            old.append(f"{code} is now {names[code]}")
    return ", ".join(dict.fromkeys(old))


def read_explanations(path: str, console: Console = SILENT) -> Iterator[Explanation]:
    """Read the explanations alone, failures passed over; raise InputError where there is none."""
    found = False
    for entry in read_entries(path, console):
        if entry.schema == NAME:
            found = True
            yield entry.explanation()
    if not found:
        raise InputError(f"{path}: every instance failed", "there is nothing to show")


def unknown_instance(place: str, asked: str, known: Sequence[str]) -> InputError:
    """Say that a result has no instance of that id, and which it has."""
    return InputError(f"{place}: has no instance {asked!r}", f"it has {and_more(known, FEW)}")


def _opened(path: str) -> IO[bytes]:
    if path == "-":
        return sys.stdin.buffer
    file = Path(path)
    try:
        if file.is_dir():
            file = file / LEDGER
            if not file.exists():
                raise InputError(
                    f"{path}: holds no {LEDGER}", "finish the batch: run its command again"
                )
        return file.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", nearest_file(path, "result")) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _bounded(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield lines; raise InputError for one without an end, and for a pipe that has none."""
    left = sys.maxsize if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else MOST_BYTES
    while line := stream.readline(LINE_BYTES + 1):
        left -= max(len(line), LEAST_BYTES)
        if len(line) > LINE_BYTES or left < 0:
            most = LINE_BYTES if len(line) > LINE_BYTES else MOST_BYTES
            what = "a line" if len(line) > LINE_BYTES else "it"
            raise InputError(
                f"{name}: {what} has more than {most:,} bytes",
                "give a file that limex explain wrote; standard input is limited",
            )
        yield line


LINE_BYTES, MOST_BYTES, LEAST_BYTES = 1 << 26, 1 << 30, 256
"""Of a record, at most; of what comes through a pipe; what a line counts there at least."""


def _parsed(lines: Iterator[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers, counted from 1, and objects; a file may also be one object over lines."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, _object(line)
        except ValueError as error:
            if number > 1:
                raise _damaged(f"{name}:{number}", error) from None
            try:
                yield number, _object(line + b"".join(lines))
            except ValueError as whole:
                raise _damaged(name, whole) from None


def _object(text: bytes) -> dict[str, Any]:
    value = from_json(text, parse_float=_finite)
    if not isinstance(value, dict):
        raise ValueError(f"it is a JSON {type(value).__name__}, not an object")
    return value


def _finite(spelled: str) -> float:
    number = float(spelled)
    if isinf(number):
        raise ValueError(f"{spelled[:20]} is too large for a number")
    return number


def _damaged(place: str, error: ValueError) -> InputError:
    reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return InputError(
        f"{place}: is not a JSON record ({reason})", "give a file that limex explain wrote"
    )


@dataclass(frozen=True)
class Images:
    """Where the images of a result are."""

    result: str
    """Path of the result; ``-`` for standard input."""
    named: str | None = None
    """A file, or a folder, of images; None looks beside the result and in the current folder."""
    inputs: tuple[str, ...] = ()
    """Files and folders that were explained, where they are known: looked at first."""

    def restored(self, explanation: Explanation, needed: bool) -> Explanation:
        """Return an explanation with its image, where it is one and its image is found.

        Raises InputError for an image that is named and not there, for one that has changed,
        and for a record that does not say where its superpixels are; the last two only where the
        image is ``needed`` or named.
        """
        subject = explanation.subject
        if subject.modality != "image" or subject.image is not None:
            return explanation
        needed = needed or self.named is not None
        path = self._found(subject, needed)
        if path is None or ("label_map" not in subject.facts and not needed):
            return explanation
        return replace(explanation, subject=replace(subject, image=_image(subject, path)))

    def _found(self, subject: Subject, needed: bool) -> Path | None:
        changed: Path | None = None
        for path in self._candidates(subject):
            if not path.is_file():
                continue
            if digest_of_file(path) == subject.digest:
                return path
            changed = changed or path
        if changed is not None and needed:
            raise InputError(
                f"{changed}: is not the image that was explained: its content differs",
                f"name the {subject.source} that was explained with --pictures",
            )
        if self.named is not None:
            raise InputError(
                f"{self.named}: holds no image {subject.source}", "name a file or its folder"
            )
        return None

    def _candidates(self, subject: Subject) -> Iterator[Path]:
        """List where an image may be, the likeliest first."""
        if self.named is not None and not Path(self.named).is_dir():
            yield Path(self.named)
            return
        yield from self._files.get(subject.source, ())
        for folder in self._folders():
            for name in dict.fromkeys((subject.id, subject.source)):
                inside = Path(name)
                if not inside.is_absolute() and ".." not in inside.parts:
                    yield folder / inside

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """Files that were explained, by their names."""
        by_name: dict[str, list[Path]] = {}
        for path in map(Path, self.inputs):
            by_name.setdefault(path.name, []).append(path)
        return by_name

    def _folders(self) -> Iterator[Path]:
        if self.named is not None:
            yield Path(self.named)
            return
        yield from (Path(one) for one in self.inputs if Path(one).is_dir())
        if self.result != "-":
            result = Path(self.result)
            yield from (result, result.parent) if result.is_dir() else (result.parent,)
        yield Path()


def _image(subject: Subject, path: Path) -> SegmentedImage:
    """Read an image as it was read for the explanation, and put its superpixels on it."""
    from lime_cli.engine.instance import SegmentedImage
    from lime_cli.images.pixels import read_image
    from lime_cli.images.segments import labels_of

    size, kept, reading = _said(subject)
    pixels = read_image(path, reading).pixels
    if pixels.shape[:2] != size:
        raise InputError(f"{path}: does not have the size in the record", "explain it again")
    return SegmentedImage(pixels, labels_of(kept, size))


def _said(subject: Subject) -> tuple[tuple[int, int], Any, ImageReading]:
    """Return what a record says of its image: size, label map, how it was read."""
    from lime_cli.images.numbers import MAX_PIXELS, ImageReading

    try:
        facts: dict[str, Any] = subject.facts
        size, kept = (int(facts["height"]), int(facts["width"])), facts["label_map"]
        low_high = facts.get("pixel_range")
        reading = ImageReading(
            max_pixels=max(MAX_PIXELS, size[0] * size[1]),
            channels=str(facts["input"]["channels"]),
            pixel_range=None if low_high is None else (float(low_high[0]), float(low_high[1])),
            shown=tuple(map(int, facts.get("show", ()))),
            as_held=True,
            whole_too=True,
        )
    except KeyError as error:
        words = f"{subject.source}: the record lacks {error.args[0]!r}"
        raise InputError(words, "explain it again") from None
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
        words = f"{subject.source}: the record's data about the image are damaged"
        raise InputError(words, "explain it again") from None
    return size, kept, reading
