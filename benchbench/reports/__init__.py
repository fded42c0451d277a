"""Reports: a finished :class:`benchbench.view.RunView` in, the bytes of one file out.

Rendering is pure: no clock, no environment variable, no network. ``wording`` holds every sentence
and every number format, ``grouping`` decides which cells may be compared with which; the four
formats (``html``, ``markdown``, ``json``, ``csv``) only arrange what those two say.
"""
