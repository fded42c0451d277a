"""What ran otherwise than asked fails, unless the suite admits it by name."""

from __future__ import annotations

from typing import Any

import pytest

from benchbench.errors import PlacementError
from benchbench.types import Cell, Placement, Share, Variant
from benchbench.worker.measure import check_placement


def cell(**admit: list[str]) -> Cell:
    return Cell(
        id="x",
        model="m",
        runtime="r",
        precision="int8",
        device="cuda:0",
        batch=1,
        dataset="d",
        split="s",
        task="detection",
        spec={"admit": admit},
        start=Variant(format="onnx"),
    )


def placement(**changes: Any) -> Placement:
    asked: dict[str, Any] = {
        "requested_provider": "CUDA",
        "provider": "CUDA",
        "requested_device": "cuda:0",
        "device": "cuda:0",
        "requested_precision": "int8",
        "precision": "int8",
        "threads": 1,
        "coverage": {"int8": 1.0},
        "source": "a profile",
    }
    return Placement(**(asked | changes))


def test_what_ran_as_asked_raises_no_doubt() -> None:
    assert check_placement(cell(), placement()) == ()


CHANGES = [
    ({"device": "cpu"}, "device", {"cuda:0": ["cpu"]}),
    ({"provider": "CPU"}, "provider", {"CUDA": ["CPU"]}),
    ({"precision": "mixed"}, "precision", {"int8": ["mixed"]}),
    ({"on_device": Share(nodes=0.5)}, "device", {"cuda:0": ["mixed"]}),
    ({"on_device": Share(nodes=0.99, time=0.4)}, "device", {"cuda:0": ["mixed"]}),
]


@pytest.mark.parametrize(("changes", "what", "admit"), CHANGES)
def test_a_fall_back_fails_and_the_hint_admits_it(changes, what, admit) -> None:
    with pytest.raises(PlacementError) as caught:
        check_placement(cell(), placement(**changes))
    ((wanted, (got,)),) = admit.items()
    assert f"admit: {{{wanted}: [{got}]}}" in str(caught.value.hint)
    assert "a profile" in caught.value.message
    (caveat,) = check_placement(cell(**admit), placement(**changes))
    assert caveat.code == f"{what}_admitted"
    assert (caveat.figures["requested"], caveat.figures["effective"]) == (wanted, got)


def test_admitting_one_thing_admits_no_other() -> None:
    with pytest.raises(PlacementError, match="fp32"):
        check_placement(cell(int8=["mixed"]), placement(precision="fp32"))
    with pytest.raises(PlacementError, match="cpu"):
        check_placement(cell(int8=["fp32"]), placement(precision="fp32", device="cpu"))


def test_a_few_nodes_elsewhere_are_admitted_and_counted() -> None:
    assert check_placement(cell(), placement(on_device=Share(nodes=0.5, time=0.95))) == ()


def test_a_proxy_and_missing_evidence_are_doubts() -> None:
    found = check_placement(cell(), placement(evidence="proxy", coverage={}))
    assert [caveat.code for caveat in found] == ["proxy", "unproved"]
