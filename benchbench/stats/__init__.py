"""From raw samples to statistics; pure functions."""
