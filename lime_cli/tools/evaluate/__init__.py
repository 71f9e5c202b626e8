"""``limex evaluate``."""
