"""Claims: sentences that may be quoted, checked against raw samples, and proposals that cite them.

docs/claims.md says what each sentence means and how proposals are checked.
"""

from benchbench.claims.asking import Wanted
from benchbench.claims.asking import read as read_asked
from benchbench.claims.formats import Style, latex, markdown, plain
from benchbench.claims.keeping import find, keep
from benchbench.claims.keeping import read as read_claim
from benchbench.claims.linting import lint
from benchbench.claims.listing import supported
from benchbench.claims.making import make
from benchbench.claims.verifying import verify

__all__ = [
    "Style",
    "Wanted",
    "find",
    "keep",
    "latex",
    "lint",
    "make",
    "markdown",
    "plain",
    "read_asked",
    "read_claim",
    "supported",
    "verify",
]
