"""The shortest way from what a source offers to what a runtime takes."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from benchbench.chains import find_route
from benchbench.types import Variant


@dataclass(frozen=True)
class Step:
    sources: tuple[Variant, ...]
    target: Variant

    def targets(self, source: Variant) -> tuple[Variant, ...]:
        return (self.target,) if source in self.sources else ()


def v(name: str) -> Variant:
    return Variant(format=name)


AB, BC, AC = Step((v("a"),), v("b")), Step((v("b"),), v("c")), Step((v("a"),), v("c"))


def test_what_is_offered_and_wanted_needs_no_step() -> None:
    route = find_route([v("a"), v("b")], [v("b")], [AB])
    assert route is not None
    assert (route.start, route.steps) == (v("b"), ())


def test_a_direct_step_beats_a_detour() -> None:
    route = find_route([v("a")], [v("c")], [AB, BC, AC])
    assert route is not None
    assert [step for step, _, _ in route.steps] == [AC]


def test_steps_join_where_there_is_no_direct_one() -> None:
    route = find_route([v("a")], [v("c")], [AB, BC])
    assert route is not None
    assert [step for step, _, _ in route.steps] == [AB, BC]
    assert [reads for _, reads, _ in route.steps] == [v("a"), v("b")]
    assert route.end == v("c")


def test_among_equally_short_routes_the_runtimes_preference_decides() -> None:
    route = find_route([v("a"), v("b")], [v("b"), v("a")], [])
    assert route is not None
    assert route.start == v("b")


def test_no_way_is_none() -> None:
    assert find_route([v("a")], [v("z")], [AB, BC]) is None


names = st.sampled_from("abcdef").map(v)
steps = st.builds(Step, st.tuples(names), names)


@given(st.lists(names, min_size=1, max_size=3, unique=True), names, st.lists(steps, max_size=12))
def test_a_route_is_a_chain_of_given_steps_and_never_visits_a_variant_twice(
    offered: list[Variant], wanted: Variant, conversions: list[Step]
) -> None:
    route = find_route(offered, [wanted], conversions)
    if route is None:
        assert wanted not in offered
        return
    assert route.start in offered
    assert route.end == wanted
    here = route.start
    for step, reads, writes in route.steps:
        assert reads == here
        assert here in step.sources
        assert writes == step.target
        here = writes
    assert len(route.steps) < 6
