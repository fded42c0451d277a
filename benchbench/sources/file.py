"""Model files as they lie on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from benchbench.errors import ModelError
from benchbench.files import is_file
from benchbench.protocols import Packages
from benchbench.sources.content import external_data, sha256
from benchbench.types import ModelFile, Precision, Record, Variant

_FORMATS = {
    ".onnx": "onnx",
    ".pt2": "pt2",
    ".torchscript": "torchscript",
    ".xml": "openvino-ir",
    ".engine": "tensorrt-engine",
    ".plan": "tensorrt-engine",
    ".tflite": "tflite",
    ".param": "ncnn",
    ".pte": "executorch",
    ".mlpackage": "coreml",
}
_ENGINES = {b"ftrt": "tensorrt-engine", b"vtrt": "tensorrt-rtx-engine"}
_WEIGHTS = {".xml": ".bin", ".param": ".bin"}
"""Suffix of a file that is only half a model → suffix of the other half beside it."""
_PACKAGE = "Manifest.json"
_PICKLED = "data/constants/opaque_obj"


class File(Record):
    """One model in one or more files, for example an ``.onnx`` and a TorchScript ``.pt``.

    The files must hold the same model; benchbench picks the one that a runtime takes best.
    """

    packages: ClassVar[Packages] = ()
    extra: ClassVar[str] = ""

    path: Path | None = None
    """The file, where there is one."""
    paths: tuple[Path, ...] = Field((), max_length=8)
    """The files, where the model exists in several formats."""
    precision: Precision = "fp32"
    """What is written in the files; ``int8`` for a model that arrives quantized."""
    target: Literal["", "cpu", "tensorrt"] = ""
    """Whom a quantized ONNX file is written for, where it is known."""

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> Self:
        if (self.path is None) == (not self.paths):
            raise ValueError("give either 'path' or 'paths'")
        return self

    def variants(self) -> Sequence[Variant]:
        """Return one variant a file; raise ModelError for unknown or doubled formats."""
        return tuple(self._by_format())

    def fingerprint(self) -> Mapping[str, str]:
        """Return the SHA-256 of each file, external data and ``.bin`` files included."""
        found = {"precision": str(self.precision)}
        for path in self._by_format().values():
            for part in _parts(path):
                found[part.relative_to(path.parent).as_posix()] = sha256(part)
        return found

    def open(self, variant: Variant) -> ModelFile:
        """Return the file of *variant*."""
        path = self._by_format()[variant]
        size = sum(part.stat().st_size for part in _parts(path))
        main = path / _PACKAGE if path.suffix == ".mlpackage" else path
        return ModelFile(variant=variant, path=main, sha256=sha256(main), bytes=size)

    def _files(self) -> tuple[Path, ...]:
        return (self.path,) if self.path else self.paths

    def _by_format(self) -> dict[Variant, Path]:
        found: dict[Variant, Path] = {}
        for path in self._files():
            kind = _format(path)
            target = self.target if kind == "onnx" and self.precision == "int8" else ""
            variant = Variant(format=kind, precision=self.precision, target=target)
            if variant in found:
                raise ModelError(
                    f"{path}: a second {variant.format} file beside {found[variant]}",
                    hint="'paths' lists one model in different formats; make two models of them",
                )
            found[variant] = path
        return found


def _parts(path: Path) -> tuple[Path, ...]:
    """Return all files of a model, below the folder of *path*; a Core ML package is a folder."""
    if path.suffix == ".mlpackage":
        return tuple(sorted(part for part in path.rglob("*") if part.is_file()))
    return (path, *_companions(path))


def _companions(path: Path) -> tuple[Path, ...]:
    """Return the files, below the folder of *path*, without which it is not whole."""
    if path.suffix == ".onnx":
        return external_data(path)
    if path.suffix in _WEIGHTS:
        weights = path.with_suffix(_WEIGHTS[path.suffix])
        if not weights.is_file():
            raise ModelError(
                f"{weights}: the weights of {path.name} are missing", hint="copy both files"
            )
        return (weights,)
    return ()


def _format(path: Path) -> str:
    package = path.suffix == ".mlpackage"
    if not is_file(path / _PACKAGE if package else path):
        raise ModelError(
            f"{path}: no such model file",
            hint="check the path; a relative path counts from the current folder",
        )
    if path.suffix in {".pt", ".pth", ".torchscript"}:
        return _torch_format(path)
    if path.suffix not in _FORMATS:
        raise ModelError(
            f"{path}: unknown kind of model file '{path.suffix}'",
            hint="known: .pt or .torchscript (TorchScript), " + ", ".join(_FORMATS),
        )
    if path.suffix == ".pt2":
        _check_plain(path)
    if path.suffix in {".engine", ".plan"}:
        return _engine_format(path)
    return _FORMATS[path.suffix]


def _engine_format(path: Path) -> str:
    """Tell an engine of TensorRT from one of TensorRT-RTX by its first bytes."""
    with path.open("rb") as file:
        head = file.read(4)
    if head not in _ENGINES:
        raise ModelError(
            f"{path}: not an engine of TensorRT or TensorRT-RTX: it begins with {head!r}",
            hint="build it again, or give the .onnx file: the engine is then built here",
        )
    return _ENGINES[head]


def _torch_format(path: Path) -> str:
    """Tell TorchScript (a zip with constants.pkl) from an export archive and a state dict."""
    names = _names(path)
    if "constants.pkl" in names:
        return "torchscript"
    if "archive_format" in names:
        _check_plain(path)
        return "pt2"
    raise ModelError(
        f"{path}: neither TorchScript nor an exported program"
        + (", but a pickle: perhaps a state dict" if "data.pkl" in names else ""),
        hint="weights need code: use 'kind: torch' with 'factory' and 'weights'; "
        "a file that should be TorchScript may be truncated",
    )


def _names(path: Path) -> tuple[str, ...]:
    """Return the names in an archive, below its one folder; none if it is no whole archive."""
    with suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return tuple(name.partition("/")[2] for name in archive.namelist())
    return ()


def _check_plain(path: Path) -> None:
    """Refuse an exported program with pickled constants, which torch unpickles unasked."""
    if any(name.startswith(_PICKLED) for name in _names(path)):
        raise ModelError(
            f"{path}: holds pickled objects, and loading them can run any code",
            hint="export the model without custom objects among its constants",
        )
