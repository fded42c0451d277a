"""The command line. Nothing else may print or exit; commands load when they are called.

Exit codes: 0 ran, or a gate passed; 1 a gate failed; 2 the suite or the command is wrong, nothing
ran; 3 a cell failed; 4 a gate could not be decided; 130 stopped by ctrl-C; 141 whoever read the
output went away before its end, as a shell tells of SIGPIPE. With ``--strict``, a
cell that was not run counts as failed.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from benchbench import __version__

CLOSED_PIPE = 141
COMMANDS = {
    "run": "Measure what is missing of a suite, then show the table and write the report.",
    "plan": "Show the cells of a suite, what is done, and what the rest will cost.",
    "show": "Show a run: a table, or one JSON object with --json.",
    "gate": "Say whether a run keeps its limits: PASS, FAIL or INCONCLUSIVE, for CI.",
    "report": "Write a run's report: HTML, Markdown, JSON, CSV, figures.",
    "history": "Show a figure over the runs of a suite, and where it changed.",
    "export": "Hand a run to another system, such as MLflow.",
    "recommend": "Say which cell of a run to deploy within given limits, and how surely.",
    "claim": "Print a sentence about a run that may be quoted, with interval, footnote and id.",
    "verify-claim": "Derive a claim anew from raw samples and compare.",
    "lint-claims": "Find the sentences of a proposal that cite a figure wrongly.",
    "score": "Compute accuracy again from stored predictions; needs no device.",
    "cases": "Print accuracy image by image, as CSV.",
    "doctor": "Say of each runtime whether it works here, and what mends it.",
    "diagnose": "Tell where the accuracy between two cells goes, part by part.",
    "quantize": "Build a suite's int8 artifacts; rank the layers that cost most accuracy.",
    "dataset": "Check a dataset for what spoils a benchmark.",
    "compare": "Compare two runs, baselines or cells: each figure's change with its interval.",
    "baseline": "Keep runs under a name, or as a file for git, to compare later runs with.",
    "bundle": "Pack a run into one archive that others can check and measure again.",
    "reproduce": "Check a bundle, derive its figures again, measure it again, and compare.",
    "aa": "Measure the noise of this machine, and what difference it can resolve.",
    "suites": "List the suites and dataset cards that can be named.",
    "schema": "Print the JSON Schema of a suite, for editors.",
}


class _Lazy(click.Group):
    """Knows the commands' names; imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"benchbench.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Add a did-you-mean to an unknown command."""
        if args and args[0] not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1, 0.5)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"No such command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; click itself would turn a closed pipe into exit code 1."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered has nowhere to go; the interpreter would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return CLOSED_PIPE
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="benchbench")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Benchmark vision models across runtimes, precisions and devices.

    Start with: benchbench run quickstart
    """
    context.obj = {"debug": debug}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(_guarded(given))


def _guarded(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code: Any = cli.main(arguments, prog_name="benchbench", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        return _tell(error)
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    from benchbench.cli.output import print_error

    return print_error(error)
