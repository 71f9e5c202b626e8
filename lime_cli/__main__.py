"""Where ``limex`` and ``python -m lime_cli`` begin: a signal ends them well from here on."""

from __future__ import annotations

import gc
from typing import NoReturn

from lime_cli.running.containment import leaving_at_signals


def main() -> NoReturn:
    """Run the command line and exit with its code; imports are no reason for a traceback."""
    gc.set_threshold(150_000, 20, 100)  # some 90,000 imported objects stay: none is looked at
    with leaving_at_signals():
        from lime_cli import cli
    cli.main()


if __name__ == "__main__":
    main()
