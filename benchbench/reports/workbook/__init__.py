"""A run as a workbook: sheets of numbers, and nothing in them that a spreadsheet would run."""
