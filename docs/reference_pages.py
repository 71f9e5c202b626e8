"""Pages of the site that are generated when it is built: commands, schemas, exit codes, changelog.

A hook of mkdocs: ``mkdocs build`` calls the functions whose names begin with ``on_``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]

REPOSITORY = "https://github.com/limex/limex/blob/main"


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of the folder."""
    from mkdocs.structure.files import File

    for name, content in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files outside the documentation lead to the repository."""
    folder = (ROOT / "docs" / page.file.src_uri).parent
    if page.file.src_uri.startswith("reference/"):
        return markdown

    def linked(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = (folder / target).resolve()
        if not path.exists() or path.is_relative_to(ROOT / "docs"):
            return found[0]
        return f"]({REPOSITORY}/{path.relative_to(ROOT).as_posix()}{anchor})"

    return re.sub(r"\]\((\.\./[^)#\s]+)(#[^)]*)?\)", linked, markdown)


def pages() -> dict[str, str]:
    """Return the generated pages by their file names."""
    return {
        "commands.md": commands(),
        "schemas.md": schemas(),
        "exit-codes.md": exit_codes(),
        "contributing.md": _of_repository(".github/CONTRIBUTING.md"),
        "changelog.md": _of_repository("CHANGELOG.md"),
    }


def commands() -> str:
    """Write the reference of every command from the program itself."""
    from lime_cli.cli import program

    context = click.Context(program, info_name="limex", **program.context_settings)
    parts = [
        "# Commands and options",
        "This page is generated from the program, so it lists every option of the installed "
        "version. `--help` prints the options that most people use, `--help-all` all of them.",
        "An option marked with a variable can also be set by that environment variable, by a "
        "`MODEL.toml` beside the model, or by `[tool.limex]` in `pyproject.toml`; see "
        "[Options beside the model](../inspect.md#options-beside-the-model).",
        *_command(program, context),
    ]
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    path = context.command_path
    yield f"## {path}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```"
    text, _, examples = (command.help or "").partition("\b\nExamples:")
    yield _escaped(" ".join(text.split("\n")))
    if examples.strip():
        lines = "\n".join(line.strip() for line in examples.strip().splitlines())
        yield f"```text\n{lines}\n```"
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _command(inner, click.Context(inner, info_name=name, parent=context))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    headings: dict[str, list[str]] = {}
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is None or not isinstance(one, click.Option):
            continue
        names, words = record
        variable = one.envvar[0] if isinstance(one.envvar, list) and one.envvar else ""
        more = f" Variable: `{variable}`." if variable else ""
        name = _angles(names).replace("|", "&#124;")
        row = f"| <code>{name}</code> | {_escaped(words)}{more} |"
        headings.setdefault(getattr(one, "heading", "Help") or "Help", []).append(row)
    for heading, rows in headings.items():
        yield f"**{heading}**"
        yield "\n".join(("| option | meaning |", "|---|---|", *rows))


def schemas() -> str:
    """Write a section for the schema of every JSON that limex writes."""
    from lime_cli.tools.schema import SCHEMAS, schema_of

    parts = [
        "# File formats and schemas",
        "Every JSON that limex writes is described by a "
        "[JSON Schema](https://json-schema.org/draft/2020-12). `limex schema` lists them, "
        "`limex schema NAME` prints one. This page is generated from them.",
    ]
    for name, what in SCHEMAS.items():
        schema = json.loads(schema_of(name))
        parts += [f"## {name}", f"{what} `limex schema {name}` prints the schema."]
        parts.append("\n".join(("| key | type | meaning |", "|---|---|---|", *_keys(schema))))
    return "\n\n".join(parts) + "\n"


def _keys(schema: dict[str, Any]) -> Iterator[str]:
    for key, value in schema.get("properties", {}).items():
        kind = value.get("type", "constant" if "const" in value else "object")
        kinds = ", ".join(kind) if isinstance(kind, list) else kind
        yield f"| `{key}` | {kinds} | {_escaped(value.get('description', ''))} |"


def exit_codes() -> str:
    """Write the exit codes from the README and the classes of errors."""
    readme = (ROOT / "README.md").read_text("utf-8")
    table = re.search(r"^\| code \| meaning \|\n(?:\|.*\n)+", readme, re.MULTILINE)
    return (
        "# Messages and exit codes\n\n"
        "Results go to standard output. Messages go to standard error, one line each, in the form "
        "`limex: WHERE: what is wrong; what to do`. `--json-errors` prints an error as one JSON "
        "object; `limex schema error` describes it.\n\n" + (table[0] if table else "")
    )


def _of_repository(name: str) -> str:
    """Return a file of the repository with its links made absolute."""
    path = ROOT / name

    def linked(found: re.Match[str]) -> str:
        target = (path.parent / found[1]).resolve()
        if target.is_relative_to(ROOT / "docs") and target.suffix == ".md":
            return f"](../{target.relative_to(ROOT / 'docs').as_posix()})"
        return f"]({REPOSITORY}/{target.relative_to(ROOT).as_posix()})"

    return re.sub(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)", linked, path.read_text("utf-8"))


def _escaped(words: str) -> str:
    return _angles(words).replace("|", "\\|").replace("*", "\\*").replace("[", "\\[")


def _angles(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
