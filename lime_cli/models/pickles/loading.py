"""Loading pickled models safely: inspect, import, arm the tripwire, build, check."""

from __future__ import annotations

import lzma
import os
import re
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import LimexError, ModelError, UntrustedModel
from lime_cli.models.before import behind, named_transformers
from lime_cli.models.boosters import as_estimator, read_no_files
from lime_cli.models.chains import ModelInside, classes_in, scales_in
from lime_cli.models.containers import opened
from lime_cli.models.content import Content
from lime_cli.models.model_file import ModelFile, columns_beside
from lime_cli.models.parts import check_fitted, heard_loading
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
from lime_cli.models.pickles.beside import (
    behind_vectorizer,
    belonging,
    held_beside,
    not_applied,
    opened_beside,
    own_columns,
    takes_an_array,
    with_names,
)
from lime_cli.models.pickles.building import Builder, Missing
from lime_cli.models.pickles.dry_run import Survey, Surveyor
from lime_cli.models.pickles.frames import check_gone
from lime_cli.models.pickles.older import NeedsVersion, bring_up
from lime_cli.models.pickles.policy import AllowList, Global, Refused
from lime_cli.models.pickles.sizes import Damaged
from lime_cli.models.pickles.states import check_model
from lime_cli.models.predictor import Origin, Predictor, guarded, looked_at, quiet
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


def unpickle(source: Path | Content, trust: Trust = Trust()) -> object:
    """Load a joblib or pickle file of any protocol, compressed or not, by its content.

    Raises UntrustedModel for what may not be loaded, ModelError for what cannot be, and for plain
    data.
    """
    loaded = unpickle_any(source, trust)
    path = source.path if isinstance(source, Content) else source
    error = refusals.not_alone(path, loaded)
    if error is not None:
        raise error
    return loaded


def unpickle_any(source: Path | Content, trust: Trust = Trust()) -> object:
    """Load a file as ``unpickle`` does, also one of plain data."""
    path = source.path if isinstance(source, Content) else source
    with _file_errors(path):
        content = source if isinstance(source, Content) else Content(source)
        if trust.everything:
            return _load_trusting(content)
        return _load(_packed(content), AllowList(trust.modules))


def inspect_pickle(path: Path) -> tuple[PickleVerdict, ...]:
    """List the globals of a file, in order of appearance, without importing any of them.

    Raises ModelError for a file that cannot be read to its end, and UntrustedModel for one that
    breaks another rule, unless a name already tells that it must not be loaded.
    """
    with _file_errors(path):
        inspected = _inspect(_packed(Content(path)))
    refused = inspected.names_refused(AllowList())
    if not refused:
        _raise_faults(inspected)
    return tuple(
        PickleVerdict(*key, roles=frozenset(roles), allowed=key not in refused)
        for key, roles in inspected.survey.roles.items()
    )


def _packed(content: Content) -> Archive:
    head = content.head(HEAD_BYTES)
    if not looks_pickled(head):
        raise refusals.not_a_model(content.path, head)
    return archive(content)


def _inspect(packed: Archive) -> _Inspected:
    survey = Survey()
    try:
        _run(packed, survey)
    except Refused as refusal:
        survey.faults.append(refusal)
    except TooLarge:
        raise
    except Exception as error:
        # Reading noise as a pickle can raise anything, and all of it means the same.
        return _Inspected(packed, survey, _unreadable(packed, error))
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


def _unreadable(packed: Archive, error: Exception) -> ModelError:
    path, head = packed.content.path, packed.content.head(HEAD_BYTES)
    if not head.startswith(b"\x80") and not packed.packing and looks_like(head) == LIKE_TEXT:
        return refusals.not_a_model(path, head)
    if isinstance(error, EOFError):
        return refusals.cut_short(path)
    return refusals.damaged(path, f"{type(error).__name__}: {refusals.first_line(str(error))}")


def _raise_faults(inspected: _Inspected) -> None:
    if inspected.survey.faults:
        raise refusals.refused(inspected.file.content.path, inspected.survey.faults[0])
    if inspected.error is not None:
        raise inspected.error


def _load(packed: Archive, policy: AllowList) -> object:
    """Build what the file holds; where that fails, a dry run tells what to say of it.

    Building keeps every rule by itself, on the way: nothing is made that may not be, whatever
    comes later in the file. So a good file is read once, and a bad one has all its names listed.
    """
    try:
        return _build(packed, policy)
    except TooLarge:
        raise
    except Exception as error:
        raise _refusal(_inspect(packed), policy, error) from error


def _refusal(inspected: _Inspected, policy: AllowList, error: Exception) -> Exception:
    """Word why a file could not be built: by its names first, then by what is wrong with it."""
    path, version = inspected.file.content.path, inspected.survey.sklearn_version
    names = inspected.names_refused(policy)
    text_after_all = inspected.error is not None and "not a model" in inspected.error.message
    if names and not text_after_all:
        return refusals.untrusted(path, names, version)
    if inspected.survey.faults:
        return refusals.refused(path, inspected.survey.faults[0])
    if inspected.error is not None:
        return inspected.error
    match error:
        case Refused():
            return refusals.refused(path, error)
        case tripwire.Alarm():
            return refusals.unsafe(path, f"tries {error} while it is loaded")
        case Missing():
            return refusals.missing(path, error, version)
        case Damaged():
            return refusals.damaged(path, str(error))
        case EOFError():
            return refusals.cut_short(path)
        case NeedsVersion():
            return refusals.other_version(path, str(error), version)
    # Whatever the classes of the file raise on a state that is not theirs.
    return refusals.unbuildable(path, error, version)


def _build(packed: Archive, policy: AllowList) -> object:
    with tripwire.uncollected():
        with packed.open() as stream, _warnings_later():
            builder = Builder(stream, packed.size(), policy)
            with tripwire.armed():
                loaded = builder.load()
            with tripwire.predicting(policy.modules):  # which imports what an older file did not
                bring_up(builder.made, builder.sklearn_version)
        if builder.has_frames:
            check_gone(loaded, builder.made)
        check_model(loaded, *builder.made, trusted=policy.modules)
    return loaded


@contextmanager
def _warnings_later() -> Iterator[None]:
    """Give warnings once each and after the tripwire: showing one may open source files."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for warning in {str(warning.message): warning for warning in heard}.values():
        warnings.warn(warning.message, warning.category, stacklevel=4)


def _load_trusting(content: Content) -> object:
    """Load a file with everything it brings, as the person asked."""
    path, head = content.path, content.head(HEAD_BYTES)
    if not looks_pickled(head):
        raise refusals.not_a_model(path, head)
    try:
        with content.open() as stream:
            try:
                return joblib.load(stream)
            except Exception:
                dill = sys.modules.get("dill")  # which the file names, so it was imported
                if dill is None:
                    raise
        with archive(content).open() as stream:
            return dill.load(stream)  # some names of its files are known to its own reader alone
    except EOFError:
        raise refusals.cut_short(path) from None
    except ModuleNotFoundError as error:
        key = (error.name or "a module", "*")
        raise refusals.missing(path, Missing(key, str(error)), "") from error
    except Exception as error:
        lost = _LOST_CLASS.search(str(error))
        if lost:
            module = lost["module"] or lost["module_"]
            spec = getattr(sys.modules["__main__"], "__spec__", None)
            if spec is not None and module == spec.name:  # as of python -m, which messages name so
                module = "__main__"
            key = module, lost["name"] or lost["name_"]
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


def held_in(file: ModelFile, content: Content) -> object:
    """Return what a file holds, plain data too; raise UntrustedModel as ``load`` does."""
    return unpickle_any(content, Trust(file.trust, file.trust_modules))


def load(file: ModelFile, content: Content) -> Predictor:
    """Load the file; raise UntrustedModel for what is not on the list, ModelError for no model."""
    with warnings.catch_warnings(record=True) as heard, quiet():
        warnings.simplefilter("always")
        held = unpickle(content, Trust(file.trust, file.trust_modules))
    return predictor_of(held, file, content, "pickle", heard)


def predictor_of(
    held: Any,
    file: ModelFile,
    content: Content,
    kind: str,
    heard: list[warnings.WarningMessage],
) -> Predictor:
    """Wrap the model in what a file holds; ``heard`` are the warnings of loading it.

    Raises ModelError for what is no fitted model.
    """
    name = content.name
    digest = content.digest_in_thread()
    _count_processors()
    read_no_files()
    columns_said = columns_beside(file.path)
    parts, gaps = named_transformers(file)
    with looked_at(name), guarded(file, kind):  # what a model has and can is asked of the model
        model, said, columns = opened(held, file.key, name)
        naming_it = None if file.classes else classes_in(held, model)
        if naming_it is not None:
            key, names = naming_it
            file = file._replace(classes=names)
            words = f"classes are called as {key!r} of the file has them; --classes changes this"
            said = (*said, CodedWarning("classes_assumed", words))
        check_fitted(model, name)
        if parts:
            applied = behind(ModelInside(as_estimator(model), said, columns), parts, file, name)
            model, said, columns = applied.inside
            file = file._replace(classes=file.classes or applied.classes)
        alone, own = not parts and takes_an_array(model), own_columns(model)
    open_once = cache(_strictly)
    beside = opened_beside(file, open_once) if alone else []
    named = belonging(file, own, open_once) if not parts and (alone or own) else ()
    others = held_beside(file, named, open_once)
    with looked_at(name), guarded(file, kind):
        told_others = not_applied(model, file, others)
        model, file, before = behind_vectorizer(model, file, beside, told_others)
        gaps = (*heard_loading(name, heard), *gaps)
        origin = Origin(kind, digest, name, (*gaps, *said, *before))
        way = way_of(as_estimator(model), file, origin, columns or columns_said)
        told = next((one.message for one in before if one.code == "not_applied"), "")
        more = way.input._replace(beside=told, scales=scales_in(held, model))
        way = way._replace(input=more)
    file, classes = with_names(way, file, open_once)
    return Predictor(file, way._replace(warnings=(*way.warnings, *classes)))


def _strictly(path: Path) -> object:
    """Load a file that nobody named: only what is on the list, whatever is trusted; else None."""
    with warnings.catch_warnings(), quiet(), suppress(LimexError):
        warnings.simplefilter("ignore")
        return unpickle_any(path)
    return None


def _count_processors() -> None:
    """Have joblib count processors now, for which it starts a program when a model is asked."""
    context = sys.modules.get("joblib.externals.loky.backend.context")
    if os.cpu_count() == 1 and context is not None:
        context.physical_cores_cache = 1  # type: ignore[attr-defined]  # there is nothing to count
    joblib.cpu_count(only_physical_cores=True)
