"""Sentences of a proposal, each held against the claims that it cites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchbench.claims import keeping
from benchbench.claims.citing import loose, without_n, wrong
from benchbench.claims.mixing import mixed
from benchbench.claims.passages import ID, Sentence, Table, Text, sentences
from benchbench.claims.staleness import Opened, opened, outdated
from benchbench.claims.texts import latex, markdown, plain
from benchbench.claims.uncited import Kept, kept, source, uncited
from benchbench.claims.words import overstated
from benchbench.claims_view import Claim, Finding, Linted, Rule
from benchbench.errors import BenchbenchError, UsageError
from benchbench.store import Run, Store
from benchbench.view import RunView

MOST_BYTES = 20_000_000
"""Of a file as it lies there."""
MOST_TEXT = 4_000_000
"""Characters of a text."""
_SHOWN = 400
_RUNS = 5
"""So many runs, those used last, are searched for a figure that is not cited."""
_READERS = {".md": markdown, ".markdown": markdown, ".txt": plain, ".text": plain, ".tex": latex}


@dataclass
class _Linter:
    """What linting one file needs at hand."""

    store: Store
    file: str
    run: Run | None
    check: bool
    read: Opened = field(default_factory=opened)
    claims: dict[str, Claim] = field(default_factory=dict)
    stale: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    figures: list[Kept] | None = None

    def known(self, ids: Sequence[str]) -> list[Claim]:
        return [self.claims[one] for one in ids if one in self.claims]

    def kept(self) -> list[Kept]:
        if self.figures is None:
            runs = [self.run] if self.run else self.store.runs()[:_RUNS]
            self.figures = list(kept([view for run in runs if (view := self._view(run))]))
        return self.figures

    def _view(self, run: Run) -> RunView | None:
        try:
            return self.read(run).view
        except BenchbenchError:
            return None

    def finding(
        self, sentence: Sentence, rule: Rule, message: str, hint: str, claim: str | None = None
    ) -> Finding:
        return Finding(
            file=self.file, line=sentence.line, sentence=_short(sentence.text), rule=rule,
            claim=claim, message=message, hint=hint,
        )  # fmt: skip


def lint(path: Path, store: Store, *, run: Run | None = None, check: bool = True) -> Linted:
    """Return the sentences of the file *path* that cite a figure wrongly.

    *run* narrows where a figure without a claim is looked for; *check*: whether each claim is
    derived anew. Raises :class:`~benchbench.errors.UsageError` for a file that cannot be used.
    """
    text = read_text(path)
    found = list(sentences(text))
    linter = _Linter(store, str(path), run, check, claims=_claims(store, found))
    findings = [one for sentence in found for one in _of(linter, sentence)]
    findings += [one for table in text.tables for one in _columns(linter, table)]
    cited = dict.fromkeys(one for sentence in found for one in sentence.ids)
    return Linted(
        file=str(path),
        counted_in=text.counted_in,
        sentences=len(found),
        claims=tuple(one for one in cited if one in linter.claims),
        findings=tuple(sorted(findings, key=lambda one: one.line)),
    )


def read_text(path: Path) -> Text:
    """Return a file's passages; raise UsageError for one that is no text, or too large."""
    hint = "give a proposal as .md, .txt, .tex or .docx"
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError(f"{path} is no file", hint=hint)
        if size > MOST_BYTES:
            raise UsageError(f"{path} is over {MOST_BYTES // 1_000_000} MB", hint=hint)
        if path.suffix.lower() == ".docx":
            from benchbench.claims.word import word

            return word(path)
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise UsageError(f"{path}: '{path.suffix[:20]}' is no text that is read", hint=hint)
        data = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=hint) from None
    except ValueError as error:
        hint = "save it in UTF-8"
        raise UsageError(f"{path} is no text in UTF-8: {str(error)[:120]}", hint=hint) from None
    if len(data) > MOST_TEXT:
        raise UsageError(f"{path} is over {MOST_TEXT // 1_000_000} million characters", hint=hint)
    return reader(data.replace("\r\n", "\n").replace("\r", "\n"))


def _claims(store: Store, found: Sequence[Sentence]) -> dict[str, Claim]:
    """Return the claims that sentences cite and the store has, by id."""
    wanted = {one for sentence in found for one in sentence.ids}
    places = {path.stem: path for _, path in keeping.paths(store) if path.stem in wanted}
    return {name: keeping.read(path) for name, path in places.items()}


def _short(text: str) -> str:
    kept = "".join(char if char.isprintable() else " " for char in text)
    return kept if len(kept) <= _SHOWN else f"{kept[: _SHOWN - 1]}…"


# --- one sentence ------------------------------------------------------------------------


def _of(linter: _Linter, sentence: Sentence) -> Iterator[Finding]:
    for one in sentence.ids:
        if one not in linter.claims:
            yield linter.finding(
                sentence, "unknown-claim", f"no run of the store has the claim {one}",
                "copy the id as 'benchbench claim' printed it, or name its --store", one,
            )  # fmt: skip
    claims = linter.known(sentence.ids)
    if claims:
        yield from _cited(linter, sentence, claims)
    elif not sentence.ids:
        yield from _uncited(linter, sentence)


def _cited(linter: _Linter, sentence: Sentence, claims: Sequence[Claim]) -> Iterator[Finding]:
    for name, message, hint in wrong(_quoted(sentence), claims):
        yield linter.finding(sentence, "wrong-figure", message, hint, name)
    for name, message, hint in loose(_quoted(sentence), claims):
        yield linter.finding(sentence, "overstated", message, hint, name)
    for message, hint in overstated(sentence.text, claims):
        yield linter.finding(sentence, "overstated", message, hint, claims[0].id)
    for claim in claims:
        if claim.id not in linter.stale:
            linter.stale[claim.id] = [
                *outdated(linter.store, claim, linter.read, check=linter.check)
            ]
        for message, hint in linter.stale[claim.id]:
            yield linter.finding(sentence, "outdated", message, hint, claim.id)
    if without_n(sentence, claims):
        told = claims[0].figure
        right = f"n = {told.n}" if told.n else told.basis
        message = f"a figure stands there without its n or its interval ({right})"
        yield linter.finding(sentence, "no-n", message, _with_n(claims[0]), claims[0].id)
    for name, message in mixed(claims):
        yield linter.finding(sentence, "mixed", message, _APART, name)


_APART = "tell them apart, each with its conditions, or measure them alike"


def _quoted(sentence: Sentence) -> Sentence:
    """Return *sentence* without its ids, which hold digits."""
    if sentence.cells:
        return sentence
    return Sentence(
        ID.sub(lambda found: " " * len(found[0]), sentence.text), sentence.line, sentence.notes,
        sentence.ids, sentence.cells, sentence.header,
    )  # fmt: skip


def _with_n(claim: Claim) -> str:
    told = claim.footnote.partition(";")[0]
    return f"add '{told}', the claim's interval, or its footnote"


def _uncited(linter: _Linter, sentence: Sentence) -> Iterator[Finding]:
    found = uncited(sentence)
    if not found:
        return
    told = ", ".join(f"'{one.text}'" for one in found[:3])
    one = source(found, linter.kept())
    hint = "benchbench claim RUN '<quantity> of <cell>' gives a sentence with an id"
    if one is not None:
        hint = f"benchbench claim {one.run} '{one.asked[:160]}'"
    yield linter.finding(sentence, "uncited", f"{told}: a figure without the id of a claim", hint)


# --- columns -----------------------------------------------------------------------------


def _columns(linter: _Linter, table: Table) -> Iterator[Finding]:
    """Yield the columns of a table that set figures side by side that were not measured alike.

    A row is a sentence of its own; the claims of a row that has them in one cell belong to every
    column, so that rows are then held against each other.
    """
    seen: set[tuple[str, ...]] = set()
    for index, _ in enumerate(table.header):
        cells = [(row, row.cells[index]) for row in table.rows if index < len(row.cells)]
        ids = [one.lower() for _, cell in cells for one in ID.findall(cell)]
        claims = linter.known(tuple(dict.fromkeys(ids)))
        named = tuple(sorted(claim.id for claim in claims))
        if len(claims) < 2 or named in seen:
            continue
        seen.add(named)
        for name, message in mixed(claims):
            row = next(row for row, cell in cells if name in cell.lower())
            where = Sentence(row.text, row.line, "", (), row.cells, row.header)
            yield linter.finding(where, "mixed", message, _APART, name)
