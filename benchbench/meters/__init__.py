"""Meters: what reads energy and power; see :class:`benchbench.protocols.Meter`."""
