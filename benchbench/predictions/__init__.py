"""Predictions that another tool made: scored as a model without a runtime."""
