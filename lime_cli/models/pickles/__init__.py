"""Pickled models, loaded by an allow-list."""
