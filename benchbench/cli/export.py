"""``benchbench export``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api, plugins
from benchbench.cli.options import common
from benchbench.errors import PluginError, UsageError


class _Listing(click.Command):
    """Tells in its help which exporters are installed, and their options."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the exporters."""
        super().format_epilog(ctx, formatter)
        for name in plugins.names("exporters"):
            with formatter.section(f"Exporter {name}"):
                formatter.write_dl(_described(name))


def _described(name: str) -> list[tuple[str, str]]:
    try:
        found = plugins.load("exporters", name)
    except PluginError as error:
        return [("not usable", error.message)]
    about = (found.__doc__ or "").strip().splitlines()
    return [("does", about[0] if about else "–"), ("options", ", ".join(found.model_fields) or "–")]


@click.command("export", cls=_Listing)
@click.argument("run", default="latest")
@click.option("--to", required=True, metavar="NAME", help="The exporter, see below.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the exporter; repeatable.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="A report to write and hand over too, such as html or csv; repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where reports are written.  [default: reports/RUN]",
)
@common
def command(
    run: str,
    to: str,
    options: tuple[str, ...],
    formats: tuple[str, ...],
    out: Path | None,
    store: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Hand RUN to another system: an id or its prefix, a suite's name, or 'latest' (the default).

    The same run again brings what is there up to date.
    """
    where = api.export(
        run, to, _parsed(options), formats=formats, settings=settings, store=store, out=out
    )
    click.echo(where)


def _parsed(options: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals or not key or key == "kind":
            raise UsageError(f"'{text}' is not an option", hint="write KEY=VALUE")
        found[key] = value
    return found
