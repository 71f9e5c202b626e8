"""limex: explain one prediction of a trained model with LIME, from the command line."""

__version__ = "0.1.0"
