"""What a proposal may not slip past the linter, and honest sentences that must not be flagged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.claims.citing import loose, wrong
from benchbench.claims.numbers import numbers
from benchbench.claims.spoken import spoken
from benchbench.claims.uncited import uncited
from benchbench.claims.words import overstated
from benchbench.claims_view import Claim, ClaimFigure, Setting
from tests.unit.test_claims import EQUAL, MAP, MEDIAN, POINTS, RATIO, cell, claim, one

INT8 = cell(
    settings=(Setting(name="machine", text="Intel(R) Xeon(R) Processor, a virtual machine"),)
)
TIMED = claim(
    ClaimFigure(
        value=3.2, low=2.82, high=3.62, level=0.95, n=10, basis="processes", unit="ms",
        higher_is_better=False,
    ),
    cell=INT8, sentence="m takes 3.20 ms (95 % interval over 10 fresh processes).",
)  # fmt: skip
RATE = claim(
    ClaimFigure(
        value=306.0, n=1, basis="one process", unit="images/s", higher_is_better=True
    ),
    "throughput",
)  # fmt: skip
BATCHED = claim(
    ClaimFigure(
        value=137.3, n=20, basis="one process", unit="ms", higher_is_better=False
    ),
    cell=cell(batch=4), sentence="m takes 137 ms per query of 4 images, in one process.",
)  # fmt: skip
_LOAD = (
    "m served its load: at most 5 % of frames late by the deadline of 200 ms was kept with 30"
    " cameras of 5 frames a second, and missed at 42 cameras (5 levels tried)."
)
CAMERAS = claim(
    ClaimFigure(
        value=30, low=30, high=42, n=5, basis="probes", unit="cameras", higher_is_better=True
    ),
    "cameras", sentence=_LOAD,
)  # fmt: skip


def found(text: str, cited: Claim) -> str:
    return "; ".join(f"{why} ({hint})" for _, why, hint in wrong(one(text), [cited]))


@pytest.mark.parametrize(
    ("text", "cited", "why"),
    [
        ("It serves 42 cameras", CAMERAS, "'42 cameras' is the level that was missed"),
        ("It serves forty-two cameras", CAMERAS, "is the level that was missed"),
        ("It serves fifty cameras", CAMERAS, "it is 30"),
        ("It takes 137 ms an image", BATCHED, "a query of 4 images, which makes 34.3 ms an image"),
        ("Each frame takes: 137 ms per frame", BATCHED, "which makes 34.3 ms per frame"),
        ("It takes 137 ms for each image", BATCHED, "which makes 34.3 ms"),
        ("The p99 latency is 3.20 ms", TIMED, "'p99' names another figure"),
        ("It takes 3.20 ms on average", TIMED, "'on average' names another figure"),
        ("The worst-case latency is 3.20 ms", TIMED, "'worst-case' names another"),
        ("| p99 | 3.20 ms", TIMED, "'p99' names another figure"),
        ("mAP@50 is 0.484", MAP, "'mAP@50' names another figure"),
        ("mAP50: 0.484", MAP, "names another figure"),
        ("The precision is 48.4 %", MAP, "'precision' names another figure"),
        ("mIoU of 0.484", MAP, "'mIoU' names another figure"),
        ("three times as fast", RATIO, "it is 2.47 times"),
        ("ten times as fast", RATIO, "2.47 times"), ("a tenth of the time", RATIO, "0.40 times"),
        ("half the latency", RATIO, "0.40 times"), ("It halves the latency", RATIO, "0.40 times"),
        ("triples the throughput", RATIO, "2.47 times"), ("ninety percent mAP", MAP, "48.4 %"),
        ("under 3 ms", TIMED, "'under 3 ms' does not hold: the figure is 3.20 ms"),
        ("below 3 ms", TIMED, "does not hold"), ("stays < 3 ms", TIMED, "does not hold"),
        ("never exceeds three milliseconds", TIMED, "does not hold"),
        ("faster than 3 ms", TIMED, "does not hold"), ("more than 310 fps", RATE, "does not hold"),
        ("The mAP is better than 0.5", MAP, "does not hold"),
        ("3.20 ms over 12 processes", TIMED, "'12 processes': the claim rests on 10"),
        ("3.20 ms over twelve processes", TIMED, "rests on 10"),
        ("3.20 ms (n = 12)", TIMED, "the claim has n = 10"),
        ("2.47 times as fast in 9 pairs", RATIO, "rests on 4 pairs"),
        ("3.20 ms at batch 16", TIMED, "'batch 16' is not what was measured"),
        ("3.20 ms with 8 threads", TIMED, "'8 threads' is not what was measured"),
        ("3.20 ms on a Jetson Orin", TIMED, "'Jetson Orin' is not what was measured"),
        ("3.20 ms in TensorRT", TIMED, "'TensorRT' is not what was measured: OpenVINO"),
        ("fp32 reaches an mAP of 0.484", MAP, "'fp32' is not what was measured: int8"),
        ("It takes 50 ms, which is required", TIMED, "it is 3 ms"),
    ],
)  # fmt: skip
def test_a_false_sentence_is_found_with_what_is_right(text: str, cited: Claim, why: str) -> None:
    assert why in found(text, cited)


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        (_LOAD, CAMERAS), ("It serves thirty cameras and missed at 42 cameras", CAMERAS),
        ("It takes 137 ms a query of 4 images", BATCHED), ("It takes 34.3 ms an image", BATCHED),
        ("The p50 latency is 3.20 ms; the p99 was not measured", TIMED),
        ("3.20 ms (median); the mean was not claimed", TIMED), ("Its median is 3.20 ms", TIMED),
        ("Averaged figures aside, the median latency is 3.20 ms", TIMED),
        ("mAP@[0.5:0.95] of 0.484", MAP), ("mAP@0.5:0.95 is 0.484", MAP),
        ("With int8 precision the mAP is 0.484", MAP), ("COCO mAP 0.484", MAP),
        ("mean average precision of 48.4 %", MAP), ("an mAP of 0.484 at int8 precision", MAP),
        ("about two and a half times as fast", RATIO), ("twice as fast", RATIO),
        ("It takes two fifths less paper, and 3.20 ms", TIMED),
        ("below 4 ms", TIMED), ("more than 300 images per second", RATE), ("over 300 fps", RATE),
        ("< 4 ms", TIMED), ("faster than 4 ms", TIMED), ("at most 50 ms", TIMED),
        ("does not exceed 4 ms", TIMED), ("better than 0.4", MAP), ("within 5 ms", TIMED),
        ("at least twice as fast", RATIO), ("exceeds 40 %", MAP),
        ("It must be at most 50 ms; we take 3.20 ms", TIMED),
        ("The requirement is at most 50 ms, and the median of 3.20 ms keeps it", TIMED),
        ("The median of 3.20 ms is well below the limit of 50 ms", TIMED),
        ("With 3.20 ms it keeps the 50 ms budget", TIMED),
        ("3.20 ms over ten processes", TIMED), ("3.20 ms, n = 10", TIMED),
        ("3.20 ms, measured on an Intel Xeon with 1 thread at batch 1", TIMED),
        ("3.20 ms in OpenVINO; TensorRT is planned for a Jetson Orin", TIMED),
        ("mAP 0.484, trained with batch size 16 on an A100", MAP),
        ("2.47 times as fast as fp32", RATIO), ("int8 reaches 0.484, n = 200", MAP),
        ("no difference (−0.67 points, −1.87 to +0.53)", POINTS),
    ],
)  # fmt: skip
def test_an_honest_sentence_is_left_alone(text: str, cited: Claim) -> None:
    assert found(text, cited) == ""
    assert list(loose(one(text), [cited])) == []


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("below 3.5 ms", TIMED), ("within 3.20 ms", TIMED), ("mAP exceeds 0.46", MAP),
        ("at least 2.4 times as fast", RATIO),
    ],
)  # fmt: skip
def test_a_bound_that_the_figure_keeps_and_its_interval_does_not_is_overstated(
    text: str, cited: Claim
) -> None:
    assert found(text, cited) == ""
    ((_, why, hint),) = loose(one(text), [cited])
    assert "holds for the figure and not for its interval" in why
    assert hint


@given(st.floats(1.0, 500.0), st.integers(1, 600))
@settings(max_examples=200, deadline=None)
def test_a_bound_is_right_exactly_where_the_figure_keeps_it(value: float, bound: int) -> None:
    cited = claim(MEDIAN.figure.model_copy(update={"value": value, "low": None, "high": None}))
    assert (found(f"below {bound} ms", cited) == "") == (value <= bound)
    assert (found(f"more than {bound} ms", cited) == "") == (value >= bound)


_BELOW_20 = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "x x twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    """Return a whole number below a million as it is spoken."""
    if number >= 1000:
        rest = f" {in_words(number % 1000)}" if number % 1000 else ""
        return f"{in_words(number // 1000)} thousand{rest}"
    if number >= 100:
        rest = f" and {in_words(number % 100)}" if number % 100 else ""
        return f"{_BELOW_20[number // 100]} hundred{rest}"
    if number < 20:
        return _BELOW_20[number]
    return _TENS[number // 10] + (f"-{_BELOW_20[number % 10]}" if number % 10 else "")


@given(st.integers(2, 999_999))
@settings(max_examples=200, deadline=None)
def test_a_number_in_words_is_read_as_its_digits_are(number: int) -> None:
    (told,) = numbers(f"It takes {in_words(number)} milliseconds.")
    assert (told.value, told.unit, told.size) == (number, "ms", 1.0)


def test_shares_and_multiples_in_words_are_ratios() -> None:
    said = {
        "half the latency": 0.5, "two thirds of the energy": 2 / 3, "twice as fast": 2.0,
        "It halves the response time": 0.5, "The throughput doubled": 2.0, "thrice as long": 3.0,
        "a quarter of its inference time": 0.25,
    }  # fmt: skip
    assert {text: numbers(text)[0].value for text in said} == said
    assert {numbers(text)[0].unit for text in said} == {"×"}
    assert list(spoken("half of the images, twice a year, a third of the staff")) == []


@pytest.mark.parametrize(
    "text",
    [
        "It is ten times faster than its competitor.", "It handles a thousand frames per second.",
        "We halve the latency of any competitor.", "It doubles the throughput.",
        "It takes a tenth of the time.", "An mAP of ninety percent is reached.",
        "It is twice as fast as before.",
    ],
)  # fmt: skip
def test_a_figure_in_words_needs_a_claim(text: str) -> None:
    assert uncited(one(text))


@pytest.mark.parametrize(
    "text",
    [
        "We met three times in Berlin.", "Half of the images show scratches.",
        "The team doubled within two years.", "Ninety percent of the parts are flawless.",
        "The site is inspected twice a year.", "Two thirds of the budget is for staff.",
        "The first half of the project ends in May.", "One hundred images were annotated.",
        "Three of four cameras are installed.", "A dozen engineers annotated the accuracy set.",
        "Ten percent of the images are held back for the accuracy test.",
        "The second phase takes two months.",
    ],
)  # fmt: skip
def test_everyday_numbers_in_words_need_none(text: str) -> None:
    assert uncited(one(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "int8 improves on fp32", "int8 is identical to fp32", "int8 has the same mAP as fp32",
        "int8 matches fp32 accuracy", "Accuracy is unchanged by int8",
        "mAP drops by only 0.67 points, which is insignificant", "0.67 points lower than fp32",
        "int8 retains the accuracy of fp32", "int8 is as good as fp32", "int8 loses accuracy",
        "There is no difference in mAP", "mAP is higher than that of fp32",
    ],
)  # fmt: skip
def test_where_no_difference_was_shown_neither_likeness_nor_change_may_be_told(text: str) -> None:
    assert list(overstated(text, [POINTS]))


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("No difference in mAP was shown between int8 and fp32", POINTS),
        ("No difference in mAP could be found on the same 200 images", POINTS),
        ("If there is a loss, it is less than 2 points", POINTS),
        ("int8 loses at most 1.87 points (95 % interval)", POINTS),
        ("int8 was not shown to be lower than fp32", POINTS),
        ("int8 has the same mAP as fp32", EQUAL), ("int8 is identical to fp32", EQUAL),
        ("2.47 times as fast as fp32", RATIO), ("2.5x as fast as fp32", RATIO),
        ("The latency drops", RATIO), ("int8 improves on fp32", RATIO),
        ("measured on the same machine with identical images", POINTS),
        ("its mAP of 0.484 was measured on an increased number of images", MAP),
    ],
)  # fmt: skip
def test_what_an_interval_bears_out_may_be_told(text: str, cited: Claim) -> None:
    assert list(overstated(text, [cited])) == []


@pytest.mark.parametrize("text", ["20.1912", "0.2021", "1,999", "12.1984"])
def test_digits_that_look_like_a_year_are_part_of_their_number(text: str) -> None:
    (told,) = numbers(f"The latency is {text} ms, as it was in 2019.")
    assert told.text.startswith(text)
