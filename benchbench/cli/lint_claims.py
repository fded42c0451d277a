"""``benchbench lint-claims``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.claims_view import Finding, Linted
from benchbench.cli.options import store_option, with_json
from benchbench.cli.output import print_json

_LEVELS = {"no-n": "warning", "uncited": "warning", "overstated": "warning"}


@click.command("lint-claims")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@click.option("--run", metavar="RUN", help="Look here alone for figures that cite no claim.")
@click.option(
    "--no-verify",
    is_flag=True,
    help="Do not derive each cited claim anew from raw samples.",
)
@click.option("--github", is_flag=True, help="Print annotations of GitHub Actions.")
@with_json
def command(
    file: Path,
    store: Path | None,
    run: str | None,
    no_verify: bool,
    github: bool,
    as_json: bool,
) -> int:
    """Find the sentences of a proposal that cite a figure wrongly.

    FILE is .md, .txt, .tex or .docx. Rules: unknown-claim, wrong-figure, overstated, outdated,
    no-n, mixed, uncited; docs/claims.md has them. Exit codes: 0 nothing found; 1 findings; 2 the
    file cannot be used.
    """
    found = api.lint_claims(file, run=run, check=not no_verify, store=store)
    if as_json:
        print_json(found.document())
    elif github:
        for one in found.findings:
            click.echo(annotation(one))
    else:
        _print(found)
    return 1 if found.findings else 0


def _print(found: Linted) -> None:
    for one in found.findings:
        click.echo(f"{_plain(one.file)}:{one.line}: {one.rule}: {_plain(one.message)}")
        click.echo(f"    {_plain(one.sentence)}")
        click.echo(f"    hint: {_plain(one.hint)}")
    where = "" if found.counted_in == "line" else ", counted in paragraphs"
    cited = f"{found.sentences} sentences, {len(found.claims)} claims cited{where}"
    click.echo(f"{cited}: {_counted(found)}")


def _counted(found: Linted) -> str:
    if not found.findings:
        return "nothing found"
    rules: dict[str, int] = {}
    for one in found.findings:
        rules[one.rule] = rules.get(one.rule, 0) + 1
    return ", ".join(f"{count} {rule}" for rule, count in rules.items())


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def annotation(one: Finding) -> str:
    """Return a finding as a workflow command; what could end it early is escaped.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    level = _LEVELS.get(one.rule, "error")
    file, title = _escaped(one.file), _escaped(f"{one.rule} of a claim")
    message = f"{one.message}. Hint: {one.hint}".replace("%", "%25")
    message = message.replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} file={file},line={one.line},title={title}::{message}"


def _escaped(text: str) -> str:
    for sign, stands in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(sign, stands)
    return text
