"""What the HTML page prints, arranged: rows, proofs, heat maps, the plot, the data for its script.

Words come from ``wording``, comparisons from ``grouping``, geometry from ``drawing`` and
``pareto``; templates print what is made here.
"""
