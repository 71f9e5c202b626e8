"""Make a profile of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lime_cli.modalities.dialect import Dialect
from lime_cli.modalities.learning import learn
from lime_cli.modalities.privacy import made_private
from lime_cli.modalities.profile import profile_data
from lime_cli.modalities.readers import Stream
from lime_cli.modalities.rows import require
from lime_cli.modalities.schema import Schema


def profiled(
    path: str, dialect: Dialect, schema: Schema, drop: Sequence[str], least: int | None
) -> dict[str, Any]:
    """Return the profile of a table as JSON data, private where ``least`` says how many rows.

    Raises InputError for a table that cannot be read, SettingsError for choices that do not fit.
    """

    def columns_of(stream: Stream) -> tuple[Stream, tuple[str, ...]]:
        require(stream.name, stream.header, drop)
        return stream, tuple(name for name in stream.header if name not in drop)

    background, caveats = learn(path, dialect, schema, columns_of)
    if least is not None:
        background, said = made_private(background, least)
        caveats = (*caveats, said)
    return profile_data(background, caveats, least is not None, schema.onehot)
