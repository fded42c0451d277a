"""The results store: a directory that is the truth, safe under crashes and several writers.

::

    <store>/
      runs/<run>/manifest.json          suite, plan, dataset cards (written once)
                 invocations/*.json     command line, environment and time of each ``run``
                 cells/<cell>.json      one Result, written atomically as the cell ends
                 arrays/<sha256>.npz    predictions and raw samples, named by content
                 logs/<cell>.log        what the worker printed
      work/                             workers' folders; what is left there is rubbish

A cell's file is replaced by rename, never edited; a measured result is never replaced by a failure.
"""

from benchbench.store.directory import Invocation, Manifest, PlannedCell, Run, Store, utc_now

__all__ = ["Invocation", "Manifest", "PlannedCell", "Run", "Store", "utc_now"]
