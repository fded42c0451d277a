"""What several processes, cells that took turns, and a machine's noise look like in reports."""

from __future__ import annotations

from typing import Literal

from benchbench.types import Elsewhere, Record

Grade = Literal["too few", "exploratory", "full"]
GateVerdict = Literal["pass", "regression", "inconclusive"]
PooledBy = Literal["each process", "pooled processes"]
SettledBy = Literal["looks", "sequence"]


class ProcessFigure(Record):
    """The typical latency of a fresh process: geometric mean of process medians, t interval."""

    median_ms: float | None
    """Geometric mean of the medians of the processes."""
    low_ms: float | None = None
    high_ms: float | None = None
    level: float
    """Confidence of the interval, 0..1."""
    medians_ms: tuple[float, ...] = ()
    """Median of each process, in the order they ran."""
    cv: float | None = None
    """Standard deviation of the medians over their mean; None below two processes."""
    noisy: bool | None = None
    """Whether *cv* is above 5 %; None where there is none."""
    reason: str | None = None
    """Why there is no interval, where there is none."""


class ProcessPercentile(Record):
    """A percentile over several processes."""

    percentile: float
    """0..100."""
    value_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    method: PooledBy | None = None
    """``each process``: geometric mean of the processes' own percentiles, t interval of logs;
    ``pooled processes``: percentile of all queries together, Woodruff's interval by process."""
    reason: str | None = None
    """Why the value, or its interval, is withheld."""


class ProcessesView(Record):
    """What several fresh processes of one cell measured."""

    processes: int
    grade: Grade
    """Below 5 processes ``too few``, below 10 ``exploratory``, else ``full``."""
    wall: ProcessFigure
    cpu: ProcessFigure
    percentiles: tuple[ProcessPercentile, ...] = ()
    """Of wall time."""


class RatioView(Record):
    """How many times as long *b* took as *a*, or as much it drew: above 1, *b* takes more."""

    ratio: float | None
    """exp of the mean over pairs of the log ratio."""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    """Two-sided confidence of the interval, 0..1; None where there is none."""
    log_sd: float | None = None
    """Standard deviation of the log ratio from pair to pair."""
    reason: str | None = None
    """Why there is no ratio, or no interval."""


class TurnsView(Record):
    """Cell *b* against cell *a*, two fresh workers of which took turns, pair by pair."""

    a: str
    """Id of the cell that is compared with, the baseline."""
    b: str
    """Id of the candidate."""
    elsewhere: Elsewhere | None = None
    """Where *a* is from, if it is a cell of another run; None where it is one of this run."""
    pairs: int
    """Pairs that the figures and the verdict rest on."""
    wall: RatioView
    """The interval is the one that the verdict rests on."""
    cpu: RatioView
    """For information: no verdict rests on it. A plain t interval on the same pairs."""
    verdict: GateVerdict
    """``pass``: not slower by more than the margin. ``regression``: slower, and by more than the
    margin at the best estimate. ``inconclusive``: neither can be said."""
    faster: bool | None
    """Whether *b* is shown to be faster than *a*; None where there is no interval."""
    margin: float
    """Slowdown that is put up with, a fraction: 0.05 is 5 %."""
    alpha: float
    """Largest chance of a wrong verdict, over all looks."""
    looks: int
    """How often the pairs were looked at before this verdict."""
    settled_by: SettledBy
    """``looks``: t bounds at numbers of pairs fixed beforehand; ``sequence``: after every pair."""
    order_effect: float | None = None
    """How many times as long the one that goes first in a turn takes as the second; None where
    one side went first every time."""
    log_ratios: tuple[float, ...] = ()
    """The log ratio of each pair, in order, for drawing."""
    reason: str | None = None
    """Why the verdict is ``inconclusive``."""
    energy: RatioView | None = None
    """Gross energy of an image, *b* over *a*; the interval is the one that its verdict rests on.
    None where no meter was asked for, or where it told nothing."""
    energy_verdict: GateVerdict | None = None
    """The same question of energy, with the same margin: ``regression``: *b* draws more."""
    energy_reason: str | None = None
    """Why there is no energy, no verdict of it, or why it rests on fewer pairs."""
    energy_meter: str | None = None
    """Kind of the meter; None where none was asked for."""
    energy_scope: str | None = None
    """What the meter sees, in words."""
    energy_pairs: int | None = None
    """Pairs that energy's figures rest on."""
    energy_log_ratios: tuple[float, ...] = ()
    """The log ratio of energy of each pair that has one, in order, for drawing."""


class Components(Record):
    """How much of the spread is between builds of an engine, how much between its processes."""

    builds: int
    processes: int
    """Of all builds together."""
    build_sd: float | None = None
    """Standard deviation of log medians between builds: 0.02 is about 2 %."""
    process_sd: float | None = None
    """The same between processes of one build."""
    p: float | None = None
    """Chance of builds this far apart if builds were all alike (F test)."""
    build_reason: str | None = None
    process_reason: str | None = None


class NoiseFigure(Record):
    """How much the log ratio of two identical cells varies from pair to pair."""

    ratio: RatioView
    """Of identical cells: the interval should hold 1."""
    sd_low: float | None = None
    sd_high: float | None = None
    """Chi-square interval of ``ratio.log_sd``, at ``ratio.level``."""
    resolvable: float | None = None
    """Smallest true slowdown, as a ratio, that *pairs_planned* pairs call a slowdown."""
    resolvable_high: float | None = None
    """The same if the noise is as large as *sd_high*."""
    within_budget: float | None = None
    """Smallest true slowdown that the pairs that the time allows call a slowdown."""
    reason: str | None = None
    """Why a figure is missing."""


class NoiseView(Record):
    """What identical cells tell of this machine's noise (``benchbench aa``)."""

    cell: str
    pairs: int
    """Pairs that were measured."""
    wall: NoiseFigure
    cpu: NoiseFigure
    power: float
    """Chance with which a true slowdown of the size ``resolvable`` is called one."""
    alpha: float
    """One-sided chance of calling identical cells slower."""
    pairs_planned: int
    """Pairs that a comparison is planned to have."""
    seconds_per_pair: float | None = None
    budget_s: float | None = None
    pairs_affordable: int | None = None
    """How many pairs the budget holds."""
