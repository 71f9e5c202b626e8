"""``limex compare``."""
