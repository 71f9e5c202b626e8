"""The options of the model: which file, how it is loaded, how its answers are read."""

from __future__ import annotations

from typing import Any

import click

from lime_cli.models.folders import located
from lime_cli.models.model_file import LOADERS, ModelFile
from lime_cli.models.names import read_names
from lime_cli.options.layers import read_layers, tell_layers
from lime_cli.options.types import option_group


class Names(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Words that may be names or a file of them, or a list of names from a sidecar."""

    name = "names"
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Leave both as they are: only the words need reading, and that may fail."""
        return value


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
    key: str | None,
    tokenizer: str | None,
    max_tokens: int | None,
    provider: str,
    input_form: str,
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
        classes=read_names(classes) if isinstance(classes, str) else classes,
        threads=threads,
        key=key,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        provider=provider,
        input_form=input_form,
        imports=import_module,
    )


def _layered(ctx: click.Context, _param: click.Parameter, model: str) -> str:
    """Read the sidecar once the model is known: click settles what was not typed after that."""
    model = located(model)
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
        help="Output of an ONNX graph; probabilities, decision, labels, or the index of one of "
        "several answers of other models.",
    ),
    click.option(
        "--activation",
        type=click.Choice(["auto", "none", "softmax", "sigmoid"]),
        default="auto",
        show_default=True,
        help="What to apply to logits; auto: what the config.json beside the model says.",
    ),
    click.option(
        "--classes",
        type=Names(),
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
        help="The tokenizer.json of an ONNX model that takes token ids; without, that beside it.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Cut texts to this many tokens; without, to what the model takes.",
    ),
    click.option(
        "--provider",
        type=click.Choice(["cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="What runs an ONNX model.",
    ),
    click.option(
        "--input-form",
        type=click.Choice(["auto", "frame", "array", "sparse"]),
        default="auto",
        show_default=True,
        help="How a table is handed over: data frame, array or CSR rows; auto: as it was fitted.",
    ),
)
