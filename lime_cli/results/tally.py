"""The tally of a batch: what a summary counts, small however many instances there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lime_cli.engine.asking import NOTHING, Asked

EXAMPLES = 5
"""Failures that are told one by one."""
_STEPS = 100
"""Fidelities are counted to a hundredth, so that their quantiles need no list of them."""
_QUANTILES = {"minimum": 0.0, "tenth": 0.1, "median": 0.5, "ninetieth": 0.9, "maximum": 1.0}


@dataclass
class Tally:
    """Counts of instances, failures, model inputs, fidelities and warnings; they add up."""

    explained: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """By class of the error."""
    samples: int = 0
    fidelities: Counter[int] = field(default_factory=Counter)
    """Of targets, by the fidelity in hundredths."""
    warnings: Counter[str] = field(default_factory=Counter)
    """By code."""
    sentences: dict[str, str] = field(default_factory=dict)
    """The first warning of each code, in input order."""
    examples: list[str] = field(default_factory=list)
    """The first failures in words, in input order."""
    asked: Asked = NOTHING
    """What the model was asked, by however many processes."""

    @property
    def failed(self) -> int:
        """Instances that could not be explained."""
        return self.failures.total()

    @property
    def instances(self) -> int:
        """All instances."""
        return self.explained + self.failed

    def count(self, samples: int, fidelities: Iterable[float | None]) -> None:
        """Count an instance that went well."""
        self.explained += 1
        self.samples += samples
        self.fidelities.update(round(one * _STEPS) for one in fidelities if one is not None)

    def count_asked(self, asked: Asked) -> None:
        """Count what the model was asked, for an instance that went well or not."""
        self.asked = self.asked.plus(asked)

    def count_failure(self, kind: str, words: str) -> None:
        """Count an instance that did not."""
        self.failures[kind] += 1
        self.examples = [*self.examples, words][:EXAMPLES]

    def count_warning(self, code: str, sentence: str) -> None:
        """Count a warning; the first sentence of a code stands for all."""
        self.warnings[code] += 1
        self.sentences.setdefault(code, sentence)

    def add(self, other: Tally) -> None:
        """Add what comes after in input order."""
        self.explained += other.explained
        self.samples += other.samples
        self.asked = self.asked.plus(other.asked)
        self.failures.update(other.failures)
        self.fidelities.update(other.fidelities)
        self.warnings.update(other.warnings)
        self.sentences = {**other.sentences, **self.sentences}
        self.examples = [*self.examples, *other.examples][:EXAMPLES]

    def data(self) -> dict[str, Any]:
        """Return the tally as JSON data, in a fixed order."""
        return {
            "explained": self.explained,
            "failures": dict(sorted(self.failures.items())),
            "samples": self.samples,
            "fidelities": sorted(self.fidelities.items()),
            "warnings": dict(sorted(self.warnings.items())),
            "sentences": dict(sorted(self.sentences.items())),
            "examples": self.examples,
            "asked": self.asked,
        }

    @staticmethod
    def of(data: dict[str, Any]) -> Tally:
        """Read what ``data`` returned."""
        return Tally(
            data["explained"],
            Counter(data["failures"]),
            data["samples"],
            Counter(dict(data["fidelities"])),
            Counter(data["warnings"]),
            dict(data["sentences"]),
            list(data["examples"]),
            Asked(*data["asked"]),
        )

    def summary(self) -> dict[str, Any]:
        """Return what a person reads of it, as JSON data."""
        return {
            "instances": self.instances,
            "explained": self.explained,
            "failed": self.failed,
            "failures": dict(sorted(self.failures.items())),
            "samples": self.samples,
            "asked": self.asked._asdict(),
            "fidelity": {name: self._fidelity_at(share) for name, share in _QUANTILES.items()},
            "warnings": {
                code: {"count": count, "message": self.sentences[code]}
                for code, count in sorted(self.warnings.items())
            },
        }

    def _fidelity_at(self, share: float) -> float | None:
        """Return a quantile to a hundredth; None where no target has a fidelity."""
        left = share * (self.fidelities.total() - 1)
        for hundredths, count in sorted(self.fidelities.items()):
            left -= count
            if left < 0:
                return hundredths / _STEPS
        return None
