"""Counters of parameters and multiplications, one for each format of model file."""
