"""The HTML page, as text: structure, escaping, absence, policy."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from benchbench.reports.html import Html
from tests.report_fixture import CRASH, broken, cells, hostile, measured, run, varied

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Node:
    """An element with its text and that of its children."""

    tag: str
    attrs: dict[str, str | None]
    children: list[Node] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())

    def all(self, tag: str) -> list[Node]:
        found = [self] if self.tag == tag else []
        return found + [node for child in self.children for node in child.all(tag)]


class Tree(HTMLParser):
    """Builds nodes; fails on an end tag that closes nothing."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs) -> None:
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data) -> None:
        for node in self.open:
            node.parts.append(data)


def parse(page: bytes) -> Node:
    tree = Tree()
    tree.feed(page.decode())
    assert len(tree.open) == 1
    return tree.root


@pytest.fixture(scope="module")
def page() -> bytes:
    return Html().render(run())


@pytest.fixture(scope="module")
def tree(page: bytes) -> Node:
    return parse(page)


@pytest.fixture(scope="module")
def odd(page: bytes) -> Node:
    """Return the page of a run that shows every kind of evidence."""
    return parse(Html().render(varied()))


@pytest.fixture(scope="module")
def nasty(page: bytes) -> bytes:
    return Html().render(hostile())


def test_the_same_run_gives_the_same_bytes(page: bytes) -> None:
    assert Html().render(run()) == page


def test_twelve_cells_stay_under_six_hundred_kilobytes(page: bytes) -> None:
    assert len(page) < 600_000


def test_the_page_loads_nothing(page: bytes, nasty: bytes) -> None:
    for made in (page, nasty):
        for node in _walk(parse(made)):
            assert node.tag not in {"img", "iframe", "object", "embed", "base", "form", "image"}
            for name in ("src", "srcset", "data", "action", "xlink:href"):
                assert name not in node.attrs, (node.tag, name)
            href = node.attrs.get("href")
            assert href is None or href.startswith("#") or href == "data:,"
        style = b"".join(re.findall(rb"<style>(.*?)</style>", made, re.DOTALL))
        assert b"url(" not in style
        assert b"@import" not in style


def _walk(node: Node) -> list[Node]:
    return [node, *(inner for child in node.children for inner in _walk(child))]


def test_the_policy_allows_only_the_one_script_by_its_hash(page: bytes, nasty: bytes) -> None:
    for made in (page, nasty):
        scripts = re.findall(rb"<script>(.*?)</script>", made, re.DOTALL)
        assert len(scripts) == 1
        wanted = base64.b64encode(hashlib.sha256(scripts[0]).digest()).decode()
        policy = next(
            n.attrs["content"] for n in parse(made).all("meta") if "http-equiv" in n.attrs
        )
        assert policy.startswith("default-src 'none'; ")
        assert f"script-src 'sha256-{wanted}';" in policy


def test_hostile_names_are_text_and_never_elements_or_handlers(nasty: bytes) -> None:
    root = parse(nasty)
    assert [node.attrs.get("type") for node in root.all("script")] == ["application/json", None]
    assert not root.all("img")
    assert not any(name.startswith("on") for node in _walk(root) for name in node.attrs)
    assert "<script>alert('name')</script>" in root.text


def test_hostile_names_are_shortened_cleaned_and_keep_the_page_small(nasty: bytes) -> None:
    text = nasty.decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    assert len(nasty) < 600_000


def test_every_cell_has_a_row_and_cells_without_figures_say_why(tree: Node) -> None:
    section = next(node for node in tree.all("section") if node.attrs["id"] == "cells")
    rows = [row for row in section.all("tr") if "id" in row.attrs]
    assert len(rows) == 14
    for row, cell in zip(rows, cells(), strict=True):
        assert cell.model in row.text
        assert f"{cell.runtime} · {cell.precision}" in row.text
    crash = next(node for node in section.all("article") if "fp16" in node.text)
    assert "SIGSEGV" in crash.text
    assert "in stage latency" in crash.text
    assert "--debug" in crash.text
    assert "Segmentation fault" in crash.all("pre")[0].text


def test_a_withheld_percentile_shows_a_dash_and_a_numbered_reason(tree: Node) -> None:
    row = next(node for node in tree.all("tr") if node.attrs.get("id") == "cell-1")
    p99 = row.all("td")[5]
    assert re.fullmatch(r"–\d+", p99.text)
    reason = p99.all("span")[0].attrs["title"]
    assert "p99 needs 662" in reason
    assert any(reason == item.text for item in tree.all("li"))


def test_figures_of_a_failed_cell_are_dashes_never_numbers(tree: Node) -> None:
    row = next(node for node in tree.all("tr") if node.attrs.get("id") == "cell-13")
    for cell in row.all("td")[1:]:
        assert cell.text.startswith("–")
        assert cell.attrs.get("data-v") == ""


def test_none_and_nan_never_print(page: bytes, nasty: bytes) -> None:
    cell = measured(0, "m", "r", "fp32", ap=float("nan"), p50=5.0)
    nan, late = float("nan"), cell.latency
    void = late.model_copy(
        update={name: nan for name in type(late).model_fields if name.endswith("_ms")}
        | {"effective_queries": nan, "throughput_ips": nan, "stages_ms": {"run": nan},
           "quantiles_ms": (nan,) * 101, "trace_ms": (nan,) * 20, "queries": 0}
    )  # fmt: skip
    bare = {"latency": None, "placement": None, "artifact": None, "wall_s": None, "started": None}
    empty = run((
        cell,
        cell.model_copy(update={"id": "x", **bare}),
        cell.model_copy(update={"id": "y", "latency": void, "precision": "int8"}),
    ))  # fmt: skip
    for made in (page, nasty, Html().render(empty)):
        text = re.sub(
            r"<style>.*?</style>|<script>.*?</script>", "", made.decode(), flags=re.DOTALL
        )
        assert not re.search(r"\bNone\b|\bnan\b|\bNaN\b|\bundefined\b|\binf\b", text)


def test_a_run_without_any_cell_or_any_measured_cell_still_renders() -> None:
    parse(Html().render(run(())))
    text = parse(Html().render(run((broken(0, "m", "r", "fp32", CRASH),)))).text
    assert "0 of 1 cell were measured" in text
    assert "No cell has been timed." in text


def test_tables_have_captions_and_scoped_heads(tree: Node) -> None:
    for table in tree.all("table"):
        assert len(table.all("caption")) == 1
        assert all("scope" in head.attrs for head in table.all("th"))
        for row in table.all("tbody")[0].all("tr"):
            assert len(row.all("th")) == 1


def test_sortable_heads_point_at_their_own_column(tree: Node) -> None:
    for table in tree.all("table"):
        heads = table.all("thead")[0].all("tr")[-1].children
        for position, head in enumerate(heads):
            if "data-sort" in head.attrs:
                assert head.attrs["data-column"] == str(position)


def test_headings_never_skip_a_level_and_ids_are_unique(tree: Node) -> None:
    levels = [int(n.tag[1]) for n in _walk(tree) if re.fullmatch(r"h[1-6]", n.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    ids = [node.attrs["id"] for node in _walk(tree) if "id" in node.attrs]
    assert len(ids) == len(set(ids))
    targets = [a.attrs["href"] for a in tree.all("a")]
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_an_admitted_other_precision_is_drawn_apart(tree: Node) -> None:
    row = next(node for node in tree.all("tr") if node.attrs.get("id") == "cell-5")
    mark = next(n for n in row.all("span") if n.attrs.get("class") == "other")
    assert mark.text == "asked bf16, ran fp32"
    assert mark.attrs["title"] == "precision bf16 was asked for, fp32 ran"


MARKS = {
    "openvino · bf16": "† ran fp32",
    "onnxruntime · fp16 · cuda": "† ran on CPUExecutionProvider, cpu",
    "onnxruntime-trt-file · int8": "‡ proxy",
    "tensorrt-rtx · int8 · cuda": "§ compiled only",
}


def test_a_marked_row_carries_its_sign_and_words_in_every_table_that_names_it(odd: Node) -> None:
    found = [node for node in odd.all("th") if node.attrs.get("class") == "who"]
    for name, told in MARKS.items():
        rows = [head for head in found if name in head.text]
        assert len(rows) >= 3, name
        for head in rows:
            mark = [n.text for n in head.all("span") if n.attrs.get("class") == "mark"]
            assert mark == [told], head.text
    plain = [head for head in found if "torch · fp32" in head.text]
    assert plain
    assert not any(n.attrs.get("class") == "mark" for head in plain for n in head.all("span"))


def test_the_signs_are_explained_under_the_table_of_cells(odd: Node, tree: Node) -> None:
    notes = [node.text for node in odd.all("p") if node.attrs.get("class") == "note marks"]
    assert notes
    assert all(sign in notes[0] for sign in "†‡§")
    plain = [node.text for node in tree.all("p") if node.attrs.get("class") == "note marks"]
    assert not any(sign in text for text in plain for sign in "‡§")


def test_evidence_tells_shares_source_parity_builds_and_calibration(odd: Node) -> None:
    section = next(node for node in odd.all("section") if node.attrs["id"] == "evidence")
    rows = {
        row.all("th")[0].text: [td.text for td in row.all("td")]
        for row in section.all("tbody")[0].all("tr")
    }
    int8 = next(v for k, v in rows.items() if "fcos-r50" in k and "onnxruntime · int8" in k)
    assert int8[0] == "int8 · CPUExecutionProvidermeasured: onnxruntime profile"
    assert int8[1:3] == ["96.3 % of time", "100 % of time"]
    assert int8[3].startswith("boxes (worst) SNR 17.9 dB, cosine 0.9919; detections matched 96.8 %")
    assert "scores: SNR 18.9 dB" in int8[3]
    assert "8 images against onnx fp32, onnxruntime 1.31.1" in int8[3]
    assert "onnx-int8 12.4 s" in int8[4]
    assert "entropy, 128 images of calibration, seed 7" in int8[4]
    proxy = next(v for k, v in rows.items() if "trt-file" in k)
    assert proxy[1].startswith("–")
    assert any("not known from tensor types" in item.text for item in section.all("li"))


def test_threads_are_told_once_if_equal_and_by_row_if_not(odd: Node) -> None:
    assert any(node.text == "1 thread, CPUs 0–1" for node in odd.all("dd"))
    one, two = cells()[:2]
    place = two.placement.model_copy(update={"threads": 2, "affinity": (0, 1, 2, 5)})
    page = parse(Html().render(run((one, two.model_copy(update={"placement": place})))))
    assert not any("thread" in node.text for node in page.all("dd"))
    section = next(node for node in page.all("section") if node.attrs["id"] == "evidence")
    assert "1 thread, CPUs 0–1" in section.text
    assert "2 threads, CPUs 0–2, 5" in section.text


def test_a_compiled_cell_has_no_figures_and_says_why(odd: Node) -> None:
    row = next(node for node in odd.all("tr") if node.attrs.get("id") == "cell-17")
    assert "compiled only" in row.all("td")[0].text
    assert all(td.text.startswith("–") for td in row.all("td")[1:7])
    article = next(node for node in odd.all("article") if "tensorrt-rtx" in node.text)
    assert "this machine has no GPU" in article.text


def test_coverage_stays_out_of_the_tables_of_accuracy(odd: Node) -> None:
    section = next(node for node in odd.all("section") if node.attrs["id"] == "accuracy")
    assert "coverage" not in section.text
    assert "AP_small" in section.text


def test_the_ladder_gives_speed_with_its_interval(odd: Node) -> None:
    section = next(node for node in odd.all("section") if node.attrs["id"] == "precision")
    row = next(r for r in section.all("tr") if "fcos-r50" in r.text and "openvino · int8" in r.text)
    assert row.all("td")[1].text == "2.44 ×95 % interval 2.38–2.50, one process each"


def test_cells_scored_under_different_conventions_carry_a_warning() -> None:
    one, two = cells()[:2]
    other = two.model_copy(update={"convention": {"max_dets": "300"}})
    assert "Evaluators or conventions differ" in parse(Html().render(run((one, other)))).text
    assert "Evaluators or conventions differ" not in parse(Html().render(run((one, two)))).text
