"""What the office formats are made with: Word's and PowerPoint's own parts.

Their libraries are loaded when a file is written, never before; elements of their XML are ``Any``.
"""
