"""A work on its way: what is left of it, and which source is charged when its process dies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lime_cli.errors import LimexError
from lime_cli.modalities import Source
from lime_cli.outcomes import Outcome, Work, failed

GRACE = 1.0
"""Seconds from the wish to stop until what is not done is given up."""
STRIKES = 2
"""Deaths that a source is charged with: the second is after a retry in a fresh process."""


def sized(work: Work, threads: int | None) -> Work:
    """Return the work with a number of threads for its model: one, unless asked otherwise."""
    model = work.job.model
    model = model._replace(threads=threads or model.threads or 1)
    return replace(work, job=replace(work.job, model=model))


def place_of(source: Source) -> str:
    """Say where a source is: a table's row, or by what a person calls it."""
    return source.id if source.row is None else f"row {source.row}"


class Task:
    """A work, and what became of its sources so far.

    Rows of a table are asked together, so that a death says nothing of which row it was. The rest
    of the work is done again as it was, for the death may have come from outside and the bytes of
    the others should not change. Where that ends the same way, sources are asked one by one.
    """

    def __init__(self, work: Work, threads: int | None) -> None:
        self.work = work
        self._sized = sized(work, threads)
        self._left = list(work.job.sources)
        self._outcomes: list[Outcome] = []
        self._strikes = 0
        self._singly = False

    @property
    def done(self) -> bool:
        """Whether every source has its outcome."""
        return not self._left

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One a source that is done, in the work's order."""
        return tuple(self._outcomes)

    def asked(self) -> Work:
        """Return what a process is to do next of it."""
        sources = tuple(self._left[:1] if self._singly else self._left)
        return replace(self._sized, job=replace(self._sized.job, sources=sources))

    def heard(self, outcome: Outcome) -> None:
        """Take the outcome of the next source."""
        self._outcomes.append(outcome._replace(source=self._left.pop(0)))
        if not self._singly:
            self._strikes = 0

    def struck(self, why: Callable[[Source], LimexError], late: bool) -> bool:
        """Take note that the process died, or was ``late``; tell whether that charged a source.

        A late one is not asked together with others again: waiting is dear.
        """
        self._strikes += 1
        if self._singly or len(self._left) == 1:
            if self._strikes < STRIKES:
                return False
            source = self._left.pop(0)
            self._outcomes.append(failed(source, why(source)))
            self._strikes = 0
            return True
        if late or self._strikes == STRIKES:
            self._singly, self._strikes = True, 1
        return False
