"""The texts in a bundle that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchbench.bundles.format import LeftOut

_README = """\
A benchbench bundle of the run {run}

It holds what a reader needs to check the run's figures, and as much as was packed of what it takes
to measure them again.

Check that no file was altered after it was packed, with nothing but coreutils:

    unzip BUNDLE.zip -d bundle && cd bundle && sha256sum -c SHA256SUMS

That shows damage and careless edits. It does not show who packed the bundle: whoever alters a file
can write new sums. Compare the SHA-256 of the archive with the one that its author published.

Check, derive every figure again from the raw samples, and measure again:

    benchbench reproduce BUNDLE.zip --check       looks, runs nothing
    benchbench reproduce BUNDLE.zip --rederive    looks and computes, measures nothing
    benchbench reproduce BUNDLE.zip               does both and measures again, then compares

Measuring again runs what suite.yaml names: a suite is as good as code. Read suite.yaml,
settings.json and, in MANIFEST.json, 'places' and 'data' before you run a bundle that you do not
trust.

    MANIFEST.json            every file with its SHA-256 and size; what is left out and why
    SHA256SUMS               the same hashes for sha256sum
    suite.yaml               the suite as it was run; settings.json: what --set gave it
    datasets/                cards of the datasets: source, licence, citation
    environment.json         machine and software of the last command that measured
    requirements.lock.txt    versions of the packages, for pip
    view.json                the figures, as 'benchbench show --json' prints them
    report/                  reports
    run/                     plan, results, raw samples and predictions, command lines, claims, logs
{more}
What it discloses: command lines and settings; paths of the machine (suite, data, interpreter, and
in logs and failures whatever a library printed, so user names too); CPU, memory and kernel;
environment variables that bear on numerical libraries; names and versions of installed packages;
the git commit of the folder that it was measured in. Nothing of it was made anonymous. Look before
you publish.
{left}"""
_MORE = {
    "models": "    models/, artifacts/      files of the models, and what was built of them\n",
    "data": "    data/                    annotations and images; their licence is theirs\n",
}


def readme(run: str, left: Sequence[LeftOut], *, models: bool, data: bool) -> str:
    """Return ``README.txt``."""
    more = (_MORE["models"] if models else "") + (_MORE["data"] if data else "")
    lines = [f"  {one.what}: {one.why}\n" for one in left]
    told = "".join(["\nLeft out:\n", *lines]) if lines else ""
    return _README.format(run=run, more=more, left=told)


def lock(facts: Mapping[str, Any], installed: Mapping[str, str] | None) -> str:
    """Return ``requirements.lock.txt``: the recorded versions, or all that are *installed*."""
    python: Any = facts.get("python")
    version = python.get("version") if isinstance(python, Mapping) else None
    recorded: Any = facts.get("packages")
    packages = installed or (recorded if isinstance(recorded, Mapping) else {})
    scope = (
        "every distribution that was installed"
        if installed
        else "the distributions that results depend on; packed elsewhere than it was measured"
    )
    head = [f"# Python {version or 'unknown'}", f"# {scope}"]
    own = {} if "benchbench" in packages else {"benchbench": str(facts.get("benchbench"))}
    lines = [f"{name}=={value}" for name, value in {**own, **packages}.items()]
    return "\n".join([*head, *lines, ""])
