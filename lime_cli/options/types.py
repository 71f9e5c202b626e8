"""How people spell what click does not know: lists, numbers or auto, shares, sizes, names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from lime_cli.registry import LIME_SEGMENTER, SEGMENTERS, Registry


class CommaList(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Values separated by commas, as a tuple."""

    name = "a,b,..."
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())


class OneName(click.Choice):  # type: ignore[type-arg]  # not generic before click 8.2
    """One of some names; another one is refused with the name that was likely meant."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and value not in self.choices:
            self.fail(f"{value!r} is not one of {among(value, map(str, self.choices))}", param, ctx)
        return super().convert(value, param, ctx)


def among(typed: str, known: Iterable[str]) -> str:
    """List names, and ask for the one that is spelled nearly as what was typed."""
    from difflib import get_close_matches

    names = tuple(known)
    near = get_close_matches(typed.lower(), names, n=1, cutoff=0.6)
    return ", ".join(names) + (f"; did you mean {near[0]}?" if near else "")


class OneOf(OneName):
    """A name of a registry; the help lists those of limex itself."""

    def __init__(self, registry: Registry, *others: str) -> None:
        super().__init__([*others, *registry.own])
        self._registry = registry

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        known = value not in self.choices and value in self._registry
        return value if known else super().convert(value, param, ctx)


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A number, or ``auto`` as None."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = "auto|N" if kind is int else "auto|X"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "auto" or not isinstance(value, str):
            return None if value == "auto" else value
        try:
            return self.kind(value)
        except ValueError:
            return self.fail(f"{value!r} is neither auto nor a number", param, ctx)


class Seconds(click.FloatRange):
    """A time that is not over before it began; ``inf`` never is."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        return number if number == number else self.fail("nan is not a time", param, ctx)


class Percent(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A share as people write it, ``5%``, in [0, 1]."""

    name = "N%"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        number = value.strip().removesuffix("%")
        try:
            return float(number) / 100
        except ValueError:
            return self.fail(f"{value!r} is not a percentage; give one such as 5%", param, ctx)


class Bytes(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """An amount of memory as people write it, ``512MB`` or ``2 GiB``, in bytes."""

    name = "size"
    _SPELLED = re.compile(r"\s*(\d{1,15}(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
    _UNITS = ("", "k", "m", "g", "t")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse; thousands for ``MB``, 1024s for ``MiB``; fail with the words of the option."""
        if not isinstance(value, str):
            return value
        parts = self._SPELLED.fullmatch(value)
        if parts is None or (parts[3] and not parts[2]):
            return self.fail(f"{value!r} is not a size; give one such as 512MB or 2GiB", param, ctx)
        unit = 1024 if parts[3] else 1000
        return int(float(parts[1]) * unit ** self._UNITS.index(parts[2].lower()))


class Names(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Words that may be names or a file of them, or a list of names from a sidecar."""

    name = "names"
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Leave both as they are: only the words need reading, and that may fail."""
        return value


class Segmenter(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """The name of a segmenter, or a label map's path."""

    name = "|".join((*SEGMENTERS, LIME_SEGMENTER, "FILE"))

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        named = value == LIME_SEGMENTER or value in SEGMENTERS
        if named or value.lower().endswith((".png", ".npy")):
            return value
        known = among(value, ("PNG or NPY file", *SEGMENTERS, LIME_SEGMENTER))
        return self.fail(f"{value!r} is not a {known}", param, ctx)
