"""The same stored predictions under another tool's published rules."""
