"""Work that runs in a thread of its own while Python does something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Generic, TypeVar

from lime_cli.digests import digest_of_file

T = TypeVar("T")


class Aside(Generic[T]):
    """A function that began to run when this was made."""

    def __init__(self, work: Callable[[], T], finish: bool = True) -> None:
        """A process that ends waits for ``work``, unless it need not ``finish``."""
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=not finish)
        self._thread.start()

    def result(self) -> T:
        """Wait for the function; return what it returned, raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._done[0]

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # raised again where the result is wanted
            self._error = error


def digest_aside(path: Path) -> Callable[[], str]:
    """Begin to compute the SHA-256 of a file; return what waits for it and returns it."""
    return Aside(lambda: digest_of_file(path), finish=False).result
