"""``limex inspect``."""
