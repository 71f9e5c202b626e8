"""``limex explain``."""
