"""The options of the commands, in groups, and the layers they come from."""
