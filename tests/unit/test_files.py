"""Files are whole or absent; errors name the file and what mends it."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchbench.artifacts import ArtifactCache
from benchbench.errors import StoreError
from benchbench.files import sha256_file, store_errors, write_atomic, write_json
from benchbench.locks import locked


def test_an_atomic_write_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    values = [bytes([65 + n]) * 300_000 for n in range(4)]
    write_atomic(path, values[0])
    seen: set[bytes] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for value in values * 5:
        write_atomic(path, value)
    stop.set()
    reader.join()
    assert seen <= set(values)


def test_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a", {"x": float("nan")})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "denied")],
)
def test_an_os_error_becomes_a_reason_and_a_hint(tmp_path: Path, number: int, reason: str) -> None:
    with pytest.raises(StoreError, match=reason) as caught, store_errors(tmp_path):
        raise OSError(number, "x")
    assert caught.value.hint


def test_a_lock_is_freed_when_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = (
        "import sys, os, signal; from pathlib import Path; from benchbench.locks import locked\n"
        f"with locked(Path({str(path)!r})):\n os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", script], check=False)
    assert died.returncode == -9
    with locked(path):
        assert path.exists()


# --- artifacts ---------------------------------------------------------------------------


def build(tmp_path: Path, text: str = "weights") -> tuple[Path, Path]:
    folder = tmp_path / f"build-{text}"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "data.bin").write_text(text)
    (folder / "model.onnx").write_text("graph")
    return folder, folder / "model.onnx"


def test_an_artifact_comes_back_verified_with_its_size(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    assert cache.find("k") is None
    stored = cache.commit("k", *build(tmp_path), {"seconds": 1})
    found = cache.find("k")
    assert found == stored
    assert found is not None
    assert found.sha256 == sha256_file(found.main)
    assert found.bytes == len("graph") + len("weights")


@pytest.mark.parametrize("harm", ["change", "remove", "manifest"])
def test_a_damaged_artifact_is_not_found_and_makes_room(tmp_path: Path, harm: str) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    found = cache.commit("k", *build(tmp_path), {})
    data = found.main.parent / "sub" / "data.bin"
    if harm == "change":
        data.write_text("weighty")
    elif harm == "remove":
        data.unlink()
    else:
        (found.main.parent / "artifact.json").write_text("{")
    assert cache.find("k") is None
    again = cache.commit("k", *build(tmp_path, "new"), {})
    assert (again.main.parent / "sub" / "data.bin").read_text() == "new"


def test_the_first_of_two_builders_wins_and_both_get_it(tmp_path: Path) -> None:
    cache = ArtifactCache(tmp_path / "cache")
    first = cache.commit("k", *build(tmp_path, "one"), {})
    second = cache.commit("k", *build(tmp_path, "two"), {})
    assert first == second
    assert [p.name for p in cache.root.iterdir()] == ["k"]
