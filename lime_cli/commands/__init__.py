"""The commands: the thin face over modalities, models, engine and formats."""
