"""Bags of words: the matrix that a vectorizer makes of many masked texts, made from masks.

Within an island pieces that stay may grow together ("well-known" without "well", a clause of
Chinese); between islands nothing does. An island of one component has two variants, one of several
as many as the samples hold.

Behind a pipeline that begins with scikit-learn's CountVectorizer, TfidfVectorizer or
HashingVectorizer over words, nearly all of a model call goes into cutting strings, though all
samples of a text are made of the same few tokens. Here a text is cut once, and a sample's tokens
are put together from its mask. The first samples of every text are checked against the vectorizer's
own answer; where they differ, the text goes the long way. The estimator behind is asked as ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import BoolArray, IntArray
from lime_cli.engine.texts import Pieces, Texts

MANY_VARIANTS = 50_000
"""Of one text; beyond, spelling the samples out is as cheap."""

WIDEST = 62
"""Components of one island whose variants can be told apart by a number."""

WORDS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w\w+\b", r"\b\w+\b", r"\w+")
"""Patterns of tokens that end where a clause does."""

BLANK, CLAUSE = r"\s", r"[\s!?,;()\[\]{}\"。、，！？；（）「」『』《》〈〉【】]"


Segments = tuple[tuple[str, int], ...]
"""Texts and their owners, -1 for what always stays."""


class IslandTokens(NamedTuple):
    """Tokens of n texts: of islands of one component by whole columns, of others one by one."""

    stands: BoolArray
    """(n, sources): whether each source stands in a text."""
    sources: IntArray
    """(slots,): what a slot depends on."""
    tokens: IntArray
    """(slots,): its token, by number."""
    places: IntArray
    """(slots,): its island, ascending."""
    more: IntArray
    """(3, m): text, place and token of all others; tokens of one place in their order."""


class Islands:
    """A text in islands; tokens of variants are looked up once."""

    def __init__(self, pieces: Pieces, vectorizer: Any) -> None:
        self._pieces = pieces
        self._prepare, self._cut = vectorizer.build_preprocessor(), vectorizer.build_tokenizer()
        self._stop = frozenset(vectorizer.get_stop_words() or ())
        self._numbers: dict[str, int] = {}
        self._cuts: dict[str, list[int]] = {}
        self._variants: dict[tuple[int, int], list[int]] = {}
        ends = CLAUSE if vectorizer.token_pattern in WORDS else BLANK
        dropping = vectorizer.strip_accents == "ascii"  # whatever is not ASCII, blanks too
        between = re.compile(BLANK if dropping else ends, re.ASCII if dropping else re.UNICODE)
        self._islands = [
            (one, sorted({owner for _, owner in one if owner >= 0}))
            for one in _islands(pieces, between)
        ]
        self._speaking = {
            owner
            for text, owner in zip(pieces.texts, pieces.owners.tolist(), strict=True)
            if text and not text.isspace()
        }
        self._slots = self._of_one_component()

    @property
    def names(self) -> list[str]:
        """The different tokens, by number."""
        return list(self._numbers)

    def read(self, texts: Texts) -> IslandTokens | None:
        """Return the tokens of texts; None where there are too many variants."""
        n = len(texts)
        parts = [
            self._more(
                self._blank(texts.masks), len(self._islands), self._tokens(self._pieces.blank)
            )
        ]
        for place, (_, owners) in enumerate(self._islands):
            if len(owners) > WIDEST or len(self._variants) > MANY_VARIANTS:
                return None
            if len(owners) > 1:
                parts += list(self._of_several(texts.masks[:, owners], place))
        stands = np.hstack([texts.masks, ~texts.masks, np.ones((n, 1), bool)])
        return IslandTokens(stands, *self._slots, np.concatenate(parts, axis=1))

    def _blank(self, masks: BoolArray) -> IntArray:
        """Return which texts have nothing but blanks left, so that another stands for them."""
        masked = self._pieces.masked
        if not self._pieces.blank or -1 in self._speaking or (masked and not masked.isspace()):
            return np.zeros(0, np.int64)
        return np.flatnonzero(~masks[:, sorted(self._speaking)].any(axis=1))

    def _of_one_component(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return the slots: sources, tokens, places, of islands of at most one component."""
        d = int(self._pieces.owners.max(initial=-1)) + 1
        slots: list[tuple[int, int, int]] = []
        for place, (segments, owners) in enumerate(self._islands):
            if len(owners) > 1:
                continue
            source = owners[0] if owners else 2 * d
            whole = "".join([text for text, _ in segments])
            slots += [(source, token, place) for token in self._tokens(whole)]
            if owners:
                left = "".join([text if j < 0 else self._pieces.masked for text, j in segments])
                slots += [(d + source, token, place) for token in self._tokens(left)]
        sources, tokens, places = np.array(slots, np.int64).reshape(-1, 3).T
        return sources, tokens, places

    def _of_several(self, masks: BoolArray, place: int) -> Iterator[IntArray]:
        """Yield the tokens of an island of several components, variant by variant."""
        kept = masks @ (1 << np.arange(masks.shape[1], dtype=np.int64))
        order = np.argsort(kept, kind="stable")
        different, first = np.unique(kept[order], return_index=True)
        ends = [*first[1:].tolist(), len(order)]
        for one, start, end in zip(different.tolist(), first.tolist(), ends, strict=True):
            tokens = self._variant(place, one)
            if tokens:
                yield self._more(order[start:end], place, tokens)

    def _more(self, rows: IntArray, place: int, tokens: list[int]) -> IntArray:
        found = np.empty((3, len(rows) * len(tokens)), np.int64)
        found[0], found[1] = np.repeat(rows, len(tokens)), place
        found[2] = np.tile(tokens, len(rows))
        return found

    def _variant(self, place: int, kept: int) -> list[int]:
        known = self._variants.get((place, kept))
        if known is None:
            segments, owners = self._islands[place]
            going = {one for i, one in enumerate(owners) if not kept >> i & 1}
            text = "".join([self._pieces.masked if j in going else text for text, j in segments])
            known = self._variants[place, kept] = self._tokens(text)
        return known

    def _tokens(self, text: str) -> list[int]:
        """Cut by the vectorizer's own rules; numbers of the tokens, in order."""
        known = self._cuts.get(text)
        if known is None:
            tokens = [one for one in self._cut(self._prepare(text)) if one not in self._stop]
            numbers = self._numbers
            known = [numbers.setdefault(one, len(numbers)) for one in tokens]
            self._cuts[text] = known
        return known


def _islands(pieces: Pieces, between: re.Pattern[str]) -> Iterator[Segments]:
    """Cut where something always stays that nothing grows across; each side keeps its edge."""
    island: list[tuple[str, int]] = []
    for text, owner in zip(pieces.texts, pieces.owners.tolist(), strict=True):
        cuts = [match.start() for match in between.finditer(text)] if owner < 0 else []
        if not cuts:
            island.append((text, owner))
            continue
        yield (*island, (text[: cuts[0] + 1], -1))
        if len(cuts) > 1:
            yield ((text[cuts[0] : cuts[-1] + 1], -1),)
        island = [(text[cuts[-1] :], -1)]
    yield tuple(island)


TABLE = 4_000_000
"""Codes up to which different ones are found by marking them in a table."""


class Columns:
    """Where a vectorizer counts a token or an n-gram."""

    def __init__(self, vectorizer: Any) -> None:
        self._hasher: Any = None
        self._vocabulary: dict[str, int] | None = None
        self.dtype = vectorizer.dtype
        if hasattr(vectorizer, "_get_hasher"):
            self._hasher = vectorizer._get_hasher()
            self.n, self._signed = vectorizer.n_features, not vectorizer.binary
        else:
            self._vocabulary = vectorizer.vocabulary_
            self.n = len(self._vocabulary)

    def of(self, names: list[str]) -> tuple[IntArray, IntArray]:
        """Return the column of each name, -1 for none, and what it counts there, 1 or -1."""
        if self._vocabulary is not None:
            get = self._vocabulary.get
            columns = np.array([get(name, -1) for name in names], np.int64)
            return columns, np.ones(len(names), np.int64)
        if not names:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        hashed = self._hasher.transform([[name] for name in names])
        signs = hashed.data.astype(np.int64)
        return hashed.indices.astype(np.int64), signs if self._signed else np.abs(signs)


class Counter:
    """Counts the tokens and n-grams of texts into a sparse matrix."""

    def __init__(self, columns: Columns, sizes: tuple[int, int]) -> None:
        """``sizes`` are those of the smallest and the largest n-gram, in tokens."""
        self._columns, self._sizes = columns, sizes

    def count(self, found: IslandTokens, names: list[str]) -> Any:
        """Return (n, columns) counts as a scipy.sparse matrix of rows, its indices sorted."""
        smallest, largest = self._sizes
        n = len(found.stands)
        counts = None
        if smallest == 1:
            counts = self._of_slots(found, names)
            if found.more.size:
                counts = counts + self._of_pairs(found.more[0], found.more[2], names, n)
        for size, rows, grams, different in _grams(found, names, largest):
            if size >= smallest:
                own = self._of_pairs(rows, grams, different, n)
                counts = own if counts is None else counts + own
        return counts

    def _of_slots(self, found: IslandTokens, names: list[str]) -> Any:
        """Count what stands or falls with whole columns: rows come out sorted at once."""
        from scipy import sparse

        columns, signs = self._columns.of(names)
        known = found.tokens[columns[found.tokens] >= 0]
        sources = found.sources[columns[found.tokens] >= 0]
        n, width = found.stands.shape
        keys, which = np.unique(columns[known] * width + sources, return_inverse=True)
        amounts = np.bincount(which, signs[known], len(keys)).astype(self._columns.dtype)
        stands = found.stands[:, keys % width]
        slots = np.flatnonzero(stands) % max(1, len(keys))
        ends = np.concatenate([[0], np.cumsum(stands.sum(axis=1))]).astype(np.int32)
        indices = (keys // width).astype(np.int32)[slots]
        counts = sparse.csr_matrix((amounts[slots], indices, ends), shape=(n, self._columns.n))
        counts.sum_duplicates()
        return counts

    def _of_pairs(self, rows: IntArray, grams: IntArray, names: list[str], n: int) -> Any:
        """Count n-grams, each in its row."""
        from scipy import sparse

        columns, signs = self._columns.of(names)
        known = columns[grams] >= 0
        grams = grams[known]
        amounts = signs[grams].astype(self._columns.dtype)
        places = (rows[known].astype(np.int32), columns[grams].astype(np.int32))
        counts = sparse.coo_matrix((amounts, places), shape=(n, self._columns.n)).tocsr()
        counts.sum_duplicates()
        return counts


def _grams(
    found: IslandTokens, names: list[str], largest: int
) -> Iterator[tuple[int, IntArray, IntArray, list[str]]]:
    """Yield, for each size from 2 on, rows and numbers of all n-grams, and those they number."""
    if largest < 2:
        return
    rows, tokens = _in_order(found)
    starts, grams, different = np.arange(len(rows)), tokens, names
    for size in range(2, largest + 1):
        grams = grams[starts + size <= len(rows)]
        starts = starts[starts + size <= len(rows)]
        whole = rows[starts] == rows[starts + size - 1]
        starts, grams = starts[whole], grams[whole]
        codes, grams = _different(grams * len(names) + tokens[starts + size - 1])
        different = [
            f"{different[code // len(names)]} {names[code % len(names)]}" for code in codes.tolist()
        ]
        yield size, rows[starts], grams, different


def _in_order(found: IslandTokens) -> tuple[IntArray, IntArray]:
    """Return rows and tokens of all texts, text by text and each from its beginning to its end."""
    rows, slots = np.nonzero(found.stands[:, found.sources])
    if not found.more.size:
        return rows, found.tokens[slots]
    rows = np.concatenate([rows, found.more[0]])
    places = np.concatenate([found.places[slots], found.more[1]])
    order = np.lexsort((places, rows))
    return rows[order], np.concatenate([found.tokens[slots], found.more[2]])[order]


def _different(codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return the different codes, ascending, and for each code which one it is."""
    if codes.max(initial=0) >= TABLE:
        different, which = np.unique(codes, return_inverse=True)
        return different, which
    seen = np.zeros(int(codes.max(initial=0)) + 1, bool)
    seen[codes] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]


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

    def predict(self, texts: Texts) -> Any:
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


def takes_texts(model: Any) -> bool:
    """Tell whether a model is a pipeline that begins with a vectorizer of texts."""
    model = _inner(model)
    steps = getattr(model, "steps", None)
    if type(model).__module__ != "sklearn.pipeline" or not steps or len(steps) < 2:
        return False
    return is_vectorizer(steps[0][1])


def is_vectorizer(one: Any) -> bool:
    """Tell scikit-learn's vectorizers of texts."""
    return type(one).__module__ == HOME and type(one).__name__ in NAMES


def _inner(model: Any) -> Any:
    """Return what a search over settings found."""
    while hasattr(model, "best_estimator_"):
        model = model.best_estimator_
    return model


def bags_of(model: Any, method: str) -> Bags | None:
    """Recognize a pipeline that begins with a vectorizer over words; None for everything else."""
    model = _inner(model)
    if not takes_texts(model):
        return None
    vectorizer = model.steps[0][1]
    plain = vectorizer.preprocessor is None and vectorizer.tokenizer is None
    plain = plain and vectorizer.strip_accents in (None, "ascii", "unicode")
    if vectorizer.analyzer != "word" or vectorizer.input != "content" or not plain:
        return None
    try:
        return Bags(vectorizer, getattr(model[1:], method))
    except Exception:  # not fitted, or of a version whose parts have other names
        return None
