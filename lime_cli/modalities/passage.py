"""A text as an instance: its components, and what is left when some of them go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lime_cli.digests import digest_of
from lime_cli.engine import designs
from lime_cli.engine.instance import (
    BoolArray,
    Caveat,
    Component,
    Design,
    FloatArray,
    IntArray,
    Samples,
    Skipped,
    Spans,
    Subject,
)
from lime_cli.engine.texts import Pieces, Texts, pieces_of
from lime_cli.modalities import Source
from lime_cli.modalities.sentences import Span, stretches

if TYPE_CHECKING:
    from lime_cli.modalities.text import TextModality

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
class TextInstance:
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
    caveats: tuple[Caveat, ...] = ()

    shared = False
    distance = "cosine"
    design = "paired"

    @property
    def pool(self) -> str:
        """Name the text and how it is cut."""
        modality = self.modality
        within = f"{self.within}:" if self.within else ""
        choices = f"{self.unit}:{modality.merge_repeats}:{modality.mask}"
        return f"text:{choices}:{within}{self.text}"

    @property
    def input_bytes(self) -> int:
        """Count the characters, in Python's one, two or four bytes, and the mask."""
        widest = max(self.text, default="")
        wide = 1 if widest <= "\xff" else 2 if widest <= "\uffff" else 4
        return wide * len(self.text) + 2 * len(self.components) + 64

    @property
    def subject(self) -> Subject:
        """The text itself."""
        facts = {
            "text": self.text,
            "unit": self.unit,
            "merge_repeats": self.modality.merge_repeats,
            "mask": self.modality.mask,
        }
        if self.within:
            facts["within"] = [list(span) for span in self.within]
        return Subject(
            self.source.id,
            "text",
            Path(self.source.path).name,
            digest_of(self.text.encode("utf-8", "surrogatepass")),
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

    def model_inputs(self, codes: IntArray) -> Texts:
        """Return n texts in which only the kept units stand."""
        return Texts(self._pieces, codes.astype(bool))

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> Texts:
        """Return texts in which only these units stand, (n, d)."""
        return self.model_inputs(kept.astype(np.int64))

    def original(self) -> list[str]:
        """Return the text itself."""
        return [self.text]

    @cached_property
    def _pieces(self) -> Pieces:
        pieces, owners = pieces_of(self.text, self.components)
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
            Skipped(f"characters {one[0][0]}-{one[-1][1]}", "stretches that weigh less")
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
            skipped,
            self.caveats,
        )


def instance_of(
    source: Source, text: str, units: Sequence[Span], modality: TextModality
) -> TextInstance:
    """Return the text by its units, or by its stretches where there are too many of them."""
    auto = modality.unit == "auto"
    unit = "word" if auto else modality.unit
    components = components_of(text, units, modality.merge_repeats)
    long = len(components) > MANY or (auto and len(units) > LONG)
    if not long or modality.as_lime:
        return TextInstance(source, text, components, modality, unit)
    parts = tuple(tuple(one) for one in stretches(text, units))
    ends = [(one[0][0], one[-1][1]) for one in parts]
    said = Caveat(
        "long_text",
        f"{len(components):,} different units are too many to weigh one by one: only those in "
        "the stretches of the text that weigh most are",
    )
    caveats = () if auto else (said,)
    return LongText(
        source,
        text,
        components_of(text, ends, merge=False),
        modality,
        "stretch",
        caveats=caveats,
        parts=parts,
        fine=unit,
    )


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
