"""Findings of a check: lines for people, JSON, JUnit's XML, and annotations for GitHub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree

from lime_cli.formats.wording import literal
from lime_cli.tools.check.measure import NAME, NUMBER, Checked, Finding, RuleFindings, by_rule

if TYPE_CHECKING:
    from lime_cli.formats import Look
    from lime_cli.tools.check.policy import Policy


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
    out.write(json.dumps(data, indent=2).encode() + b"\n")


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
