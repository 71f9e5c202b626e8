"""Rows of tables as instances: the columns are the components."""
