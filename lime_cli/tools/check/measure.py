"""Checking explanations against a policy: what is found, instance by instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from math import inf
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from lime_cli.files import json_page
from lime_cli.formats.wording import literal
from lime_cli.records.reading import FAILURE, Entry, SavedWeight, Target, instance_of, targets_of
from lime_cli.records.record import damage_named
from lime_cli.tools.check.policy import (
    Forbidden,
    Policy,
    PolicyRule,
    Quality,
    Required,
    Signed,
    Steady,
    WholeRun,
)
from lime_cli.tools.compare.measure import Difference

if TYPE_CHECKING:
    from lime_cli.formats import Look
    from lime_cli.tools.check.policy import Policy

NAME, NUMBER = "limex/check", 1


@dataclass(frozen=True)
class Finding:
    """One thing that a policy does not allow."""

    rule: str
    """Kind of the rule: ``forbid``."""
    place: str
    """File and line of the rule."""
    source: str
    id: str
    """Empty for what concerns all instances together, as is ``target``."""
    target: str
    message: str
    key: str = ""
    """What of the rule is not kept: ``min_fidelity``."""
    excess: float = 0.0
    """How far it is not kept, to compare findings of one rule and key."""


class Broken(NamedTuple):
    """What of a rule an explanation does not keep."""

    key: str
    excess: float
    """How far; larger is worse, among findings of this key."""
    message: str


@dataclass(frozen=True)
class RuleFindings:
    """All findings of one rule and key; ``worst`` is the first of those farthest off."""

    rule: str
    key: str
    place: str
    count: int
    worst: Finding
    ids: tuple[str, ...]
    """Of up to three instances, the worst first; empty for what concerns all together."""


IDS = 3
"""Instances that stand for a rule's findings."""


def by_rule(findings: Sequence[Finding]) -> list[RuleFindings]:
    """Put findings together by rule and key, in the order in which these first occur."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.rule, one.key, one.place), []).append(one)
    found = []
    for (rule, key, place), some in groups.items():
        ordered = sorted(some, key=lambda one: -one.excess)
        ids = tuple(dict.fromkeys(one.id for one in ordered if one.id))[:IDS]
        found.append(RuleFindings(rule, key, place, len(some), ordered[0], ids))
    return found


@dataclass
class Checked:
    """What was looked at."""

    explained: int = 0
    failed: int = 0
    findings: int = 0


def check(entries: Iterable[Entry], policy: Policy, checked: Checked) -> Iterator[Finding]:
    """Yield what the policy does not allow, in input order, and count in ``checked``.

    Raises InputError, naming its place, for a damaged record.
    """
    runs: list[WholeRun] = policy.of(WholeRun)
    for entry in entries:
        if entry.schema == FAILURE:
            checked.failed += 1
            continue
        checked.explained += 1
        with damage_named(entry.place):
            found = [*_instance(entry.record, policy), *_warnings(entry.record, runs)]
        yield from found
    for rule in runs:
        if rule.max_failures is not None and checked.failed > rule.max_failures:
            said = f"{checked.failed} instances failed, at most {rule.max_failures} may"
            excess = float(checked.failed - rule.max_failures)
            yield Finding("run", rule.place, "", "", "", said, "max_failures", excess)


def check_drift(found: Iterable[Difference], policy: Policy) -> Iterator[Finding]:
    """Yield where explanations are too far from a baseline's."""
    rules: list[Steady] = policy.of(Steady)
    for one in found:
        for rule in rules:
            if rule.applies(one.target, one.id):
                for key, excess, said in _moved(one, rule):
                    names = (one.source, one.id, one.target)
                    yield Finding("drift", rule.place, *names, said, key, excess)


def _instance(record: dict[str, Any], policy: Policy) -> Iterator[Finding]:
    source, own = instance_of(record)
    exact = record.get("stop") == "exhaustive"
    effective = inf if exact else float(record["effective_samples"])
    for target in targets_of(record):
        for rule in policy.rules:
            if rule.applies(target.name, own):
                kind, said = _broken(rule, target, effective)
                for key, excess, message in said:
                    names = (source, own, target.name)
                    yield Finding(kind, rule.place, *names, message, key, excess)


def _broken(rule: PolicyRule, target: Target, effective: float) -> tuple[str, Iterable[Broken]]:
    match rule:
        case Quality():
            return "quality", _quality(rule, target, effective)
        case Forbidden():
            return "forbid", _forbidden(rule, target)
        case Required():
            return "require", _required(rule, target)
        case Signed():
            return "sign", _signed(rule, target)
    return "", ()


def _quality(rule: Quality, target: Target, effective: float) -> Iterator[Broken]:
    top = target.weights[: rule.top]
    least = rule.min_fidelity
    if least is not None and (target.fidelity is None or target.fidelity < least):
        said = "the fidelity is undefined: the model predicts the same for all samples"
        if target.fidelity is not None:
            said = f"the fidelity is {target.fidelity:.3f}, at least {least:g} is required"
        yield Broken("min_fidelity", least - (target.fidelity or 0.0), said)
    if rule.max_gap is not None and abs(target.gap) > rule.max_gap:
        said = f"the gap is {target.gap:+.3g}, at most {rule.max_gap:g} is allowed"
        yield Broken("max_gap", abs(target.gap) - rule.max_gap, said)
    floor = rule.min_effective_samples
    if floor is not None and effective < floor:
        said = f"the effective sample size is {effective:.0f}, at least {floor:g} is required"
        yield Broken("min_effective_samples", floor - effective, said)
    for one in top:
        if rule.min_selected is not None and (one.selected or 0.0) < rule.min_selected:
            share = "unknown" if one.selected is None else f"{one.selected:.0%}"
            said = f"{one.name} is not stable: selected in {share} of the fits"
            yield Broken("min_selected", rule.min_selected - (one.selected or 0.0), said)
    unresolved = sum(not one.certain for one in top)
    if rule.max_unresolved is not None and unresolved > rule.max_unresolved:
        said = f"{unresolved} of the top {len(top)} weights are unresolved"
        yield Broken("max_unresolved", float(unresolved - rule.max_unresolved), said)


def _matching(features: tuple[str, ...], weights: Iterable[SavedWeight]) -> list[SavedWeight]:
    """List the weights whose feature or condition is meant by one of the patterns."""
    return [
        one
        for one in weights
        if any(fnmatchcase(one.feature, f) or fnmatchcase(one.condition, f) for f in features)
    ]


def _forbidden(rule: Forbidden, target: Target) -> Iterator[Broken]:
    """Say which weights there must not be; of those alone that are certainly not zero."""
    anywhere = rule.top is None and rule.share is None
    ranks = {one.place: rank for rank, one in enumerate(target.weights, 1)}
    for one in _matching(rule.features, target.weights):
        if not one.certain:
            continue
        share = abs(one.weight) / target.total if target.total else 0.0
        if anywhere or (rule.top is not None and ranks[one.place] <= rule.top):
            said = f"{one.name} is number {ranks[one.place]} with weight {one.weight:+.3g}"
            yield Broken(", ".join(rule.features), abs(one.weight), said)
        elif rule.share is not None and share > rule.share:
            said = f"{one.name} has {share:.1%} of the weight, at most {rule.share:.1%} is allowed"
            yield Broken(f"{', '.join(rule.features)} share", share - rule.share, said)


def _required(rule: Required, target: Target) -> Iterator[Broken]:
    found = _matching(rule.features, target.weights[: rule.top])
    wanted = " or ".join(rule.features)
    if not found:
        among = f"the top {rule.top}" if rule.top is not None else "the components chosen"
        yield Broken(wanted, 0.0, f"{wanted} is not among {among}")
    elif rule.share is not None:
        share = sum(abs(one.weight) for one in found) / target.total if target.total else 0.0
        if share < rule.share:
            said = f"{wanted} has {share:.1%} of the weight, at least {rule.share:.1%} is required"
            yield Broken(f"{wanted} share", rule.share - share, said)


def _signed(rule: Signed, target: Target) -> Iterator[Broken]:
    for one in _matching(rule.features, target.weights):
        certain = one.certain and one.weight != 0
        wrong = {
            "positive": not (certain and one.weight > 0),
            "negative": not (certain and one.weight < 0),
            "not positive": certain and one.weight > 0,
            "not negative": certain and one.weight < 0,
        }[rule.sign]
        if wrong:
            doubt = "" if certain else ", not certain"
            said = f"{one.name} has weight {one.weight:+.3g}{doubt}; it must be {rule.sign}"
            yield Broken(", ".join(rule.features), abs(one.weight), said)


def _warnings(record: dict[str, Any], runs: list[WholeRun]) -> Iterator[Finding]:
    source, own = instance_of(record)
    codes = Counter(str(one["code"]) for one in record["warnings"])
    for rule in runs:
        for code in codes:
            if any(fnmatchcase(code, one) for one in rule.forbid_warnings):
                said = next(str(w["message"]) for w in record["warnings"] if w["code"] == code)
                yield Finding("run", rule.place, source, own, "", f"{code}: {said}", code)


def _moved(one: Difference, rule: Steady) -> Iterator[Broken]:
    if rule.max_changed is not None and one.beyond > rule.max_changed:
        names = ", ".join(change.name for change in one.changes if change.beyond)
        said = f"{one.beyond} weights changed beyond both error bars: {names}"
        yield Broken("max_changed", float(one.beyond - rule.max_changed), said)
    if rule.max_flips is not None and one.flips > rule.max_flips:
        names = ", ".join(change.name for change in one.changes if change.flipped)
        yield Broken("max_flips", float(one.flips - rule.max_flips), f"the sign changed of {names}")
    if rule.min_overlap is not None and one.overlap < rule.min_overlap:
        said = f"{one.overlap:.0%} of the top components are the baseline's"
        yield Broken("min_overlap", rule.min_overlap - one.overlap, said)
    limit = rule.max_prediction_change
    if limit is not None and abs(one.prediction_change) > limit:
        said = f"the prediction changed by {one.prediction_change:+.3g}, limit {limit:g}"
        yield Broken("max_prediction_change", abs(one.prediction_change) - limit, said)


def write_text(
    findings: Sequence[Finding], checked: Checked, policy: Policy, out: IO[bytes], look: Look
) -> None:
    """Write a line for each rule that is not kept, and one that sums them up."""
    lines = [f"{rule_said(one)} [{one.place}]" for one in by_rule(findings)]
    failed = f", {checked.failed:,} failed" if checked.failed else ""
    many = f"{len(findings):,} findings" if len(findings) != 1 else "1 finding"
    lines.append(f"{many} in {checked.explained:,} explanations{failed} ({policy.name})")
    text = "".join(literal(line, look.encoding == "utf-8") + "\n" for line in lines)
    out.write(text.encode("utf-8", "backslashreplace"))


def write_json(
    findings: Sequence[Finding], checked: Checked, policy: Policy, out: IO[bytes], look: Look
) -> None:
    """Write everything, pure ASCII, the keys in a fixed order."""
    data = {
        "schema": {"name": NAME, "number": NUMBER},
        "policy": policy.name,
        "explained": checked.explained,
        "failed": checked.failed,
        "passed": not findings,
        "rules": [{**asdict(one), "worst": said(one.worst)} for one in by_rule(findings)],
        "findings": [asdict(one) for one in findings],
    }
    out.write(json_page(data))


WRITERS = {"table": write_text, "json": write_json}


def write_junit(findings: Sequence[Finding], policy: Policy, out: IO[bytes]) -> None:
    """Write a test case for each rule, failed where something was found."""
    cases = ElementTree.Element("testsuite", name="limex check")
    failures = 0
    for rule in policy.rules:
        case = ElementTree.SubElement(cases, "testcase", classname=policy.name, name=rule.place)
        found = [said(one) for one in findings if one.place == rule.place]
        if found:
            failures += 1
            text = [literal(one) for one in found]
            failure = ElementTree.SubElement(case, "failure", message=text[0])
            failure.text = "\n".join(text)
    cases.set("tests", str(len(policy.rules)))
    cases.set("failures", str(failures))
    suites = ElementTree.Element("testsuites")
    suites.append(cases)
    ElementTree.indent(suites)
    data = ElementTree.tostring(suites, encoding="unicode")
    out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(data.encode("utf-8", "xmlcharrefreplace") + b"\n")


def github_line(one: RuleFindings) -> str:
    """Return the annotation of a rule, as GitHub Actions reads it from standard output."""
    text = rule_said(one).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    file, _, line = one.place.partition(":")
    for mark, code in (("%", "%25"), (",", "%2C"), (":", "%3A")):
        file = file.replace(mark, code)
    at = f",line={line}" if line else ""
    return f"::error file={file}{at},title=limex check::{literal(text)}"


def rule_said(one: RuleFindings) -> str:
    """Say in a line how often a rule is not kept, where it is worst, and in which instances."""
    if one.count == 1:
        return said(one.worst)
    others = [own for own in one.ids if own != one.worst.id]
    also = f"; also {', '.join(others)}" if others else ""
    more = ", ..." if others and one.count > len(one.ids) else ""
    name = f"{one.rule} {one.key}".strip()
    return f"{name}: {one.count:,} findings, the worst {said(one.worst)}{also}{more}"


def said(one: Finding) -> str:
    """Say in a line what was found, and where."""
    own = one.source and one.source in one.id  # a file is its own id
    where = one.id if own else f"{one.source} {one.id}".strip()
    target = f', "{one.target}"' if one.target else ""
    return f"{where}{target}: {one.message}" if where else one.message
