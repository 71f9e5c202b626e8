"""The options of the model: which file, how it is loaded, how its answers are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lime_cli.commands.layers import read_layers, tell_layers
from lime_cli.commands.options import option_group
from lime_cli.errors import InputError
from lime_cli.models import LOADERS, ModelFile


class Names(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Words that may be names or a file of them, or a list of names from a sidecar."""

    name = "names"
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Leave both as they are: only the words need reading, and that may fail."""
        return value


def names_from(words: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Read a list of names: from the file of that name, one a line, else separated by commas."""
    if words is None or isinstance(words, tuple):
        return words
    path = Path(words)
    if "," in words or not path.suffix:
        return tuple(word.strip() for word in words.split(","))
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(
            f"{words}: no such file", "give names separated by commas, or a file of them"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{words}: cannot be read as a list of names") from None
    return tuple(line.strip() for line in lines if line.strip())


def _model_file(
    model: str,
    model_format: str,
    trust: bool,
    trust_module: tuple[str, ...],
    sha256: str | None,
    task: str,
    model_output: str | None,
    activation: str,
    classes: str | tuple[str, ...] | None,
    threads: int | None,
    import_module: tuple[str, ...],
    config: str | None,
    no_config: bool,
) -> ModelFile:
    tell_layers(click.get_current_context())
    return ModelFile(
        path=model,
        format=model_format,
        trust=trust,
        trust_modules=trust_module,
        sha256=sha256,
        task=task,
        output=model_output,
        activation=activation,
        classes=names_from(classes),
        threads=threads,
        imports=import_module,
    )


def _layered(ctx: click.Context, _param: click.Parameter, model: str) -> str:
    """Read the sidecar once the model is known: click settles what was not typed after that."""
    read_layers(ctx, model)
    return model


model_options = option_group(
    "model",
    _model_file,
    click.option(
        "--config",
        metavar="FILE",
        is_eager=True,
        help="Options to use; without, those in MODEL.toml beside the model.",
    ),
    click.option(
        "--no-config", is_flag=True, is_eager=True, help="Ignore MODEL.toml beside the model."
    ),
    click.argument("model", callback=_layered),
    click.option(
        "--model-format",
        type=click.Choice(["auto", *LOADERS]),
        default="auto",
        show_default=True,
        help="What the file is; auto looks at its first bytes.",
    ),
    click.option("--trust", is_flag=True, help="Load a pickle even if it may run any code."),
    click.option(
        "--trust-module",
        multiple=True,
        metavar="NAME",
        help="Let a pickle use this module too; repeatable.",
    ),
    click.option(
        "--import",
        "import_module",
        multiple=True,
        metavar="MODULE",
        help="Import this first, for what it registers: it runs, as with --trust; repeatable.",
    ),
    click.option(
        "--sha256", metavar="HEX", help="Refuse the model unless its file has this digest."
    ),
    click.option(
        "--task",
        type=click.Choice(["auto", "classification", "regression"]),
        default="auto",
        show_default=True,
    ),
    click.option(
        "--model-output",
        metavar="NAME|INDEX",
        help="Output of an ONNX graph; probabilities, decision or labels of a pickled model.",
    ),
    click.option(
        "--activation",
        type=click.Choice(["none", "softmax", "sigmoid"]),
        default="none",
        show_default=True,
        help="What to apply to logits.",
    ),
    click.option(
        "--classes", type=Names(), metavar="A,B,...|FILE", help="Names of the outputs, in order."
    ),
    click.option("--threads", type=click.IntRange(1), help="Threads the model may use."),
)
