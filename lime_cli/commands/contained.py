"""Commands whose work runs in a child process, because a model's native code may crash."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from lime_cli.containment import Containment
from lime_cli.interruption import die_of_interrupts, leave_at_signals


class ContainedCommand(click.Command):
    """A command with a parameter MODEL that outlives what its model does to its process."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run in a child of ``limex``; in this process where the program is called as a library.

        With workers the model is theirs, and this process never loads it.

        Options are parsed by now and nothing heavy is imported yet: forking is cheap and safe.
        """
        containment = ctx.find_object(Containment)
        output = ctx.params.get("output")
        workers = [ctx.params.get(key) for key in ("jobs", "executor", "scheduler")]
        if containment is not None and any(one is not None for one in workers):
            leave_at_signals()
        elif containment is not None:
            code = containment.enter(
                ctx.params["model"], None if output is None else str(Path(output).parent)
            )
            if code is not None:
                return code
            if hasattr(os, "fork"):
                die_of_interrupts()
        return super().invoke(ctx)
