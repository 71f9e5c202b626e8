"""Bags of words: the matrix that a vectorizer makes of many texts, made from their masks.

Behind a pipeline that begins with scikit-learn's CountVectorizer, TfidfVectorizer or
HashingVectorizer over words, nearly all of a model call goes into cutting strings, though all
samples of a text are made of the same few tokens. Here a text is cut once, and a sample's tokens
are put together from its mask. The first samples of every text are checked against the vectorizer's
own answer; where they differ, the text goes the long way. The estimator behind is asked as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lime_cli.engine.texts import Pieces, Texts
from lime_cli.models.islands import Islands
from lime_cli.models.ngrams import Columns, Counter

CHECKED = 32
"""Samples of a text whose rows must equal the vectorizer's own."""
TOLERANCE = 1e-12
NAMES = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
HOME = "sklearn.feature_extraction.text"


class Bags:
    """Asks a pipeline about texts by the matrix of their words."""

    def __init__(self, vectorizer: Any, rest: Callable[[Any], Any]) -> None:
        """``rest`` takes the vectorizer's matrix and answers as the pipeline would."""
        self._vectorizer, self._rest = vectorizer, rest
        self._kind = type(vectorizer.transform([""]))
        self._counter = Counter(Columns(vectorizer), vectorizer.ngram_range)
        self._pieces: Pieces | None = None
        self._islands: Islands | None = None
        self.built = self.written = 0
        """Texts whose samples became a matrix at once, and texts whose samples were spelled out."""

    @property
    def manner(self) -> str:
        """In words, how texts were put to the model so far."""
        total = self.built + self.written
        return f"word counts of the samples built from their masks: {self.built} of {total} texts"

    def ask(self, texts: Texts) -> Any:
        """Answer as the pipeline does to the strings; None where they must be spelled out."""
        fresh = texts.pieces is not self._pieces
        if fresh:
            self._pieces = texts.pieces
            self._islands = Islands(texts.pieces, self._vectorizer)
        matrix = self._matrix(texts)
        if matrix is None or (fresh and not self._agrees(texts, matrix)):
            matrix = self._islands = None
        if fresh:
            self.built += matrix is not None
            self.written += matrix is None
        return None if matrix is None else self._rest(matrix)

    def _matrix(self, texts: Texts) -> Any:
        """Return the vectorizer's matrix, one row a text; None where it is not worth building."""
        found = self._islands.read(texts) if self._islands else None
        if self._islands is None or found is None:
            return None
        matrix = self._kind(self._counter.count(found, self._islands.names))
        vectorizer, name = self._vectorizer, type(self._vectorizer).__name__
        if vectorizer.binary:
            matrix.data.fill(1)
        if name == "HashingVectorizer" and vectorizer.norm:
            from sklearn.preprocessing import normalize

            return normalize(matrix, vectorizer.norm, copy=False)
        return vectorizer._tfidf.transform(matrix, copy=False) if name == NAMES[1] else matrix

    def _agrees(self, texts: Texts, matrix: Any) -> bool:
        """Compare with the vectorizer itself: the first texts, and the shortest of all."""
        rows = [*range(min(CHECKED, len(texts))), int(texts.masks.sum(axis=1).argmin())]
        theirs, ours = self._vectorizer.transform(texts.chosen(rows).strings), matrix[rows]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return False
        difference = abs(ours - theirs)
        return difference.nnz == 0 or bool(difference.max() <= TOLERANCE)


def bags_of(model: Any, method: str) -> Bags | None:
    """Recognise a pipeline that begins with a vectorizer over words; None for everything else."""
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    steps = getattr(model, "steps", None)
    if type(model).__module__ != "sklearn.pipeline" or not steps or len(steps) < 2:
        return None
    vectorizer = steps[0][1]
    if type(vectorizer).__module__ != HOME or type(vectorizer).__name__ not in NAMES:
        return None
    plain = vectorizer.preprocessor is None and vectorizer.tokenizer is None
    plain = plain and vectorizer.strip_accents in (None, "ascii", "unicode")
    if vectorizer.analyzer != "word" or vectorizer.input != "content" or not plain:
        return None
    try:
        return Bags(vectorizer, getattr(model[1:], method))
    except Exception:  # not fitted, or of a version whose parts have other names
        return None
