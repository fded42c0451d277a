"""Exporters: what hands a run to another system; see :class:`benchbench.protocols.Exporter`."""
