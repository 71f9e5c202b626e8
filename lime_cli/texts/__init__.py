"""Texts as instances: units such as words are the components."""
