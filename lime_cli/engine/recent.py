"""What was made lately and may be wanted again, as much of it as fits into so many bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers what was made last, at least one thing, whatever its size."""

    def __init__(self, most: int) -> None:
        """``most`` is in bytes."""
        self._most, self._used, self._lock = most, 0, Lock()
        self._held: dict[Hashable, tuple[T, int]] = {}
        """With their bytes, what was wanted last at the end."""

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._used = 0

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what belongs to a key; ``size`` tells the bytes of what was made."""
        with self._lock:
            found = self._held.pop(key, None)
            if found is not None:
                self._held[key] = found
                return found[0]
        made = make()
        with self._lock:
            self._used += size(made) - self._held.pop(key, (made, 0))[1]
            self._held[key] = made, size(made)
            while self._used > self._most and len(self._held) > 1:
                self._used -= self._held.pop(next(iter(self._held)))[1]
        return made
