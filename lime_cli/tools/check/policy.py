"""Policies: what explanations must be like, read strictly from a TOML file.

docs/check.md describes the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lime_cli.console import SILENT, Console
from lime_cli.errors import SettingsError
from lime_cli.options.layers import read_toml
from lime_cli.registry import renamed

SIGNS = ("positive", "negative", "not positive", "not negative")

TOP = 5


@dataclass(frozen=True)
class PolicyRule:
    """What every rule has: where it applies, and where it stands in the file."""

    place: str
    target: str = "*"
    """Names of targets, with * and ?."""
    instance: str = "*"
    """Ids of instances, with * and ?."""

    def applies(self, target: str, instance: str) -> bool:
        """Tell whether the rule is about this target of this instance."""
        return fnmatchcase(target, self.target) and fnmatchcase(instance, self.instance)


@dataclass(frozen=True)
class Quality(PolicyRule):
    """Floors and ceilings of every explanation; None for none."""

    min_fidelity: float | None = None
    max_gap: float | None = None
    """Absolute, in the unit of the target."""
    min_effective_samples: float | None = None
    min_selected: float | None = None
    """Share of leave-one-block-out fits that choose each of the top components."""
    max_unresolved: int | None = None
    """Among the top components."""
    top: int = TOP


@dataclass(frozen=True)
class Forbidden(PolicyRule):
    """Features that may not matter: among the top, or with more than a share of all weight."""

    features: tuple[str, ...] = ()
    top: int | None = None
    share: float | None = None
    """Of the sum of absolute weights."""


@dataclass(frozen=True)
class Required(PolicyRule):
    """Features of which one must matter: among the top, or with at least a share."""

    features: tuple[str, ...] = ()
    top: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Signed(PolicyRule):
    """Features whose weight must have a sign, as far as it is certain."""

    features: tuple[str, ...] = ()
    sign: str = "not negative"


@dataclass(frozen=True)
class Steady(PolicyRule):
    """How far explanations may be from a baseline's."""

    max_changed: int | None = None
    """Weights that change beyond both error bars."""
    max_flips: int | None = None
    min_overlap: float | None = None
    """Share of the top components that both have."""
    max_prediction_change: float | None = None
    top: int = TOP


@dataclass(frozen=True)
class WholeRun(PolicyRule):
    """What holds for all instances together."""

    max_failures: int | None = None
    forbid_warnings: tuple[str, ...] = ()
    """Codes, with * and ?."""


KINDS: dict[str, type[PolicyRule]] = {
    "quality": Quality,
    "forbid": Forbidden,
    "require": Required,
    "sign": Signed,
    "drift": Steady,
    "run": WholeRun,
}


@dataclass(frozen=True)
class Policy:
    """The rules of a file, in its order within each kind."""

    name: str
    rules: tuple[PolicyRule, ...] = field(default=())

    def of(self, kind: type[PolicyRule]) -> list[Any]:
        return [rule for rule in self.rules if isinstance(rule, kind)]


def read_policy(path: Path, console: Console = SILENT) -> Policy:
    """Read a policy; raise SettingsError naming file and line for anything that is not one."""
    text, parsed = read_toml(path)
    reader = _Reader(str(path), text, console)
    rules = tuple(rule for key, value in parsed.items() for rule in reader.rules(key, value))
    if not rules:
        raise SettingsError(f"{path.name}: has no rule", "see docs/check.md")
    return Policy(str(path), rules)


@dataclass(frozen=True)
class _Reader:
    name: str
    text: str
    console: Console

    def rules(self, key: str, value: Any) -> Iterator[PolicyRule]:
        """Read a table, each of several tables of a kind, or a list of names."""
        if key not in KINDS:
            raise self._unknown(key, 0, key, list(KINDS))
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = {"features": value}
        for number, table in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(table, dict):
                raise SettingsError(
                    f"{self._place(key, number, key)}: {key} is neither a table nor a list of names"
                )
            yield self._rule(key, number, table)

    def _rule(self, kind: str, number: int, table: dict[str, Any]) -> PolicyRule:
        allowed = {one.name: one for one in fields(KINDS[kind]) if one.name != "place"}
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in allowed:
                raise self._unknown(kind, number, key, list(allowed))
            place = self._place(kind, number, key)
            values[key] = _checked(place, key, value, str(allowed[key].type))
            if key == "forbid_warnings":
                values[key] = tuple(self._codes(place, values[key]))
        rule = KINDS[kind](self._place(kind, number, kind), **values)
        self._check(rule, kind, number)
        return rule

    def _codes(self, place: str, patterns: Iterable[str]) -> Iterator[str]:
        """Yield patterns of codes, and the new code beside a pattern that only an old one fits."""
        for pattern in patterns:
            yield pattern
            for old, new in renamed("code").items():
                if fnmatchcase(old, pattern) and not fnmatchcase(new or "", pattern):
                    now = f"is now {new}" if new else "does not occur any more"
                    self.console.warn([("old_names", f"{place}: {old} {now}")])
                    yield from (new,) if new else ()

    def _check(self, rule: PolicyRule, kind: str, number: int) -> None:
        place = self._place(kind, number, kind)
        if isinstance(rule, Forbidden | Required | Signed) and not rule.features:
            raise SettingsError(f"{place}: [{kind}] names no features", 'add features = ["..."]')
        if isinstance(rule, Signed) and rule.sign not in SIGNS:
            place = self._place(kind, number, "sign", inside=True)
            listed = ", ".join(map(repr, SIGNS))
            raise SettingsError(f"{place}: sign: {rule.sign!r} is unknown", f"one of: {listed}")

    def _unknown(self, kind: str, number: int, key: str, known: list[str]) -> SettingsError:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        homes = [name for name, rule in KINDS.items() if key in {one.name for one in fields(rule)}]
        if homes and kind not in KINDS:
            hint = f"put it into [{homes[0]}]"
        return SettingsError(f"{self._place(kind, number, key)}: unknown key {key!r}", hint)

    def _place(self, kind: str, number: int, key: str, inside: bool = False) -> str:
        line = _line_of(self.text, (kind, number), key, inside or key != kind)
        return f"{self.name}:{line}" if line else self.name


def _checked(place: str, key: str, value: Any, wanted: str) -> Any:
    """Return a value of the kind a field has; raise SettingsError for another."""
    if wanted.startswith("tuple"):
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and all(isinstance(one, str) for one in names):
            return tuple(names)
        raise SettingsError(f"{place}: {key}: {value!r} is not a list of names")
    if wanted.startswith("str"):
        if isinstance(value, str):
            return value
        raise SettingsError(f"{place}: {key}: {value!r} is not text")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value < 0 or (wanted.startswith("int") and not isinstance(value, int)):
        kind = "whole number" if wanted.startswith("int") else "number"
        raise SettingsError(f"{place}: {key}: {value!r} is not a {kind} of at least 0")
    return value


def _line_of(text: str, table: tuple[str, int], key: str, inside: bool) -> int | None:
    """Find the line of the n-th table of a kind, or of a key inside it or before all tables."""
    kind, number = table
    header, seen = "", -1
    for line_number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*\[\[?\s*[\"']?([^\]\"']+?)[\"']?\s*\]", line)
        if found:
            header = found[1].strip()
            seen += header == kind
            if header == key and (not inside or kind not in KINDS) and seen == number:
                return line_number
        elif re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line) and (
            not header or (inside and header == kind and seen == number)
        ):
            return line_number
    return None
