"""A document as pages: its parts as data for a Typst template, and the call of Typst.

Nothing of a run becomes Typst markup: the template reads all of it from JSON.
"""
