"""Hostile and broken input through the real command line: told clearly, and nothing else is lost.

The command runs in this process where that is enough (its workers are processes in any case), and
in one of its own where it might die.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchbench import api
from benchbench.cli import _guarded
from benchbench.errors import StoreError
from benchbench.view import CellView
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")

Edit = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def check_told(self, *parts: str) -> None:
        """Check the words, that there is a hint, and that nobody sees a traceback."""
        said = self.out + self.err
        for part in (*parts, " hint: "):
            assert part in said, said
        assert "Traceback" not in said, said
        assert "should not happen" not in said, said

    def check_refused(self, *parts: str) -> None:
        """Check that nothing ran."""
        assert self.code == 2, self.out + self.err
        self.check_told(*parts)

    def check_failed(self, *parts: str) -> None:
        """Check that a cell failed."""
        assert self.code == 3, self.out + self.err
        self.check_told(*parts)


@dataclass(frozen=True)
class Bench:
    """A folder with a dataset, a suite and a store."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def store(self) -> Path:
        return self.root / "store"

    def command(self, *arguments: object) -> Done:
        """Run the command line in this process."""
        self.capsys.readouterr()
        code = _guarded([os.fsdecode(str(argument)) for argument in arguments])
        return Done(code, *self.capsys.readouterr())

    def run(self, suite: dict[str, Any] | None = None, *options: object) -> Done:
        """Run *suite*, by default the tiny one as it is."""
        path = self.root / "suite.yaml"
        tiny.write_suite(path, suite or tiny.suite(self.data))
        return self.command("run", path, "--store", self.store, "--no-report", "--quiet", *options)

    def cells(self) -> dict[str, CellView]:
        """Return the last run's cells by model, runtime and dataset."""
        view = api.show("latest", store=self.store)
        return {f"{cell.model} {cell.runtime} {cell.dataset}": cell for cell in view.cells}

    def edit(self, change: Edit, split: str = "validation") -> Path:
        """Change an annotation file."""
        path = self.data / f"{split}.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return path


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    tiny.write_dataset(tmp_path / "data")
    return Bench(tmp_path, capsys)


def own_process(*arguments: object, cwd: Path | None = None) -> Done:
    command = [sys.executable, "-m", "benchbench", *(os.fsencode(str(a)) for a in arguments)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=cwd, timeout=120)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


# --- annotation files --------------------------------------------------------------------


def put(section: str, index: int, **values: Any) -> Edit:
    """Return an edit that sets *values* in one entry."""
    return lambda document: document[section][index].update(values)


NAN, HUGE = float("nan"), 10**30


@pytest.mark.parametrize(
    ("edit", "item"),
    [
        (put("images", 1, file_name="../secret.png"), "images[1] (id 2): 'file_name' \"../sec"),
        (put("images", 1, file_name="/etc/passwd"), "images[1] (id 2): 'file_name' \"/etc/pas"),
        (put("images", 1, file_name="\ud800.png"), "images[1] (id 2): 'file_name' is \"\\ud800"),
        (put("images", 1, file_name=7), "images[1] (id 2): 'file_name' is 7"),
        (put("images", 1, width="8"), "images[1] (id 2): 'width' is \"8\""),
        (put("images", 1, height=HUGE), f"images[1] (id 2): 'height' is {HUGE}"),
        (put("images", 1, id=True), "images[1] (id true): 'id' is true"),
        (put("images", 1, id=1), "images[1] (id 1): the id 1 is also that of images[0]"),
        (put("images", 1, id=HUGE), f"images[1] (id {HUGE}): 'id' is {HUGE}"),
        (put("annotations", 2, id=1), "annotations[2] (id 1): the id 1 is also that of"),
        (put("annotations", 2, id=1.0), "annotations[2] (id 1.0): 'id' is 1.0"),
        (put("annotations", 2, category_id=77), "annotations[2] (id 3): 'category_id' 77"),
        (put("annotations", 2, image_id=99), "annotations[2] (id 3): 'image_id' 99"),
        (put("annotations", 2, iscrowd="no"), "annotations[2] (id 3): 'iscrowd' is \"no\""),
        (put("annotations", 2, area=NAN), "annotations[2] (id 3): 'area' is NaN"),
        (put("categories", 1, name="\ud800"), "categories[1] (id 2): 'name' is \"\\ud800\""),
        (put("categories", 1, name=None), "categories[1] (id 2): 'name' is null"),
        (put("categories", 1, id=1), "categories[1] (id 1): the id 1 is also that of"),
        (lambda d: d["annotations"].insert(0, "x"), 'annotations[0] is "x", not an object'),
        (lambda d: d.update(images=[], annotations=[]), "there are no images"),
        (lambda d: d.update(categories=[], annotations=[]), "there are no categories"),
        (lambda d: d.update(images="x"), "'images' is a text, not a list"),
        (lambda d: d.pop("annotations"), "'annotations' is missing"),
    ],
)
def test_a_wrong_entry_names_the_annotation_file_the_entry_and_the_value(
    bench: Bench, edit: Edit, item: str
) -> None:
    path = bench.edit(edit)
    bench.run().check_refused(f"{bench.root / 'suite.yaml'}:", f"{path}: {item}")
    assert not list((bench.store / "runs").glob("*"))


def for_task(bench: Bench, decoder: str, **truth: Any) -> dict[str, Any]:
    """Return the suite for another decoder, with *truth* in every annotation."""
    suite = tiny.suite(bench.data)
    suite["models"][0]["decoder"] = {"kind": decoder}
    suite["datasets"][0]["calibration"] = None
    bench.edit(lambda document: [entry.update(truth) for entry in document["annotations"]])
    return suite


@pytest.mark.parametrize(
    ("bbox", "shown"),
    [
        ([NAN, 0, 1, 1], "[NaN, 0, 1, 1]"),
        ([0, 0, float("inf"), 1], "[0, 0, Infinity, 1]"),
        ([0, 0, 10**400, 1], "not four finite numbers"),
        ([0, 0, -1, 1], "has a negative size"),
        ([0, 0, True, 1], "[0, 0, true, 1]"),
        ("0 0 1 1", '"0 0 1 1"'),
        ([0, 0, 1], "[0, 0, 1]"),
        (None, "'bbox' is missing"),
    ],
)
def test_a_wrong_box_names_its_annotation(bench: Bench, bbox: Any, shown: str) -> None:
    suite = for_task(bench, "boxes-scores-labels", bbox=[1, 1, 3, 3])
    path = bench.edit(put("annotations", 1, bbox=bbox))
    bench.run(suite).check_refused(f"{path}: annotations[1] (id 2): ", shown)


def test_boxes_of_size_zero_are_kept_and_counted(bench: Bench) -> None:
    from benchbench.datasets.coco import read_coco

    for_task(bench, "boxes-scores-labels", bbox=[1, 1, 3, 3])
    path = bench.edit(put("annotations", 1, bbox=[1, 1, 0, 0]))
    split = read_coco(path, bench.data / "validation", name="tiny", split="validation")
    assert split.annotations[1].bbox == (1, 1, 0, 0)
    assert split.notes["zero_size_boxes"] == 1


WHOLE = {"size": [8, 8], "counts": [64]}


@pytest.mark.parametrize(
    ("segmentation", "shown"),
    [
        ({"size": [8, 8], "counts": [NAN, 32]}, "'counts' is [NaN, 32]"),
        ({"size": [8, 8], "counts": [10**12]}, "cover 1000000000000 pixels, the image has 64"),
        ({"size": [8, 8], "counts": [-1, 65]}, "'counts' is [-1, 65]"),
        ({"size": [8, 8], "counts": "o" * 13 + "0"}, "neither whole numbers nor COCO's"),
        ({"size": [8, 8], "counts": "o" * 1_000_000}, "neither whole numbers nor COCO's"),
        ({"size": [8, 8], "counts": "1"}, "cover 1 pixels, the image has 64"),
        ({"size": [8, 8], "counts": "PPP\u00e9"}, "neither whole numbers nor COCO's"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "of size [1000000, 1000000]"),
        ([[0, 0, NAN, 0, 1, 1]], "a polygon holds NaN"),
        ([[0, 0, 1, 1]], "at least three pairs"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "outline is 3e+09 pixels long"),
        ([[v for i in range(10**6) for v in (i % 2 * 8000, 0)]], "outline is 8e+09 pixels long"),
        ("x", "'segmentation' is \"x\""),
        (None, "'segmentation' is missing"),
    ],
)
def test_a_hostile_mask_is_refused_before_anything_runs(
    bench: Bench, segmentation: Any, shown: str
) -> None:
    suite = for_task(bench, "semantic", segmentation=WHOLE)
    path = bench.edit(put("annotations", 1, segmentation=segmentation))
    bench.run(suite).check_refused(f"{path}: annotations[1] (id 2): ", shown)


def brackets(count: int) -> bytes:
    return b"[" * count


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"images": [{"id": 1, ', ":1:23: not JSON"),
        (b"", ":1:1: not JSON"),
        (b"\x89PNG\r\n\x1a\n\xff\xff", "not text in utf-8 at byte 0"),
        (brackets(100_000_000), "not usable JSON: RecursionError"),
        (b'{"images": ' + b"9" * 5000 + b"}", "not usable JSON: ValueError"),
        (b"[]", "the file holds a list"),
        (b"null", "the file holds null"),
    ],
    ids=["truncated", "empty", "binary", "brackets", "digits", "list", "null"],
)
def test_a_broken_annotation_file_is_named_with_what_is_wrong(
    bench: Bench, body: bytes, message: str
) -> None:
    path = bench.data / "validation.json"
    path.write_bytes(body)
    bench.run().check_refused(str(path), message)


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "link to nothing"])
def test_an_annotation_path_that_is_no_file_is_named_and_nothing_hangs(
    bench: Bench, kind: str
) -> None:
    path = bench.data / "validation.json"
    path.unlink()
    replace(path, kind)
    bench.run().check_refused(f"{path}: ")


def replace(path: Path, kind: str) -> None:
    """Put something that is no file in the place of *path*."""
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to(path.with_name("nothing"))
    elif kind == "link to itself":
        path.symlink_to(path)


def test_an_image_without_its_one_label_fails_the_cell_and_is_named(bench: Bench) -> None:
    bench.edit(lambda document: document["annotations"].pop(1))
    bench.run().check_failed("image 2 (2.png) has 0 annotations")


def test_a_dataset_that_many_cells_share_is_complained_of_once(bench: Bench) -> None:
    path = bench.edit(put("annotations", 0, category_id=77))
    runtimes = [tiny.faulty(name) for name in "abc"]
    done = bench.run(tiny.suite(bench.data, runtimes=runtimes))
    done.check_refused(str(path))
    assert done.err.count("category_id") == 1


# --- images ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "link to nothing", "link to itself"])
def test_an_image_that_is_no_file_is_named_before_anything_runs(bench: Bench, kind: str) -> None:
    path = bench.data / "validation" / "2.png"
    path.unlink()
    replace(path, kind)
    bench.run().check_refused(
        str(bench.data / "validation.json"), f"1 of 4 image files are not in {path.parent}: 2.png"
    )


def test_an_image_that_is_a_link_out_of_the_folder_is_refused(bench: Bench) -> None:
    path = bench.data / "validation" / "2.png"
    path.rename(bench.root / "2.png")
    path.symlink_to(bench.root / "2.png")
    bench.run().check_refused("image 2: '2.png' is a link that leads out of")


def png(width: int, height: int) -> bytes:
    """Return a small PNG file that declares *width* × *height* pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        sums = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + sums

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)


def two_datasets(bench: Bench) -> dict[str, Any]:
    """Return a suite over ``tiny``, to be broken, and ``sound``."""
    sound = tiny.write_dataset(bench.root / "sound")
    suite = tiny.suite(bench.data)
    (other,) = tiny.suite(sound)["datasets"]
    suite["datasets"].append(other | {"name": "sound"})
    return suite


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-60], "cannot decode image 2"),
        (lambda _: b"", "cannot decode image 2"),
        (lambda _: b"not an image", "cannot decode image 2"),
        (lambda _: png(9, 8), "the file has 9 × 8 pixels"),
        (lambda _: png(10, 12_000_000), "limit"),
        (lambda _: png(100_000, 10_000), "1000000000 pixels"),
    ],
    ids=["truncated", "empty", "text", "other size", "tall", "bomb"],
)
def test_a_bad_image_fails_its_cell_by_name_and_the_other_dataset_is_measured(
    bench: Bench, spoil: Callable[[bytes], bytes], message: str
) -> None:
    suite = two_datasets(bench)
    path = bench.data / "validation" / "2.png"
    path.write_bytes(spoil(path.read_bytes()))
    bench.run(suite).check_failed(str(path), message)
    cells = bench.cells()
    failure = cells["m bbtest-faulty tiny"].failure
    assert failure
    assert (failure.code, failure.stage) == ("image", "accuracy")
    assert cells["m bbtest-faulty sound"].status == "measured"


def test_a_bad_calibration_image_fails_only_the_cell_that_calibrates(bench: Bench) -> None:
    path = bench.data / "calibration" / "6.png"
    path.write_bytes(b"not an image")
    suite = tiny.suite(
        bench.data,
        runtimes=[tiny.faulty("int8", precisions=["int8"]), tiny.faulty("fp32")],
        conversions=[{"kind": "bbtest-copy"}],
    )
    bench.run(suite).check_failed(str(path), "cannot decode image 6", "bbtest-copy")
    assert bench.cells()["m fp32 tiny"].status == "measured"


# --- models ------------------------------------------------------------------------------


def onnx_model(path: Path, shape: Sequence[int] = (1, 3, 8, 8), width: int = 2) -> Any:
    """Write and return a classifier: the mean over the pixels, then a product with ones."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    import numpy as np

    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = numpy_helper.from_array(np.ones((shape[1], width), np.float32), "weights")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["scores"]),
    ]
    kind = onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("x", kind, shape)
    made = helper.make_tensor_value_info("scores", kind, (shape[0], width))
    graph = helper.make_graph(nodes, "g", [given], [made], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return model


def with_file(bench: Bench, path: Path, runtime: str, **changes: Any) -> dict[str, Any]:
    """Return a suite of the model file and, beside it, a sound cell."""
    suite = tiny.suite(bench.data)
    (sound,) = suite["models"]
    source = {"kind": "file", "path": str(path)}
    suite["models"].append({**sound, "name": "file", "source": source, **changes})
    suite["runtimes"].append({"kind": runtime})
    suite["exclude"] = [
        {"model": "m", "runtime": runtime},
        {"model": "file", "runtime": "bbtest-faulty"},
    ]
    return suite


def check_beside(bench: Bench) -> None:
    """Check that the sound cell was measured."""
    assert bench.cells()["m bbtest-faulty tiny"].status == "measured"


def test_the_model_of_these_tests_runs_when_it_is_sound(bench: Bench) -> None:
    onnx_model(bench.root / "model.onnx")
    done = bench.run(with_file(bench, bench.root / "model.onnx", "onnxruntime"))
    assert done.code == 0, done.out + done.err


@pytest.mark.parametrize("cut", [0.0, 0.5, 0.95])
def test_a_truncated_onnx_file_is_named_before_anything_runs(bench: Bench, cut: float) -> None:
    path = bench.root / "model.onnx"
    onnx_model(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    bench.run(with_file(bench, path, "onnxruntime")).check_refused(str(path))


def test_an_onnx_file_with_a_wrong_graph_fails_its_cell_by_name(bench: Bench) -> None:
    path = bench.root / "model.onnx"
    onnx_model(path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"MatMux"))
    bench.run(with_file(bench, path, "onnxruntime")).check_failed(
        str(path), "ONNX Runtime cannot load"
    )
    check_beside(bench)


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "absent.bin", "a\0b"])
def test_external_data_outside_the_models_folder_is_refused(bench: Bench, location: str) -> None:
    path = bench.root / "model.onnx"
    model = onnx_model(path)
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = 1
    weights.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    bench.run(with_file(bench, path, "onnxruntime")).check_refused(
        f"{path}: external data '{location}'"
    )


def test_onnx_graphs_nested_without_end_are_refused(bench: Bench) -> None:
    def field(number: int, body: bytes) -> bytes:
        length, count = b"", len(body)
        while count > 127:
            length, count = length + bytes([count & 127 | 128]), count >> 7
        return bytes([number << 3 | 2]) + length + bytes([count]) + body

    body = b""
    for _ in range(2000):
        body = field(1, field(5, field(6, body)))
    path = bench.root / "model.onnx"
    path.write_bytes(field(7, body))
    bench.run(with_file(bench, path, "onnxruntime")).check_refused(str(path))


def test_a_model_that_takes_another_size_fails_its_cell_with_both_sizes(bench: Bench) -> None:
    path = bench.root / "model.onnx"
    onnx_model(path, shape=(1, 3, 16, 16))
    done = bench.run(with_file(bench, path, "onnxruntime"))
    done.check_failed(str(path), "[1, 3, 16, 16]", "[1, 3, 8, 8]")
    check_beside(bench)


@pytest.mark.parametrize(
    ("width", "decoder", "message"),
    [
        (3, {"kind": "classification"}, "3 class channels, but the model's class list has 2"),
        (2, {"kind": "boxes-scores-labels"}, "1 outputs instead of"),
        (2, {"kind": "semantic"}, "output 'scores' has the shape (1, 2)"),
        (2, {"kind": "classification", "outputs": ["logits"]}, "has no output named 'logits'"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_expected_and_what_it_found(
    bench: Bench, width: int, decoder: dict[str, Any], message: str
) -> None:
    bench.edit(
        lambda d: [a.update(bbox=[1, 1, 3, 3], segmentation=WHOLE) for a in d["annotations"]]
    )
    path = bench.root / "model.onnx"
    onnx_model(path, width=width)
    suite = with_file(bench, path, "onnxruntime", decoder=decoder)
    suite["datasets"][0]["calibration"] = None
    bench.run(suite).check_failed(message, "; expected ", "; found scores (1, ")
    check_beside(bench)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> None:
    """Copy an archive, changing its members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


@pytest.mark.parametrize("kind", ["pickle", "torchscript", "pt2 inputs", "pt2 constant"])
def test_a_torch_file_that_is_a_pickle_bomb_does_not_go_off(bench: Bench, kind: str) -> None:
    torch = pytest.importorskip("torch")
    from tests.small_model import save_exported, save_torchscript

    mark = bench.root / "executed"
    bomb = pickle.dumps(Bomb(mark), protocol=2)
    path = bench.root / ("bomb.pt2" if kind.startswith("pt2") else "bomb.pt")
    if kind == "pickle":
        path.write_bytes(bomb)
    elif kind == "torchscript":
        sound = save_torchscript(bench.root / "sound.pt")
        rewritten(sound, path, lambda n, data: bomb if n.endswith(".pkl") else data)
    elif kind == "pt2 inputs":
        sound = save_exported(bench.root / "sound.pt2")
        saved = io.BytesIO()
        torch.save((Bomb(mark),), saved)
        rewritten(sound, path, lambda n, d: saved.getvalue() if "sample_inputs" in n else d)
    else:
        sound = save_exported(bench.root / "sound.pt2")
        shutil.copy(sound, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("sound/data/constants/opaque_obj_0", bomb)
    done = bench.run(with_file(bench, path, "torch"))
    done.check_told(str(path))
    assert not mark.exists()
    assert done.code == (2 if kind in {"pickle", "pt2 constant"} else 3)
    if done.code == 3:
        check_beside(bench)


@pytest.mark.parametrize("cut", [10, 400])
def test_a_truncated_torch_file_is_named(bench: Bench, cut: int) -> None:
    pytest.importorskip("torch")
    from tests.small_model import save_torchscript

    path = save_torchscript(bench.root / "model.pt")
    path.write_bytes(path.read_bytes()[:-cut])
    bench.run(with_file(bench, path, "torch")).check_refused(str(path), "truncated")


def test_an_archive_whose_directory_is_damaged_is_named(bench: Bench) -> None:
    path = bench.root / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/constants.pkl", b"x" * 100)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\xff\xff"))
    bench.run(with_file(bench, path, "torch")).check_refused(str(path))


@pytest.mark.parametrize("kind", ["truncated", "keys", "shapes", "bomb", "text"])
def test_weights_that_do_not_fit_are_named_and_never_executed(bench: Bench, kind: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    path = bench.root / ("weights.pth" if kind in {"bomb", "text"} else "weights.safetensors")
    mark = bench.root / "executed"
    state = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}
    if kind == "keys":
        state = {"head.weight": torch.zeros(2, 3)}
    if kind == "shapes":
        state["bias"] = torch.zeros(5)
    if kind == "bomb":
        torch.save({"weight": Bomb(mark)}, path)
    elif kind == "text":
        path.write_text("hello")
    else:
        save_file(state, path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-8])
    suite = with_file(bench, path, "torch")
    suite["models"][1]["source"] = {
        "kind": "torch",
        "factory": "torch.nn:Linear",
        "kwargs": {"in_features": 3, "out_features": 2},
        "weights": str(path),
    }
    bench.run(suite).check_failed(str(path))
    assert not mark.exists()
    check_beside(bench)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.onnx", "no such model file"),
        ("x" * 10_000 + ".onnx", "no such model file"),
        ("model.exe", "unknown kind of model file '.exe'"),
    ],
)
def test_a_model_path_that_leads_nowhere_is_named(bench: Bench, path: str, message: str) -> None:
    (bench.root / "model.exe").write_text("MZ")
    bench.run(with_file(bench, bench.root / path, "onnxruntime")).check_refused(message)


# --- workers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("vanish", "ended without an error and left no usable result"),
        ("alarm", f"killed by signal {signal.SIGRTMIN + 6}"),
    ],
)
def test_a_worker_that_goes_without_a_word_costs_only_its_cell(
    bench: Bench, fault: str, message: str
) -> None:
    runtimes = [tiny.faulty("bad", fault=fault), tiny.faulty("good")]
    done = bench.run(tiny.suite(bench.data, runtimes=runtimes))
    assert done.code == 3
    assert message in done.out
    assert "Traceback" not in done.out + done.err
    assert bench.cells()["m good tiny"].status == "measured"


# --- suites and settings -----------------------------------------------------------------

BOMB = "\n".join(
    f"{b}: &{b} [{f'*{a}, ' * 9}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 1_000_000, ":1:65: nested too deeply"),
        (b"- " * 1_000_000, ": nested too deeply"),
        (b"a: &a [x, x]\n" + BOMB.encode(), "nodes after aliases"),
        (b"a: &a [*a]", "an alias contains itself"),
        (b"!!python/object/apply:os.system [id]", ":1:1: the tag"),
        (b"threads: " + b"9" * 5000, ":1:10: a number of 5000 digits"),
        (b"name: x\n" * 1_250_000, "larger than 4 MiB"),
        ("name: \u00fc".encode("latin-1"), "not UTF-8 at byte 6"),
        ("name: x".encode("utf-16"), "not UTF-8 at byte 0"),
        (b'name: "a\\0b"', ":1:7: a text with a NUL"),
        (b"name: a\x00b", "not YAML"),
        (b"a: {b: [", "not YAML"),
        (b"", "the file is empty"),
    ],
    ids=[
        "brackets", "dashes", "bomb", "loop", "tag", "digits", "large", "latin-1", "utf-16",
        "nul", "raw nul", "open", "empty",
    ],
)  # fmt: skip
def test_a_hostile_suite_is_refused_with_its_place(
    tmp_path: Path, text: bytes, message: str
) -> None:
    path = tmp_path / "suite.yaml"
    path.write_bytes(text)
    done = own_process("run", path, "--store", tmp_path / "store")
    assert done.code == 2, done
    assert f"{path}" in done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert "should not happen" not in done.err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("=x", "not KEY=VALUE"),
        ("threads", "not KEY=VALUE"),
        ("thread=2", "no such variable or key"),
        ("models=5", "models: input should be a valid"),
        ("models.99.name=x", "no item '99'"),
        ("models.-1.name=x", "no item '-1'"),
        ("models.².name=x", "no item '²'"),
        ("models.0.name.x.y=1", "below a plain value"),
        ("..=1", "no key ''"),
        ("threads={a: [", "not YAML"),
        ("threads=" + "9" * 5000, "a number of 5000 digits"),
        ("threads=0", "threads"),
        ("threads=1000000000000", "threads"),
        ("measure.timeout_s=.inf", "inf is not a finite number"),
        ("measure.timeout_s='inf'", "inf is not a finite number"),
        ("measure.latency.seconds=.inf", "inf is not a finite number"),
        ("measure.memory_limit_mb=9999999999999999999999", "memory_limit_mb"),
        ("models.0.name=\udcff", "not text in UTF-8"),
        ("runtimes.0.kind=onnxruntme", "did you mean 'onnxruntime'?"),
        ("datasets.0.source.root=" + "x" * 10_000, "cannot be read"),
        ("datasets.0.source.files.validation.images=absent", "does not exist"),
    ],
)
def test_a_nonsensical_setting_is_refused_with_its_key(
    bench: Bench, setting: str, message: str
) -> None:
    done = bench.run(None, "--set", setting)
    assert done.code == 2, done
    assert message in done.err
    assert "Traceback" not in done.err
    assert "should not happen" not in done.err


def test_a_setting_that_is_not_text_is_refused_from_a_real_command_line(bench: Bench) -> None:
    path = tiny.write_suite(bench.root / "suite.yaml", tiny.suite(bench.data))
    done = own_process("run", path, "--set", "models.0.name=\udcff", "--store", bench.store)
    assert done.code == 2
    assert "not text in UTF-8" in done.err


def test_a_store_whose_path_is_not_text_is_refused(bench: Bench) -> None:
    path = tiny.write_suite(bench.root / "suite.yaml", tiny.suite(bench.data))
    done = own_process("run", path, "--store", f"{bench.root}/\udcff", "--no-report")
    done.check_refused("not text in UTF-8")


@pytest.mark.parametrize("name", ["x" * 10_000, "x" * 10_000 + ".yaml"])
def test_a_suite_name_of_ten_thousand_characters_is_no_suite(bench: Bench, name: str) -> None:
    bench.command("run", name, "--store", bench.store).check_refused("no suite")


@pytest.mark.parametrize("card", ["x" * 10_000, "x" * 10_000 + ".yaml", "../absent.yaml"])
def test_a_dataset_card_that_is_not_there_is_told(bench: Bench, card: str) -> None:
    suite = tiny.suite(bench.data, datasets=[{"name": "d", "card": card}])
    bench.run(suite).check_refused("no dataset card", "suite.yaml:")


def test_a_very_long_timeout_is_no_error(bench: Bench) -> None:
    done = bench.run(None, "--set", "measure.timeout_s=1e300")
    assert done.code == 0, done.out + done.err


# --- names -------------------------------------------------------------------------------

NAMES = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "../../outside",
    "/etc/passwd",
    "\u202egnp.exe",
    "😀",
    "=cmd|' /C calc'!A1",
    "@SUM(1+1)",
    "[/bold]",
    "[link=http://example.com]x",
    "a|b`c*d_e",
    "nul\u2028line",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_does_no_harm_in_any_report(bench: Bench, name: str) -> None:
    suite = tiny.suite(bench.data)
    suite["models"][0]["name"] = suite["datasets"][0]["name"] = name
    suite["title"] = name
    bench.edit(put("categories", 0, name=name))
    suite["models"][0]["classes"] = [name, "b"]
    done = bench.run(suite)
    assert done.code == 0, done.out + done.err
    before = {path for path in bench.root.rglob("*") if bench.store not in path.parents}
    shown = bench.command("show", "latest", "--store", bench.store)
    assert shown.code == 0
    assert name in shown.out or "\u2028" in name
    out = bench.root / "out"
    done = bench.command("report", "latest", "--store", bench.store, "--out", out)
    assert done.code == 0, done.err
    after = {path for path in bench.root.rglob("*") if bench.store not in path.parents}
    assert {path for path in after - before if out not in (path, *path.parents)} == set()
    rows = list(csv.DictReader(io.StringIO((out / "cells.csv").read_text())))
    told = name.replace("\u202e", "\\u202e")  # a change of direction is written out
    assert rows[0]["model"] == (f"'{name}" if name[0] in "=@" else told)
    if "<" in name:
        assert name not in (out / "report.md").read_text()
        check_page((out / "report.html").read_text(), name)


def check_page(page: str, name: str) -> None:
    """Check that a name with markup occurs in the page only as text."""
    assert name not in page
    assert escape(name) in page or escape(name, quote=False) in page


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\x7fb", "a\x9bb", "", "x" * 10_000])
def test_a_name_that_could_not_be_shown_is_refused_and_not_echoed_whole(
    bench: Bench, name: str
) -> None:
    suite = tiny.suite(bench.data)
    suite["models"][0]["name"] = name
    done = bench.run(suite)
    assert done.code == 2
    assert "models.0.name" in done.err
    assert len(done.err) < 1000
    assert "\x1b" not in done.err


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", ".hidden", "x" * 65, "a\n"])
def test_the_name_of_a_suite_is_a_safe_name_of_a_folder(bench: Bench, name: str) -> None:
    done = bench.run(tiny.suite(bench.data, name=name))
    assert done.code == 2
    assert "name: " in done.err
    assert not (bench.root.parent / "up").exists()


def test_a_store_in_a_folder_with_brackets_is_no_trouble(bench: Bench) -> None:
    path = tiny.write_suite(bench.root / "suite.yaml", tiny.suite(bench.data))
    store = bench.root / "[" / "x]"
    done = bench.command("run", path, "--store", store, "--no-report", "--quiet")
    assert done.code == 0, done.err
    assert str(store) in done.out


# --- damaged stores ----------------------------------------------------------------------


@pytest.fixture
def ran(bench: Bench) -> Bench:
    assert bench.run().code == 0
    return bench


def only(bench: Bench, pattern: str) -> Path:
    (found,) = bench.store.glob(pattern)
    return found


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


DAMAGES = ["runs/*/manifest.json", "runs/*/cells/*.json", "runs/*/invocations/*.json"]


@pytest.mark.parametrize("pattern", DAMAGES)
@pytest.mark.parametrize("body", [b'{"cell": {', b"", b"\xff\xfe", b"[]", b"[" * 100_000])
def test_a_damaged_file_of_the_store_is_named_with_a_way_out(
    ran: Bench, pattern: str, body: bytes
) -> None:
    path = only(ran, pattern)
    path.write_bytes(body)
    for command in ("show", "report"):
        ran.command(command, "latest", "--store", ran.store).check_refused(str(path))


@pytest.mark.parametrize("pattern", DAMAGES)
def test_fresh_is_a_way_out_of_every_damage(ran: Bench, pattern: str) -> None:
    truncate(only(ran, pattern))
    assert ran.run(None, "--fresh").code == 0
    assert ran.command("show", "latest", "--store", ran.store).code == 0


def test_a_damaged_result_can_be_deleted_and_only_its_cell_runs_again(bench: Bench) -> None:
    suite = tiny.suite(bench.data, runtimes=[tiny.faulty("one"), tiny.faulty("two")])
    assert bench.run(suite).code == 0
    before = bench.cells()
    path = only(bench, f"runs/*/cells/{before['m one tiny'].id}.json")
    truncate(path)
    bench.run(suite).check_refused(str(path), "delete it")
    path.unlink()
    assert bench.run(suite).code == 0
    after = bench.cells()
    assert after["m two tiny"].started == before["m two tiny"].started
    assert after["m one tiny"].started != before["m one tiny"].started


@pytest.mark.parametrize("how", ["replaced", "missing"])
def test_a_damaged_array_is_named_and_the_same_command_measures_only_its_cell_again(
    bench: Bench, how: str
) -> None:
    suite = tiny.suite(bench.data, runtimes=[tiny.faulty("one"), tiny.faulty("two")])
    assert bench.run(suite).code == 0
    before = bench.cells()
    result = json.loads(only(bench, f"runs/*/cells/{before['m one tiny'].id}.json").read_text())
    path = only(bench, f"runs/*/{result['arrays']['samples']['path']}")
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"PK\x03\x04 not what was stored")
    bench.command("show", "latest", "--store", bench.store).check_refused(
        str(path), "run the suite again"
    )
    assert bench.run(suite).code == 0
    after = bench.cells()
    assert after["m one tiny"].status == "measured"
    assert after["m two tiny"].started == before["m two tiny"].started


def test_score_refuses_predictions_that_are_not_what_was_stored(ran: Bench) -> None:
    result = json.loads(only(ran, "runs/*/cells/*.json").read_text())
    path = only(ran, f"runs/*/{result['arrays']['predictions']['path']}")
    path.write_bytes(b"junk")
    ran.command("score", "latest", "--store", ran.store).check_refused(str(path), "SHA-256 differs")


@pytest.mark.parametrize(
    "pattern", ["runs/*/manifest.json", "runs/*/cells/*.json", "runs/*/arrays/*"]
)
def test_a_damaged_old_run_does_not_stand_in_the_way_of_a_new_one(ran: Bench, pattern: str) -> None:
    for path in ran.store.glob(pattern):
        truncate(path)
    grown = tiny.suite(ran.data, runtimes=[{"kind": "bbtest-faulty"}, tiny.faulty("new")])
    assert ran.command("plan", ran.root / "suite.yaml", "--store", ran.store).code in {0, 2}
    done = ran.run(grown)
    assert done.code == 0, done.err
    assert {cell.status for cell in ran.cells().values()} == {"measured"}
    assert ran.command("show", "latest", "--store", ran.store).code == 0


def test_an_array_path_that_leaves_the_run_is_refused_and_nothing_is_copied(ran: Bench) -> None:
    path = only(ran, "runs/*/cells/*.json")
    result = json.loads(path.read_text())
    result["arrays"]["samples"]["path"] = "../../../../etc/passwd"
    path.write_text(json.dumps(result))
    ran.command("show", "latest", "--store", ran.store).check_refused("leaves the run")
    grown = tiny.suite(ran.data, runtimes=[{"kind": "bbtest-faulty"}, tiny.faulty("new")])
    assert ran.run(grown).code == 0


def test_what_a_newer_version_wrote_is_not_touched(ran: Bench) -> None:
    path = only(ran, "runs/*/cells/*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_number": 99}))
    before = path.read_bytes()
    ran.run().check_refused(str(path), "format 99", "pip install --upgrade")
    assert path.read_bytes() == before


def test_two_different_suites_of_one_name_keep_apart(ran: Bench) -> None:
    other = tiny.suite(ran.data, runtimes=[tiny.faulty("other")])
    assert ran.run(other).code == 0
    assert len(list(ran.store.glob("runs/tiny-*"))) == 2
    assert list(ran.cells()) == ["m other tiny"]


# --- the cache ---------------------------------------------------------------------------


def calibrating(bench: Bench) -> Path:
    suite = tiny.suite(
        bench.data,
        runtimes=[tiny.faulty("int8", precisions=["int8"]), tiny.faulty("fp32")],
        conversions=[{"kind": "bbtest-copy"}],
    )
    return tiny.write_suite(bench.root / "suite.yaml", suite)


def mounted(bench: Bench, options: str, fill: str = "true") -> Done:
    """Run the calibrating suite with its cache on a small file system of its own."""
    cache = bench.root / "cache"
    cache.mkdir()
    mount = ["unshare", "--mount", "sh", "-c"]
    command = f"{sys.executable} -m benchbench run {calibrating(bench)} --store {bench.store}"
    script = (
        f"mount -t tmpfs -o {options} none {cache} && {fill};"
        f"exec env BENCHBENCH_CACHE={cache} {command} --no-report --quiet"
    )
    if (
        os.geteuid()
        or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    done = subprocess.run([*mount, script], check=False, capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_read_only_cache_costs_only_the_cells_that_need_an_artifact(bench: Bench) -> None:
    mounted(bench, "ro").check_failed("read-only", "BENCHBENCH_CACHE", str(bench.root / "cache"))
    assert bench.cells()["m fp32 tiny"].status == "measured"


def test_a_full_cache_costs_only_the_cells_that_need_an_artifact(bench: Bench) -> None:
    full = f"head -c 1000000 /dev/zero > {bench.root / 'cache'}/zeros 2> /dev/null"
    mounted(bench, "size=64k", full).check_failed("the disk is full", str(bench.root / "cache"))
    assert bench.cells()["m fp32 tiny"].status == "measured"


def test_a_cache_that_is_a_file_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.root / "cache").write_text("a file")
    monkeypatch.setenv("BENCHBENCH_CACHE", str(bench.root / "cache"))
    done = bench.command(
        "run", calibrating(bench), "--store", bench.store, "--no-report", "--quiet"
    )
    done.check_failed("a file stands where a folder is needed", "BENCHBENCH_CACHE")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"x": 5}', b'{"x": [1]}'])
def test_a_damaged_memory_of_hashes_is_forgotten(bench: Bench, body: bytes) -> None:
    from benchbench.contents import HashCache
    from benchbench.types import Image as Listed

    path = bench.data / "validation" / "1.png"
    listed = [Listed(1, "1.png", path, 8, 8)]
    hashes = HashCache(bench.root / "cache")
    first = hashes.hashes(listed, "x")
    (stored,) = (bench.root / "cache" / "hashes").glob("*.json")
    stored.write_bytes(body.replace(b'"x"', json.dumps(str(path)).encode()))
    assert hashes.hashes(listed, "x") == first


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"schema": 1, "files": {}}'])
def test_a_damaged_description_of_an_artifact_builds_it_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(bench.root / "cache"))
    path = calibrating(bench)
    options = ("--store", bench.store, "--no-report", "--quiet", "--fresh")
    assert bench.command("run", path, *options).code == 0
    described = list((bench.root / "cache" / "artifacts").glob("*/artifact.json"))
    assert described
    for path_of in described:
        path_of.write_bytes(body)
    done = bench.command("run", path, *options)
    assert done.code == 0, done.out + done.err


def test_an_unreadable_store_error_is_a_store_error(tmp_path: Path) -> None:
    from benchbench.store import Store

    run = tmp_path / "runs" / "x"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text("{}")
    with pytest.raises(StoreError, match=r"manifest\.json is not a stored manifest"):
        Store(tmp_path).run("x").manifest()


def test_debug_shows_where_an_error_came_from(bench: Bench) -> None:
    path = tiny.write_suite(bench.root / "suite.yaml", tiny.suite(bench.data))
    (bench.data / "validation.json").write_text("[")
    done = own_process("--debug", "run", path, "--store", bench.store)
    assert "Traceback" in done.err
    assert done.code != 0


def test_a_picture_of_the_right_size_in_another_format_is_read(bench: Bench) -> None:
    path = bench.data / "validation" / "2.png"
    Image.new("CMYK", (8, 8)).save(path, format="TIFF")
    assert bench.run().code == 0


def test_sound_compressed_masks_are_taken_whatever_their_runs(bench: Bench) -> None:
    mask = pytest.importorskip("hotcoco").mask
    import numpy as np

    from benchbench.datasets.coco import read_coco

    generator = np.random.default_rng(0)
    coded = []
    for share in np.linspace(0, 1, 200):
        pixels = np.asfortranarray(generator.random((300, 400)) < share**3, dtype=np.uint8)
        counts = mask.encode(pixels)["counts"]
        text = counts.decode() if isinstance(counts, bytes) else counts
        coded.append({"size": [300, 400], "counts": text})

    def change(document: dict[str, Any]) -> None:
        document["images"][0].update(width=400, height=300)
        document["annotations"] = [
            {"id": i, "image_id": 1, "category_id": 1, "segmentation": one}
            for i, one in enumerate(coded)
        ]

    path = bench.edit(change)
    split = read_coco(
        path, bench.data / "validation", name="t", split="v", task="semantic-segmentation"
    )
    assert [annotation.segmentation for annotation in split.annotations] == coded
