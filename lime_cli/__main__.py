"""``python -m lime_cli`` is ``limex``."""

from lime_cli.cli import main

main()
