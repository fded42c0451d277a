"""``benchbench gate``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbench import api, plugins
from benchbench.cli.interrupts import TwiceToStop
from benchbench.cli.options import Duration, Number, common, with_json
from benchbench.cli.output import print_json
from benchbench.cli.progress import make_watcher
from benchbench.cli.verdict import print_gate
from benchbench.files import make_folder, store_errors
from benchbench.view import RunView

if TYPE_CHECKING:
    from benchbench.gate_view import OnInconclusive

_GITLAB = {"junit": "benchbench-junit.xml", "gitlab-metrics": "benchbench-metrics.txt"}
_SUMMARY = "GITHUB_STEP_SUMMARY"


class _Output(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs alone
    """``junit=report.xml``: the name of a report and where it is written."""

    name = "output"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Return the report's name and the path."""
        kind, separator, path = value.partition("=")
        if not (kind and separator and path):
            self.fail(f"{value!r} is not FORMAT=PATH, such as junit=report.xml", param, ctx)
        return kind, Path(path)


@click.command("gate")
@click.argument("run", default="latest")
@common
@with_json
@click.option(
    "--limits",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A YAML file of 'gates:'; it takes the place of the suite's own.",
)
@click.option(
    "--limit",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="One more limit, of every cell: 'latency.p50 <= 12 ms'; repeatable.",
)
@click.option("--baseline", metavar="X", help="What relative limits that name none are against.")
@click.option(
    "--on-inconclusive",
    type=click.Choice(["fail", "pass", "retry"]),
    help="What an undecided limit does: exit 4, nothing, or more measuring first.",
)
@click.option(
    "--budget",
    type=Duration(),
    metavar="TIME",
    help="How long a retry may measure (90s, 20m).  [default: 10m]",
)
@click.option(
    "--alpha",
    type=Number(0, 0.5, min_open=True, max_open=True),
    help="Chance of failing a gate all of whose limits hold.  [default: 0.05]",
)
@click.option(
    "--admit",
    multiple=True,
    metavar="KEY",
    help="Compare although this differs (environment.cpu.model); repeatable.",
)
@click.option(
    "--output",
    "outputs",
    type=_Output(),
    multiple=True,
    metavar="FORMAT=PATH",
    help="Write a report of the gate: junit=report.xml; repeatable.",
)
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab"]),
    help="Tell this CI system: step summary and annotations, or JUnit and metrics files.",
)
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    limits: Path | None,
    texts: tuple[str, ...],
    baseline: str | None,
    on_inconclusive: OnInconclusive | None,
    budget: float | None,
    alpha: float | None,
    admit: tuple[str, ...],
    outputs: tuple[tuple[str, Path], ...],
    ci: str | None,
) -> int:
    """Say whether RUN keeps its limits: an id or prefix, a suite's name, or 'latest' (the default).

    Limits are those of the run's suite, of --limits and of --limit. Exit codes: 0 pass; 1 a limit
    is shown to be broken; 2 the command, the suite or a limit is wrong; 4 a limit could be shown
    neither way (0 with --on-inconclusive pass); 130 stopped.
    """
    files = [*outputs, *_files(ci)]
    _check(files)
    with TwiceToStop() as interrupts, make_watcher(quiet=as_json) as watcher:
        view = api.gate(
            run,
            settings,
            limits=limits,
            texts=texts,
            baseline=baseline,
            on_inconclusive=on_inconclusive,
            budget_s=budget,
            alpha=alpha,
            admit=admit,
            store=store,
            watcher=watcher,
            interrupts=interrupts,
        )
    assert view.gate is not None
    if interrupts.stop:
        stopped = view.gate.model_copy(update={"exit_code": 130})
        view = view.model_copy(update={"gate": stopped})
    return _tell(view, files, as_json=as_json, github=ci == "github")


def _tell(view: RunView, files: list[tuple[str, Path]], *, as_json: bool, github: bool) -> int:
    """Write the reports, then print: a reader that goes away early loses no report."""
    assert view.gate is not None
    for kind, path in files:
        api.write_report(view, kind, path)
    if as_json:
        print_json(view.gate.document())
    else:
        print_gate(view.gate)
    for kind, path in files:
        click.echo(f"{kind}: {path}", err=True)
    if github:
        _tell_github(view, quiet=as_json)
    return view.gate.exit_code


def _check(files: list[tuple[str, Path]]) -> None:
    """Refuse formats that are not known and paths that cannot be written, before anything is."""
    for kind, path in files:
        plugins.build("reports", {"kind": kind})
        if path.is_dir():
            raise click.UsageError(f"--output {kind}={path}: it is a folder, not a file")
        with store_errors(path), tempfile.TemporaryFile(dir=make_folder(path.parent)):
            pass


def _files(ci: str | None) -> list[tuple[str, Path]]:
    """Return the reports that GitLab collects by name."""
    if ci != "gitlab":
        return []
    return [(kind, Path(name)) for kind, name in _GITLAB.items()]


def _tell_github(view: RunView, *, quiet: bool) -> None:
    """Append the step summary; print annotations, unless stdout is one JSON object."""
    summary = os.environ.get(_SUMMARY)
    if summary:
        with Path(summary).open("ab") as file:
            file.write(api.rendered(view, "github-summary"))
    else:
        click.echo(f"{_SUMMARY} is not set: no step summary is written", err=True)
    annotations = api.rendered(view, "github-annotations").decode()
    click.echo(annotations, nl=False, err=quiet)
