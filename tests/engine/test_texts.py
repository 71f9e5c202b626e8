"""Texts written out from masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.engine import texts
from lime_cli.engine.texts import Pieces, Texts

D = 7
words = st.text(st.characters(codec="utf-8"), max_size=4)
pieces = st.lists(st.tuples(words, st.integers(-1, D - 1)), min_size=1, max_size=40)


def spelled(parts: list[tuple[str, int]], gone: str, mask: np.ndarray) -> str:
    """Write a text piece by piece."""
    return "".join(text if owner < 0 or mask[owner] else gone for text, owner in parts)


@given(pieces, st.sampled_from(("", "[MASK]")), st.integers(0, 2**32 - 1))
def test_runs_of_pieces_say_what_the_pieces_say(
    parts: list[tuple[str, int]], gone: str, seed: int
) -> None:
    masks = np.random.default_rng(seed).random((9, D)) < 0.5
    written = Texts(
        Pieces(tuple(text for text, _ in parts), np.array([one for _, one in parts]), gone), masks
    )
    assert written.strings == [spelled(parts, gone, mask) for mask in masks]


@pytest.mark.parametrize("bound", ["MANY", "LONG"])
def test_a_very_long_text_is_written_piece_by_piece(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, bound, 10)
    monkeypatch.setattr(texts, "NUMBERS", 30)
    parts = [(f"{i} ", i % D) for i in range(23)]
    masks = np.random.default_rng(0).random((50, D)) < 0.5
    written = Texts(
        Pieces(tuple(text for text, _ in parts), np.array([one for _, one in parts])), masks
    )
    assert len(written.pieces.runs.ways) == 2 * len(parts)
    assert written.strings == [spelled(parts, "", mask) for mask in masks]
