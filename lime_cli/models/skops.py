"""skops files: loaded by the skops library with our own list of what may be in them."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pickle import HIGHEST_PROTOCOL
from typing import Any

from lime_cli.errors import MissingDependency, ModelError
from lime_cli.models.content import Content
from lime_cli.models.model_file import ModelFile
from lime_cli.models.pickles import refusals
from lime_cli.models.pickles.archive import MAX_BYTES, most_bytes
from lime_cli.models.pickles.constructors import has_no_state
from lime_cli.models.pickles.loading import predictor_of
from lime_cli.models.pickles.older import NeedsVersion, bring_up
from lime_cli.models.pickles.policy import (
    CALL,
    NEW,
    REF,
    AllowList,
    Bomb,
    Global,
    Refused,
    canonical,
    is_danger,
)
from lime_cli.models.pickles.sizes import Damaged, check_state
from lime_cli.models.pickles.states import check_model
from lime_cli.models.predictor import Predictor, guarded, quiet
from lime_cli.models.walking import objects

MAX_SCHEMA_BYTES = 512 << 20

MAX_ENTRIES = 1_000_000

DTYPE = ("numpy", "dtype")
"""Made by skops from an empty array that numpy reads without pickles."""

GADGETS = ("MethodNode", "PartialNode", "OperatorFuncNode")
"""Loaders that tie a function to arguments of the file's choice; no listed model needs one."""

FUNCTIONS = "FunctionNode"

CACHED = "CachedNode"
"""Stands for what was described before, such as what it is a part of: no model is."""

_CALLING = {
    "ConstructorFromReduceNode": (),
    "LossNode": (),
    "RandomGeneratorNode": ("numpy.random",),
    "RandomStateNode": ("numpy.random",),
}
"""Loaders that call a class with what is in the file, and where others than losses may be from."""

OF_CATBOOST = "__model"
"""What CatBoost calls the bytes of a model, which never become an attribute."""

CONTAINERS = (("collections", "OrderedDict"),)
"""Made of their items only."""

_OF_NODES = ("__class__", "__module__", "__loader__", "__id__")
"""What skops itself writes down of every object."""

_DESCRIBED = frozenset({"__class__", "__loader__", "__module__"})

_MADE_OF_ITEMS = {
    "DictNode": ("dict", "OrderedDict", "Bunch"),
    "ListNode": ("list",),
    "SetNode": ("set", "frozenset"),
}
"""Loaders that call a class with their items, and the classes that may be called so."""

CHECKED_FIRST = frozenset(
    {
        ("catboost.core", "CatBoost"),
        ("catboost.core", "CatBoostClassifier"),
        ("catboost.core", "CatBoostRanker"),
        ("catboost.core", "CatBoostRegressor"),
        ("lightgbm.basic", "Booster"),
        ("scipy.interpolate._bsplines", "BSpline"),
        ("xgboost.core", "Booster"),
    }
)
"""Classes that skops would fill before anything else can look at what it fills them with."""

_PLAIN_DTYPE = re.compile(r"(Boolean|String|U?Int\d+|Float\d+)Dtype")

OTHER_TREES = "node array from the pickle has an incompatible dtype"
"""What scikit-learn says of the trees of another version."""

MADE_EMPTY = (
    "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._ball_tree",
    "sklearn.neighbors._kd_tree",
)
"""Modules whose classes a pickle makes by a helper, which it calls on the class."""


def load(file: ModelFile, held_file: Content) -> Predictor:
    """Load the file; raise UntrustedModel for types that are not on the list."""
    with warnings.catch_warnings(record=True) as heard, quiet():
        warnings.simplefilter("always")
        held = held_in(file, held_file)
    return predictor_of(held, file, held_file, "skops", heard)


def held_in(file: ModelFile, held_file: Content) -> Any:
    """Return what the file holds; raise UntrustedModel for types that are not on the list."""
    path = Path(file.path)
    try:
        from skops.io import get_untrusted_types, loads
    except ImportError:
        raise MissingDependency(
            f"{path.name}: skops is not installed", "pip install 'limex[skops]'"
        ) from None
    content = _content(held_file)
    schema = _schema(path, content)
    try:
        if not file.trust:
            _check_numbers(schema)
        unknown = get_untrusted_types(data=content)
        _check_trust(path, file, schema, unknown)
        with guarded(file, "skops"), _states_checked(schema, file):
            held = loads(content, trusted=unknown)
            bring_up(list(objects(held)), _written_by(schema))
        if not file.trust:
            _check_parts(held, file.trust_modules)
    except ModelError:
        raise
    except Refused as refusal:
        raise refusals.refused(path, refusal) from None
    except Damaged as error:
        raise refusals.damaged(path, str(error)) from None
    except Exception as error:  # a damaged or newer file can raise anything
        raise _unreadable(path, error, _written_by(schema)) from error
    return held


@contextmanager
def _states_checked(schema: Any, file: ModelFile) -> Iterator[None]:
    """Check the states of classes that hand them to compiled code before they do so."""
    keys = {(str(node["__module__"]), str(node["__class__"])) for node in _nodes(schema)}
    known = [] if file.trust else sorted(keys & CHECKED_FIRST)
    classes = [getattr(import_module(module), name) for module, name in known]
    owners = {base for cls in classes for base in cls.__mro__ if "__setstate__" in vars(base)}
    fills = [(cls, cls.__setstate__) for cls in owners]
    for cls, fill in fills:
        cls.__setstate__ = _checked(fill)
    try:
        yield
    finally:
        for cls, fill in fills:
            cls.__setstate__ = fill


def _checked(fill: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def filled(instance: Any, state: Any) -> None:
        check_state(instance, state)
        fill(instance, state)

    return filled


def _content(file: Content) -> bytes:
    if file.size > MAX_BYTES:
        raise refusals.too_large(file.path)
    return file.read()


def _schema(path: Path, content: bytes) -> Any:
    """Read the description of the objects, after looking at the sizes of all entries."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            most = most_bytes(len(content))
            if sum(entry.file_size for entry in entries) > most or len(entries) > MAX_ENTRIES:
                raise refusals.too_large(path)
            if archive.getinfo("schema.json").file_size > MAX_SCHEMA_BYTES:
                raise refusals.too_large(path)
            schema = json.loads(archive.read("schema.json"))
            if not _fits_in(most, archive, schema):
                raise refusals.too_large(path)
            return schema
    except _UNREADABLE as error:
        raise refusals.damaged(path, refusals.first_line(str(error))) from None


_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, EOFError, OSError),
    *(NotImplementedError, RecursionError, RuntimeError),  # of entries that are packed or locked
)


def _fits_in(most: int, archive: zipfile.ZipFile, schema: Any) -> bool:
    """Tell whether all that a description reads, some of it often or packed twice, is so little."""
    n_bytes, seen = 0, set()
    for n, node in enumerate(_nodes(schema)):
        number = node.get("__id__")
        key = (number or n, not number, node.get("file"))
        if not isinstance(key[-1], str) or key in seen:
            continue
        seen.add(key)
        n_bytes += archive.getinfo(key[-1]).file_size
        if n_bytes <= most:
            with archive.open(key[-1]) as stream:
                packed = stream.read(2) == b"PK"
            if packed:
                held = zipfile.ZipFile(io.BytesIO(archive.read(key[-1])))
                n_bytes += sum(entry.file_size for entry in held.infolist())
        if n_bytes > most:
            return False
    return True


def _check_trust(path: Path, file: ModelFile, schema: Any, unknown: list[str]) -> None:
    """Raise UntrustedModel for what neither skops, nor our list, nor the person trusts."""
    if file.trust:
        return
    policy = AllowList(file.trust_modules)
    functions: set[Global] = set()
    made: set[Global] = set()
    for node in _nodes(schema):
        _check_attributes(path, node)
        loader, key = node["__loader__"], (str(node["__module__"]), str(node["__class__"]))
        if loader in GADGETS:
            raise refusals.unsafe(path, f"binds arguments to a function ({loader})")
        if loader in _CALLING and not _may_be_called(policy, key, _CALLING[loader]):
            raise refusals.unsafe(path, f"calls {'.'.join(key)} with what is in the file")
        _check_items(path, node, key)
        if loader == FUNCTIONS:
            functions.add(_function(node, key))
        else:
            made.add(key)
    functions -= made  # of which skops would make an object, too: that is a call
    names = []
    for word in unknown:
        module, _, name = word.rpartition(".")
        key = module, name
        if not _may_be_made(policy, key) and not (key in functions and REF in policy.roles(*key)):
            names.append(key)
    if names:
        raise refusals.untrusted(path, names, str(schema.get("_sklearn_version", "")))


def _check_items(path: Path, node: dict[str, Any], key: Global) -> None:
    """Refuse containers of other classes: skops would call those with what is in them."""
    loader, kinds = node["__loader__"], [key[0]] if node["__loader__"] == "NdArrayNode" else []
    if loader == "DictNode":
        keys = node["key_types"]
        typed = keys["__loader__"] == "ListNode"
        typed = typed and all(one["__loader__"] == "TypeNode" for one in keys["content"])
        kinds = [one["__module__"] for one in keys["content"]] if typed else [""]
    plain = key[1] in _MADE_OF_ITEMS.get(loader, (key[1],))
    if not plain or not {"builtins", "numpy"}.issuperset(kinds):
        raise refusals.unsafe(path, f"calls a class with what is in a container ({loader})")


def _check_attributes(path: Path, node: dict[str, Any]) -> None:
    """Refuse attributes by which numpy takes a number for an address, before any is set."""
    content = node.get("content")
    if node["__loader__"] == "ObjectNode" and isinstance(content, dict):
        by_name = (content.get("__loader__"), content.get("content")) == ("JsonNode", "null")
        by_name = by_name or content.get("__loader__") == "DictNode"
        if not by_name and not str(node["__module__"]).startswith(MADE_EMPTY):
            raise refusals.unsafe(path, f"gives a {node['__class__']} attributes in no dictionary")
    for key, value in content.items() if isinstance(content, dict) else ():
        plain = key in _OF_NODES and not isinstance(value, dict | list)
        plain = plain or (key == OF_CATBOOST and value.get("__loader__") == "BytesNode")
        if key.startswith("__") and not plain:
            raise refusals.unsafe(path, f"sets {key}")


def _may_be_made(policy: AllowList, key: Global) -> bool:
    """Tell whether an object of this class may be in the file.

    What the list lets a pickle call are classes written in C and helpers of pickling; the helpers
    have no place in this format.
    """
    module, name = key
    roles = policy.roles(module, name)
    if module.partition(".")[0] == "pandas" and not _PLAIN_DTYPE.fullmatch(name):
        return False  # what pickles hold of tables is checked while it is built
    constructed = CALL in roles and module.startswith("sklearn.") and name[0] != "_"
    constructed = constructed or (REF in roles and module in MADE_EMPTY)
    constructed = constructed or key == DTYPE or key in CONTAINERS
    return (NEW in roles or constructed) and not is_danger(module, name)


def _may_be_called(policy: AllowList, key: Global, places: tuple[str, ...]) -> bool:
    """Tell whether a class may be called: a loss, a source of random numbers, a trusted one."""
    module = canonical(*key, HIGHEST_PROTOCOL)[0]
    return key[0] in policy.modules or key[0].startswith(places) or has_no_state((module, key[1]))


def _check_numbers(schema: Any) -> None:
    """Refuse things of one number that differ: skops takes the first for all, wherever it is."""
    known: dict[Any, dict[str, Any]] = {}
    for node in _dictionaries(schema):
        if node.keys().isdisjoint(_OF_NODES):
            continue
        if not node.keys() >= _DESCRIBED:
            raise Damaged("a thing that is described in part")
        number, first = node.get("__id__"), node
        if number:  # by which skops knows it
            first = known.setdefault(number, node)
        if node["__loader__"] == CACHED or not _alike(first, node):
            raise Bomb("describes several things under one number")


def _alike(one: Any, other: Any) -> bool:
    """Tell whether two descriptions say the same, numbers and the names of entries aside."""
    if one == other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            key == "__id__"
            or (key == "file" and isinstance(value, str))
            or _alike(value, other[key])
            for key, value in one.items()
        )
    lists = isinstance(one, list) and isinstance(other, list) and len(one) == len(other)
    return lists and all(map(_alike, one, other))


def _function(node: dict[str, Any], key: Global) -> Global:
    content = node.get("content")
    if isinstance(content, dict):  # as skops before 0.9 wrote functions
        return str(content.get("module_path")), str(content.get("function"))
    return key


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    return (one for one in _dictionaries(schema) if one.keys() >= _DESCRIBED)


def _dictionaries(schema: Any) -> Iterator[dict[str, Any]]:
    todo = [schema]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)


def _check_parts(held: Any, trusted: tuple[str, ...]) -> None:
    """Check what the objects hold, those written in C too. Raises Damaged, Refused."""
    states = []
    for part in objects(held):
        if type(part).__module__.startswith("sklearn.") and not hasattr(part, "__dict__"):
            states.append(part.__getstate__() if hasattr(part, "__getstate__") else None)
            check_state(part, states[-1])
    check_model(held, *states, trusted=trusted)


def _written_by(schema: Any) -> str:
    """Return the version of scikit-learn that wrote the first of its objects; "" for unknown."""
    for node in _nodes(schema):
        content = node.get("content")
        said = content.get("_sklearn_version") if isinstance(content, dict) else None
        if isinstance(said, dict) and re.fullmatch(r'"[\d.]+\w*"', str(said.get("content"))):
            return str(said["content"]).strip('"')
    return ""


def _unreadable(path: Path, error: Exception, version: str) -> ModelError:
    words = refusals.first_line(str(error))
    if isinstance(error, NeedsVersion):
        return refusals.other_version(path, words, version)
    if OTHER_TREES in words:
        return refusals.other_version(path, f"holds trees of another form ({words})", version)
    if isinstance(error, TypeError) and "loader" in words:
        return ModelError(f"{path.name}: was written by a newer skops", "pip install -U skops")
    if isinstance(error, ModuleNotFoundError):
        return ModelError(
            f"{path.name}: needs {error.name}", "install the package that provides it"
        )
    return refusals.damaged(path, f"{type(error).__name__}: {words}")
