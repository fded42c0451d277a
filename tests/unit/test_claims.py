"""Sentences that cite claims are held to their figures; texts are read without harm."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.claims import formats
from benchbench.claims.asking import read
from benchbench.claims.citing import without_n, wrong
from benchbench.claims.figures import change, fixed, written
from benchbench.claims.linting import lint, read_text
from benchbench.claims.mixing import mixed
from benchbench.claims.passages import Passage, Sentence, Text, sentences
from benchbench.claims.texts import latex, markdown
from benchbench.claims.words import overstated
from benchbench.claims_view import Claim, ClaimedCell, ClaimFigure, Finding
from benchbench.cli.lint_claims import annotation
from benchbench.errors import UsageError
from benchbench.store import Store
from tests import report_fixture


def cell(precision: str = "int8", **more: object) -> ClaimedCell:
    base = ClaimedCell(
        id=f"{precision}0", label=f"m · openvino · {precision}", model="m", runtime="openvino",
        precision=precision, ran=precision, device="cpu", batch=1, dataset="d", split="validation",
        task="detection", threads=1, images=200, evaluator="e", machine="k1", data="d1",
        protocol="p1",
    )  # fmt: skip
    return base.model_copy(update=more)


def claim(figure: ClaimFigure, quantity: str = "latency.p50", **more: object) -> Claim:
    family = {"map": "accuracy", "size": "size", "energy": "energy"}.get(quantity, "latency")
    made = Claim(
        id="bb-0000000a", asked=f"{quantity} of int8", run="r", suite="s", measured="2026-11-22",
        quantity=quantity, family=family, cell=cell(), figure=figure, sentence="x.", footnote="x.",
        footnote_long="x.", raw=True, version="1", created="2026-11-22",
    )  # fmt: skip
    return made.model_copy(update=more)


MAP = claim(
    ClaimFigure(
        value=0.48363, low=0.45243, high=0.51483, level=0.95, n=200, basis="images", unit="",
        higher_is_better=True,
    ),
    "map", id="bb-000000a0",
)  # fmt: skip
MEDIAN = claim(
    ClaimFigure(
        value=12.345, low=11.9, high=12.8, level=0.95, n=10, basis="processes", unit="ms",
        higher_is_better=False,
    ),
    id="bb-000000b0",
)  # fmt: skip
RATIO = claim(
    ClaimFigure(
        value=0.405, low=0.35, high=0.47, level=0.95, basis="4 pairs", unit="ms",
        higher_is_better=False, scale="ratio", design="turns", outcome="better", own=3.2, other=9.6,
    ),
    id="bb-000000c0", against=cell("fp32"),
)  # fmt: skip
POINTS = claim(
    ClaimFigure(
        value=-0.0067, low=-0.0187, high=0.0053, level=0.95, n=200, basis="b", unit="",
        higher_is_better=True, scale="difference", design="images", outcome="inconclusive",
        own=0.4836, other=0.4903,
    ),
    "map", id="bb-000000d0", against=cell("fp32"),
)  # fmt: skip
EQUAL = POINTS.model_copy(
    update={"figure": POINTS.figure.model_copy(update={"outcome": "equivalent"})}
)


def one(text: str) -> Sentence:
    (made,) = sentences(Text((Passage(text, 1),)))
    return made


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("mAP of 0.484 on 200 images", MAP), ("48.4 % mAP", MAP), ("48 % mAP", MAP),
        ("an mAP of 48.4 points", MAP), ("mAP 0.48 (95 % interval 0.452 to 0.515)", MAP),
        ("mAP 0.48363", MAP), ("mAP 0.484 ± 0.031", MAP), ("mAP 48.4 % [45.2, 51.5]", MAP),
        ("takes 12.3 ms", MEDIAN), ("takes 0.0123 s", MEDIAN), ("takes 12345 µs", MEDIAN),
        ("about 10 ms", MEDIAN), ("12 ms (11.9–12.8 ms)", MEDIAN),
        ("takes 0.40 times as long", RATIO.model_copy(update={"figure": RATIO.figure.model_copy(update={"value": 0.404})})),
        ("2.5 times as fast as fp32", RATIO), ("2.47x speed-up (2.1 to 2.9)", RATIO),
        ("60 % less time", RATIO.model_copy(update={"figure": RATIO.figure.model_copy(update={"value": 0.4})})),
        ("147 % faster", RATIO), ("3.2 ms instead of 9.6 ms", RATIO),
        ("interval −1.87 to +0.53 points", POINTS), ("0.484 against 0.490", POINTS),
        ("mAP of 0.484 with batch size 8 in section 3.2 on 2026-11-22", MAP),
    ],
)  # fmt: skip
def test_a_figure_may_be_rounded_and_told_in_any_unit(text: str, cited: Claim) -> None:
    assert list(wrong(one(text), [cited])) == []


@pytest.mark.parametrize(
    ("text", "cited", "why"),
    [
        ("mAP of 0.49", MAP, "rounded up"), ("mAP of 0.4840", MAP, "0.4836"),
        ("49 % mAP", MAP, "rounded up"), ("mAP of 0.515", MAP, "upper end"),
        ("mAP 0.48 (0.46 to 0.51)", MAP, "not the claim's interval"),
        ("mAP 0.484 ± 0.01", MAP, "half the interval"), ("latency of 3 ms", MAP, "no figure of"),
        ("takes 12 s", MEDIAN, "not the claim's figure"), ("takes 11.9 ms", MEDIAN, "lower end"),
        ("takes 12.2 ms", MEDIAN, "it is 12.3 ms"), ("81 fps", MEDIAN, "no figure of"),
        ("takes 12.34 ms", MEDIAN.model_copy(update={"figure": MEDIAN.figure.model_copy(update={"value": 12.348})}), "cut off"),
        ("3 times as fast", RATIO, "2 times"), ("60 % faster", RATIO, "147 %"),
        ("2.5 times as long", RATIO, "times as fast, which is not"),
        ("0.67 % mAP lower", POINTS, "points or a share"),
        ("interval −0.53 to +0.53 points", POINTS, "not the claim's interval"),
        ("mAP of 0.484 on 5,000 images", MAP, "rests on 200 images"),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_named_with_what_is_right(text: str, cited: Claim, why: str) -> None:
    ((_, message, hint),) = wrong(one(text), [cited])
    assert why in f"{message}; {hint}"
    assert hint


@given(st.floats(1e-3, 900), st.integers(0, 4))
@settings(max_examples=200, deadline=None)
def test_a_figure_rounded_to_the_nearest_is_right_and_the_next_step_is_not(
    value: float, decimals: int
) -> None:
    cited = claim(MEDIAN.figure.model_copy(update={"value": value, "low": None, "high": None}))
    right = round(value, decimals)
    assert list(wrong(one(f"takes {fixed(right, decimals)} ms"), [cited])) == []
    next_one = fixed(right + 10**-decimals, decimals)
    if float(next_one) - value > 0.5001 * 10**-decimals:
        assert list(wrong(one(f"takes {next_one} ms"), [cited])) != []


@pytest.mark.parametrize(
    ("text", "claims", "why"),
    [
        ("int8 is faster than fp32", [POINTS], "no claim here compares"),
        ("int8 is faster than fp32", [MEDIAN], "no claim here compares"),
        ("int8 is slower than fp32", [RATIO], "wrong way round"),
        ("fp32 is faster than int8", [RATIO], "wrong way round"),
        ("int8 is more accurate than fp32", [POINTS], "shows no difference"),
        ("int8 outperforms fp32", [POINTS], "shows no difference"),
        ("a significant gain", [POINTS], "'significant' is not shown"),
        ("int8 without any loss", [POINTS], "not the same as none"),
        ("lossless int8", [RATIO], "no comparison of accuracy"),
        ("in real time", [MEDIAN], "no claim here is of a load"),
        ("up to 2.5 times as fast", [RATIO], "names the best case"),
        ("2.5 times faster than fp32", [RATIO], "read as two numbers"),
        ("latency is guaranteed", [MEDIAN], "guarantees nothing"),
    ],
)  # fmt: skip
def test_words_that_say_more_than_is_shown_are_found(
    text: str, claims: list[Claim], why: str
) -> None:
    assert why in " ".join(message for message, _ in overstated(text, claims))


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("int8 is faster than fp32", [RATIO]), ("fp32 is slower than int8", [RATIO]),
        ("int8 was not shown to be more accurate", [POINTS]), ("no difference was shown", [POINTS]),
        ("the same accuracy", [EQUAL]), ("a significant gain in speed", [RATIO]),
        ("the mAP is better than 0.4", [MAP]), ("not faster than fp32", [POINTS]),
    ],
)  # fmt: skip
def test_words_that_a_claim_bears_out_are_left_alone(text: str, claims: list[Claim]) -> None:
    assert list(overstated(text, claims)) == []


def test_a_figure_needs_its_n_or_its_interval() -> None:
    assert without_n(one("takes 12.3 ms"), [MEDIAN])
    assert not without_n(one("takes 12.3 ms (11.9 to 12.8 ms)"), [MEDIAN])
    assert not without_n(one("takes 12.3 ms in 10 processes"), [MEDIAN])
    noted = Text((Passage("takes 12.3 ms.[^1]", 1),), {"1": "n = 10 processes"})
    assert not without_n(next(sentences(noted)), [MEDIAN])
    counted = claim(MEDIAN.figure.model_copy(update={"basis": "counted"}), "size")
    assert not without_n(one("takes 12.3 ms"), [counted])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"machine": "k2"}, "machine"), ({"batch": 8}, "batch 1 and 8"),
        ({"threads": 4}, "threads 1 and 4"), ({"ran": "fp32", "id": "x"}, "ran at fp32"),
        ({"protocol": "p2"}, "another protocol"),
    ],
)  # fmt: skip
def test_figures_that_were_not_measured_alike_do_not_stand_side_by_side(
    other: dict[str, object], why: str
) -> None:
    second = MEDIAN.model_copy(update={"id": "bb-000000b1", "cell": cell(**other)})
    ((name, message),) = mixed([MEDIAN, second])
    assert name == "bb-000000b1"
    assert why in message


def test_accuracy_is_mixed_by_its_data_and_not_by_its_machine() -> None:
    elsewhere = MAP.model_copy(update={"cell": cell(machine="k2", batch=8, protocol="p1")})
    assert list(mixed([MAP, elsewhere])) == []
    other = MAP.model_copy(update={"cell": cell(data="d2", dataset="coco")})
    assert "data" in next(mixed([MAP, other]))[1]


# --- how numbers are written -------------------------------------------------------------


def test_no_end_of_an_interval_is_rounded_onto_no_change() -> None:
    close = RATIO.figure.model_copy(update={"value": 0.9973, "low": 0.9951, "high": 0.9996})
    assert change(close) == ("0.9973", "0.9951", "0.9996")
    assert change(POINTS.figure) == ("−0.67", "−1.87", "0.53")


def test_a_value_and_its_interval_have_as_many_decimals() -> None:
    assert written(MEDIAN.figure) == ("12.3", "11.9", "12.8", " ms")
    assert written(MAP.figure) == ("0.484", "0.452", "0.515", "")
    size = MEDIAN.figure.model_copy(
        update={"value": 699389, "low": None, "high": None, "unit": "bytes"}
    )
    assert written(size) == ("699", None, None, " kB")


# --- reading texts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It takes 3.2 ms, see p. 5 and Fig. 3. Next.", ["It takes 3.2 ms, see p. 5 and Fig. 3.", "Next."]),
        ("Dr. J. Smith said so, e.g. here. 200 images follow.", ["Dr. J. Smith said so, e.g. here.", "200 images follow."]),
        ("It draws 15 W. The other 0.4 J. End", ["It draws 15 W.", "The other 0.4 J.", "End"]),
        ("mAP of 0.484.[bb-5b193d41] Then.", ["mAP of 0.484.[bb-5b193d41]", "Then."]),
        ("mAP of 0.484. [^bb-5b193d41] Then!", ["mAP of 0.484. [^bb-5b193d41]", "Then!"]),
    ],
)  # fmt: skip
def test_sentences_end_where_they_end(text: str, parts: list[str]) -> None:
    assert [made.text for made in sentences(Text((Passage(text, 1),)))] == parts


def test_markdown_is_read_with_lines_notes_and_tables() -> None:
    made = markdown(
        "---\ntitle: 12 ms\n---\n# Head 12 ms\n\ntext **12** ms\nmore [link](http://x/12).[^1]\n\n"
        "```\n13 ms\n```\n<!-- 14 ms\n -->\n- item `15 ms`\n\n| a | b (ms) |\n|---|---|\n"
        "| x | 16 |\n\n[^1]: n = 3\n    images\n"
    )
    told = [(one.text, one.line) for one in sentences(made)]
    assert told[:3] == [("Head 12 ms", 4), ("text 12 ms more link.[^1]", 6), ("item", 14)]
    assert ("x | 16", 18) in told
    assert made.notes["1"] == "n = 3\nimages"
    assert "13 ms" not in str(told)
    assert "14 ms" not in str(told)


def test_latex_is_read_with_units_and_footnotes() -> None:
    made = latex(
        "\\documentclass{x}\n% 11 ms\n\\begin{document}\n\\section{A}\n\nIt takes "
        "\\SI{12.3}{\\milli\\second}\\footnote{bb-5b193d41: $n=10$ {x} 5~\\%.} on~\\textbf{int8}.\n"
        "\\begin{verbatim}\n14 ms\n\\end{verbatim}\n\\end{document} 15 ms"
    )
    told = list(sentences(made))
    assert told[-1].text == "It takes 12.3 ms[^note1] on int8."
    assert told[-1].line == 6
    assert told[-1].ids == ("bb-5b193d41",)
    assert told[-1].notes == "bb-5b193d41: n=10 x 5 %."
    assert "14 ms" not in str(told)


@pytest.mark.parametrize("write", [formats.plain, formats.markdown, formats.latex])
def test_hostile_names_stay_text_in_every_form(write: object) -> None:
    sentence = "A `m` *x* <script>|%$\\input{x}#_{}~^ reaches 1."
    made = MAP.model_copy(update={"sentence": sentence})
    text = write(made)  # type: ignore[operator]
    if write is formats.latex:
        assert "\\input" not in text
        assert text.count("{") == text.count("}")
    if write is formats.markdown:
        assert "\\<script\\>" in text


def test_long_and_hostile_texts_are_read_whole_and_come_to_no_harm() -> None:
    pieces = (
        "0.4 ",
        "bb-",
        "[",
        "(",
        "1.",
        "12,",
        "a" * 50 + " ",
        "95 % ",
        "IoU ",
        "mAP ",
        "batch ",
    )
    texts = [piece * (10_000 // len(piece)) for piece in pieces]
    for text in [*texts, "".join(pieces) * 50, "\\footnote{" * 1000, "[^" * 5000, "| 1 " * 2500]:
        for reader in (markdown, latex):
            held = [
                made for made in sentences(reader(text)) if list(wrong(made, [MAP])) is not None
            ]
            assert sum(len(made.text) for made in held) <= len(text)


@pytest.mark.parametrize("name", ["x.pdf", "x.md", "missing.md", "x.docx"])
def test_a_file_that_cannot_be_used_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    pytest.importorskip("docx")
    if name != "missing.md":
        (tmp_path / name).write_bytes(b"\xff\xfe\x00PK" * 9)
    with pytest.raises(UsageError) as caught:
        read_text(tmp_path / name)
    assert caught.value.hint


def test_an_archive_that_unpacks_too_large_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("docx")
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 70_000_000)
    with pytest.raises(UsageError, match="over 64 MB"):
        read_text(path)


def test_a_document_of_word_is_read_with_tables_notes_and_entities_unread(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_paragraph("It takes 12.3 ms. It is fast.")
    table = document.add_table(2, 2)
    for at, text in enumerate(("cell", "latency (ms)", "int8", "9")):
        table.cell(at // 2, at % 2).text = text
    document.save(str(tmp_path / "a.docx"))
    made = read_text(tmp_path / "a.docx")
    assert made.counted_in == "paragraph"
    assert [(one.text, one.line) for one in sentences(made)] == [
        ("It takes 12.3 ms.", 1), ("It is fast.", 1), ("int8 | 9", 4),
    ]  # fmt: skip
    _with_notes(tmp_path / "a.docx", tmp_path / "b.docx")
    (first, *_) = sentences(read_text(tmp_path / "b.docx"))
    assert first.notes == "bb-5b193d41 n = 10"
    assert first.ids == ("bb-5b193d41",)


_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_NOTES = (
    f'<!DOCTYPE x [<!ENTITY lol "lolololol">]><w:footnotes xmlns:w="{_W}"><w:footnote w:id="2"><w:p>'
    "<w:r><w:t>bb-5b193d41 n = 10&lol;</w:t></w:r></w:p></w:footnote></w:footnotes>"
)


def _with_notes(path: Path, target: Path) -> None:
    """Write a copy of a document whose first sentence has a footnote, with an entity in it."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    part = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name).decode("utf-8", "surrogateescape")
            data = data.replace(
                "12.3 ms. It is",
                '12.3 ms.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r><w:r>'
                '<w:t xml:space="preserve"> It is',
            )
            data = data.replace(
                "</Types>",
                f'<Override PartName="/word/footnotes.xml" ContentType="{part}"/></Types>',
            )
            if name == "word/_rels/document.xml.rels":
                link = f'<Relationship Id="rN" Type="{kind}" Target="footnotes.xml"/>'
                data = data.replace("</Relationships>", f"{link}</Relationships>")
            new.writestr(name, data.encode("utf-8", "surrogateescape"))
        new.writestr("word/footnotes.xml", _NOTES)


def test_a_sentence_without_a_claim_and_an_id_that_nothing_has_are_found(tmp_path: Path) -> None:
    path = tmp_path / "p.md"
    path.write_text("The latency is 12 ms.\n\nThe mAP is 0.48 [bb-0000dead].\n")
    found = lint(path, Store(tmp_path / "none"))
    assert [(one.rule, one.line) for one in found.findings] == [
        ("uncited", 1),
        ("unknown-claim", 3),
    ]


def test_an_annotation_cannot_be_ended_early() -> None:
    made = annotation(
        Finding(
            file="a,b:c\n.md", line=3, sentence="s", rule="wrong-figure",
            message="x\n::error::y", hint="50 %",
        )
    )  # fmt: skip
    assert made == (
        "::error file=a%2Cb%3Ac%0A.md,line=3,title=wrong-figure of a claim::"
        "x%0A::error::y. Hint: 50 %25"
    )


def test_a_pattern_picks_among_the_cells_that_could_have_the_figure() -> None:
    detector = report_fixture.cells()[0].model_copy(update={"metrics": {"map": 0.4}})
    segmenter = detector.model_copy(
        update={
            "id": "seg", "label": "seg · openvino · int8", "task": "semantic-segmentation",
            "metrics": {"miou": 0.6}, "per_class": {}, "primary": "miou",
        }
    )  # fmt: skip
    view = report_fixture.run((detector, segmenter))
    for quantity, cell in (("miou", segmenter), ("map", detector)):
        assert read(f"{quantity} of *", view).cell == cell
    with pytest.raises(UsageError, match="picks 2 cells"):
        read("latency.p50 of *", view)
