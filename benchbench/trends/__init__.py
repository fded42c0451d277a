"""A figure over runs, as it is shown: in words, and as a chart that any format can draw."""
