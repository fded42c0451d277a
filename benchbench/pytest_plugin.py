"""``pytest --benchbench suite.yaml``: a test item for each limit and cell of a suite.

Items are planned without measuring; the suite is measured, and its gate asked, before the first of
them runs. Only pytest is imported here: every pytest session loads this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchbench.gate_view import GateView, LimitView, OnInconclusive
    from benchbench.suite.gates import LoadedGate, LoadedGates
    from benchbench.types import Cell

_LONGEST_NAME = 300
_TOGETHER = ("no", "each", "loadscope", "loadfile")
_BRACKETS = str.maketrans("[]", "()")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("benchbench", "limits of a benchbench suite")
    group.addoption(
        "--benchbench", action="append", default=[], metavar="SUITE",
        help="Measure SUITE (a path or a name) and test its limits, one item a limit and cell.",
    )  # fmt: skip
    group.addoption(
        "--benchbench-run", metavar="RUN",
        help="Measure nothing: test this run (an id, or 'latest' of the suite).",
    )  # fmt: skip
    group.addoption("--benchbench-store", type=Path, metavar="DIR", help="The results store.")
    group.addoption(
        "--benchbench-limits", type=Path, metavar="FILE",
        help="A file of limits, in place of the suite's own.",
    )  # fmt: skip
    group.addoption(
        "--benchbench-set", action="append", default=[], metavar="KEY=VALUE",
        help="Give a variable or key of the suite a value; repeatable.",
    )  # fmt: skip
    group.addoption(
        "--benchbench-baseline", metavar="X",
        help="What relative limits that name no baseline are against.",
    )  # fmt: skip
    group.addoption(
        "--benchbench-on-inconclusive", choices=["fail", "pass", "retry"],
        help="An undecided limit fails, is skipped ('pass'), or more is measured first.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suites beside what else is asked for."""
    if not config.getoption("benchbench"):
        return
    config.addinivalue_line("markers", "benchbench: a limit of a benchbench suite")
    named = {_resolved(config, arg.partition("::")[0]) for arg in config.args}
    config.args += [str(path) for path in _suites(config) if path not in named]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the items of a suite in one process of pytest-xdist, so that it is measured once.

    ``loadscope``, ``loadfile`` and ``each`` do so by themselves.
    """
    if not config.getoption("benchbench") or config.getoption("dist") in _TOGETHER:
        return None
    from xdist.scheduler import LoadGroupScheduling

    heads = tuple(f"{_file_id(config, path)}::" for path in _suites(config))

    class Scheduling(LoadGroupScheduling):  # type: ignore[misc]  # its base has no types
        def _split_scope(self, nodeid: str) -> str:
            own = next((head for head in heads if nodeid.startswith(head)), None)
            return str(own or super()._split_scope(nodeid))

    return Scheduling(config, log)


def _file_id(config: pytest.Config, path: Path) -> str:
    """Return the node id of a suite's file."""
    inside = path.is_relative_to(config.rootpath)
    return path.relative_to(config.rootpath).as_posix() if inside else path.name


def _resolved(config: pytest.Config, arg: str) -> Path:
    return (config.invocation_params.dir / arg).resolve()


def _suites(config: pytest.Config) -> dict[Path, str]:
    """Return the suites' files, and what each was called."""
    from benchbench.errors import BenchbenchError
    from benchbench.suite.load import find

    try:
        found = {
            _resolved(config, str(find(name))): name for name in config.getoption("benchbench")
        }
    except BenchbenchError as error:
        raise pytest.UsageError(f"--benchbench: {error}") from None
    return found


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> GateFile | None:
    """Collect a suite that was asked for."""
    if not parent.config.getoption("benchbench") or file_path.suffix not in (".yaml", ".yml"):
        return None
    if file_path.resolve() not in _suites(parent.config):
        return None
    inside = file_path.is_relative_to(parent.config.rootpath)
    more: dict[str, Any] = {} if inside else {"nodeid": _file_id(parent.config, file_path)}
    return GateFile.from_parent(parent, path=file_path, **more)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out items of a suite that was collected twice: in its folder, and by its name."""
    seen: set[str] = set()
    for item in [item for item in items if isinstance(item, GateItem)]:
        if item.nodeid in seen:
            items.remove(item)
        seen.add(item.nodeid)


class GateFile(pytest.File):
    """A suite; its items are its limits, cell by cell."""

    _view: GateView | Exception | None = None

    def collect(self) -> Iterator[GateItem]:
        """Yield an item for each limit and each cell that it is about; measure nothing."""
        from benchbench.errors import BenchbenchError

        try:
            cells, gates = self._planned()
            found = list(_about(gates, cells))
        except BenchbenchError as error:
            raise self.CollectError(str(error)) from None
        names: dict[str, int] = {}
        for gate, cell in found:
            name = _name(gate, cell)
            names[name] = names.get(name, 0) + 1
            last = f" ({names[name]})" if names[name] > 1 else ""
            item = GateItem.from_parent(self, name=name + last, gate=gate, cell=cell)
            item.add_marker("benchbench")
            yield item

    def _planned(self) -> tuple[list[Cell], LoadedGates]:
        """Return the cells of the suite, or of the run that is asked about, and the limits."""
        from benchbench import api
        from benchbench.files import user_cache
        from benchbench.gating import asked_of
        from benchbench.plan import make_plan
        from benchbench.suite.gates import gates_of, load_gates
        from benchbench.suite.load import load_suite

        limits = self._option("limits")
        if self._option("run"):
            run = api.find_run(*self._run(), store=self._option("store"))
            return [planned.cell for planned in run.manifest().cells], asked_of(run, limits)
        loaded = load_suite(str(self.path), self._option("set"))
        gates = load_gates(limits) if limits else gates_of(loaded)
        if not gates.entries:
            raise loaded.error("the suite sets no limits", (), "list them under 'gates:'")
        plan = make_plan(loaded, user_cache())
        return [planned.cell for planned in plan.cells], gates

    def _run(self) -> tuple[str, Sequence[str]]:
        """Return what names the stored run, and the settings that narrow it."""
        from benchbench.suite.load import load_suite

        name: str = self._option("run")
        settings: list[str] = self._option("set")
        if name != "latest":
            return name, ()
        return load_suite(str(self.path), settings).suite.name, settings

    def _option(self, name: str) -> Any:
        return self.config.getoption(f"benchbench_{name}")

    def view(self) -> GateView:
        """Return the verdict over the limits; measure first, once, what is missing."""
        from benchbench.errors import BenchbenchError

        if self._view is None:
            try:
                self._view = self._gated()
            except BenchbenchError as error:
                self._view = error
        if isinstance(self._view, Exception):
            raise self._view
        return self._view

    def _gated(self) -> GateView:
        from benchbench import api

        store: Path | None = self._option("store")
        how: OnInconclusive | None = self._option("on_inconclusive")
        if self._option("run"):
            run = api.find_run(*self._run(), store=store).id
        else:
            run = api.run(str(self.path), self._option("set"), store=store).run
        view = api.gate(
            run, store=store, limits=self._option("limits"),
            baseline=self._option("baseline"), on_inconclusive=how,
        ).gate  # fmt: skip
        assert view is not None
        return view


class GateItem(pytest.Item):
    """One limit on one cell."""

    parent: GateFile

    def __init__(self, *, gate: LoadedGate, cell: Cell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        self.cell = cell

    def runtest(self) -> None:
        """Fail if the limit is broken; fail or skip, as chosen, if it is undecided."""
        view = self.parent.view()
        found = [one for one in view.limits if self._is_about(one)]
        if not found:
            pytest.skip("the limit is not about this cell: another task, or its own baseline")
        for one in found:
            self.user_properties.extend(_facts(one))
        broken = [_told(one) for one in found if one.outcome == "fail"]
        undecided = [_told(one) for one in found if one.outcome == "inconclusive"]
        if broken or (undecided and view.on_inconclusive != "pass"):
            raise _NotKept("\n".join(broken + undecided))
        if undecided:
            pytest.skip("\n".join(undecided))

    def _is_about(self, one: LimitView) -> bool:
        asked = (self.gate.entry.limit, self.gate.line, self.cell.id)
        return (one.text, one.line, one.cell) == asked

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the message alone for what is no fault of the program."""
        from benchbench.errors import BenchbenchError

        if isinstance(excinfo.value, _NotKept | BenchbenchError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the limit is written."""
        line = None if self.gate.line is None else self.gate.line - 1
        return Path(self.gate.file), line, f"limit {self.name}"


class _NotKept(Exception):
    """A limit that is broken, or undecided where that counts."""


def _about(gates: LoadedGates, cells: Sequence[Cell]) -> Iterator[tuple[LoadedGate, Cell]]:
    from benchbench.errors import Place, SuiteError
    from benchbench.takes import matches

    for gate in gates.entries:
        found = [cell for cell in cells if matches(gate.entry.where, cell)]
        if not found:
            raise SuiteError(
                f"this limit picks no cell: {gate.entry.limit}",
                hint="look at its 'where'; benchbench plan lists the cells",
                place=Place(gate.file, gate.line),
            )
        yield from ((gate, cell) for cell in found)


def _name(gate: LoadedGate, cell: Cell) -> str:
    """Return a name that can stand in a node id: printable, and without what pytest reads in it."""
    name = f"{gate.entry.name or gate.entry.limit} · {cell.label}".translate(_BRACKETS)
    name = name.replace("::", ":")
    name = "".join(c if c.isprintable() else "�" for c in name)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _told(one: LimitView) -> str:
    """Return the limit, what was measured, and why the verdict is what it is."""
    lines = [f"{one.outcome.upper()}  {one.text}  ({one.label})"]
    figure = _figure(one)
    lines += [f"    {figure}"] if figure else []
    lines += [f"    {one.reason}"] if one.reason else []
    lines += [f"    hint: {one.hint}"] if one.hint else []
    place = f"{one.file}:{one.line}" if one.file and one.line else ""
    return "\n".join([*lines, *([f"    {place}"] if place else [])])


def _figure(one: LimitView) -> str:
    """Return what was measured in words, with its interval and what that rests on."""
    from benchbench.units import show

    if one.kind == "absolute":
        if one.value is None:
            return ""
        told = f"{one.quantity} is {show(one.value, one.unit)}"
        span = _span(one, *(x if x is None else show(x, one.unit) for x in (one.low, one.high)))
    else:
        if one.change is None:
            return ""
        shown = [x if x is None else _change(one, x) for x in (one.change_low, one.change_high)]
        told = f"{one.quantity} changed by {_change(one, one.change)} against {one.against}"
        span = _span(one, *shown)
    limit = _change(one, one.limit) if one.kind == "relative" else show(one.limit, one.unit)
    return f"{told}{span}; it has to be {one.sense} {limit}"


def _change(one: LimitView, change: float) -> str:
    from benchbench.units import show

    if one.scale == "ratio":
        return f"{100 * (change - 1):+.2f} %"
    return f"{100 * change:+.2f} points" if not one.unit else show(change, one.unit)


def _span(one: LimitView, low: str | None, high: str | None) -> str:
    level = "" if one.level is None else f"{100 * one.level:g} % interval "
    span = f"{level}{low or '−∞'} to {high or '∞'}" if low or high else ""
    inside = ", ".join(part for part in (span, one.basis) if part)
    return f" ({inside})" if inside else ""


def _facts(one: LimitView) -> Iterator[tuple[str, object]]:
    """Yield what JUnit XML keeps of a limit, as properties of the test."""
    names = ("quantity", "unit", "outcome", "sense", "limit", "value", "low", "high", "change")
    for name in names:
        value = getattr(one, name)
        if value is not None and value != "":
            yield f"benchbench.{name}", value
