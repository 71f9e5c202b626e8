"""The tools: a folder or a file for each command."""
