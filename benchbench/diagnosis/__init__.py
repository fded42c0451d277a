"""Why two cells of a dataset score differently."""
