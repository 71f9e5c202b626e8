"""``limex convert``."""
