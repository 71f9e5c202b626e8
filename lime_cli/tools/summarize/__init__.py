"""``limex summarize``."""
