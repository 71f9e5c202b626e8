"""Tables as files: formats, dialects, cells and which rows are meant; nothing of LIME."""
