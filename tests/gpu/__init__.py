"""Tests that need an NVIDIA GPU; none of them has been run by this project yet."""
