"""Running: jobs, who does them, and where their outcomes go."""
