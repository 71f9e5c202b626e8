"""The command line: lazy commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from lime_cli.errors import InputError, LimexError, ModelError, OutputError, SettingsError
from lime_cli.options.command_groups import CommandGroup, kinds_with, refused, unknown
from lime_cli.running.containment import Containment
from lime_cli.version import __version__

COMMANDS = {
    "explain": (
        "lime_cli.tools.explain:explain",
        "Explain which parts of an input matter.",
    ),
    "render": ("lime_cli.tools.render:render", "Draw saved explanations again."),
    "summarize": ("lime_cli.tools.summarize:summarize", "Summarize many explanations."),
    "compare": ("lime_cli.tools.compare:compare", "Show what changed between two results."),
    "check": ("lime_cli.tools.check:check", "Check explanations against a policy, for CI."),
    "evaluate": (
        "lime_cli.tools.evaluate:evaluate",
        "Evaluate fidelity and stability of explanations.",
    ),
    "profile": (
        "lime_cli.tools.profile:profile",
        "Turn training data into a background without rows.",
    ),
    "convert": ("lime_cli.tools.convert:convert", "Convert a Python model to ONNX."),
    "inspect": ("lime_cli.tools.inspect:inspect", "Show what a model file contains."),
    "schema": ("lime_cli.tools.schema:schema", "Print the schema of limex's JSON."),
    "demo": ("lime_cli.tools.demo:demo", "Explain an animal, a film review and an image."),
}
"""Where each command is, and what it does: to list the commands none is imported."""


INTERRUPTED, PIPE_CLOSED, BUG = 130, 141, 70


JSON_ERRORS = "--json-errors"


class PipeClosed(Exception):
    """The reader of standard output has stopped reading; no message is needed."""


class LazyGroup(CommandGroup):
    """A group whose commands are imported when they are called."""

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; a pipe whose reader left is told apart before click hides it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise PipeClosed from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; ``limex help explain`` is ``limex explain --help``."""
        if args[0] == "help":
            if len(args) == 1:
                click.echo(ctx.get_help(), color=ctx.color)
                ctx.exit()
            args = [*args[1:], "--help"]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


CITATION = f"""\
Please cite the paper on LIME, and limex with the version you used:

@inproceedings{{ribeiro2016,
  author    = {{Ribeiro, Marco Tulio and Singh, Sameer and Guestrin, Carlos}},
  title     = {{"Why Should I Trust You?": Explaining the Predictions of Any Classifier}},
  booktitle = {{Proceedings of the 22nd ACM SIGKDD International Conference on Knowledge
               Discovery and Data Mining}},
  pages     = {{1135--1144}},
  year      = {{2016}},
  doi       = {{10.1145/2939672.2939778}}
}}

@software{{limex,
  author  = {{{{The limex authors}}}},
  title   = {{limex: LIME explanations from the command line}},
  version = {{{__version__}}},
  url     = {{https://github.com/limex/limex}}
}}"""


def _cite(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(CITATION)
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__, "-V", "--version", prog_name="limex", message="%(prog)s %(version)s"
)
@click.option(
    "--cite",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_cite,
    help="Print how to cite limex, as BibTeX, and exit.",
)
@click.option(JSON_ERRORS, is_flag=True, help="Print an error as one JSON object.")
def program(json_errors: bool) -> None:
    """Explain a prediction of a trained model: which parts of the input led to it.

    \b
    Examples:
      limex demo
      limex explain tabular model.pkl people.csv --row 17
      limex explain text spam.onnx mail.txt -f json
      limex explain image model.onnx cat.jpg -o cat.png
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    containment = Containment()
    code = run(sys.argv[1:], containment)
    containment.report(code)
    sys.exit(code)


def run(arguments: list[str], containment: Containment | None = None) -> int:
    """Run the command line; return the exit code, with one line on stderr where it failed.

    Models stay in this process unless there is a containment for them.
    """
    as_json, arguments = _json_errors_first(arguments)
    try:
        result = program.main(arguments, prog_name="limex", standalone_mode=False, obj=containment)
        sys.stdout.flush()
    except LimexError as error:
        return _tell(error, as_json)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return _tell(_usage(error), as_json)
    except (PipeClosed, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None and error.errno is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return _tell(
                OutputError(f"standard output: cannot be written ({error.strerror})"), as_json
            )
        if error.errno == errno.ENAMETOOLONG:  # whatever first looks for the file
            said = f"{str(error.filename)[:20]}...: is too long for the name of a file"
            return _tell(InputError(said, "check it"), as_json)
        return _bug()
    except SystemExit:
        raise
    except MemoryError:
        return _tell(
            ModelError(
                "there is not enough memory for this model and input",
                "free memory, or use a smaller --batch-size",
            ),
            as_json,
        )
    except BaseException:  # the boundary: whatever is left is a mistake of ours
        return _bug()
    return result if isinstance(result, int) else 0


def _json_errors_first(arguments: list[str]) -> tuple[bool, list[str]]:
    """Tell whether errors are wanted as JSON; that may be said behind the command as well."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [one for one in arguments[:end] if one != JSON_ERRORS]
    if len(options) == end:
        return False, arguments
    return True, [JSON_ERRORS, *options, *arguments[end:]]


def _usage(error: click.ClickException) -> SettingsError:
    """Put click's words for a wrong command line into one line of ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "limex"
    if isinstance(error, click.NoSuchOption) and context is not None:
        if kinds := kinds_with(error.option_name, context):
            said = f"{path} has no option {error.option_name!r}"
            return SettingsError(
                said, f"leave it out; {' and '.join(kinds)} {'have' if kinds[1:] else 'has'} it"
            )
        known = (name for one in context.command.get_params(context) for name in one.opts)
        return unknown("option", error.option_name, known, path)
    return refused(error, context, f"see {path} --help")


def _tell(error: LimexError, as_json: bool) -> int:
    from lime_cli.console import print_error

    print_error(error, as_json)
    return error.exit_code


def _bug() -> int:
    import traceback

    traceback.print_exc()
    print("limex: this is a bug in limex; please report it with the lines above", file=sys.stderr)
    return BUG
