"""One figure over the runs of a store: read, cut where runs do not compare, its changes found."""

from benchbench.history.book import Wanted, history
from benchbench.history.page import page

__all__ = ["Wanted", "history", "page"]
