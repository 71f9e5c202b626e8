"""The version of limex, which every record names."""

__version__ = "0.2.0"
