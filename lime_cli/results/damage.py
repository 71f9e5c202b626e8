"""What reading a damaged record brings about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lime_cli.errors import InputError, SettingsError

DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    SettingsError,
)


@contextlib.contextmanager
def damage_named(place: str) -> Iterator[None]:
    """Turn what a damaged record brings about into an InputError that names its place."""
    try:
        yield
    except DAMAGE as error:
        raise InputError(
            f"{place}: the record is damaged ({error!r})", "explain it again"
        ) from None
