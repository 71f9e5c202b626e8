"""``limex check``: the gate that judges explanations by a policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lime_cli.errors import OutputError, SettingsError
from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, flag, option, options
from lime_cli.options.output import ReportOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_cli.console import Console
    from lime_cli.tools.check.measure import Checked, Finding
    from lime_cli.tools.check.policy import Policy


FOUND = 1


class CheckOptions(Options, heading="Check"):
    """What is checked by which policy, as typed."""

    result: str = argument()
    policy: str = option(
        "--policy", "Policy file with the rules for explanations.", metavar="FILE", required=True
    )
    baseline: str | None = option(
        "--baseline", "Earlier result, for rules on drift.", metavar="OLD"
    )
    junit: str | None = option("--junit", "Also write JUnit XML.", metavar="FILE")
    github: bool = flag("--github", "Print annotations for GitHub Actions.")


@click.command(cls=Command)
@options(CheckOptions, ReportOptions)
def check(options: CheckOptions, output: ReportOptions) -> int:
    """Check explanations against a policy: RESULT is JSON, JSON lines or the folder of a batch.

    The exit code is 1 if there are findings, and 0 otherwise.

    \b
    Examples:
      limex check out/ --policy policy.toml
      limex check out/ --policy policy.toml --baseline last/ --junit check.xml
      limex check explanations.jsonl --policy policy.toml --github
    """
    from lime_cli.tools.check.measure import WRITERS, Checked, by_rule, github_line, write_junit
    from lime_cli.tools.check.policy import read_policy

    to = output.destination()
    to.check(1)
    rules, checked = read_policy(Path(options.policy), to.console), Checked()
    findings = list(_findings(options, rules, checked, to.console))
    if options.junit is not None:
        try:
            with Path(options.junit).open("wb") as stream:
                write_junit(findings, rules, stream)
        except OSError as error:
            raise OutputError(f"{options.junit}: cannot be written ({error.strerror})") from None
    with to.opened() as stream:
        if options.github:
            for one in by_rule(findings):
                click.echo(github_line(one))
        else:
            WRITERS[to.format](findings, checked, rules, stream, to.look())
    to.tell_findings(len(findings))
    return FOUND if findings else 0


def _findings(
    options: CheckOptions, policy: Policy, checked: Checked, console: Console
) -> Iterator[Finding]:
    """Check every instance, and its distance from the baseline where there is one."""
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.check.measure import check, check_drift
    from lime_cli.tools.check.policy import Steady
    from lime_cli.tools.compare.measure import Unmatched, compare

    result, baseline, steady = options.result, options.baseline, policy.of(Steady)
    if bool(steady) != (baseline is not None):
        raise SettingsError(
            f"{policy.name}: has {'a [drift] and there is no' if steady else 'no [drift] for the'}"
            " --baseline",
            "give both or neither",
        )
    yield from check(read_entries(result, console), policy, checked)
    if baseline is not None:
        top, left = max(one.top for one in steady), Unmatched()
        old, new = read_entries(baseline, console), read_entries(result)
        yield from check_drift(compare(old, new, top, left), policy)
        left.warn()
