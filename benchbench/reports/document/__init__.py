"""The report as a document: what is said, apart from how a format prints it.

``model`` holds the parts, ``build`` makes them from a run; the formats (``pdf``, ``docx``,
``pptx``, ``md``, ``latex``, ``xlsx``) only arrange them. Words come from ``reports.wording`` and
the modules beside it, so that all formats say the same.
"""
