"""What a document cites: the datasets by their cards, and the methods that the run used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from benchbench.reports.document import bibtex
from benchbench.reports.document.bibtex import Entry
from benchbench.reports.document.model import Reference, Span
from benchbench.reports.document.pictures import slug
from benchbench.reports.severity import panels
from benchbench.reports.wording import ABSENT, leaves, short
from benchbench.types import DatasetCard
from benchbench.view import CellView, RunView

MOST_MODELS = 40
"""Models that are cited; of a run of more, all stand under Provenance."""
_ADDRESS = re.compile(r"https://[A-Za-z0-9.:/?=&#%_~+,;@!*()-]{1,490}")
METHODS: Mapping[str, Entry] = {
    "efron1993": Entry("book", {
        "author": "Efron, Bradley and Tibshirani, Robert J.",
        "title": "An Introduction to the Bootstrap", "publisher": "Chapman & Hall",
        "year": "1993"}),
    "holm1979": Entry("article", {
        "author": "Holm, Sture",
        "title": "A simple sequentially rejective multiple test procedure",
        "journal": "Scandinavian Journal of Statistics", "volume": "6", "number": "2",
        "pages": "65–70", "year": "1979"}),
    "bulej2020": Entry("inproceedings", {
        "author": "Bulej, Lubomír and Horký, Vojtěch and Tůma, Petr and Farquet, François and "
                  "Prokopec, Aleksandar",
        "title": "Duet Benchmarking: Improving Measurement Accuracy in the Cloud",
        "booktitle": "ACM/SPEC International Conference on Performance Engineering (ICPE)",
        "year": "2020"}),
    "lin2014": Entry("inproceedings", {
        "author": "Lin, Tsung-Yi and Maire, Michael and Belongie, Serge and Hays, James and "
                  "Perona, Pietro and Ramanan, Deva and Dollár, Piotr and Zitnick, C. Lawrence",
        "title": "Microsoft COCO: Common Objects in Context",
        "booktitle": "European Conference on Computer Vision (ECCV)", "year": "2014"}),
    "hendrycks2019": Entry("inproceedings", {
        "author": "Hendrycks, Dan and Dietterich, Thomas",
        "title": "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
        "booktitle": "International Conference on Learning Representations (ICLR)",
        "year": "2019"}),
    "reddi2020": Entry("inproceedings", {
        "author": "Reddi, Vijay Janapa and others", "title": "MLPerf Inference Benchmark",
        "booktitle": "ACM/IEEE International Symposium on Computer Architecture (ISCA)",
        "year": "2020"}),
    "clopper1934": Entry("article", {
        "author": "Clopper, C. J. and Pearson, E. S.",
        "title": "The use of confidence or fiducial limits illustrated in the case of the binomial",
        "journal": "Biometrika", "volume": "26", "number": "4", "pages": "404–413",
        "year": "1934"}),
    "berger1982": Entry("article", {
        "author": "Berger, Roger L.",
        "title": "Multiparameter hypothesis testing and acceptance sampling",
        "journal": "Technometrics", "volume": "24", "number": "4", "pages": "295–300",
        "year": "1982"}),
    "worsley1979": Entry("article", {
        "author": "Worsley, Keith J.",
        "title": "On the likelihood ratio test for a shift in location of normal populations",
        "journal": "Journal of the American Statistical Association", "volume": "74",
        "number": "366", "pages": "365–367", "year": "1979"}),
}  # fmt: skip
"""Key → work. Keys are stable: documents of other runs cite the same."""


def references(run: RunView) -> tuple[Reference, ...]:
    """Return what the document of *run* cites: datasets, models, methods."""
    cards = [found for card in run.datasets if (found := of_dataset(card))]
    models = dict.fromkeys(cell.model for cell in run.cells)
    own = [found for name in list(models)[:MOST_MODELS] if (found := of_model(run, name))]
    return (*cards, *own, *(method(key) for key in used(run)))


def used(run: RunView) -> Iterable[str]:
    """Yield the keys of the methods that figures of *run* rest on."""
    cells = run.cells
    compared = any(c.comparison or c.class_comparisons or c.slices for c in cells)
    loaded = any(c.server or c.offline or c.multi_stream for c in cells)
    asked = {
        "efron1993": any(cell.intervals for cell in cells),
        "holm1979": compared or run.gate is not None,
        "bulej2020": bool(run.turns),
        "lin2014": any(_coco(cell) for cell in cells),
        "hendrycks2019": bool(panels(cells)),
        "reddi2020": loaded,
        "clopper1934": any(cell.server or cell.cameras for cell in cells),
        "berger1982": run.gate is not None,
        "worsley1979": any(view.tested for view in run.trends),
    }
    return (key for key, cited in asked.items() if cited)


def _coco(cell: CellView) -> bool:
    """Return True if average precision is COCO's, by the evaluator's name or its rule of IoU."""
    told = f"{cell.evaluator or ''} {cell.convention.get('iou', '')}".lower()
    named = (cell.primary or "").lower() in {"ap", "map"}
    return named and ("coco" in told or "0.50:0.05:0.95" in told)


def method(key: str) -> Reference:
    """Return the reference of one of :data:`METHODS`."""
    entry = METHODS[key]
    return Reference(key, bibtex.said(entry), bibtex.write(key, entry))


def of_dataset(card: DatasetCard) -> Reference | None:
    """Return the reference of a dataset: its card's citation, BibTeX or plain; None without one.

    A key is formed from the dataset's name.
    """
    told = card.citation.strip()
    if not told and not card.source:
        return None
    key, url = _key(card.name), _address(card.source)
    entry = bibtex.read(told) if told.startswith("@") else None
    entry = entry or Entry("misc", _plain(card))
    linked = Entry(entry.kind, {**entry.fields, **({"url": url} if url else {})})
    return Reference(key, short(bibtex.said(entry), 900), bibtex.write(key, linked), url)


def of_model(run: RunView, name: str) -> Reference | None:
    """Return the reference of a model: the names and hashes that its source gives, if any."""
    found = next((cell.protocol.get("model") for cell in run.cells if cell.model == name), None)
    if not isinstance(found, Mapping) or not found:
        return None
    facts = [(path, told) for path, told in leaves(found) if told not in (ABSENT, "none", "[]")]
    note = "; ".join(f"{short(path, 40)} {short(told, 100)}" for path, told in facts[:8])
    url = next((_address(told) for _, told in facts if _address(told)), "")
    entry = Entry("misc", {"title": short(name, 200), "note": note} | ({"url": url} if url else {}))
    key = _key(name, "model")
    return Reference(key, bibtex.said(entry), bibtex.write(key, entry), url)


def _plain(card: DatasetCard) -> dict[str, str]:
    source = "" if _address(card.source) else short(card.source, 300)
    licence = f"Licence: {short(card.licence, 80)}" if card.licence else ""
    found = {
        "title": short(card.title or card.name, 300),
        "howpublished": source,
        "note": "; ".join(part for part in (short(card.citation, 800), licence) if part),
    }
    return {name: told for name, told in found.items() if told}


def _key(name: str, kind: str = "dataset") -> str:
    """Return ``dataset-coco-2017``; of a name that has no such letters, a digest of it."""
    own = slug(name)
    if own and len(name) <= 60:
        return f"{kind}-{own}"
    short_digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{kind}-{own[:24]}-{short_digest}".replace("--", "-")


def _address(source: str) -> str:
    """Return *source* if it is an address that may be linked; else nothing."""
    return source.strip() if _ADDRESS.fullmatch(source.strip()) else ""


def cite(key: str) -> Span:
    """Return a mark in the text that leads to the reference *key*."""
    return Span(f"[{key}]", href=f"#ref-{key}")
