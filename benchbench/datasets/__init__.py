"""Datasets: images and truth in COCO's terms, read from disk or generated."""
