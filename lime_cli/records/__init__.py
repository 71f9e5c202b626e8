"""Records: explanations as JSON data, written and read back."""
