"""Executors place jobs; they know nothing of what a job does."""
