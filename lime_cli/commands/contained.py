"""Commands whose work runs in a child process, because a model's native code may crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lime_cli.containment import Containment


class ContainedCommand(click.Command):
    """A command with a parameter MODEL that outlives what its model does to its process."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run in a child of ``limex``; in this process where the program is called as a library.

        Options are parsed by now and nothing heavy is imported yet: forking is cheap and safe.
        """
        containment = ctx.find_object(Containment)
        output = ctx.params.get("output")
        if containment is not None:
            code = containment.enter(
                ctx.params["model"], None if output is None else str(Path(output).parent)
            )
            if code is not None:
                return code
        return super().invoke(ctx)
