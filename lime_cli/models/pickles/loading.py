"""Loading pickled models safely: inspect, import, arm the tripwire, build, check."""

from __future__ import annotations

import lzma
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from lime_cli.engine.model import Caveat
from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.files import digest_in_thread
from lime_cli.models.boosters import as_estimator
from lime_cli.models.containers import check_fitted, opened
from lime_cli.models.model_file import ModelFile
from lime_cli.models.pickles import refusals, tripwire
from lime_cli.models.pickles.archive import (
    HEAD_BYTES,
    LIKE_TEXT,
    Archive,
    TooLarge,
    archive,
    looks_like,
    looks_pickled,
)
from lime_cli.models.pickles.building import Builder, Damaged, Missing, check_made, resolve
from lime_cli.models.pickles.dry_run import Survey, Surveyor
from lime_cli.models.pickles.policy import AllowList, Global, Refused
from lime_cli.models.predictor import Origin, Predictor, quiet
from lime_cli.models.sklearn import way_of

_LOST_CLASS = re.compile(
    r"Can't get attribute '(?P<name>\w+)' on <module '(?P<module>[\w.]+)'"
    r"|module '(?P<module_>[\w.]+)' has no attribute '(?P<name_>\w+)'"
)


@dataclass(frozen=True)
class Trust:
    """What the person at the keyboard allowed beyond the list."""

    everything: bool = False
    modules: tuple[str, ...] = ()  # exact names; all that a module itself defines


@dataclass(frozen=True)
class PickleVerdict:
    """One global of a file, the roles it is used in (ref, new, call), and whether it may be."""

    module: str
    name: str
    roles: frozenset[str]
    allowed: bool


@dataclass(frozen=True)
class _Inspected:
    file: Archive
    survey: Survey
    error: ModelError | None  # why the dry run ended before the file did

    def names_refused(self, policy: AllowList) -> list[Global]:
        seen = self.survey.roles.items()
        return [key for key, roles in seen if not roles <= policy.roles(*key)]


def unpickle(path: Path, trust: Trust = Trust()) -> object:
    """Load a joblib or pickle file of any protocol, compressed or not, by its content.

    Raises UntrustedModel for what may not be loaded, ModelError for what cannot be.
    """
    with _file_errors(path):
        if trust.everything:
            loaded = _load_trusting(path)
        else:
            loaded = _load(_inspect(path), AllowList(trust.modules))
    error = refusals.not_alone(path, loaded)
    if error is not None:
        raise error
    return loaded


def inspect_pickle(path: Path) -> tuple[PickleVerdict, ...]:
    """List the globals of a file, in order of appearance, without importing any of them.

    Raises ModelError for a file that cannot be read to its end, and UntrustedModel for one that
    breaks another rule, unless a name already tells that it must not be loaded.
    """
    with _file_errors(path):
        inspected = _inspect(path)
    refused = inspected.names_refused(AllowList())
    if not refused:
        _raise_faults(inspected)
    return tuple(
        PickleVerdict(*key, roles=frozenset(roles), allowed=key not in refused)
        for key, roles in inspected.survey.roles.items()
    )


def _inspect(path: Path) -> _Inspected:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not looks_pickled(head):
        raise refusals.not_a_model(path, head)
    survey = Survey()
    packed = archive(path)
    try:
        _run(packed, survey)
    except Refused as refusal:
        survey.faults.append(str(refusal))
    except TooLarge:
        raise
    except Exception as error:
        # Reading noise as a pickle can raise anything, and all of it means the same.
        return _Inspected(packed, survey, _unreadable(packed, head, error))
    return _Inspected(packed, survey, None)


def _run(packed: Archive, survey: Survey) -> None:
    """Run the dry run; raises EOFError where the file ends before its last instruction."""
    with packed.open() as stream:
        try:
            Surveyor(stream, packed.size(), survey).load()
        except (EOFError, Refused, TooLarge):
            raise
        except Exception as error:
            if not stream.read(1):
                raise EOFError from error
            raise


def _unreadable(packed: Archive, head: bytes, error: Exception) -> ModelError:
    path = packed.path
    if not head.startswith(b"\x80") and not packed.packing and looks_like(head) == LIKE_TEXT:
        return refusals.not_a_model(path, head)
    if isinstance(error, EOFError):
        return refusals.cut_short(path)
    return refusals.damaged(path, f"{type(error).__name__}: {refusals.first_line(str(error))}")


def _raise_faults(inspected: _Inspected) -> None:
    if inspected.survey.faults:
        raise refusals.unsafe(inspected.file.path, inspected.survey.faults[0])
    if inspected.error is not None:
        raise inspected.error


def _load(inspected: _Inspected, policy: AllowList) -> object:
    path, survey = inspected.file.path, inspected.survey
    names = inspected.names_refused(policy)
    text_after_all = inspected.error is not None and "not a model" in inspected.error.message
    if names and not text_after_all:
        raise refusals.untrusted(path, names, survey.sklearn_version)
    _raise_faults(inspected)
    try:
        return _build(inspected, policy)
    except Refused as refusal:
        raise refusals.unsafe(path, str(refusal)) from None
    except tripwire.Alarm as alarm:
        raise refusals.unsafe(path, f"tries {alarm} while it is loaded") from None
    except Missing as error:
        raise refusals.missing(path, error, survey.sklearn_version) from error
    except Damaged as damage:
        raise refusals.damaged(path, str(damage)) from None
    except EOFError:
        raise refusals.cut_short(path) from None
    except Exception as error:
        # Whatever the classes of the file raise on a state that is not theirs.
        raise refusals.unbuildable(path, error, survey.sklearn_version) from error


def _build(inspected: _Inspected, policy: AllowList) -> object:
    file = inspected.file
    known = resolve(inspected.survey.roles, policy)
    with file.open() as stream, _warnings_later():
        builder = Builder(stream, file.size(), known, policy)
        with tripwire.armed():
            loaded = builder.load()
        check_made(builder.made)
    return loaded


@contextmanager
def _warnings_later() -> Iterator[None]:
    """Give warnings once each and after the tripwire: showing one may open source files."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for warning in {str(warning.message): warning for warning in heard}.values():
        warnings.warn(warning.message, warning.category, stacklevel=4)


def _load_trusting(path: Path) -> object:
    """Load a file with everything it brings, as the person asked."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not looks_pickled(head):
        raise refusals.not_a_model(path, head)
    try:
        return joblib.load(path)
    except EOFError:
        raise refusals.cut_short(path) from None
    except ModuleNotFoundError as error:
        key = (error.name or "a module", "*")
        raise refusals.missing(path, Missing(key, str(error)), "") from error
    except Exception as error:
        lost = _LOST_CLASS.search(str(error))
        if lost:
            key = lost["module"] or lost["module_"], lost["name"] or lost["name_"]
            raise refusals.missing(path, Missing(key, str(error)), "") from error
        raise refusals.unbuildable(path, error, "") from error


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Word what goes wrong with the file itself, before anything in it counts."""
    try:
        yield
    except (ModelError, UntrustedModel):
        raise
    except TooLarge:
        raise refusals.too_large(path) from None
    except EOFError:
        raise refusals.cut_short(path) from None
    except OSError as error:
        raise ModelError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    except ImportError as error:
        raise ModelError(f"{path.name}: is packed with lz4", "pip install lz4") from error
    except (ValueError, zlib.error, lzma.LZMAError) as error:
        raise refusals.damaged(path, refusals.first_line(str(error))) from error


def load(file: ModelFile) -> Predictor:
    """Load the file; raise UntrustedModel for what is not on the list, ModelError for no model."""
    path = Path(file.path)
    with warnings.catch_warnings(record=True) as heard, quiet():
        warnings.simplefilter("always")
        held = unpickle(path, Trust(file.trust, file.trust_modules))
    return predictor_of(held, file, "pickle", heard)


def predictor_of(
    held: Any, file: ModelFile, kind: str, heard: list[warnings.WarningMessage]
) -> Predictor:
    """Wrap the model in what a file holds; ``heard`` are the warnings of loading it.

    Raises ModelError for what is no fitted model.
    """
    path = Path(file.path)
    model, said = opened(held, file.key, path.name)
    check_fitted(model, path.name)
    caveats = (*_version_gap(path.name, heard), *said)
    origin = Origin(kind, digest_in_thread(path), path.name, caveats)
    return Predictor(file, way_of(as_estimator(model), file, origin))


def _version_gap(name: str, heard: list[warnings.WarningMessage]) -> Iterator[Caveat]:
    for one in heard:
        if type(one.message).__name__ == "InconsistentVersionWarning":
            saved = getattr(one.message, "original_sklearn_version", "another version")
            running = getattr(one.message, "current_sklearn_version", "this one")
            yield Caveat(
                "version_gap", f"{name} was saved by scikit-learn {saved}, running {running}"
            )
            return
