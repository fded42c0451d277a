"""Decoders: from a model's raw outputs to predictions in the original image."""
