"""``benchbench bundle``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.bundles import Content
from benchbench.cli.measured import plain
from benchbench.cli.options import common
from benchbench.cli.output import size

_PARTS = {
    "files": "suite, environment, figures",
    "run": "results, raw samples, logs",
    "report": "reports",
    "models": "model files",
    "artifacts": "what was built of them",
    "data": "annotations and images",
    "datasets": "dataset cards",
}


@click.command("bundle")
@click.argument("run", default="latest")
@common
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.zip",
    help="Where to write.  [default: RUN.bundle.zip]",
)
@click.option("--with-models", is_flag=True, help="Pack model files, and what was built of them.")
@click.option("--with-data", is_flag=True, help="Pack annotations and images that were used.")
@click.option("--no-logs", is_flag=True, help="Leave out what libraries printed.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="A report to pack; repeatable.  [default: html, markdown, json, csv]",
)
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    out: Path | None,
    with_models: bool,
    with_data: bool,
    no_logs: bool,
    formats: tuple[str, ...],
) -> None:
    """Pack RUN (an id, its prefix, a suite's name, or 'latest') into one archive.

    It holds suite, results, raw samples, environment, versions and reports, each with its hash, and
    says what it leaves out. The same run gives the same bytes. It discloses paths, command lines
    and package names: docs/bundles.md lists them.
    """
    made = api.bundle(
        run,
        settings,
        out=out,
        formats=formats or None,
        with_models=with_models,
        with_data=with_data,
        logs=not no_logs,
        store=store,
        tell=_tell,
    )
    for one in made.content.manifest.left_out:
        click.echo(f"left out: {plain(one.what)}: {plain(one.why)}")
    click.echo(f"\n{made.path}  {size(made.bytes)}\nsha256 {made.sha256}")
    click.echo(f"check it with: benchbench reproduce {made.path} --check")


def _tell(content: Content) -> None:
    """Print what will be packed, before it is."""
    for part, count in content.bytes_by_part.items():
        click.echo(f"{size(count):>9}  {_PARTS[part]}")
    for name, licence in content.licences.items():
        told = plain(licence) if licence else "no licence is stated in its card"
        click.echo(
            f"data of '{plain(name)}': {told}; whether you may pass them on is for you to say"
        )
