"""What a person is told when a pickled model cannot or must not be loaded."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from lime_cli.errors import ModelError, UntrustedModel, and_more
from lime_cli.models.containers import EXPORTS, export_of
from lime_cli.models.failures import with_version
from lime_cli.models.parts import what
from lime_cli.models.pickles.archive import MAX_BYTES, looks_like, most_bytes
from lime_cli.models.pickles.building import Inert, Missing
from lime_cli.models.pickles.policy import Bomb, Global, Refused, is_danger, listed

_NAMES_SHOWN = 5

_WORDS_SHOWN = 160

# Their modules hold far more than models; whoever trusts one trusts all of that.
_LIBRARIES = frozenset({"lightgbm", "matplotlib", "numpy", "pandas", "scipy", "sklearn", "xgboost"})

_BESIDE = frozenset({"accelerate", "collections", "safetensors", "tokenizers", "tqdm"})
"""Libraries whose names stand in pickles of transformers pipelines."""

_PIP_NAMES = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow"}

_PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset)


def untrusted(path: Path, names: Sequence[Global], sklearn_version: str) -> UntrustedModel:
    """Word the refusal of a file because of the names in it that are not on the list."""
    foreign = _of_another(path, names)
    if foreign is not None:
        return foreign
    dangers = [key for key in names if is_danger(*key)]
    if dangers:
        return unsafe(path, f"uses {_listing(dangers)}")
    misused = [key for key in names if key in listed()]
    if misused:
        return unsafe(path, f"calls {_listing(misused)}, which may be mentioned but not called")
    scripts = [name for module, name in names if module == "__main__"]
    if scripts:
        text = f"{path.name}: needs {scripts[0]}, which was defined in the training script"
        return UntrustedModel(text, "move it to a module, save again, then --trust-module MODULE")
    if any(module.split(".")[0] == "cloudpickle" for module, _ in names):
        return unsafe(path, f"contains its own code ({_listing(names)})")
    count = f"{len(names)} name{'s' * (len(names) > 1)}"
    text = f"{path.name}: needs {count} limex does not know: {_listing(names)}"
    if sklearn_version and any(module.startswith("sklearn.") for module, _ in names):
        text += f" (written by scikit-learn {sklearn_version})"
    return UntrustedModel(text, _trust_hint(names))


def _of_another(path: Path, names: Sequence[Global]) -> UntrustedModel | None:
    """Word that a file holds a model of a library that limex does not run, trusted or not.

    None where names of other libraries need a look themselves; or where a model that limex may run
    holds parts of PyTorch or Keras.
    """
    libraries = {module.split(".")[0] for module, _ in names}
    found = export_of((module for module, _ in names), path.name)
    if found is None:
        return None
    library, way = found
    beside = libraries - {*EXPORTS, *_BESIDE}
    if beside or (library in ("keras", "tensorflow", "torch") and libraries - {*EXPORTS}):
        return None
    return UntrustedModel(f"{path.name}: holds a {library} model, which limex does not run", way)


def unsafe(path: Path, what: str) -> UntrustedModel:
    """Word the refusal of a file that does what no model needs."""
    return UntrustedModel(f"{path.name}: is not safe to load: it {what}", _look(path))


def refused(path: Path, error: Refused) -> UntrustedModel:
    """Word the refusal of a file by what it does; nobody is told to trust a bomb."""
    if isinstance(error, Bomb):
        text = f"{path.name}: is not safe to load: it {error}"
        return UntrustedModel(text, "a model does not need this; save it again where it was fitted")
    return unsafe(path, str(error))


def not_a_model(path: Path, head: bytes) -> ModelError:
    """Word that a file is no pickle at all."""
    return ModelError(f"{path.name}: not a model file: {looks_like(head)}")


def cut_short(path: Path) -> ModelError:
    """Word that a file ends before its model does."""
    text = f"{path.name}: is cut short ({path.stat().st_size:,} bytes)"
    return ModelError(text, "copy or download it again")


def too_large(path: Path) -> ModelError:
    """Word that a compressed file is a bomb, or too much for this program."""
    n_packed = path.stat().st_size
    text = f"{path.name}: expands beyond {most_bytes(n_packed) >> 20:,} MiB"
    if n_packed >= MAX_BYTES:
        return ModelError(text, "a model is smaller")
    hint = f"{n_packed:,} bytes that unpack to so many may be a bomb; if this is your model"
    return ModelError(text, f"{hint}, unpack the file, or save the model again without compression")


def damaged(path: Path, what: str) -> ModelError:
    """Word that a file holds something broken."""
    return ModelError(f"{path.name}: is damaged: {what}", "save or download it again")


def missing(path: Path, error: Missing, sklearn_version: str) -> ModelError:
    """Word that an allowed name does not exist in what is installed here."""
    module, name = error.key
    package = module.split(".")[0]
    if module == "__main__":
        return untrusted(path, [error.key], "")
    if package == "sklearn":
        return other_version(path, f"needs {module}.{name}", sklearn_version)
    text = f"{path.name}: needs {module}.{name}: {first_line(error.reason)}"
    if package in _LIBRARIES:
        return ModelError(text, _install(_PIP_NAMES.get(package, package)))
    return ModelError(text, f"install the package that provides {package}, or put it on PYTHONPATH")


def _install(package: str) -> str:
    """Say what to install, where a package is missing or is not the one a file was saved with."""
    try:
        here = metadata.version(package)
    except metadata.PackageNotFoundError:
        return f"pip install {package}"
    wanted = f"install the {package} that it was saved with (here: {here})"
    return f"{wanted}: pip install {package}==VERSION"


def other_version(path: Path, what: str, sklearn_version: str) -> ModelError:
    """Word that a file does not fit the scikit-learn installed here."""
    here = metadata.version("scikit-learn")
    if sklearn_version and sklearn_version != here:
        text = (
            f"{path.name}: was written by scikit-learn {sklearn_version} and {what} (here: {here})"
        )
        return ModelError(text, f"{with_version(sklearn_version)}, or save it again with {here}")
    text = f"{path.name}: {what}, which scikit-learn {here} does not have"
    return ModelError(text, "save the model again with the installed version of scikit-learn")


OLD_BOOSTER = r"header\[0\] == '\{'|serialisation_header_|Invalid serialization file"
"""What XGBoost says of pickles of older releases."""


def unbuildable(path: Path, error: Exception, sklearn_version: str) -> ModelError:
    """Word that building the objects of a file failed in foreign code."""
    if isinstance(error, MemoryError):
        return ModelError(f"{path.name}: needs more memory than is available")
    if re.search(OLD_BOOSTER, str(error)):
        return ModelError(
            f"{path.name}: was pickled by an older XGBoost, and XGBoost "
            f"{sys.modules['xgboost'].__version__} does not read its pickles",
            "save it as JSON where it was fitted, and explain that: "
            "model.get_booster().save_model('model.json')",
        )
    reason = f"{type(error).__name__}: {first_line(str(error))}"
    if sklearn_version and sklearn_version != metadata.version("scikit-learn"):
        return other_version(path, f"cannot be rebuilt ({reason})", sklearn_version)
    return damaged(path, f"its objects cannot be rebuilt ({reason})")


def not_alone(path: Path, loaded: object) -> ModelError | None:
    """Word that a file holds plain data; None if it may hold a model."""
    if isinstance(loaded, (np.ndarray, np.generic)):
        words = "a numpy array"
    elif isinstance(loaded, Inert):
        words = "a probability distribution"
    elif isinstance(loaded, (list, tuple)) and any(hasattr(one, "predict") for one in loaded):
        return None  # opened with --key
    elif isinstance(loaded, (list, tuple)) and loaded:
        kinds = [type(item).__name__ for item in loaded[:_NAMES_SHOWN]]
        words = f"a {type(loaded).__name__} of {len(loaded)} ({', '.join(kinds)})"
    elif type(loaded) in _PLAIN:
        words = what(loaded)
    else:
        return None
    return ModelError(f"{path.name}: holds {words}, not a model", "save the fitted model itself")


def first_line(text: str) -> str:
    """Shorten a library's message to one line without control characters."""
    line = text.strip().partition("\n")[0]
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return shown if len(shown) <= _WORDS_SHOWN else shown[:_WORDS_SHOWN] + "..."


def _look(path: Path) -> str:
    return f"look inside: limex inspect {path.name}; load it anyway: --trust"


_WHOLLY = frozenset(("statsmodels", "patsy", "formulaic"))
"""Packages whose objects compile formulas and take over documentation while they are loaded, which
trusted modules may not."""


def _trust_hint(names: Sequence[Global]) -> str:
    modules = sorted({module for module, _ in names})
    packages = {module.partition(".")[0] for module in modules}
    if packages & {*_LIBRARIES, *_WHOLLY} or len(modules) > _NAMES_SHOWN:
        return "if you trust this file: --trust"
    options = " ".join(f"--trust-module {first_line(module)}" for module in modules)
    which = "this module" if len(modules) == 1 else "these modules"
    return f"if you trust this file: --trust, or only {which}: {options}"


def _listing(names: Iterable[Global]) -> str:
    # posix and nt are what pickle calls os; people know the latter.
    shown = [
        ("os", name) if module in ("posix", "nt") else (module, name) for module, name in names
    ]
    words = sorted(".".join(key) for key in shown)
    return and_more([first_line(word) for word in words], _NAMES_SHOWN)
