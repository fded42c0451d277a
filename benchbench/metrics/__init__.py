"""Evaluators: each scores the predictions of one task against a split."""
