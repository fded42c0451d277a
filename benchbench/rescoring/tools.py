"""The tools whose rules are known, and the metric that follows them for each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchbench import plugins
from benchbench.errors import UsageError
from benchbench.types import Record, TaskName


class Rules(Record):
    """A tool's rules for one task."""

    metric: dict[str, Any]
    """The metric plug-in's kind and options."""
    options: tuple[str, ...] = ()
    """Where it is the metric that the suite uses: the options that the tool settles; the others
    say what the data are."""
    figures: dict[str, str] = {}
    """Our figure → the name of what the tool calls so, where the two differ."""


_SEMANTIC = (
    "include_background",
    "dice_background",
    "iou_over",
    "empty",
    "absent_truth",
    "void_class_in_mean",
)


def _boxes(**metric: Any) -> Mapping[TaskName, Rules]:
    return {"detection": Rules(metric=metric)}


def _semantic(convention: str) -> Mapping[TaskName, Rules]:
    metric = {"kind": "semantic", "convention": convention}
    return {"semantic-segmentation": Rules(metric=metric, options=_SEMANTIC)}


_MACRO = {"top1": "recall_macro"}
"""MulticlassAccuracy is a mean over the classes in truth or prediction unless told otherwise."""

TOOLS: Mapping[str, Mapping[TaskName, Rules]] = {
    "accuracy-checker": _boxes(kind="accuracy-checker"),
    "mmseg": _semantic("mmseg"),
    "monai": _semantic("monai"),
    "pycocotools": _boxes(kind="pycocotools"),
    "torchmetrics": {
        **_boxes(kind="torchmetrics"),
        **_semantic("torchmetrics-jaccard"),
        "classification": Rules(metric={"kind": "classification"}, figures=_MACRO),
    },
    "ultralytics": _boxes(kind="ultralytics"),
    "ultralytics-8.3": _boxes(kind="ultralytics", release="8.3"),
    "ultralytics-8.4.100": _boxes(kind="ultralytics", release="8.4.100"),
}
"""Tool → task → rules."""


def rules_of(tool: str, tasks: Iterable[TaskName]) -> Mapping[TaskName, Rules]:
    """Return the rules of *tool*; raise UsageError if it is unknown or has none for any of *tasks*.

    The hint names the tool that was perhaps meant, or those that have rules.
    """
    if tool not in TOOLS:
        raise UsageError(f"no rules of a tool named '{tool}'", hint=plugins.suggest(tool, TOOLS))
    wanted = list(dict.fromkeys(tasks))
    if not any(task in TOOLS[tool] for task in wanted):
        raise UsageError(
            f"{tool} has no rules for {', '.join(wanted)}: it has {', '.join(TOOLS[tool])}",
            hint=_others(wanted),
        )
    return TOOLS[tool]


def _others(tasks: Iterable[TaskName]) -> str:
    told = {task: [tool for tool, rules in TOOLS.items() if task in rules] for task in tasks}
    return "; ".join(f"{task}: {', '.join(tools) or 'no tool'}" for task, tools in told.items())
