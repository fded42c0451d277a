"""Archives of strangers: what was altered is found, and what would do harm is refused."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.bundles import again, check, unpacked
from benchbench.bundles.archive import opened
from benchbench.bundles.format import MANIFEST, SUMS, BundleManifest, Packed, name_fault
from benchbench.bundles.outcome import Again, CellAgain, Checked, Derived, Reproduction
from benchbench.bundles.rederiving import same
from benchbench.bundles.words import lock
from benchbench.bundles.writing import json_bytes, sums, write_bundle
from benchbench.compare_view import Delta
from benchbench.errors import StoreError

ARRAY = b"PK\5\6" + bytes(18)
"""An archive without entries: the smallest that can be looked into."""
SUITE = "benchbench: 1\nname: tiny\n"
KEY = "a" * 64


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parts() -> dict[str, bytes]:
    """Return one file of each kind that a bundle may hold, empty of cells."""
    plan = {
        "run": "tiny-1",
        "suite": "tiny",
        "suite_text": SUITE,
        "suite_file": "/home/someone/suite.yaml",
        "suite_sha256": digest(SUITE.encode()),
        "settings": {"title": "x"},
        "created": "2026-01-01T00:00:00Z",
        "environment_key": "k",
        "cells": [],
    }
    invocation = {"started": "2026", "command_line": [], "environment": {}}
    return {
        "README.txt": b"hello",
        "suite.yaml": SUITE.encode(),
        "settings.json": b'{"title": "x"}',
        "environment.json": b"{}",
        "requirements.lock.txt": b"numpy==2",
        "view.json": b'{"cells": []}',
        "datasets/0.json": b"{}",
        "report/report.html": b"<p>",
        "run/manifest.json": json.dumps(plan).encode(),
        "run/asked.json": b"{}",
        "run/invocations/2026-a.json": json.dumps(invocation).encode(),
        f"run/arrays/{digest(ARRAY)}.npz": ARRAY,
        "run/logs/cell.log": b"text",
        "models/models.0.source.path/m.onnx": b"weights",
        f"artifacts/{KEY}/artifact.json": b"{}",
        "data/0/validation/1.png": b"pixels",
    }


def manifest_of(members: dict[str, bytes], **changes: Any) -> BundleManifest:
    files = {k: Packed(sha256=digest(v), bytes=len(v)) for k, v in members.items()}
    given: dict[str, Any] = {
        "run": "tiny-1",
        "suite": "tiny",
        "created": "2026",
        "benchbench": "0.1.0",
        "files": files,
        "places": {"models.0.source.path": "models/models.0.source.path/m.onnx"},
        "data": {"0": {"source": {"kind": "coco"}, "root": "data/0"}},
        "artifacts": (KEY,),
    }
    return BundleManifest(**(given | changes))


def bundle(path: Path, members: dict[str, bytes] | None = None, **changes: Any) -> Path:
    held = parts() if members is None else members
    write_bundle(path, held, manifest_of(held, **changes))
    return path


def raw(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    """Write an archive entry by entry, as a stranger may."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in entries:
            archive.writestr(name, data)
    return path


def problems(path: Path) -> str:
    return "\n".join(check(path)[0].problems)


def test_a_bundle_as_it_was_packed_has_no_problem_and_unpacks_to_a_store(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.zip")
    found, manifest = check(path)
    assert found.problems == ()
    assert manifest is not None
    assert found.sha256 == digest(path.read_bytes())
    made = unpacked(path, manifest, tmp_path / "out")
    assert made.run.manifest().run == made.run.id == "tiny-1"
    assert (made.files / "models/models.0.source.path/m.onnx").read_bytes() == b"weights"
    assert (made.cache / "artifacts" / KEY / "artifact.json").is_file()
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        "cache", "files", "runs", "view.json"
    }  # fmt: skip


@pytest.mark.parametrize("name", [*parts(), MANIFEST, SUMS])
def test_one_changed_byte_in_any_kind_of_file_is_found(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle(tmp_path / "b.zip")) as archive:
        held = [(one, archive.read(one)) for one in archive.namelist()]
    changed = [(k, v[:-1] + bytes([v[-1] ^ 1]) if k == name else v) for k, v in held]
    told = problems(raw(tmp_path / "c.zip", *changed))
    assert name in told


@pytest.mark.parametrize("name", ["suite.yaml", "view.json", "run/manifest.json", SUMS, MANIFEST])
def test_a_file_that_is_missing_is_named(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle(tmp_path / "b.zip")) as archive:
        held = [(one, archive.read(one)) for one in archive.namelist() if one != name]
    assert f"{name} is missing" in problems(raw(tmp_path / "c.zip", *held))


def test_a_file_beside_the_manifest_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle(tmp_path / "b.zip")) as archive:
        held = [(one, archive.read(one)) for one in archive.namelist()]
    told = problems(raw(tmp_path / "c.zip", *held, ("report/extra.html", b"x")))
    assert told == "report/extra.html is not in MANIFEST.json"


def test_a_byte_that_was_damaged_in_the_archive_is_found(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"README.txt") + len("README.txt") + 2
    data[at] ^= 0x55
    path.write_bytes(data)
    assert "README.txt" in problems(path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "/etc/passwd", "models/../../evil", "models/k/../x", "a\\b", "run/arrays/x.npz",
        "run/derived/x.npz", "run/cells/.lock", "evil.sh", "models/k//x", "models/k/a\x1b[2J",
        "models/k/" + "x" * 2000, "C:/evil", "./suite.yaml", "run/cells/sub/x.json", "data/x/1.png",
    ],
)  # fmt: skip
def test_names_that_a_bundle_does_not_have_are_refused(name: str, tmp_path: Path) -> None:
    path = raw(tmp_path / "b.zip", (name, b"x"))
    found, manifest = check(path)
    assert len(found.problems) == 1
    assert manifest is None
    assert all(char.isprintable() for char in found.problems[0])


@given(st.text(max_size=40))
def test_no_name_that_is_let_pass_leads_out_of_a_folder(name: str) -> None:
    for prefix in ("", "models/k/", "data/0/", "report/"):
        if name_fault(prefix + name) is None:
            assert Path("/a", prefix + name).resolve().is_relative_to("/a")
            assert Path(prefix + name).as_posix() == prefix + name


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def test_links_devices_folders_and_doubled_names_are_refused(tmp_path: Path) -> None:
    told = problems(
        raw(
            tmp_path / "b.zip",
            (entry("report/link", stat.S_IFLNK | 0o777), b"/etc/passwd"),
            (entry("report/fifo", stat.S_IFIFO | 0o644), b""),
            ("report/", b""),
            ("suite.yaml", b"a"),
            ("suite.yaml", b"b"),
            ("data/0/a", b""),
            ("data/0/a/b", b""),
        )
    )
    assert told.count("is a link or a folder") == 3
    assert "'suite.yaml' is there 2 times" in told
    assert "'data/0/a' is a file and a folder" in told


def test_names_that_are_not_utf8_and_encrypted_entries_are_refused(tmp_path: Path) -> None:
    path = raw(tmp_path / "b.zip", ("report/é", b"x"), ("report/ok", b"x"))
    data = path.read_bytes()
    name = "report/é".encode()
    latin = data.replace(name, b"report/\xff\xfe")
    flags = {b"PK\3\4": 6, b"PK\1\2": 8}
    (tmp_path / "c.zip").write_bytes(latin)
    with pytest.raises(StoreError, match="is not a bundle"):
        check(tmp_path / "c.zip")
    plain, locked = bytearray(data), bytearray(data)
    for mark, offset in flags.items():
        first = data.index(mark)
        struct.pack_into("<H", plain, first + offset, 0)
        struct.pack_into("<H", locked, first + offset, 0x801)
    (tmp_path / "d.zip").write_bytes(plain)
    assert "is not named in UTF-8" in problems(tmp_path / "d.zip")
    (tmp_path / "e.zip").write_bytes(locked)
    assert "is encrypted" in problems(tmp_path / "e.zip")


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = raw(tmp_path / "b.zip", ("data/0/zeros", bytes(70 << 20)))
    assert path.stat().st_size < 100_000
    assert "that is no bundle's content" in problems(path)


def test_an_array_file_that_is_a_bomb_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run_ns.npy", bytes(70 << 20))
    data = buffer.getvalue()
    path = bundle(tmp_path / "b.zip", {**parts(), f"run/arrays/{digest(data)}.npz": data})
    assert "that is no measurement" in problems(path)


@pytest.mark.parametrize("size64", [False, True])
def test_a_list_of_very_many_entries_is_refused_before_it_is_read(
    size64: bool, tmp_path: Path
) -> None:
    many = 100_000
    head = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, *[0] * 4, 0, 0)
    listed = (head + b"a") * many
    end64 = struct.pack(
        "<4sQ2H2L4QQ"[:-1], b"PK\6\6", 44, 45, 45, 0, 0, many, many, len(listed), 0
    ) + struct.pack("<4sLQL", b"PK\6\7", 0, len(listed), 1)
    stated = 0xFFFF if size64 else 0
    sizes = (0xFFFFFFFF, 0) if size64 else (len(listed), 0)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, stated, stated, *sizes, 0)
    path = tmp_path / "b.zip"
    path.write_bytes(listed + (end64 if size64 else b"") + end)
    if size64:
        with pytest.raises(StoreError, match="lists 100000 files"):
            check(path)
        return
    found, _ = check(path)  # the number is a lie; the list itself is small enough to be read
    assert "is there 100000 times" in "\n".join(found.problems)


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all", b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_archive_is_said_to_be_none(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        check(path)
    assert caught.value.hint


def test_a_file_that_is_not_there_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.zip", tmp_path, Path("\0")):
        with pytest.raises(StoreError, match="cannot read"):
            check(path)


HOSTILE = [
    b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'{"a": NaN}', b"[" * 100_000, b"1e999",
    b'{"schema_number": 1' + b"0" * 5000 + b"}", b'{"format": "benchbench bundle", "files": 3}',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_manifest_that_is_none_is_named(text: bytes, tmp_path: Path) -> None:
    found, manifest = check(raw(tmp_path / "b.zip", (MANIFEST, text)))
    assert manifest is None
    assert len(found.problems) == 1
    assert MANIFEST in found.problems[0]


@pytest.mark.parametrize("text", HOSTILE[:7], ids=range(7))
@pytest.mark.parametrize("name", ["run/manifest.json", "view.json", "run/cells/abc.json"])
def test_a_record_that_is_not_json_is_named(name: str, text: bytes, tmp_path: Path) -> None:
    told = problems(bundle(tmp_path / "b.zip", {**parts(), name: text}))
    if name == "view.json" and text in (b"[]", b"null"):
        return
    assert name in told
    assert str(tmp_path) not in told


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("suite.yaml", lambda text: text + b"# more\n", "suite.yaml is not the suite that was run"),
        ("settings.json", lambda text: b'{"title": "y"}', "settings.json is not what"),
        (
            "run/manifest.json",
            lambda text: text.replace(b"tiny-1", b"tiny-2"),
            "run/manifest.json is of tiny-2",
        ),
    ],
)
def test_a_forger_who_fits_the_hashes_still_has_to_make_the_files_agree(
    name: str, change: Callable[[bytes], bytes], told: str, tmp_path: Path
) -> None:
    held = parts()
    assert told in problems(bundle(tmp_path / "b.zip", held | {name: change(held[name])}))


def test_an_array_under_another_name_is_found(tmp_path: Path) -> None:
    held = {**parts(), f"run/arrays/{KEY}.npz": ARRAY}
    assert f"{KEY}.npz is not named by its content" in problems(bundle(tmp_path / "b.zip", held))


@pytest.mark.parametrize("root", ["data/7", "../../etc", "run", "models/../data/0"])
def test_a_manifest_cannot_lead_the_suite_out_of_the_bundle(root: str, tmp_path: Path) -> None:
    data = {"0": {"source": {"kind": "coco"}, "root": root}}
    assert "which the bundle does not hold" in problems(bundle(tmp_path / "b.zip", data=data))
    places = {"models.0.source.path": root}
    assert "which the bundle does not hold" in problems(bundle(tmp_path / "c.zip", places=places))


def test_a_manifest_cannot_set_other_keys_of_the_suite(tmp_path: Path) -> None:
    body = manifest_of(parts()).model_dump(mode="json")
    for key in ("measure.latency", "models.0", "datasets.0.source.root", "models.0.source.a b"):
        text = json_bytes(body | {"places": {key: "models/k/x"}})
        told = problems(raw(tmp_path / "b.zip", (MANIFEST, text)))
        assert "is not one of a bundle" in told


def test_a_bundle_of_a_newer_benchbench_is_refused_with_its_number(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.zip", schema_number=2)
    assert problems(path) == "MANIFEST.json has format 2; this benchbench reads up to 1"


def test_no_more_than_the_stated_size_is_ever_read(tmp_path: Path) -> None:
    path = raw(tmp_path / "b.zip", ("suite.yaml", b"x" * 1000))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    struct.pack_into("<L", data, at + 24, 10)
    path.write_bytes(data)
    with opened(path) as archive, pytest.raises(StoreError, match=r"suite\.yaml cannot be read"):
        archive.read("suite.yaml", 10)


def test_a_folder_that_was_unpacked_before_is_replaced_whole(tmp_path: Path) -> None:
    path = bundle(tmp_path / "b.zip")
    _, manifest = check(path)
    assert manifest is not None
    (tmp_path / "out" / "files").mkdir(parents=True)
    (tmp_path / "out" / "files" / "old").touch()
    unpacked(path, manifest, tmp_path / "out")
    assert not (tmp_path / "out" / "files" / "old").exists()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_sums_are_what_sha256sum_reads(tmp_path: Path) -> None:
    manifest = manifest_of({"suite.yaml": b"a", "README.txt": b"b"})
    lines = sums(manifest, b"{}").decode().splitlines()
    assert lines == [
        f"{digest(b'{}')}  MANIFEST.json",
        f"{digest(b'b')}  README.txt",
        f"{digest(b'a')}  suite.yaml",
    ]


def test_the_lock_names_python_and_the_recorded_versions_or_all_that_are_installed() -> None:
    facts = {"python": {"version": "3.11.7"}, "packages": {"numpy": "2.4"}, "benchbench": "0.1"}
    recorded = lock(facts, None).splitlines()
    assert recorded[0] == "# Python 3.11.7"
    assert recorded[2:] == ["benchbench==0.1", "numpy==2.4"]
    every = lock(facts, {"benchbench": "0.1", "click": "8", "numpy": "2.4"}).splitlines()
    assert every[2:] == ["benchbench==0.1", "click==8", "numpy==2.4"]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.0 + 1e-8, False),
        (0.0, 1e-300, False),
        (1, 1.0, True),
        (True, 1, False),
        (None, 0, False),
        ("a", "a", True),
        (10**400, 1.0, False),
        (float("inf"), float("inf"), True),
        (1e308, float("inf"), False),
    ],
)
def test_numbers_are_equal_within_a_billionth_and_everything_else_exactly(
    a: Any, b: Any, equal: bool
) -> None:
    assert same(a, b) is equal
    assert same(b, a) is equal


def change(**given: Any) -> Delta:
    base: dict[str, Any] = {
        "quantity": "map", "family": "accuracy", "unit": "", "higher_is_better": True, "a": 0.5,
        "b": 0.5, "scale": "difference", "design": "images", "outcome": "inconclusive",
    }  # fmt: skip
    return Delta(**(base | given))


@pytest.mark.parametrize(
    ("delta", "word"),
    [
        (change(change=0.0, low=0.0, high=0.0, outcome="equivalent"), "no difference shown"),
        (change(change=0.01, low=-0.01, high=0.03), "no difference shown"),
        (change(change=-0.1, low=-0.2, high=-0.05, outcome="worse"), "differs"),
        (change(change=0.1, low=0.05, high=0.2, outcome="better"), "differs"),
        (change(change=0.01, reason="no tally"), "undecided"),
        (change(change=0.0), "no difference shown"),
    ],
)
def test_what_is_said_of_accuracy_rests_on_the_interval(delta: Delta, word: str) -> None:
    assert again._weighed(delta)["accuracy"] == word


def cell(**given: Any) -> CellAgain:
    base = {"label": "m", "before": "measured", "here": "measured", "accuracy": "equal"}
    return CellAgain(**(base | given))


@pytest.mark.parametrize(
    ("cells", "finished", "code"),
    [
        ((cell(), cell(accuracy="no difference shown")), True, 0),
        ((cell(), cell(before="failed", here="failed", accuracy="not measured")), True, 0),
        ((cell(), cell(accuracy="differs")), True, 1),
        ((cell(), cell(accuracy="undecided")), True, 1),
        ((cell(), cell(here="failed", accuracy="not measured")), True, 1),
        ((cell(), cell(here=None, accuracy="not measured")), True, 1),
        ((cell(),), False, 1),
        ((), True, 1),
    ],
)
def test_reproduced_is_only_what_was_all_measured_and_nowhere_differs(
    cells: tuple[CellAgain, ...], finished: bool, code: int
) -> None:
    checked = Checked(bundle="b", sha256=KEY, bytes=1, files=1, run="r", packed_by="1")
    found = Reproduction(checked=checked, again=Again(run="r", finished=finished, cells=cells))
    assert found.exit_code == code
    broken = checked.model_copy(update={"problems": ("x",)})
    assert found.model_copy(update={"checked": broken}).exit_code == 2
    wrong = Derived(figures=1, recorded=0, differing=("x",))
    assert found.model_copy(update={"derived": wrong}).exit_code == 1
