"""The options of the model: which file, how it is loaded, how its answers are read."""

from __future__ import annotations

import click

from lime_cli.commands.options import option_group
from lime_cli.models import LOADERS, ModelFile
from lime_cli.models.names import read_names


def _model_file(
    model: str,
    model_format: str,
    trust: bool,
    trust_module: tuple[str, ...],
    sha256: str | None,
    task: str,
    model_output: str | None,
    activation: str,
    classes: str | None,
    threads: int | None,
    key: str | None,
    tokenizer: str | None,
    provider: str,
) -> ModelFile:
    return ModelFile(
        path=model,
        format=model_format,
        trust=trust,
        trust_modules=trust_module,
        sha256=sha256,
        task=task,
        output=model_output,
        activation=activation,
        classes=None if classes is None else read_names(classes),
        threads=threads,
        key=key,
        tokenizer=tokenizer,
        provider=provider,
    )


model_options = option_group(
    "model",
    _model_file,
    click.argument("model"),
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
        help="Output of an ONNX graph; probabilities, decision, labels, or the index of one of "
        "several answers of other models.",
    ),
    click.option(
        "--activation",
        type=click.Choice(["none", "softmax", "sigmoid"]),
        default="none",
        show_default=True,
        help="What to apply to logits.",
    ),
    click.option(
        "--classes",
        metavar="A,B,...|FILE",
        help="Names of the outputs, in order; a file holds one a line, or JSON.",
    ),
    click.option("--threads", type=click.IntRange(1), help="Threads the model may use."),
    click.option(
        "--key",
        metavar="NAME",
        help="Where the model stands in a file that holds more: a key, an index, an attribute.",
    ),
    click.option(
        "--tokenizer",
        metavar="FILE",
        help="The tokenizer.json of an ONNX model that takes token ids.",
    ),
    click.option(
        "--provider",
        type=click.Choice(["cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="What runs an ONNX model.",
    ),
)
