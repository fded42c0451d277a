"""A run that looks measured, made by formula: for report tests and for looking at pages.

``python -m tests.report_fixture OUT.html [CELLS | hostile | findings | measured]`` writes a preview of a
page, or of ``figures.pdf`` where OUT ends so. Its numbers are
invented: they exist to be rendered, never to be quoted.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from statistics import NormalDist

from benchbench.types import (
    ArtifactInfo,
    Caveat,
    DatasetCard,
    Failure,
    OutputError,
    Parity,
    Placement,
    Share,
    Variant,
)
from benchbench.view import CellView, LatencyView, RunView, Speedup

CLASSES = (
    "bottle", "can", "carton", "jar", "cap", "label", "scratch", "dent", "crack", "stain",
    "missing cap", "skewed label",
)  # fmt: skip
HOSTILE = (
    "<script>alert('name')</script>",
    '=HYPERLINK("http://evil.example")|`pipe`\n# heading',
    "a" * 10_000,
    "نموذج \u202eevil\u202c שלום",
    "🦊🚀 \x1b[31mred\x1b[0m </title><img src=x onerror=alert(1)>",
)
SINGLE = Caveat(code="single_process", figures={"processes": 1})
MEASURING = {"warmup": 30, "queries": 400, "threads": 1, "batch": 1, "scenario": "single-stream"}
STDERR = (
    "[ INFO ] compiling model for CPU with INFERENCE_PRECISION_HINT=f16\n"
    "Fatal Python error: Segmentation fault\n\n"
    "Current thread 0x00007f2a41fff740 (most recent call first):\n"
    '  File "benchbench/runtimes/openvino.py", line 88 in run\n'
    '  File "benchbench/worker/loop.py", line 41 in latency_pass\n'
    "Extension modules: numpy._core._multiarray_umath, openvino._pyopenvino (total: 31)\n"
)


def latency(median: float, index: int, queries: int = 400) -> LatencyView:
    """Return a log-normal latency pass around *median* ms with a slow wave and some drift."""
    normal = NormalDist()
    spread = 0.035 + 0.006 * (index % 5)
    levels = [min(max(q / 100, 0.0013), 0.9987) for q in range(101)]
    quantiles = [median * math.exp(spread * normal.inv_cdf(q)) for q in levels]
    drift = 0.18 if index % 6 == 4 else 0.0
    trace = [
        median * (1 + drift * (t / 120 - 0.5) + spread * math.sin(t * 2.399 * (1 + index / 9)))
        for t in range(120)
    ]
    p99 = quantiles[99] if queries >= 700 else None
    return LatencyView(
        queries=queries,
        effective_queries=round(queries / (1.6 + 0.3 * (index % 4)), 1),
        mean_ms=round(median * 1.004, 4),
        p50_ms=round(median, 4),
        p90_ms=round(quantiles[90], 4),
        p95_ms=round(quantiles[95], 4),
        p99_ms=None if p99 is None else round(p99, 4),
        withheld={}
        if p99
        else {
            "p99_ms": f"{queries} queries are worth {queries // 2} independent ones; p99 needs 662"
        },
        throughput_ips=round(1000 / (median * 1.012), 2),
        stages_ms={
            "preprocess": 1.42,
            "upload": round(0.011 + 0.002 * index, 4),
            "run": round(median * 0.985, 4),
            "download": round(0.02 + 0.001 * index, 4),
            "postprocess": None if index == 9 else 0.83,
        },
        quantiles_ms=tuple(round(q, 4) for q in quantiles),
        trace_ms=tuple(round(t, 4) for t in trace),
    )


def _placement(runtime: str, precision: str, effective: str | None = None) -> Placement:
    share = {"int8": {"int8": 0.9634, "fp32": 0.0366}, "bf16": {"bf16": 0.99961, "fp32": 0.00039}}
    provider = {"onnxruntime": "CPUExecutionProvider", "openvino": "CPU"}.get(runtime, "ATen")
    coverage = share.get(effective or precision, {effective or precision: 1.0})
    part, timed = coverage.get(precision, 0.0), runtime == "onnxruntime"
    return Placement(
        requested_provider=provider,
        provider=provider,
        requested_device="cpu",
        device="cpu",
        requested_precision=precision,
        precision=effective or precision,
        threads=1,
        affinity=(0, 1),
        coverage=coverage,
        on_device=Share(nodes=1.0, time=1.0 if timed else None),
        in_precision=Share(nodes=round(part**2, 4), time=part if timed else None),
        source={"onnxruntime": "onnxruntime profile", "openvino": "execution graph"}.get(
            runtime, "module walk"
        ),
    )


def _protocol(model: str, runtime: str) -> dict[str, object]:
    edge = 416 if model.startswith("nanodet") else 512
    return {
        "preprocessing": {
            "resize": f"letterbox {edge} × {edge}, bilinear, antialias off",
            "colour": "BGR" if edge == 416 else "RGB",
            "mean": [103.53, 116.28, 123.675] if edge == 416 else [0.485, 0.456, 0.406],
            "layout": "NHWC" if runtime == "openvino" else "NCHW",
        },
        "decoder": {"score_floor": 0.05, "nms_iou": 0.6, "max_detections": 100},
        "evaluator": {"name": "hotcoco 1.3.0", "iou_type": "bbox", "crowd": "ignored"},
        "measuring": MEASURING,
    }


def _caveats(index: int, wave: float, extra: tuple[Caveat, ...]) -> tuple[Caveat, ...]:
    found = [SINGLE, *extra]
    if index % 6 == 4:
        figures = {"first_third_ms": round(wave * 0.94, 3), "last_third_ms": round(wave * 1.06, 3)}
        found.append(Caveat(code="unsteady", figures=figures))
    if index % 5 == 3:
        found.append(Caveat(code="contended", figures={"wall_over_cpu": 1.31}))
    return tuple(found)


def _frame(index: int, model: str, runtime: str, precision: str) -> dict[str, object]:
    return {
        "id": f"{index:04x}" * 16,
        "label": f"{model} · {runtime} · {precision}",
        "model": model,
        "runtime": runtime,
        "precision": precision,
        "device": "cpu",
        "batch": 1,
        "dataset": "inspection-line",
        "split": "test",
        "task": "detection",
        "protocol": _protocol(model, runtime),
        "versions": {runtime: "2026.4", "numpy": "2.4.1"},
    }


def measured(
    index: int,
    model: str,
    runtime: str,
    precision: str,
    *,
    ap: float,
    p50: float,
    effective: str | None = None,
) -> CellView:
    """Return a measured cell with the given accuracy (fraction of 1) and median (ms)."""
    figures = {"requested": precision, "effective": effective or ""}
    extra = (Caveat(code="precision_admitted", figures=figures),) if effective else ()
    per_class = {
        name: None if name == "stain" else round(min(0.97, max(0.02, ap + 0.23 * math.sin(i * 1.7
        + (model > "g")) - 0.012 * (i % 3) * (precision == "int8"))), 4)
        for i, name in enumerate(CLASSES)
    }  # fmt: skip
    place = _placement(runtime, precision, effective)
    metrics = {
        "coverage.precision": place.in_precision.best, "coverage.device": place.on_device.best,
        "AP": ap, "AP50": round(ap * 1.45, 4), "AP75": round(ap * 1.08, 4),
        "AP_small": None, "AR_100": round(ap * 1.2, 4),
    }  # fmt: skip
    scale = {"int8": 0.26, "bf16": 0.5}.get(precision, 1.0) * (4.1e6 if model > "g" else 76.2e6)
    chain = ("torch-onnx", "onnx-int8") if precision == "int8" else ("torch-onnx",)
    return CellView.model_validate(
        _frame(index, model, runtime, precision)
        | {
            "status": "measured",
            "metrics": metrics,
            "primary": "AP",
            "per_class": {"AP": per_class},
            "reasons": {"AP_small": "the split holds no small object"},
            "evaluator": "hotcoco 1.3.0",
            "convention": {"iou": "0.50:0.05:0.95", "max_dets": "100", "area": "all"},
            "counts": {"images": 240, "annotations": 1312},
            "latency": latency(p50, index, 1200 if index % 4 == 1 else 400),
            "placement": place,
            "admitted": ("precision",) if effective else (),
            "parity": parity(precision),
            "artifact": ArtifactInfo(
                variant=Variant(format="onnx", precision=precision),
                sha256=f"{index + 160:02x}" * 32,
                bytes=int(scale),
                chain=chain,
                build_s={name: 3.2 + 9.25 * place for place, name in enumerate(chain)},
                facts={"onnx-int8": CALIBRATION} if precision == "int8" else {},
            ),
            "memory": {"load": int(4.2e8 + index * 1e7), "inference": int(1.4e8)},
            "caveats": _caveats(index, p50, extra),
            "started": f"2026-11-22T09:{index % 60:02d}:12Z",
            "wall_s": 41.5 + index,
            "stages_s": {"open": 1.2, "accuracy": 24.8, "latency": 12.1},
        }
    )


CALIBRATION = {
    "calibration": {"method": "entropy", "images": 128, "split": "calibration", "seed": 7},
    "excluded": ["/head/Conv_3"],
}
_NOISE = {"fp32": 118.0, "bf16": 27.5, "fp16": 49.0, "int8": 17.9, "int8-dynamic": 21.7}


def parity(precision: str) -> Parity:
    """Return how an artifact of two outputs compares with its source."""
    snr = _NOISE[precision]
    gap = 10 ** (-snr / 20)
    outputs = tuple(
        OutputError(
            name=name, max_abs=round(31 * gap * scale, 6), mean_abs=round(2.4 * gap * scale, 6),
            max_sigma=round(9 * gap, 6), cosine=1 - gap**2 / 2, snr_db=snr + index,
        )
        for index, (name, scale) in enumerate((("boxes", 20.0), ("scores", 0.5)))
    )  # fmt: skip
    agreement = {"matched": 1 - gap / 4, "iou": 1 - gap / 6}
    return Parity(reference="onnx fp32, onnxruntime 1.31.1", images=8, outputs=outputs,
                  agreement=agreement)  # fmt: skip


def broken(
    index: int, model: str, runtime: str, precision: str, failure: Failure, status: str = "failed"
) -> CellView:
    """Return a cell without figures."""
    return CellView.model_validate(
        _frame(index, model, runtime, precision) | {"status": status, "failure": failure}
    )


CRASH = Failure(
    code="signal",
    stage="latency",
    message="the worker was killed by signal 11 (SIGSEGV)",
    hint="run the cell alone with --debug to keep its folder",
    stderr_tail=STDERR,
)
MISSING = Failure(
    code="missing_dependency",
    stage="plan",
    message="the package 'tensorrt' is not installed",
    hint="pip install 'benchbench[tensorrt]'",
)
ABSENT = Failure(
    code="missing_device",
    stage="plan",
    message="no CUDA device: the driver libcuda.so.1 is not installed",
    hint="run this suite on a machine with an NVIDIA GPU",
)
FCOS, NANO = "fcos-r50", "nanodet-plus-m"


def cells() -> tuple[CellView, ...]:
    """Return twelve measured cells of two models, one killed by a signal, one not run."""
    rows = [
        (FCOS, "torch", "fp32", 0.512, 148.2, None),
        (FCOS, "onnxruntime", "fp32", 0.512, 104.6, None),
        (FCOS, "onnxruntime", "int8", 0.498, 58.1, None),
        (FCOS, "openvino", "fp32", 0.511, 91.7, None),
        (FCOS, "openvino", "bf16", 0.511, 88.9, "fp32"),
        (FCOS, "openvino", "int8", 0.5006, 37.6, None),
        (NANO, "torch", "fp32", 0.413, 21.4, None),
        (NANO, "onnxruntime", "fp32", 0.4131, 9.94, None),
        (NANO, "onnxruntime", "int8", 0.377, 6.02, None),
        (NANO, "openvino", "fp32", 0.4128, 8.47, None),
        (NANO, "openvino", "int8", 0.401, 3.81, None),
        (NANO, "torch", "bf16", 0.4117, 30.8, None),
    ]
    good = [
        measured(i, m, r, p, ap=ap, p50=p50, effective=e)
        for i, (m, r, p, ap, p50, e) in enumerate(rows)
    ]
    bases = {(c.model, c.runtime): c for c in good if c.precision == "fp32"}
    return (
        *(_with_speed(cell, bases[cell.model, cell.runtime]) for cell in good),
        broken(12, NANO, "openvino", "fp16", CRASH),
        broken(13, NANO, "tensorrt", "fp16", MISSING, "not_run"),
    )


def _with_speed(cell: CellView, base: CellView) -> CellView:
    if cell.precision == "fp32":
        return cell
    ratio = base.latency.p50_ms / cell.latency.p50_ms
    speed = Speedup(against=base.id, ratio=round(ratio, 4), low=round(ratio * 0.975, 4),
                    high=round(ratio * 1.026, 4), method="bootstrap")  # fmt: skip
    return cell.model_copy(update={"speedup": speed})


def _changed(cell: CellView, place: dict[str, object], **changes: object) -> CellView:
    """Return *cell* with other facts, checked, and other facts of its placement."""
    body = cell.model_dump() | changes
    return CellView.model_validate(body | {"placement": body["placement"] | place})


def elsewhere() -> CellView:
    """Return a cell that asked for CUDA and ran on the CPU, admitted by name."""
    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    asked = {"requested_provider": cuda, "requested_device": "cuda",
             "on_device": {"nodes": 0.125, "time": None}}  # fmt: skip
    cell = measured(14, NANO, "onnxruntime", "fp16", ap=0.4129, p50=9.02)
    return _changed(
        cell,
        asked,
        device="cuda",
        label=f"{cell.label} cuda",
        admitted=("provider", "device"),
        metrics=cell.metrics | {"coverage.device": 0.125},
        caveats=(
            SINGLE,
            Caveat(code="provider_admitted", figures={"requested": cuda, "effective": cpu}),
            Caveat(code="device_admitted", figures={"requested": "cuda", "effective": "cpu"}),
        ),
    )


def stand_in() -> CellView:
    """Return a proxy: an int8 file made for TensorRT that ran on the CPU, without a profile."""
    cell = measured(15, FCOS, "onnxruntime-trt-file", "int8", ap=0.4871, p50=97.3)
    reason = "not known from tensor types in the file"
    place = {"evidence": "proxy", "source": "tensor types in the file", "coverage": {},
             "in_precision": {}, "precision": "int8"}  # fmt: skip
    far = {"output": "scores", "snr_db": 7.83, "expected_db": 20.0}
    return _changed(
        cell,
        place,
        metrics=cell.metrics | {"coverage.precision": None},
        reasons=cell.reasons | {"coverage.precision": reason},
        parity=None,
        caveats=(
            SINGLE,
            Caveat(code="proxy", figures={"source": "tensor types in the file"}),
            Caveat(code="unproved", figures={"source": "tensor types in the file"}),
            Caveat(code="parity_far", figures=far),
        ),
    )


def compiled() -> CellView:
    """Return an engine that was built and checked, but that nothing here can run."""
    cell = measured(16, FCOS, "tensorrt-rtx", "int8", ap=0.1, p50=1.0)
    place = {"requested_provider": "TensorRT-RTX", "provider": "TensorRT-RTX",
             "requested_device": "cuda", "device": "cuda", "evidence": "compiled_only",
             "source": "engine inspector", "in_precision": {"nodes": 0.9412, "time": None},
             "on_device": {}}  # fmt: skip
    none = {"metrics": {}, "primary": None, "per_class": {}, "reasons": {}, "counts": {},
            "evaluator": None, "convention": {}, "latency": None, "memory": {}}  # fmt: skip
    reason = "TensorRT-RTX 1.5.0 built the engine; this machine has no GPU"
    return _changed(
        cell,
        place,
        **none,
        status="compiled",
        device="cuda",
        label=f"{cell.label} cuda",
        parity=Parity(reference="onnx fp32", images=0, reason="the engine cannot be run here"),
        caveats=(Caveat(code="compiled_only", figures={"reason": reason}),),
    )


def odd() -> tuple[CellView, ...]:
    """Return a row of every other kind of evidence, and one whose device is missing."""
    dynamic = measured(17, NANO, "onnxruntime", "int8-dynamic", ap=0.4012, p50=10.31)
    fp32 = next(c for c in cells() if (c.model, c.label[-18:]) == (NANO, "onnxruntime · fp32"))
    missing = broken(18, FCOS, "tensorrt", "fp8", ABSENT, "not_run")
    return elsewhere(), stand_in(), compiled(), _with_speed(dynamic, fp32), missing


def varied() -> RunView:
    """Return the run of :func:`cells` and :func:`odd`: everything a report can show."""
    return run((*cells(), *odd()))


def run(of: tuple[CellView, ...] | None = None) -> RunView:
    """Return a run of *of*, or of :func:`cells`."""
    return RunView(
        run="2026-11-22T09-00-00Z-4f2c",
        suite="edge-detectors",
        title="Edge detectors on the inspection line",
        description="Which detector, runtime and precision for a two-core inspection box.",
        created="2026-11-22T09:00:00Z",
        updated="2026-11-22T09:14:31Z",
        command_line=("benchbench", "run", "suites/edge.yaml", "--out", "runs/edge line"),
        suite_sha256="5e" * 32,
        suite_text="title: Edge detectors on the inspection line\nmodels:\n  - nanodet-plus-m\n",
        environment={
            "cpu": {"model": "Intel Xeon Platinum 8488C", "cores": 2, "flags": ["avx512", "amx"]},
            "memory_bytes": 16_500_000_000,
            "os": {"name": "Debian GNU/Linux 12", "kernel": "6.1.0-31-amd64"},
            "python": {"version": "3.11.2"},
            "gpu": None,
        },
        datasets=(
            DatasetCard(
                name="inspection-line",
                title="Generated inspection line",
                source="generated, seed 7",
                licence="CC0-1.0",
                description="Rendered bottles, cans and cartons with defects.",
            ),
        ),
        cells=cells() if of is None else of,
    )


def small() -> RunView:
    """Return a run short enough for golden files: measured, compiled, admitted, failed and not run."""
    every = cells()
    return run((every[3], every[4], every[5], every[12], every[13], *odd()))


def hostile() -> RunView:
    """Return a run whose every name, message and text tries to break out of the page."""
    made = []
    for index, name in enumerate(HOSTILE):
        cell = measured(index, "m", "r", "fp32", ap=0.3 + index / 50, p50=5.0 + index)
        made.append(
            cell.model_copy(
                update={
                    "model": name, "runtime": name, "dataset": name, "label": name,
                    "per_class": {"AP": {name: 0.5}}, "protocol": {name: {name: name}},
                    "caveats": (Caveat(code=name, figures={name: name}),), "evaluator": name,
                    "parity": _hostile_parity(name),
                    "placement": cell.placement.model_copy(update={
                        "provider": name, "source": name, "device": name,
                    } | ({"evidence": "proxy"} if index % 2 else
                         {"requested_provider": name, "requested_device": name})),
                    "artifact": cell.artifact.model_copy(update={
                        "build_s": {name: 1.0},
                        "facts": {name: {"calibration": {"method": name, name: name}}},
                    }),
                }
            )
        )  # fmt: skip
    bad = Failure(code=HOSTILE[0], stage=HOSTILE[0], message=HOSTILE[1], stderr_tail=HOSTILE[4])
    made.append(broken(9, HOSTILE[0], HOSTILE[3], "fp32", bad))
    caveat = Caveat(code="compiled_only", figures={"reason": HOSTILE[4]})
    made.append(compiled().model_copy(update={"caveats": (caveat,), "model": HOSTILE[1]}))
    whole = run(tuple(made))
    texts = {"title": HOSTILE[4], "suite": HOSTILE[0], "suite_text": "</pre>" + HOSTILE[0]}
    texts |= {"description": HOSTILE[0], "command_line": HOSTILE}
    return whole.model_copy(update=texts | {"environment": {HOSTILE[0]: HOSTILE[4]}})


def _hostile_parity(name: str) -> Parity:
    output = OutputError(name=name, max_abs=0.0, mean_abs=0.0, max_sigma=None, cosine=None,
                         snr_db=None)  # fmt: skip
    return Parity(reference=name, images=1, outputs=(output, output), agreement={name: 0.5})


def many(count: int) -> RunView:
    """Return a run of *count* measured cells of twenty models."""
    kinds = [(r, p) for r in ("onnxruntime", "openvino") for p in ("fp32", "int8")]
    made = []
    for index in range(count):
        model = f"model-{index // len(kinds) % 50:02d}"
        runtime, precision = kinds[index % len(kinds)]
        ap = round(0.2 + 0.3 * (1 - math.exp(-(index + 1) / count)) - 0.01 * (index % 4), 4)
        made.append(measured(index, model, runtime, precision, ap=ap, p50=2.0 * 1.02**index))
    return run(tuple(made))


def main(arguments: list[str]) -> None:
    """Write the page or the figures to the file named first."""
    from benchbench.reports.figures import Figures
    from benchbench.reports.html import Html
    from tests.report_findings import knowing
    from tests.report_measured import measured as measured_run

    which = arguments[1] if len(arguments) > 1 else ""
    named = {"": varied, "hostile": hostile, "findings": knowing, "measured": measured_run}
    view = named[which]() if which in named else many(int(which))
    report = Figures() if arguments[0].endswith(".pdf") else Html()
    Path(arguments[0]).write_bytes(report.render(view))


if __name__ == "__main__":
    main(sys.argv[1:])
