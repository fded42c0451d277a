"""Energy of several takes made alike, read by the fake NVML on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from benchbench.measure.energy import EnergyPlan, measure
from benchbench.measure.sampler import Readings
from benchbench.meters.nvml import reading
from benchbench.stats.energy import summarise
from benchbench.stats.energy_pooled import DIFFER, differ, per_trial, pooled
from benchbench.taken import measured_of
from benchbench.view import EnergyView
from tests.fake_nvml import GPU, Fake, build, loaded

PLAN = EnergyPlan(trials=3, window_s=4.0, idle_s=3.0, cooldown_s=0.5, sample_s=0.05)
IMAGES = 8
Trials = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    with loaded(build(tmp_path_factory.mktemp("nvml"))) as found:
        found.reset()
        found.every(1e9, lambda: None)
        found.sleep(0.0123)  # not on a tick
        yield found


def take(fake: Fake, watts: float) -> tuple[EnergyView, Trials]:
    """Return what one take of queries that draw about *watts* says, and its trials."""
    random = np.random.default_rng(int(watts))

    def query() -> None:
        fake.work(0.01, watts * random.uniform(0.8, 1.2))

    with reading("cuda:0", uuid_of=lambda _: GPU[0]) as opened:
        stop = Readings
        columns = measure(
            opened, query, IMAGES, PLAN, lambda: stop({}), clock=fake.clock, sleep=fake.sleep
        )
    return summarise(columns, "nvml", allow_fake=True), per_trial(measured_of(columns))


def test_trials_of_takes_that_are_alike_stand_together(fake: Fake) -> None:
    views, trials = zip(*(take(fake, watts) for watts in (400, 401)), strict=True)
    found = pooled(views, trials)
    assert found.quality.trials == 6
    assert found.caveats == ()  # six windows are no longer few
    assert [one.code for one in views[0].caveats] == ["few_trials"]
    for name in ("gross_j_per_image", "net_j_per_image", "images_per_joule", "average_w"):
        both = np.concatenate([one[name] for one in trials])
        figure = getattr(found, name)
        assert figure.value == pytest.approx(both.mean())
        reach = stats.t.ppf(0.975, 5) * stats.sem(both)
        assert (figure.low, figure.high) == pytest.approx(
            (both.mean() - reach, both.mean() + reach)
        )


def test_takes_that_differ_by_more_than_their_trials_have_no_interval(fake: Fake) -> None:
    views, trials = zip(*(take(fake, watts) for watts in (400, 300)), strict=True)
    figure = pooled(views, trials).gross_j_per_image
    assert figure.value == pytest.approx(np.mean([one.gross_j_per_image.value for one in views]))
    assert (figure.low, figure.high) == (None, None)
    assert "F test" in figure.reason


def test_takes_differ_as_in_a_one_way_analysis_of_variance() -> None:
    random, called = np.random.default_rng(0), 0
    for _ in range(400):
        takes = [random.normal(size=n) for n in (3, 5, 4)]
        assert differ(takes) == (stats.f_oneway(*takes).pvalue < DIFFER)
        called += differ(takes)
    assert 0 < called / 400 < 0.1
    assert not differ([np.ones(3)])
    assert not differ([np.ones(3), np.ones(3)])
    assert differ([np.ones(3), np.zeros(3)])
