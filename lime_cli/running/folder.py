"""A batch into its folder: what is done already, what is left, when to stop, what to say."""

from __future__ import annotations

import io
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from lime_cli.console import Console, print_line
from lime_cli.errors import SOME_FAILED
from lime_cli.files import digest_of_file
from lime_cli.models.model_file import digests_of_pickles_beside
from lime_cli.models.onnx.export import digests_beside
from lime_cli.registry import SUFFIXES
from lime_cli.running.batch import (
    Inventory,
    Run,
    Slice,
    Stops,
    inventory_of,
    outcomes,
    said_of,
)
from lime_cli.running.containment import Containment, interruptible
from lime_cli.running.ledger import BatchIdentity, Beginning, Ledger, LedgerPart, Tally, opened
from lime_cli.running.output import Output
from lime_cli.running.progress import Progress, release_terminal, shown
from lime_cli.sources import file_of, local
from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.running.job import Outcome, Work


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
    "transformers",
    "torch",
)
"""Whose versions may change a number."""

_PATHS = ("path", "inputs", "background", "tokenizer", "segmenter", "transformers")
"""Options that name files: what is in them counts, not where they are."""

_CHANGE_NO_NUMBER = (
    "trust", "trust_modules", "sha256", "imports", "fitted_background",
    "reading", "answers", "given", "max_input",
)  # fmt: skip


def identity_of(run: Run, listing: Inventory) -> BatchIdentity:
    """Identify the batch whose sources are listed."""
    job, formats = run.job, run.drawings
    parts = {
        "model": {
            **_without_paths(job.model._asdict()),
            **digests_beside(job.model.path),
            **digests_of_pickles_beside(job.model.path),
        },
        "input": {
            **_without_paths(asdict(cast(Any, job.modality))),
            "instances": listing.n_sources,
        },
        "listing": {"instances_by_name": listing.digest},
        "settings": job.settings.numbers(),
        "drawings": {"format": ",".join(formats), **(asdict(run.look) if formats else {})},
        "shard": "/".join(map(str, run.shard)),
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
        elif key == "transformers":
            value = [digest_of_file(one) if one.is_file() else str(one) for one in map(Path, value)]
        elif key in _PATHS and value:
            path, sheet = local(str(value)), str(value)[len(file_of(str(value))) :]
            value = digest_of_file(path) + sheet if path.is_file() else value
        found["digest" if key == "path" else key] = value
    return found


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
    from lime_cli.formats.html import LISTED, linked, thumb_of_page, write_page
    from lime_cli.records.reading import FAILURE, read_entries

    pages = iter(sorted(one.name for one in folder.glob("[0-9]*-*.html")))
    links: dict[str, str] = {}
    thumbs: dict[str, str] = {}
    failures: list[dict[str, str]] = []

    def explained() -> Iterator[Explanation]:
        for entry in read_entries(str(folder)):
            if entry.schema == FAILURE:
                name = str(entry.record["instance"]["id"])
                failures.append({"name": name, "said": str(entry.record["error"]["message"])})
                continue
            explanation = entry.explanation()
            name = links[explanation.subject.id] = next(pages, "")
            if name and explanation.subject.modality == "image" and len(links) <= LISTED:
                thumbs[explanation.subject.id] = thumb_of_page((folder / name).read_bytes())
            yield explanation

    page = io.BytesIO()
    write_page(explained(), page, links, failures, thumbs)
    files.write_whole(folder / INDEX, page.getvalue())
    shown = [one for one in links.values() if one]
    for before, name, after in zip(["", *shown], shown, [*shown[1:], ""], strict=False):
        own = folder / name
        files.write_whole(own, linked(own.read_bytes(), before, after, INDEX))


SUMMARY_SCHEMA = {"name": "limex/batch", "number": 1}

_SLUG_CHARACTERS = 40

_PATIENCE = 0.2  # seconds that what is being kept may take on the way out

_WIDTH = 80  # of what is drawn in columns: a terminal's must not change a file

_SUFFIXES = {name: suffix for suffix, name in reversed(SUFFIXES.items())}


def into_folder(run: Run, output: Output) -> int:
    """Explain a batch into its folder, or go on with it; return the exit code."""
    context = click.get_current_context(silent=True)
    containment = context.find_object(Containment) if context else None
    leave = containment.report if containment else _stay
    run = replace(run, look=replace(run.look, width=_WIDTH))
    with interruptible(leave) as interruption:
        listing = inventory_of(run.slices())
        identity = identity_of(run, listing)
        beginning = Beginning(run.restart, run.retry_failed, output.force)
        with opened(Path(output.path or ""), identity, beginning) as ledger:
            filling = _Filling(run, output.console, ledger, Stops(run, interruption), listing)
            interruption.farewell = filling.say_farewell
            if filling.worked():
                return filling.finished()
            return filling.stopped()


@dataclass
class _Filling:
    """A batch at work in its folder."""

    run: Run
    console: Console
    ledger: Ledger
    stops: Stops
    listing: Inventory
    kept: int = 0
    """Instances of this run."""
    told: threading.Lock = field(default_factory=threading.Lock)
    """Held while something is being kept, and once it was told how much is."""

    def worked(self) -> bool:
        """Do what is not done yet; tell whether nothing is left."""
        todo = self._todo()
        first = next(todo, None)
        if first is None:
            return True
        ledger = self.ledger
        if ledger.n_done:
            self.console.say(f"{ledger.folder}: continues; {ledger.n_done:,} are done")
        progress = Progress(self.listing.n_sources, kept=ledger.n_done)
        wanted = itertools.chain([first], todo)
        with (
            closing(outcomes(self.run, lambda: bool(self.stops.reason), wanted)) as done,
            shown(progress, self.run.progress, self.console.quiet),
        ):
            progress.advance(ledger.n_done, ledger.n_failed)
            for work, found in done:
                self._keep(work, found)
                progress.advance(ledger.n_done, ledger.n_failed)
        return ledger.n_done == self.listing.n_sources and next(todo, None) is None

    def _todo(self) -> Iterator[Slice]:
        """Yield what is not done yet, of each slice what lies together."""
        for one in self.run.slices():
            start = end = 0
            while end < len(one.sources):
                n = self._n_done_at(one, end)
                if n and start < end:
                    yield one.part(start, end - start)
                end += n or 1
                start = end if n else start
            if start < end:
                yield one.part(start, end - start)

    def _n_done_at(self, one: Slice, start: int) -> int:
        """Count what is done together from one place on, of files that look as they did."""
        n = self.ledger.n_at(place := one.first + start)
        if n and not self.ledger.has(place, one.part(start, n).inputs()):
            self.ledger.forget(place)
            return 0
        return n

    def _keep(self, work: Work, found: tuple[Outcome, ...]) -> None:
        """Publish the outcomes of a work, its drawings under the places of their instances."""
        drawings = (
            (f"{i:05d}-{_slug(outcome.source.id)}{_SUFFIXES.get(name, '.' + name)}", drawn)
            for i, outcome in enumerate(found, work.first)
            for name, drawn in outcome.drawings
        )
        part = _part(found, work.inputs)
        with self.told:
            self.ledger.publish(work.first, part, drawings)
        self.kept += len(found)
        self.stops.failed += part.tally.failed

    def stopped(self) -> int:
        """Say how to go on; return the exit code of what stopped the batch."""
        interruption = self.stops.interruption
        if interruption and interruption.number is not None:
            interruption.say_farewell()
            return interruption.code
        self.say_kept(f"{self.stops.reason}: ")
        return SOME_FAILED

    def say_farewell(self) -> None:
        self.told.acquire(timeout=_PATIENCE)  # for good: nothing is kept after that
        release_terminal()
        self.say_kept("")

    def say_kept(self, reason: str) -> None:
        kept = f"kept {self.ledger.n_done:,} of {self.listing.n_sources:,}"
        self.console.say(
            f"{self.ledger.folder}: {reason}{kept}; run the same command again to continue"
        )

    def finished(self) -> int:
        """Put everything together, say what came of it; return the exit code."""
        ledger = self.ledger
        merged = bool(ledger.parts) or not ledger.stretches
        tally = ledger.finish()
        summary = self._summary(tally)
        if merged or not ledger.is_summarized(summary):
            ledger.summarize(summary)
        if merged and "html" in self.run.drawings and tally.explained:
            write_index(ledger.folder)
        self._say_result(tally, merged)
        if merged:
            self.console.warn_counted(tally.sentences, tally.warnings)
        return SOME_FAILED if tally.failed else 0

    def _summary(self, tally: Tally) -> dict[str, Any]:
        """Return the summary; what depends on the clock stands under ``timing``."""
        seconds = time.monotonic() - self.run.began
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
        return self.run.job.modality.strays()

    def _say_result(self, tally: Tally, merged: bool) -> None:
        console, folder = self.console, self.ledger.folder
        for line in tally.examples:
            console.say(line)
        if tally.failed > len(tally.examples):
            console.say(f"and {tally.failed - len(tally.examples):,} more failed")
        if console.quiet and tally.failed:
            many = f"{tally.failed:,} of {tally.failed + tally.explained:,} failed"
            print_line(f"limex: {folder}: {many}; see their records for the reasons")
        counts = [f"{tally.explained:,} explained"]
        counts += [f"{tally.failed:,} failed"] * bool(tally.failed)
        counts += [f"{self._skipped:,} skipped"] * bool(self._skipped)
        verb = f"wrote {folder}:" if merged else f"{folder} is already complete:"
        hint = "; correct what failed, then add --retry-failed" if tally.failed else ""
        console.say(f"{verb} {', '.join(counts)}{hint}")


def _stay(code: int) -> None:
    """Leave the leaving to the system."""


def _part(found: tuple[Outcome, ...], inputs: str) -> LedgerPart:
    tally = Tally()
    for outcome in found:
        tally.add_calls(outcome.call_counts)
        if outcome.error is not None:
            tally.count_failure(outcome.error, said_of(outcome))
            continue
        tally.count(outcome.samples, outcome.fidelities)
        for code, sentence in outcome.warnings:
            tally.count_warning(code, sentence)
    return LedgerPart(b"".join(outcome.line for outcome in found), tally, inputs)


def _slug(name: str) -> str:
    """Return a part of a file's name that every system takes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem if "." in name else name).strip("-")
    return plain[:_SLUG_CHARACTERS].strip("-") or "item"
