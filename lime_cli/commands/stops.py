"""Why a batch stops before its end: a signal, the clock, too many failures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lime_cli.commands.running import Running
from lime_cli.interruption import Interruption


@dataclass
class Stops:
    """Why a batch may stop before its end."""

    running: Running
    interruption: Interruption | None = None
    began: float = field(default_factory=time.monotonic)
    failed: int = 0
    """In this run."""

    @property
    def reason(self) -> str:
        """Say why to stop; empty to go on."""
        limit, most = self.running.time_limit, self.running.max_failures
        if self.interruption and self.interruption.number is not None:
            return "interrupted"
        if limit is not None and time.monotonic() - self.began > limit:
            return f"--time-limit {limit:g} is over"
        if most is not None and self.failed > most:
            return f"{self.failed} failed, --max-failures is {most}"
        return ""
