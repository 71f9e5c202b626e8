"""Python callables, ``py:package.module:function``: how any framework or service is explained.

Naming one on the command line is trusting it. The current folder is not on Python's path, so that
no ``numpy.py`` lying there is imported by mistake; only where the module named is found nowhere
else but lies there, the folder is put at the end of the path.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from lime_cli.errors import ModelError
from lime_cli.files import digest_of
from lime_cli.models.containers import can_predict
from lime_cli.models.failures import is_of_model, last_line
from lime_cli.models.live import predictor_of_object
from lime_cli.models.model_file import PYTHON_PREFIX, ModelFile
from lime_cli.models.predictor import Origin, Predictor, quiet

FORM = "write py:package.module:function"


def load(file: ModelFile, _content: None = None) -> Predictor:
    """Import the callable, or a fitted model that stands in a module; raise ModelError for none.

    A callable takes a data frame (or what ``--input-form`` says), a list of texts or (n, height,
    width, channels) float32, and answers (n, k) or (n,) numbers. Its attributes ``classes`` and
    ``features``, where it has them, name the outputs and the columns it is given.
    """
    module, _, attribute = file.path.removeprefix(PYTHON_PREFIX).partition(":")
    if not module or not attribute:
        raise ModelError(f"{file.path}: does not name a function", FORM)
    found = _attribute(_imported(module, file.path), attribute, file.path)
    if not callable(found) and not can_predict(found):
        raise ModelError(
            f"{file.path}: {attribute} is a {type(found).__name__}, not a function", FORM
        )
    digest = _digest(module)
    origin = Origin("python", lambda: digest, file.path)
    return predictor_of_object(found, file, origin)


def _imported(module: str, name: str) -> Any:
    _find_beside(module.partition(".")[0])
    try:
        with quiet():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        hint = "put its folder on PYTHONPATH, or run limex there"
        raise ModelError(f"{name}: there is no module {error.name}", hint) from None
    except BaseException as error:  # a stranger's code may raise anything
        if not is_of_model(error):
            raise
        raise ModelError(f"{name}: its module cannot be imported ({last_line(error)})") from error


def _find_beside(package: str) -> None:
    """Put the current folder at the end of the path where only there the package is found."""
    here = Path.cwd()
    beside = (here / f"{package}.py").is_file() or (here / package).is_dir()
    if beside and importlib.util.find_spec(package) is None and str(here) not in sys.path:
        sys.path.append(str(here))
        importlib.invalidate_caches()


def _attribute(module: Any, path: str, name: str) -> Any:
    found = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [
                one for one in vars(module) if callable(getattr(module, one)) and one[0] != "_"
            ]
            raise ModelError(
                f"{name}: {module.__name__} has no {path}", f"it has {', '.join(known[:8])}"
            ) from None
    return found


def _digest(module: str) -> str:
    """Identify the function by its module's source, so far as there is one."""
    source = getattr(sys.modules[module], "__file__", None)
    return digest_of(Path(source).read_bytes() if source else module.encode())
