"""``limex schema``: the JSON Schema of every JSON that limex writes."""

from __future__ import annotations

import re
import sys
from importlib import resources

import click

from lime_cli.errors import SettingsError
from lime_cli.options.command_groups import unknown
from lime_cli.options.commands import Command

SCHEMAS = {
    "explanation": "An explanation: -f json, a line of -f jsonl, a record of explanations.jsonl.",
    "failure": "An instance that could not be explained, in explanations.jsonl.",
    "run": "The header of explanations.jsonl, which identifies the run.",
    "batch": "The summary.json of a folder of explanations.",
    "summary": "limex summarize -f json.",
    "comparison": "limex compare -f json.",
    "rows": "limex compare --rows -f json.",
    "check": "limex check -f json.",
    "evaluation": "limex evaluate -f json, a line of -f jsonl.",
    "inspection": "limex inspect -f json.",
    "profile": "A background without its rows, written by limex profile.",
    "error": "An error as --json-errors prints it.",
    "progress": "A line of --progress json.",
}
"""Names of the schemas, and which documents they describe."""


@click.command(cls=Command)
@click.argument("name", required=False, metavar="[NAME]")
def schema(name: str | None) -> None:
    """Print the JSON Schema of a document that limex writes; without NAME, list them.

    \b
    Examples:
      limex schema
      limex schema explanation > explanation.schema.json
    """
    if name is None:
        width = max(map(len, SCHEMAS))
        for one, what in SCHEMAS.items():
            click.echo(f"{one:{width}}  {what}")
        return
    if name not in SCHEMAS:
        raise unknown("schema", name, SCHEMAS, "limex schema")
    sys.stdout.write(schema_of(name))


def schema_of(name: str) -> str:
    """Return the text of a schema, of its newest number."""
    folder = resources.files("lime_cli.records") / "schema"
    found = (re.fullmatch(rf"{name}-(\d+)\.json", one.name) for one in folder.iterdir())
    numbers = [int(one[1]) for one in found if one]
    if not numbers:
        raise SettingsError(f"schema {name} is not installed", "install limex again")
    return (folder / f"{name}-{max(numbers)}.json").read_text("utf-8")
