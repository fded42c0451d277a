"""Energy of cells that take turns: exact joules on a virtual clock, faults, figures, verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench import turnbook
from benchbench.cli.measured import lines
from benchbench.errors import MeterError
from benchbench.measure.energy_turns import LEAD_S, Columns, TurnPlan, Worked, measure, untold
from benchbench.measure.sampler import Readings
from benchbench.meters.nvml import reading
from benchbench.meters.nvml_reader import NvmlReader
from benchbench.reports import turns as reported
from benchbench.reports.markdown import Markdown
from benchbench.stats import energy_turns, turns
from benchbench.stats.energy_turns import EnergyPair, log_ratio, read
from benchbench.suite.takes import ComparisonEntry, Where
from benchbench.takes import contest
from benchbench.turns_view import RatioView
from benchbench.types import Cell, Compared, Take, Taken
from benchbench.worker.turns import _metered
from tests import report_measured
from tests.fake_nvml import GPU, LOST, Fake, build, loaded

PLAN = TurnPlan(energy_turns=4, energy_s=2.0, seed=3)
IDLE_W, IMAGES = 50.0, 8


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    with loaded(build(tmp_path_factory.mktemp("nvml"))) as fake:
        yield fake


@pytest.fixture
def fake(library: Fake) -> Fake:
    library.reset()
    library.every(1e9, lambda: None)
    library.power(0, IDLE_W)
    library.sleep(0.0123)  # not on a tick
    return library


@pytest.fixture
def reader(fake: Fake) -> Iterator[NvmlReader]:
    with reading("cuda:0", uuid_of=lambda _: GPU[0]) as opened:
        yield opened


class Sim:
    """A worker on the virtual clock: *watts* while it works, *query_s* for each query."""

    def __init__(self, fake: Fake, watts: float, query_s: float) -> None:
        self.images = IMAGES
        self.working = False
        self._fake, self._watts, self._query_s = fake, watts, query_s
        self._since_ns = 0

    def begin(self) -> None:
        self.working, self._since_ns = True, self._fake.clock()
        self._fake.power(0, self._watts)
        self._fake.sleep(self._query_s)

    def end(self) -> Worked:
        query_ns = round(self._query_s * 1e9)
        queries = -(-(self._fake.clock() - self._since_ns) // query_ns)
        end_ns = self._since_ns + queries * query_ns
        self._fake.sleep((end_ns - self._fake.clock()) / 1e9)
        self._fake.power(0, IDLE_W)
        self.working = False
        return Worked(at_ns=(self._since_ns, end_ns), done=(0, queries))


def run(fake: Fake, reader: Any, plan: TurnPlan = PLAN, **readings: Any) -> Columns:
    sides = Sim(fake, 400.0, 0.01), Sim(fake, 300.0, 0.02)
    stop = lambda: Readings(**readings)  # noqa: E731
    columns = measure(reader, sides, plan, stop, clock=fake.clock, sleep=fake.sleep)
    assert not any(side.working for side in sides)
    return columns


def about(columns: Columns) -> dict[str, Any]:
    return json.loads(str(columns["about"][0]))


# --- the procedure -----------------------------------------------------------------------


def test_the_energy_of_each_side_is_exact_though_the_other_s_turn_was_just_before(fake, reader):
    columns = run(fake, reader)
    assert about(columns)["reason"] is None
    pair = read(columns, allow_fake=True)
    true = np.array([[400 * 0.01 / IMAGES], [300 * 0.02 / IMAGES]])
    # A tick is seen within the millisecond of a poll.
    assert energy_turns.joules_per_image(pair) == pytest.approx(
        np.broadcast_to(true, (2, 4)), rel=5e-4
    )
    assert log_ratio(pair) == pytest.approx(np.log(1.5), abs=1e-3)
    assert set(columns["first"].tolist()) == {0, 1}


def test_a_turn_holds_fifty_updates_of_the_counter_though_less_was_asked(fake, reader):
    columns = run(fake, reader)
    seconds = read(columns, allow_fake=True).seconds
    assert (seconds >= 5.0).all()
    assert (seconds <= 5.3).all()
    longer = run(fake, reader, TurnPlan(energy_turns=3, energy_s=7.0))
    assert (read(longer, allow_fake=True).seconds >= 7.0).all()


def test_a_counter_that_is_renewed_too_seldom_is_refused_with_what_would_do(fake, reader):
    fake.update_ns(1_000_000_000)
    pair = read(run(fake, reader), allow_fake=True)
    assert pair.reason == (
        "the meter is renewed every 1 s: 50 times need a turn of 51 s, and 2 s are asked for "
        "(energy_s)"
    )
    assert log_ratio(pair) is None


def test_a_board_that_is_lost_keeps_the_turns_until_then_and_says_how_many(fake, reader):
    fake.fail("nvmlDeviceGetTotalEnergyConsumption", LOST, after=900)
    columns = run(fake, reader)
    done = columns["joules"].shape[1]
    assert 0 < done < PLAN.energy_turns
    pair = read(columns, allow_fake=True)
    assert "lost" in pair.reason.lower()
    assert pair.reason.endswith(f"(after {done} of 4 turns)")


def test_the_two_workers_are_no_strangers_on_the_board(fake, reader):
    fake.process(0, 4711, 1 << 30)
    fake.process(0, 4712, 1 << 30)
    assert "other_processes" in {one.code for one in reader.doubts()}
    assert "other_processes" not in str(about(run(fake, reader))["doubts"])


def test_a_test_s_device_gives_no_figure(fake, reader):
    pair = read(run(fake, reader))
    assert pair.reason.endswith("is a test's: it drew nothing")


class Plain:
    """A meter whose counter goes by steps of *step_j*, or that only tells watts."""

    scope = "a plug"

    def __init__(self, fake: Fake, step_j: float | None) -> None:
        self.counts, self.told_j, self._step_j, self._fake = bool(step_j), step_j, step_j, fake

    @property
    def resolution_j(self) -> float | None:
        return self.told_j

    def energy_j(self) -> float:
        true = self._fake.true_joules(0, self._fake.clock())
        return true // self._step_j * self._step_j

    def identity(self) -> dict[str, str]:
        return {"name": "plug"}

    def doubts(self) -> list[Any]:
        return []


def test_a_turn_goes_on_until_it_holds_a_hundred_of_the_counter_s_steps(fake):
    """Steps of 7 J: 2 s of 300 W hold 85 of them, 4 s more than enough."""
    meter = Plain(fake, 0.1)
    meter.told_j = 7.0
    pair = read(run(fake, meter))
    assert pair.reason is None
    assert (pair.joules >= 700).all()
    assert pair.seconds == pytest.approx(np.array([[2.0] * 4, [4.0] * 4]), abs=0.1)
    assert log_ratio(pair) == pytest.approx(np.log(1.5), abs=2e-3)


def test_steps_that_no_turn_can_hold_are_refused_with_what_would_do(fake):
    meter = Plain(fake, 0.1)
    meter.told_j = 200.0
    assert "in steps of 200 J: a turn needs 100 of them; ask for a longer energy_s" in str(
        about(run(fake, meter))["reason"]
    )


def test_a_meter_that_tells_watts_has_them_integrated_over_each_turn(fake):
    rows: list[tuple[int, float]] = []
    power = {True: 400.0, False: 300.0}
    sides = Sim(fake, 400.0, 0.01), Sim(fake, 300.0, 0.02)

    def sample() -> None:
        working = next((side for side in sides if side.working), None)
        rows.append((fake.clock(), IDLE_W if working is None else power[working is sides[0]]))

    fake.every(0.05, sample)

    def stop() -> Readings:
        t_ns, watts = zip(*rows, strict=True)
        return Readings({"t_ns": np.array(t_ns, np.int64), "watts": np.array(watts)})

    columns = measure(
        Plain(fake, None), sides, PLAN, stop, clock=fake.clock, sleep=fake.sleep
    )  # fmt: skip
    pair = read(columns)
    assert pair.reason is None
    assert log_ratio(pair) == pytest.approx(np.log(1.5), abs=1e-3)
    assert "joules" not in columns
    assert LEAD_S > 2 * 0.05, "samples before a window are of the same side"
    gone = {name: column for name, column in columns.items() if not name.startswith("sample.")}
    assert read(gone).reason.startswith("the power samples do not cover the turns")


@pytest.mark.parametrize(
    ("devices", "told"),
    [(("cpu", "cpu"), "set BENCHBENCH_ALLOW_COMMANDS=1"), (("cpu", "cuda:0"), "ALLOW_COMMANDS")],
)
def test_an_absent_meter_gives_its_reason_before_it_is_opened(
    devices: tuple[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCHBENCH_ALLOW_COMMANDS", raising=False)
    spec = {"kind": "external", "gives": "joules", "command": ["true"]}
    job = SimpleNamespace(take=Take.of("pair", "c", {"meter": spec}), folder=tmp_path)
    sides = tuple(SimpleNamespace(device=device) for device in devices)
    with pytest.raises(MeterError, match=told), _metered(job, sides):
        pass


# --- figures and verdicts ----------------------------------------------------------------


def pair(ratio: float, turns: int = 5, reason: str | None = None) -> EnergyPair:
    one = np.ones(turns)
    return EnergyPair(np.stack([one, ratio * one]), np.ones((2, turns)), 2 * np.ones((2, turns)),
                      "a plug", reason)  # fmt: skip


@given(st.lists(st.floats(1e-3, 1e6), min_size=4, max_size=20))
def test_exchanging_the_sides_turns_the_sign(values: list[float]) -> None:
    half = len(values) // 2
    joules = np.array([values[:half], values[half : 2 * half]])
    found = EnergyPair(joules, np.ones_like(joules), np.ones_like(joules))
    back = EnergyPair(joules[::-1], np.ones_like(joules), np.ones_like(joules))
    assert log_ratio(found) == pytest.approx(-log_ratio(back), abs=1e-9)


def test_a_turn_that_something_else_met_does_not_move_the_pair() -> None:
    found = pair(1.1)
    found.joules[1, 2] *= 30
    assert log_ratio(found) == pytest.approx(np.log(1.1))


def ratios(centre: float) -> list[EnergyPair]:
    noise = np.random.default_rng(5).normal(0, 0.01, 8)
    return [pair(centre * float(np.exp(one))) for one in noise]


@pytest.mark.parametrize(("true", "verdict"), [(1.0, "pass"), (0.7, "pass"), (1.3, "regression")])
def test_the_verdict_is_formed_as_latency_s_is(true: float, verdict: str) -> None:
    found = energy_turns.summarise(ratios(true), "nvml", turns.verdict)
    assert found["energy_verdict"] == verdict
    assert found["energy"].ratio == pytest.approx(true, rel=0.02)
    assert found["energy_reason"] is None
    assert (found["energy_pairs"], found["energy_scope"]) == (8, "a plug")


def test_pairs_whose_meter_failed_are_left_out_and_told() -> None:
    pairs = [*ratios(1.3), pair(9.0, reason="the board is lost")]
    found = energy_turns.summarise(pairs, "nvml", turns.verdict)
    assert found["energy"].ratio == pytest.approx(1.3, rel=0.02)
    assert found["energy_reason"] == "1 of 9 pairs without energy: the board is lost"
    none = energy_turns.summarise(pairs[-1:], "nvml", turns.verdict)
    assert (none.get("energy"), none["energy_reason"]) == (None, "the board is lost")


def test_a_meter_that_was_never_opened_reads_back_as_its_reason() -> None:
    assert read(untold(PLAN, "no such board")).reason == "no such board"


# --- asked, stored, told -----------------------------------------------------------------


def compared(meter: str | None, number: int = 1) -> Compared:
    return Compared(id=str(number), baseline="a", candidate="b", slower=0.05, pairs=8,
                    most_pairs=20, rule="two-looks", takes=(), meter=meter)  # fmt: skip


def test_verdicts_of_energy_share_the_error_and_runs_without_meters_keep_theirs() -> None:
    assert turnbook.questions([compared(None)] * 3) == 3
    family = turnbook.questions([compared("nvml"), compared(None)])
    assert family == 3
    view = turnbook.view(compared("nvml"), [], family, ratios(1.3))
    assert view.alpha == pytest.approx(0.05 / 3)
    assert view.energy_verdict == "regression"
    # Two looks share what one question of three has; both ends are one-sided.
    assert view.energy.level == pytest.approx(1 - 2 * 0.05 / 3 / 2)
    assert turnbook.view(compared(None), [], 1).energy_meter is None


def cell(name: str) -> Cell:
    return Cell.model_construct(id=name)


def test_without_a_meter_ids_are_those_of_runs_that_knew_none() -> None:
    entry = ComparisonEntry(baseline=Where(), candidate=Where())
    plain = contest(cell("a"), cell("b"), entry)
    old = Take.of("pair", "b", {"turns": 25, "queries": 4}, number=1, against="a")
    assert plain.takes[0] == old
    assert plain.compared.meter is None
    metered = entry.model_copy(update={"meter": {"kind": "nvml"}})
    found = contest(cell("a"), cell("b"), metered)
    assert found.compared.meter == "nvml"
    assert found.compared.id != plain.compared.id
    options = {"meter": {"kind": "nvml"}, "energy_turns": 5, "energy_s": 2.0}
    assert found.takes[0].options == old.options | options


def test_what_was_stored_without_energy_still_reads() -> None:
    body = compared(None).model_dump(exclude={"meter"})
    assert Compared.model_validate(body).meter is None
    taken = Taken(take=Take.of("pair", "b", {}), environment="", started="", wall_s=1)
    found = turnbook.read_energy(None, taken)
    assert found.reason == "the pair was taken without a meter"


def test_turns_of_energy_need_a_meter() -> None:
    with pytest.raises(ValidationError, match="energy_s says nothing without a meter"):
        ComparisonEntry(baseline=Where(), candidate=Where(), energy_s=3.0)


def test_reports_tell_energy_beside_latency_or_why_there_is_none() -> None:
    run = report_measured.measured()
    wall = RatioView(ratio=1.31, low=1.28, high=1.34, level=0.9)
    drawn = {"energy": wall, "energy_verdict": "regression", "energy_meter": "nvml",
             "energy_scope": "GPU board", "energy_pairs": 8}  # fmt: skip
    lost = {"energy_meter": "rapl", "energy_reason": "this machine shows no RAPL"}
    first, second, *rest = run.turns
    told = run.model_copy(
        update={"turns": (first.model_copy(update=drawn), second.model_copy(update=lost), *rest)}
    )
    _, table = reported.turns(told).tables
    assert [row.values[0].text for row in table.rows] == ["REGRESSION", "not measured"]
    assert table.rows[0].values[1].text == "1.31 ×"
    assert "Energy an image: 1 REGRESSION." in Markdown().render(told).decode()
    line, other, *_ = map(str, lines(told))
    assert "energy an image 1.31× [1.28, 1.34] (90 %) REGRESSION" in line
    assert "energy by rapl not measured: this machine shows no RAPL" in other
    assert len(reported.turns(run).tables) == 1
