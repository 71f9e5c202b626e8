"""``limex check``."""
