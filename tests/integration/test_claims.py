"""Claims of a whole run: printed, kept, derived anew, quoted rightly and wrongly."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchbench import api, cli
from benchbench.claims import latex, markdown, plain, verify
from benchbench.claims.verifying import _bare
from benchbench.claims_view import Claim
from benchbench.errors import UsageError
from benchbench.store import Run, Store
from tests import tiny

QUICK, SLOW = "m quick fp32", "runtime=slow,precision=fp32"


def measure(folder: Path) -> Path:
    """Return a store with a run of two runtimes that took turns, in rounds of processes."""
    data = tiny.suite(
        tiny.write_dataset(folder / "data", images=12),
        runtimes=[tiny.faulty("quick", slow_s=0.002), tiny.faulty("slow", slow_s=0.02)],
    )
    both = {"baseline": {"runtime": "quick"}, "candidate": {"runtime": "slow"}}
    how = {"pairs": 3, "most_pairs": 3, "turns": 3, "queries": 2}
    data["comparisons"] = [both | how]
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    api.run(str(tiny.write_suite(folder / "suite.yaml", data)), store=folder / "store")
    return folder / "store"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("claims")


@pytest.fixture
def store(shared: Path, tmp_path: Path, plugins_path: None) -> Path:
    """Return a copy, which a test may spoil, of a store that is measured once."""
    measured = shared / "store"
    if not (shared / "done").exists():
        measure(shared)
        (shared / "done").touch()
    shutil.copytree(measured, tmp_path / "store")
    return tmp_path / "store"


def call(capsys: pytest.CaptureFixture[str], store: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--store", str(store)])
    printed = capsys.readouterr()
    return int(str(caught.value.code)), printed.out, printed.err


def run_of(store: Path) -> Run:
    return Store(store).run("latest")


def test_each_phrase_of_a_sentence_is_what_was_measured(store: Path) -> None:
    view = api.show("latest", store=store)
    quick = next(cell for cell in view.cells if cell.runtime == "quick")
    scored = api.claim("latest", f"accuracy of {QUICK}", store=store)
    assert "on the 12 images of tiny (validation), m in quick" in scored.sentence.lower()
    value = quick.metrics[str(quick.primary)]
    assert f" of {value:.3f} (95 % interval at this n: " in scored.sentence
    timed = api.claim("latest", f"latency of {QUICK}", store=store)
    assert "per query of 1 image (95 % interval over 2 fresh processes: " in timed.sentence
    assert quick.processes is not None
    assert timed.figure.value == quick.processes.wall.median_ms
    assert "with 1 thread, " in timed.sentence
    alone = api.claim("latest", f"latency.mean of {QUICK}", store=store)
    assert alone.sentence.endswith("in one process (a point estimate).")
    memory = api.claim("latest", f"memory of {QUICK}", store=store)
    assert "has a peak resident memory during inference of " in memory.sentence
    assert "no raw samples are kept" in memory.footnote
    placed = api.claim("latest", f"coverage.device of {QUICK}", store=store)
    assert placed.sentence.startswith("By the placement (known from: told so), m in quick")
    with pytest.raises(UsageError, match="it is made by code and no file holds it"):
        api.claim("latest", f"size of {QUICK}", store=store)


def test_a_comparison_says_only_what_was_shown(store: Path) -> None:
    slower = api.claim("latest", f"latency.p50 of {SLOW} vs runtime=quick", store=store)
    assert re.search(
        r"m in slow at fp32 takes \d+\.\d\d times as long as m in quick at fp32 by median latency "
        r"\(95 % interval.*? \d.* to \d.*; 3 pairs of processes that took turns in the same job\)",
        slower.sentence,
    )
    assert slower.figure.outcome == "worse"
    same = api.claim("latest", f"accuracy of {SLOW} vs quick", store=store)
    assert "have the same " in same.sentence
    assert same.sentence.endswith("(alike on every draw of the images).")
    with pytest.raises(UsageError, match="is a trend"):
        api.claim("latest", f"memory of {SLOW} vs quick", store=store)
    with pytest.raises(UsageError, match="both of its cells"):
        api.claim("latest", "speedup of slow", store=store)
    with pytest.raises(UsageError, match="cannot be claimed: the suite names no meter"):
        api.claim("latest", "energy of slow", store=store)


@pytest.mark.parametrize(
    "asked",
    ["", "map", "latency of", "latency of nothing", "latency of precision=fp32",
     "latency of slow vs slow", "a of b vs c vs d", "x" * 2000, "latency of speed=fast"],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_a_hint(store: Path, asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        api.claim("latest", asked, store=store)
    assert caught.value.hint


def test_the_same_measurement_has_the_same_id_and_another_has_another(store: Path) -> None:
    first = api.claim("latest", f"latency of {QUICK}", store=store)
    assert api.claim("latest", "p50 of runtime=quick", store=store) == first
    other = api.claim("latest", f"latency of {SLOW}", store=store)
    assert first.id != other.id
    assert re.fullmatch(r"bb-[0-9a-f]{8}", first.id)


def test_claims_are_derived_anew_from_raw_samples_alone(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = api.claims("latest", store=store)
    assert {one.family for one in made} == {"accuracy", "latency"}
    assert any(one.against for one in made)
    for poisoned in (run_of(store).folder / "derived").glob("*.npz"):
        poisoned.write_bytes(b"spoilt")
    for one in made:
        code, out, _ = call(capsys, store, "verify-claim", one.id[:9])
        assert (code, out.splitlines()[0].split(":")[0]) == (0, f"{one.id} verified")
    memory = api.claim("latest", f"memory of {QUICK}", store=store)
    code, out, _ = call(capsys, store, "verify-claim", memory.id)
    assert code == 2
    assert "no raw samples are kept" in out


def test_altered_samples_cannot_be_verified_and_altered_claims_differ(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = api.claim("latest", f"accuracy of {QUICK}", store=store)
    forged = tmp_path / "forged.json"
    for change in (
        {"sentence": made.sentence.replace("0.", "0.9")},
        {"figure": made.figure.model_copy(update={"value": 0.99})},
        {"cell": made.cell.model_copy(update={"batch": 8})},
        {"id": "bb-00000000"},
        {"version": "0.0.1", "sentence": "It reaches an mAP of 0.999 on 12 images."},
    ):
        forged.write_text(made.model_copy(update=change).model_dump_json())
        code, out, _ = call(capsys, store, "verify-claim", str(forged))
        assert code == 1, change
        assert "DIFFERS" in out
    ref = made.arrays[0]
    (run_of(store).folder / ref.path).write_bytes(b"x")
    code, out, _ = call(capsys, store, "verify-claim", made.id)
    assert code == 2
    assert ref.sha256 in out
    forged.write_text(made.model_copy(update={"run": "../x"}).model_dump_json())
    assert call(capsys, store, "verify-claim", str(forged))[0] == 2
    forged.write_text("{}")
    assert call(capsys, store, "verify-claim", str(forged))[0] == 2
    assert call(capsys, store, "verify-claim", "bb-ffffffff")[0] == 2


def quotable(store: Path) -> list[Claim]:
    asked = [f"{name} of {QUICK}" for name in ("latency.mean", "throughput", "memory")]
    asked += [f"throughput of {SLOW} vs quick", f"accuracy of {SLOW} vs quick"]
    return [
        *api.claims("latest", store=store),
        *(api.claim("latest", a, store=store) for a in asked),
    ]


def test_sentences_as_they_are_printed_are_found_right(store: Path, tmp_path: Path) -> None:
    made = quotable(store)
    for name, write in (("a.md", markdown), ("a.txt", plain), ("a.tex", latex)):
        path = tmp_path / name
        path.write_text("\n\n".join(write(one) for one in made))
        found = api.lint_claims(path, store=store)
        assert [(one.rule, one.message) for one in found.findings if one.rule != "outdated"] == []
        assert len(found.claims) == len({one.id for one in made})


def test_a_proposal_is_held_to_its_claims(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    timed = api.claim("latest", f"latency of {QUICK}", store=store)
    path = tmp_path / "offer.md"
    path.write_text(
        f"Quick takes 99 ms in 2 processes [{timed.id}].\n\n"
        f"It is faster by far [{timed.id}].\n\n"
        f"It takes {timed.figure.value:.2f} ms [{timed.id}].\n\n"
        "It runs at 77 fps.\n\nSee bb-0000dead.\n"
    )
    code, out, _ = call(capsys, store, "lint-claims", str(path))
    assert code == 1
    rules = re.findall(r"^.*offer\.md:(\d+): ([a-z-]+):", out, re.MULTILINE)
    assert rules == [
        ("1", "wrong-figure"), ("3", "overstated"), ("5", "no-n"), ("7", "uncited"),
        ("9", "unknown-claim"),
    ]  # fmt: skip
    code, out, _ = call(capsys, store, "lint-claims", str(path), "--json")
    assert (code, json.loads(out)["schema"]) == (1, 1)
    code, out, _ = call(capsys, store, "lint-claims", str(path), "--github")
    assert out.count("\n::") == 4
    path.write_text("Nothing is claimed here.\n")
    assert call(capsys, store, "lint-claims", str(path))[0] == 0
    assert call(capsys, store, "lint-claims", str(tmp_path / "no.md"))[0] == 2


def test_a_figure_without_a_claim_is_told_how_to_be_claimed(store: Path, tmp_path: Path) -> None:
    value = api.claim("latest", f"latency.mean of {SLOW}", store=store).figure.value
    path = tmp_path / "offer.md"
    path.write_text(f"| cell | latency (ms) |\n|---|---|\n| slow | {value:.4f} |\n")
    (one,) = api.lint_claims(path, store=store).findings
    assert (one.rule, one.line) == ("uncited", 3)
    assert one.hint.endswith("'latency.mean of m · slow · fp32'")


def test_a_claim_is_out_of_date_once_a_newer_run_says_otherwise(
    store: Path, tmp_path: Path
) -> None:
    made = api.claim("latest", f"latency of {QUICK}", store=store)
    path = tmp_path / "offer.md"
    path.write_text(f"It takes {made.figure.value:.3g} ms, n = 2 processes [{made.id}].\n")
    assert api.lint_claims(path, store=store).findings == ()
    old = run_of(store)
    new = shutil.copytree(old.folder, old.folder.with_name(f"{old.id}.2"))
    manifest = json.loads((new / "manifest.json").read_text())
    manifest |= {"run": new.name, "created": "2099-01-01T00:00:00Z"}
    (new / "manifest.json").write_text(json.dumps(manifest))
    assert api.lint_claims(path, store=store).findings == (), "the figure is the same"
    quick = next(one for one in old.results() if one.cell.runtime == "quick")
    for taken in list(Run(new).all_taken()):
        if taken.take.cell == quick.cell.id and taken.take.kind == "process":
            (new / "takes" / f"{taken.take.id}.json").unlink()
    with np.load(io.BytesIO(old.array(quick.arrays["samples"]))) as samples:
        late = {name: samples[name] * 1000 for name in samples.files}
    np.savez(tmp_path / "late.npz", **late)  # beyond any interval of two processes
    kept = Run(new).put_array(tmp_path / "late.npz")
    Run(new).put(quick.model_copy(update={"arrays": quick.arrays | {"samples": kept}}))
    (one,) = api.lint_claims(path, store=store).findings
    assert one.rule == "outdated"
    assert new.name in one.message


def test_a_comparison_is_verified_by_the_rule_that_all_comparisons_of_its_run_share(
    store: Path,
) -> None:
    """Its pairs stopped where a share of the chance of error was spent, not the whole of it."""
    run = run_of(store)
    asked = json.loads((run.folder / "asked.json").read_text())
    (mine,) = asked["compared"]
    mine |= {"rule": "two-looks", "pairs": 2, "most_pairs": 3}
    others = [mine | {"id": f"other{n}", "candidate": f"c{n}", "takes": []} for n in range(40)]
    (run.folder / "asked.json").write_text(json.dumps(asked | {"compared": [mine, *others]}))
    made = api.claim("latest", f"latency.p50 of {SLOW} vs runtime=quick", store=store)
    found = api.verify_claim(made.id, store=store)
    assert (found.outcome, found.reasons) == ("verified", ())
    with _bare(run, made) as bare:
        assert bare.asked().compared == run.asked().compared
        assert not (bare.folder / "derived").exists()


@pytest.mark.parametrize(
    ("change", "outcome", "code"),
    [
        ({}, "verified", 0),
        ({"sentence": ("have the same", "had the same")}, "reworded", 0),
        ({"sentence": ("have the same", "have not the same")}, "reworded", 1),
        ({"sentence": ("have the same", "have hugely different")}, "reworded", 1),
        ({"sentence": ("at fp32 and", "at fp16 and")}, "differs", 1),
        ({"sentence": ("on every draw", "on 7 draws")}, "differs", 1),
        ({"footnote_long": ("machine: ", "machine: Jetson ")}, "reworded", 1),
        ({"cell": {"batch": 8}}, "differs", 1), ({"cell": {"precision": "int8"}}, "differs", 1),
        ({"cell": {"runtime": "tensorrt"}}, "differs", 1), ({"cell": {"machine": "k"}}, "differs", 1),
        ({"against": {"device": "cuda"}}, "differs", 1), ({"family": "size"}, "differs", 1),
        ({"arrays": ()}, "differs", 1), ({"measured": "2001-01-01"}, "differs", 1),
    ],
)  # fmt: skip
def test_the_version_of_a_claim_excuses_no_altered_fact_and_no_altered_words(
    store: Path, change: dict[str, object], outcome: str, code: int
) -> None:
    made = api.claim("latest", f"accuracy of {SLOW} vs quick", store=store)
    update: dict[str, object] = {"version": "0.0.9"}
    for name, value in change.items():
        old = getattr(made, name)
        if isinstance(value, dict):
            update[name] = old.model_copy(update=value)
        elif name in ("sentence", "footnote_long"):
            assert value[0] in old  # type: ignore[index]
            update[name] = old.replace(*value)  # type: ignore[misc]
        else:
            update[name] = value
    found = verify(Store(store), made.model_copy(update=update))
    assert (found.outcome, found.exit_code) == (outcome, code), found.reasons


def test_a_score_that_its_raw_tally_does_not_give_is_neither_claimed_nor_verified(
    store: Path,
) -> None:
    made = api.claim("latest", f"accuracy of {QUICK}", store=store)
    path = run_of(store).folder / "cells" / f"{made.cell.id}.json"
    record = json.loads(path.read_text())
    record["scores"]["metrics"][made.quantity] = 0.6836
    path.write_text(json.dumps(record))
    found = api.verify_claim(made.id, store=store)
    assert (found.outcome, found.new) == ("differs", None)
    assert f"the record has 0.6836, its raw tally gives {made.figure.value:.9g}" in str(found)
    with pytest.raises(UsageError, match="its raw tally gives"):
        api.claim("latest", f"accuracy of {QUICK}", store=store)


def test_hints_name_what_would_really_help(store: Path) -> None:
    def hint(asked: str) -> str:
        with pytest.raises(UsageError) as caught:
            api.claim("latest", asked, store=store)
        return str(caught.value.hint)

    assert "claim each figure by itself" in hint(f"memory of {SLOW} vs quick")
    asked = re.search("'(.*)'", hint(f"speedup of {SLOW} vs quick"))
    assert asked is not None
    assert api.claim("latest", asked[1], store=store).figure.design == "turns"


def test_the_first_query_is_told_to_be_cold(store: Path) -> None:
    made = api.claim("latest", f"latency.first of {QUICK}", store=store)
    assert "with no warm-up before it" in made.footnote_long
    assert "not counted" not in made.footnote_long
    assert not made.raw, "its time is a stage of the record, which alone says it"
    other = api.claim("latest", f"latency.mean of {QUICK}", store=store).footnote_long
    assert "1 warm-up queries" not in other
