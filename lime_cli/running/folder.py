"""A batch into its folder: what is done already, what is left, when to stop, what to say."""

from __future__ import annotations

import io
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from lime_cli.console import print_line
from lime_cli.files import digest_of_file
from lime_cli.formats import SUFFIXES
from lime_cli.models.onnx.export import digests_beside
from lime_cli.running.batch import (
    SOME_FAILED,
    Batch,
    Inventory,
    Slice,
    Stops,
    inventory_of,
    said_of,
)
from lime_cli.running.containment import Containment
from lime_cli.running.signals import interruptible
from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.formats import Look
    from lime_cli.running.job import Job, Outcome
    from lime_cli.running.ledger import BatchIdentity, Ledger, LedgerPart, Tally


PACKAGES = (
    "numpy",
    "scikit-learn",
    "scikit-image",
    "pandas",
    "pillow",
    "regex",
    "onnxruntime",
    "xgboost",
    "lightgbm",
    "catboost",
    "skops",
)
"""Whose versions may change a number."""

_PATHS = ("path", "inputs", "background", "tokenizer", "segmenter")
"""Options that name files: what is in them counts, not where they are."""

_CHANGE_NO_NUMBER = (
    "trust", "trust_modules", "sha256", "imports", "fitted_background",
    "reading", "answers", "given",
)  # fmt: skip


def identity_of(
    job: Job, listing: Inventory, drawn: tuple[tuple[str, ...], Look], shard: tuple[int, int]
) -> BatchIdentity:
    """Identify the batch whose sources are listed; ``drawn`` are formats and how they look."""
    from lime_cli.running.ledger import BatchIdentity

    formats, look = drawn
    parts = {
        "model": {**_without_paths(job.model._asdict()), **digests_beside(job.model.path)},
        "input": {
            **_without_paths(asdict(cast(Any, job.modality))),
            "instances": listing.n_sources,
        },
        "listing": {"instances_by_name": listing.digest},
        "settings": job.settings.numbers(),
        "drawings": {"format": ",".join(formats), **(asdict(look) if formats else {})},
        "shard": "/".join(map(str, shard)),
        "versions": _versions(),
    }
    named = [(one, key) for one in (job.modality, job.model) for key in _PATHS]
    paths = {key: getattr(one, key) for one, key in named if getattr(one, key, None)}
    return BatchIdentity(parts, paths)


def _without_paths(said: dict[str, Any]) -> dict[str, Any]:
    """Return options with the digests of files instead of their paths."""
    found = {}
    for key, value in said.items():
        if key in _CHANGE_NO_NUMBER or key == "inputs":
            continue
        if isinstance(value, dict):
            value = _without_paths(value)
        elif key in _PATHS and value:
            value = _digest(value)
        found["digest" if key == "path" else key] = value
    return found


def _digest(path: str) -> str:
    return digest_of_file(Path(path)) if Path(path).is_file() else path


def _versions() -> dict[str, str]:
    found = {"limex": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


INDEX = "index.html"


def write_index(folder: Path) -> None:
    """Write the index of a finished batch whose instances have pages; raise OutputError."""
    from lime_cli import files
    from lime_cli.formats.html import write_page
    from lime_cli.records.reading import FAILURE, read_entries

    pages = iter(sorted(one.name for one in folder.glob("[0-9]*-*.html")))
    links: dict[str, str] = {}
    failures: list[dict[str, str]] = []

    def explained() -> Iterator[Explanation]:
        for entry in read_entries(str(folder)):
            if entry.schema == FAILURE:
                name = str(entry.record["instance"]["id"])
                failures.append({"name": name, "said": str(entry.record["error"]["message"])})
                continue
            explanation = entry.explanation()
            links[explanation.subject.id] = next(pages, "")
            yield explanation

    page = io.BytesIO()
    write_page(explained(), page, links, failures)
    files.write_whole(folder / INDEX, page.getvalue())


SUMMARY_SCHEMA = {"name": "limex/batch", "number": 1}

_GO_ON = "run the same command again to go on"

_SLUG_CHARACTERS = 40

_WIDTH = 80  # of what is drawn in columns: a terminal's must not change a file

_SUFFIXES = {name: suffix for suffix, name in reversed(SUFFIXES.items())}


def run_into_folder(batch: Batch) -> int:
    """Explain a batch into its folder, or go on with it; return the exit code."""
    context = click.get_current_context(silent=True)
    containment = context.find_object(Containment) if context else None
    leave = containment.report if containment else _stay
    batch = replace(batch, look=replace(batch.look, width=_WIDTH))
    with interruptible(leave) as interruption:
        from lime_cli.running.resume import opened

        listing = inventory_of(batch.slices())
        drawings = batch.output.drawings
        drawn = (drawings, batch.look)
        identity = identity_of(batch.job, listing, drawn, batch.running.shard)
        folder = Path(batch.output.path or "")
        with opened(folder, identity, batch.running.beginning(batch.output.force)) as ledger:
            stops = Stops(batch.running, interruption)
            run = _Run(batch, ledger, stops, listing, drawings)
            interruption.farewell = run.say_farewell
            if run.worked():
                return run.finished()
            return run.stopped()


@dataclass
class _Run:
    """A batch at work in its folder."""

    batch: Batch
    ledger: Ledger
    stops: Stops
    listing: Inventory
    drawings: tuple[str, ...]
    handed: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Slices at work: the place of the first instance, and what the inputs look like."""
    kept: int = 0
    """Instances of this run."""

    def worked(self) -> bool:
        """Do what is not done yet; tell whether nothing is left."""
        from lime_cli.running.executor import opened
        from lime_cli.running.progress import Progress, shown

        todo = self._todo()
        first = next(todo, None)
        if first is None:
            return True
        console, running, ledger = self.batch.output.console, self.batch.running, self.ledger
        if ledger.n_done:
            console.say(f"{ledger.folder}: goes on, {ledger.n_done:,} are done")
        progress = Progress(self.listing.n_sources, kept=ledger.n_done)
        works = self.batch.works(itertools.chain([first], todo), self.drawings)
        model = self.batch.job.model
        with (
            opened(running.workers(model.threads), model.path) as executor,
            shown(progress, running.progress, console.quiet),
        ):
            progress.advance(ledger.n_done, ledger.n_failed)
            for work, outcomes in executor.run_all(works, lambda: bool(self.stops.reason)):
                self._keep(work.number, outcomes)
                progress.advance(ledger.n_done, ledger.n_failed)
        return not self.handed and next(todo, None) is None

    def _todo(self) -> Iterator[Slice]:
        for one in self.batch.slices():
            inputs = one.inputs()
            if not self.ledger.has(one.number, inputs):
                self.handed[one.number] = (one.first, inputs)
                yield one

    def _keep(self, number: int, outcomes: tuple[Outcome, ...]) -> None:
        """Publish the outcomes of a slice, its drawings under the places of their instances."""
        first, inputs = self.handed.pop(number)
        drawings = (
            (f"{first + i:05d}-{_slug(outcome.source.id)}{_SUFFIXES.get(name, '.' + name)}", drawn)
            for i, outcome in enumerate(outcomes)
            for name, drawn in outcome.drawings
        )
        part = _part(outcomes, inputs)
        self.kept += len(outcomes)
        self.stops.failed += part.tally.failed
        self.ledger.publish(number, part, drawings)

    def stopped(self) -> int:
        """Say how to go on; return the exit code of what stopped the batch."""
        interruption = self.stops.interruption
        if interruption and interruption.number is not None:
            interruption.say_farewell()
            return interruption.code
        self.say_kept(f"{self.stops.reason}: ")
        return SOME_FAILED

    def say_farewell(self) -> None:
        """Say how to go on, on the way out."""
        from lime_cli.running.progress import release_terminal

        release_terminal()
        self.say_kept("")

    def say_kept(self, reason: str) -> None:
        """Say what is kept, and how to go on."""
        kept = f"kept {self.ledger.n_done:,} of {self.listing.n_sources:,}"
        self.batch.output.console.say(f"{self.ledger.folder}: {reason}{kept}; {_GO_ON}")

    def finished(self) -> int:
        """Put everything together, say what came of it; return the exit code."""
        ledger, console = self.ledger, self.batch.output.console
        merged = bool(ledger.parts) or not ledger.stretches
        tally = ledger.finish(self.batch.running.numbers(self.listing.n_slices))
        if merged or not ledger.summarized:
            ledger.summarize(self._summary(tally))
        if merged and "html" in self.drawings and tally.explained:
            write_index(ledger.folder)
        self._say_result(tally, merged)
        if merged:
            console.warn_counted(tally.sentences, tally.warnings)
        return SOME_FAILED if tally.failed else 0

    def _summary(self, tally: Tally) -> dict[str, Any]:
        """Return the summary; what depends on the clock stands under ``timing``."""
        seconds = time.monotonic() - self.stops.began
        return {
            "schema": SUMMARY_SCHEMA,
            "limex": __version__,
            "run": self.ledger.identity.digest,
            **tally.summary(),
            "skipped": self._skipped,
            "timing": {
                "seconds": round(seconds, 3),
                "instances": self.kept,
                "instances_per_second": round(self.kept / seconds, 3),
            },
        }

    @property
    def _skipped(self) -> int:
        return self.batch.job.modality.strays()

    def _say_result(self, tally: Tally, merged: bool) -> None:
        console, folder = self.batch.output.console, self.ledger.folder
        for line in tally.examples:
            console.say(line)
        if tally.failed > len(tally.examples):
            console.say(f"and {tally.failed - len(tally.examples):,} more failed")
        if console.quiet and tally.failed:
            many = f"{tally.failed:,} of {tally.failed + tally.explained:,} failed"
            print_line(f"limex: {folder}: {many}; its records say why")
        counts = [f"{tally.explained:,} explained"]
        counts += [f"{tally.failed:,} failed"] * bool(tally.failed)
        counts += [f"{self._skipped:,} skipped"] * bool(self._skipped)
        verb = f"wrote {folder}:" if merged else f"{folder} is done already:"
        hint = "; mend them, then add --retry-failed" if tally.failed else ""
        console.say(f"{verb} {', '.join(counts)}{hint}")


def _stay(code: int) -> None:
    """Leave the leaving to the system."""


def _part(outcomes: tuple[Outcome, ...], inputs: str) -> LedgerPart:
    from lime_cli.running.ledger import LedgerPart, Tally

    tally = Tally()
    for outcome in outcomes:
        tally.count_asked(outcome.asked)
        if outcome.error is not None:
            tally.count_failure(outcome.error, said_of(outcome))
            continue
        tally.count(outcome.samples, outcome.fidelities)
        for code, sentence in outcome.warnings:
            tally.count_warning(code, sentence)
    return LedgerPart(b"".join(outcome.line for outcome in outcomes), tally, inputs)


def _slug(name: str) -> str:
    """Return a part of a file's name that every system takes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem if "." in name else name).strip("-")
    return plain[:_SLUG_CHARACTERS].strip("-") or "item"
