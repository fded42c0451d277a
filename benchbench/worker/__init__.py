"""A worker: one job in a process of its own.

``python -m benchbench.worker JOB.json EVENTS_FD`` reads a job, sends events as JSON lines, and
leaves ``result.json`` or ``failure.json`` in the job's folder. If it leaves neither, it died, and
the executor translates its death into a Failure.
"""
