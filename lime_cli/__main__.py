"""Where ``limex`` and ``python -m lime_cli`` begin: a signal ends them well from here on."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code; imports are no reason for a traceback."""
    _open_streams()
    gc.set_threshold(150_000, 20, 100)  # some 90,000 imported objects stay: none is looked at
    try:
        from lime_cli.running.containment import leaving_at_signals
    except KeyboardInterrupt:  # before there is anything to leave behind
        os._exit(130)
    with leaving_at_signals():
        from lime_cli import cli
    cli.main()


def _open_streams() -> None:
    """Open the standard streams that a shell has closed: files would take their numbers.

    Standard input is empty then, standard error goes nowhere, and writing a result fails.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # the system gives the lowest number that is free
            writes = name == "stderr"
            os.open(os.devnull, os.O_WRONLY if writes else os.O_RDONLY)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
