"""The options of the model: which file, how it is loaded, how its outputs are read."""

from __future__ import annotations

import shlex

import click

from lime_cli.errors import SettingsError
from lime_cli.models.model_file import ModelFile, located
from lime_cli.models.names import read_names
from lime_cli.options.groups import Names, OneOf, Options, argument, flag, option
from lime_cli.options.layers import origin_of, read_layers
from lime_cli.registry import ACTIVATIONS, INPUT_FORMS, LAYOUTS, LOADERS, PROVIDERS, TASKS


def _layered(ctx: click.Context, _param: click.Parameter, model: str) -> str:
    """Read the sidecar once the model is known: click settles what was not typed after that."""
    model = located(model)
    read_layers(ctx, model)
    return model


def _transformers(common: bool = False) -> tuple[str, ...]:
    """Declare the files that are applied before a model; of tables, the short help has them."""
    found: tuple[str, ...] = option(
        "--transformer",
        "Scaler, encoder or other fitted transformer to apply before the model; repeatable, in the "
        "order of their use.",
        metavar="FILE",
        multiple=True,
        common=common,
    )
    return found


class ModelOptions(Options, heading="Model"):
    """A model and how it is to be used, as typed."""

    config: str | None = option(
        "--config",
        "Read options only from FILE, instead of [tool.limex] in pyproject.toml and MODEL.toml "
        "beside the model.",
        metavar="FILE",
        is_eager=True,
        typed=True,
    )
    no_config: bool = flag(
        "--no-config", "Ignore pyproject.toml and MODEL.toml.", is_eager=True, typed=True
    )
    model: str = argument(callback=_layered)
    model_format: str = option(
        "--model-format",
        "Format of the file; auto reads its first bytes.",
        type=OneOf(LOADERS, "auto"),
        default="auto",
    )
    trust: bool = flag("--trust", "Load a pickle even if it may run any code.")
    trust_modules: tuple[str, ...] = option(
        "--trust-module",
        "Allow a pickle to use this module; repeatable.",
        metavar="NAME",
        multiple=True,
    )
    imports: tuple[str, ...] = option(
        "--import",
        "Import this module first, because it registers classes that the model needs. The module's "
        "code runs; repeatable.",
        metavar="MODULE",
        multiple=True,
    )
    sha256: str | None = option(
        "--sha256", "Refuse the model unless its file has this digest.", metavar="HEX"
    )
    task: str = option(
        "--task", "Task of the model; auto: from its outputs.", choices=TASKS, default="auto"
    )
    model_output: str | None = option(
        "--model-output",
        "Output to explain: the name of an output of an ONNX graph; or probabilities, decision, "
        "labels, scores, or the index of an output.",
        metavar="NAME|INDEX",
    )
    activation: str = option(
        "--activation",
        "Function to apply to logits; auto: as in the config.json beside the model.",
        choices=ACTIVATIONS,
        default="auto",
    )
    classes: str | tuple[str, ...] | None = option(
        "--classes",
        "Names of the outputs, in order; or a file with one name per line, or JSON.",
        type=Names(),
        metavar="A,B,...|FILE",
        common=True,
    )
    threads: int | None = option(
        "--threads",
        "Threads that the model may use; by default one, for functions all.",
        type=click.IntRange(1),
        metavar="N",
    )
    key: str | None = option(
        "--key",
        "Part of the file that is the model: a key, an index or an attribute.",
        metavar="NAME",
    )
    transformers: tuple[str, ...] = _transformers()
    tokenizer: str | None = option(
        "--tokenizer",
        "Tokenizer (tokenizer.json) of an ONNX model that takes token ids; by default, the one "
        "beside the model.",
        metavar="FILE",
    )
    max_tokens: int | None = option(
        "--max-tokens",
        "Number of tokens after which texts are cut; by default, the model's limit.",
        type=click.IntRange(1),
        metavar="N",
    )
    provider: str = option(
        "--provider", "Device that runs an ONNX model.", choices=PROVIDERS, default="cpu"
    )
    input_form: str = option(
        "--input-form",
        "How a table is passed to the model: as a data frame, an array or sparse rows (CSR); auto: "
        "as the model was fitted.",
        choices=INPUT_FORMS,
        default="auto",
    )

    def check_values(self) -> None:
        ctx = click.get_current_context(silent=True)
        origin = origin_of(ctx, "transformers") if self.transformers and self.trust else None
        if origin is not None and origin.key:
            typed = " ".join(f"--transformer {shlex.quote(one)}" for one in self.transformers)
            raise SettingsError(
                "--transformer: --trust covers only files that are typed", f"type {typed}"
            )

    def file(self) -> ModelFile:
        """Return the model's file; raise InputError for a list of names that cannot be read."""
        classes = self.classes
        return self.made(
            ModelFile,
            path=self.model,
            format=self.model_format,
            output=self.model_output,
            classes=read_names(classes) if isinstance(classes, str) else classes,
        )


class TableModelOptions(ModelOptions):
    """A model that takes tables, as typed."""

    transformers: tuple[str, ...] = _transformers(common=True)


class ImageModelOptions(ModelOptions):
    """A model that may take images, as typed."""

    layout: str | None = option(
        "--layout", "Position of the channels in an image input.", choices=LAYOUTS
    )
