"""An error gallery: the worst images of each cell, and those on which two cells disagree."""
