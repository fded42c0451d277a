"""Tests that need NVIDIA's wheels, but neither a GPU nor torch."""
