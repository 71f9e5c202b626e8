"""The images of saved explanations: found again by name and content, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_cli.engine.instance import SegmentedImage, Subject
from lime_cli.errors import InputError
from lime_cli.files import digest_of_file
from lime_cli.images.numbers import MAX_PIXELS, ImageReading
from lime_cli.images.pixels import read_image
from lime_cli.images.segments import labels_of

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation


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
                f"{changed}: is not the image that was explained, its content differs",
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
    size, kept, reading = _said(subject)
    pixels = read_image(path, reading).pixels
    if pixels.shape[:2] != size:
        raise InputError(f"{path}: is not of the size that the record says", "explain it again")
    return SegmentedImage(pixels, labels_of(kept, size))


def _said(subject: Subject) -> tuple[tuple[int, int], Any, ImageReading]:
    """Return what a record says of its image: size, label map, how it was read."""
    try:
        facts: dict[str, Any] = subject.facts
        size, kept = (int(facts["height"]), int(facts["width"])), facts["label_map"]
        low_high = facts.get("pixel_range")
        reading = ImageReading(
            max_pixels=max(MAX_PIXELS, size[0] * size[1]),
            channels=str(facts["input"]["channels"]),
            pixel_range=None if low_high is None else (float(low_high[0]), float(low_high[1])),
            shown=tuple(map(int, facts.get("show", ()))),
        )
    except KeyError as error:
        words = f"{subject.source}: the record lacks {error.args[0]!r}"
        raise InputError(words, "explain it again") from None
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
        words = f"{subject.source}: what the record says of the image is damaged"
        raise InputError(words, "explain it again") from None
    return size, kept, reading
