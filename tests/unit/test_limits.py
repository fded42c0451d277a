"""Limits are read strictly, refused with the place and a way out, and written back as they are."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchbench import limits, units
from benchbench.errors import UsageError
from benchbench.limits import Absolute, Relative, fits, parse
from benchbench.quantities import GETTERS, Named, Quantity, kind, quoted


@pytest.mark.parametrize(
    ("text", "name", "sense", "value", "unit"),
    [
        ("map >= 0.35", "map", "at least", 0.35, ""),
        ("mAP>=35%", "mAP", "at least", 0.35, ""),
        ("map ≥ 35 points", "map", "at least", 0.35, ""),
        ("latency.p99 <= 12 ms", "latency.p99", "at most", 12.0, "ms"),
        ("latency AT MOST 900 us", "latency", "at most", 0.9, "ms"),
        ("load <= 500 ms", "load", "at most", 0.5, "s"),
        ("energy <= 0.4 J", "energy", "at most", 0.4, "J"),
        ("coverage.int8 >= 95 %", "coverage.int8", "at least", 0.95, ""),
        ("memory <= 200 MB", "memory", "at most", 2e8, "bytes"),
        ("model size <= 10 MiB", "model size", "at most", 10485760.0, "bytes"),
        ("speedup >= 1.5x", "speedup", "at least", 1.5, "×"),
        ("server.rate >= 100 qps", "server.rate", "at least", 100.0, "queries/s"),
        ("cameras >= 8", "cameras", "at least", 8.0, "cameras"),
        ("parameters <= 3 M parameters", "parameters", "at most", 3e6, "parameters"),
        ("cost <= 0.3 eur", "cost", "at most", 0.3, "currency"),
        ("hd95_mm <= 3 mm", "hd95_mm", "at most", 3.0, "mm"),
        ("rmse <= 35", "rmse", "at most", 35.0, ""),
        ('"mAP@[.5:.95]" >= .3', "mAP@[.5:.95]", "at least", 0.3, ""),
    ],
)
def test_an_absolute_limit_is_read_in_the_figures_own_unit(text, name, sense, value, unit) -> None:
    found = parse(text)
    assert isinstance(found, Absolute)
    assert (found.name, found.sense, found.value, found.unit) == (name, sense, value, unit)


def test_a_limit_may_be_of_a_class_a_slice_or_a_meter() -> None:
    assert parse("map[class=scratch] >= 0.3").subject == "class=scratch"
    found = parse('map[slice="brightness: dark"] >= 30 points on these images')
    assert (found.subject, found.on_these_images) == ("slice=brightness: dark", True)
    assert parse("energy[meter=rapl] < 4 mJ").subject == "meter=rapl"
    assert parse('map[class="a ] \\"b\\""] > 0.1').subject == 'class=a ] "b"'


@pytest.mark.parametrize(
    ("text", "figure", "change", "margin", "scale", "against"),
    [
        ("no more than 3 % slower", "latency.p50", "slower", 0.03, "ratio", None),
        ("No more than 3% slower by latency.p99 than fp32", "latency.p99", "slower", 0.03, "ratio", "fp32"),
        ("no more than 0.5 points of mAP lost", "mAP", "lost", 0.005, "difference", None),
        ("no more than 1 % of mIoU lost against nightly run", "mIoU", "lost", 0.01, "ratio", "nightly run"),
        ("no more than 0.5 points of map[class=dent] lost", "map[class=dent]", "lost", 0.005, "difference", None),
        ("no more than 5 % more energy", "energy", "more", 0.05, "ratio", None),
        ("no more than 10 % more memory", "memory", "more", 0.1, "ratio", None),
        ("no more than 2 % larger", "size", "larger", 0.02, "ratio", None),
        ("no more than 0 % larger", "size", "larger", 0.0, "ratio", None),
        ("no more than 5 % less throughput", "throughput", "less", 0.05, "ratio", None),
        ("no more than 10 % fewer cameras", "cameras", "less", 0.1, "ratio", None),
        ("no more than 0.2 mm of hd95_mm lost", "hd95_mm", "lost", 0.2, "difference", None),
    ],
)  # fmt: skip
def test_a_relative_limit_is_a_margin_for_the_worse(
    text, figure, change, margin, scale, against
) -> None:
    found = parse(text)
    assert isinstance(found, Relative)
    assert str(found.figure) == figure
    assert (found.change, found.margin, found.scale) == (change, margin, scale)
    assert found.against == against


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("", "empty", "map >= 0.35"),
        (" \n ", "empty", "map >= 0.35"),
        ("x" * 10_000, "10000 characters", "one line"),
        ("map => 0.35", "at '=> 0.35' (character 5)", ">="),
        ("map = 0.35", "an operator is missing", ">= or <="),
        ("map", "at the end (character 4)", "map >= 0.35"),
        ("map >=", "a number is missing", "map >= 0.35"),
        ("map >= nan", "a number is missing, at 'nan'", "map"),
        ("map >= 1e999", "not finite", "map"),
        ("map >= 0,35", "unclear, at '0,35' (character 8)", "0.35"),
        ("map >= 35", "fraction of 1", "35 %"),
        ("map > 1", "never", "map"),
        ("map >= -0.1", "negative", "map"),
        ("power <= 0 W", "never", "map"),
        ("map >= 0.3 and latency <= 3 ms", "nothing may follow", "one limit"),
        ("map[class=a >= 0.3", "']' is missing", 'map[class="a ] b"]'),
        ("map[klass=a] >= 0.3", "brackets", "[class="),
        ('map[class="a] >= 0.3', "quotes do not end", "\\u0007"),
        ("map[class=] >= 0.3", "a name is expected, not nothing", "quotes"),
        ("latency[class=a] <= 3 ms", "not known by class", "accuracy"),
        ("map[meter=rapl] >= 3 %", "not known by meter", "map[class="),
        ("latency.p99 <= 12", "needs a unit", "12 ms"),
        ("latency.p99 <= 12 J", "not measured in 'J'", "µs, ms, s"),
        ("latency.p98 <= 12 ms", "no figure named 'latency.p98'", "'latency.p99'"),
        ("latncy <= 12 ms", "no figure named 'latncy'", "'latency'"),
        ("power <= 15 MW", "unclear", "mW or W"),
        ("memory <= 15 M", "unclear", "MB"),
        ("cost <= 3 bananas", "'bananas'", "EUR"),
        ("latency <= 3 ms on these images", "of accuracy, not of latency", "leave it out"),
        ("at most 3 % slower", "begins with", "no more than 3 %"),
        ("no more than 3 slower", "unit of the margin", "3 % slower"),
        ("no more than 3 % slwer", "at 'slwer' (character 18)", "'slower'"),
        ("no more than 3 % of map", "'lost' is missing", "mAP lost"),
        ("no more than 3 % slower than", "baseline's name is missing", "fp32"),
        ("no more than 3 % slower please", "at 'please'", "than fp32"),
        ("no more than 3 % more map", "more is better", "3 % less map"),
        ("no more than 3 % less energy", "less is better", "3 % more energy"),
        ("no more than 3 % slower by throughput", "no time", "less throughput"),
        ("no more than 3 % larger by map", "no size", "less map"),
        ("no more than 2 ms slower", "share of the baseline's", "%"),
        ("no more than 0 % slower", "margin of 0", "1 %"),
        ("no more than -3 % slower", "negative", "3 %"),
        ("no more than 100 % less throughput", "admits everything", "3 %"),
        ("no more than 2000 % slower", "admits everything", "3 %"),
        ("no more than 100 points of map lost", "admits everything", "points"),
        ("no more than 3 % of latency.p98 lost", "'latency.p98'", "'latency.p99'"),
    ],
)  # fmt: skip
def test_a_faulty_limit_is_refused_with_its_place_and_a_way_out(text, told, hint) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert told in caught.value.message
    assert hint in (caught.value.hint or "")
    assert len(str(caught.value)) < 400


def test_hints_that_correct_a_limit_are_limits() -> None:
    for text in ("no more than 3 % more map", "no more than 3 % slower by throughput than fp32"):
        with pytest.raises(UsageError) as caught:
            parse(text)
        meant = parse((caught.value.hint or "").removeprefix("write "))
        assert isinstance(meant, Relative)
        assert (meant.change, meant.margin) == ("less", 0.03)


def test_a_percentage_is_exactly_what_it_says() -> None:
    assert all(parse(f"map <= {n} %").value == n / 100 for n in range(1, 101))
    assert parse("coverage.int8 >= 95 %").holds(0.95)
    assert not parse("coverage.int8 > 95 %").holds(0.95)
    assert parse("latency <= 3 ms").holds(3.0)
    assert not parse("latency < 3 ms").holds(3.0)
    assert not parse("latency <= 3 ms").holds(3.1)


def test_the_bound_of_a_margin_lies_on_the_worse_side() -> None:
    assert parse("no more than 5 % slower").bound(higher_is_better=False) == ("at most", 1.05)
    assert parse("no more than 5 % of map lost").bound(higher_is_better=True) == ("at least", 0.95)
    lost = parse("no more than 0.5 points of error_missed lost")
    assert lost.bound(higher_is_better=False) == ("at most", 0.005)
    assert lost.bound(higher_is_better=True) == ("at least", -0.005)


def test_what_only_the_evaluator_knows_is_checked_with_the_figure() -> None:
    rmse = Quantity(name="rmse", unit="", higher_is_better=False, basis="images", value=3.0)
    fits(parse("no more than 3 % more rmse"), rmse)
    with pytest.raises(UsageError, match="less is better"):
        fits(parse("no more than 3 % less rmse"), rmse)
    with pytest.raises(UsageError, match="in mm"):
        fits(parse("rmse <= 3"), rmse.model_copy(update={"unit": "mm"}))
    cost = Quantity(name="cost.million", unit="currency", higher_is_better=False, basis="one run",
                    value=1.0, currency="EUR")  # fmt: skip
    fits(parse("cost <= 2 EUR"), cost)
    with pytest.raises(UsageError, match="in EUR"):
        fits(parse("cost <= 2 USD"), cost)


# --- properties --------------------------------------------------------------------------

ACCURACY = ("map", "mAP@50", "map_small", "rmse", "hd95_mm", "assd_px", "error_missed", "f1_macro")
text_of_a_name = st.text(max_size=20).filter(
    lambda text: not any("\ud800" <= c < "\ue000" for c in text)
)
names = st.one_of(
    st.sampled_from((*ACCURACY, *GETTERS, "FPS", "model  size")),
    text_of_a_name.map(lambda text: quoted("q" + text)),
)  # fmt: skip
numbers = st.one_of(st.floats(0, 1e12), st.floats(0, 1), st.integers(0, 120)).map(repr)


@st.composite
def figures(draw: st.DrawFn) -> str:
    name, of = draw(names), draw(text_of_a_name)
    subject = draw(st.sampled_from(("", "class", "slice", "meter")))
    return f"{name}[{subject}={quoted(of)}]" if subject else name


absolute = st.builds(
    "{} {} {} {}{}".format,
    figures(),
    st.sampled_from((">=", "<", "≤", "at least", "AT MOST")),
    numbers,
    st.sampled_from(("", *units.WRITTEN, "EUR")),
    st.sampled_from(("", " on these images")),
)
relative = st.builds(
    "no more than {} {} {}{}".format,
    numbers,
    st.sampled_from(("%", "points", "mm", "px")),
    st.one_of(
        st.just("slower"),
        figures().map(lambda figure: f"of {figure} lost"),
        st.builds("{} {}".format, st.sampled_from(("more", "less", "slower by", "larger by")), figures()),
    ),
    st.one_of(st.just(""), text_of_a_name.map(lambda text: f" than {quoted('b' + text)}")),
)  # fmt: skip


def parsed(text: str) -> Absolute | Relative | None:
    """Return the limit, or None if it is refused as it should be: with a hint."""
    try:
        return parse(text)
    except UsageError as error:
        if not error.hint:
            raise
    return None


@settings(deadline=None)
@given(st.one_of(absolute, relative))
def test_a_limit_written_back_reads_as_the_same_limit(text: str) -> None:
    found = parsed(text)
    assume(found is not None)
    assert parse(str(found)) == found
    assert str(parse(str(found))) == str(found)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        absolute.map(lambda text: text[::2]),
        relative.map(lambda text: text[3:]),
    )
)
def test_whatever_is_written_is_a_limit_or_a_usage_error(text: str) -> None:
    found = parsed(text)
    assert found is None or found.unit == kind(found.name).unit


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.sampled_from(ACCURACY[:3]))
def test_every_fraction_survives_being_written_in_points(margin: float, name: str) -> None:
    limit = Relative(name=name, change="lost", margin=margin, scale="difference", unit="")
    if margin:
        assert parse(str(limit)) == limit


def test_the_longest_limit_is_read_at_once() -> None:
    text = f"map[class={'a' * (limits.LONGEST - 20)}] >= 0.3"
    assert parse(text).figure == Named("map", f"class={'a' * (limits.LONGEST - 20)}")
    for filler in ("a" * 980, "a " * 480, "[" * 980, '"' * 979, "map_" * 240 + "!", "\\" * 900):
        with pytest.raises(UsageError):
            parse(f"{filler} ?? 1")
