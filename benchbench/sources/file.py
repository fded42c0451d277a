"""Model files as they lie on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from benchbench.errors import ModelError
from benchbench.files import is_file
from benchbench.protocols import Packages
from benchbench.sources.content import external_data, sha256
from benchbench.types import ModelFile, Precision, Record, Variant

_FORMATS = {".onnx": "onnx", ".pt2": "pt2", ".torchscript": "torchscript", ".xml": "openvino-ir"}


_PICKLED = "data/constants/opaque_obj"


class File(Record):
    """One model in one or more files: ``.onnx``, ``.pt2``, TorchScript ``.pt``, OpenVINO ``.xml``.

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
            for part in (path, *_companions(path)):
                found[part.relative_to(path.parent).as_posix()] = sha256(part)
        return found

    def open(self, variant: Variant) -> ModelFile:
        """Return the file of *variant*."""
        path = self._by_format()[variant]
        size = sum(part.stat().st_size for part in (path, *_companions(path)))
        return ModelFile(variant=variant, path=path, sha256=sha256(path), bytes=size)

    def _files(self) -> tuple[Path, ...]:
        return (self.path,) if self.path else self.paths

    def _by_format(self) -> dict[Variant, Path]:
        found: dict[Variant, Path] = {}
        for path in self._files():
            variant = Variant(format=_format(path), precision=self.precision)
            if variant in found:
                raise ModelError(
                    f"{path}: a second {variant.format} file beside {found[variant]}",
                    hint="'paths' lists one model in different formats; make two models of them",
                )
            found[variant] = path
        return found


def _companions(path: Path) -> tuple[Path, ...]:
    """Return the files, below the folder of *path*, without which it is not whole."""
    if path.suffix == ".onnx":
        return external_data(path)
    if path.suffix == ".xml":
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise ModelError(
                f"{weights}: the weights of {path.name} are missing", hint="copy both files"
            )
        return (weights,)
    return ()


def _format(path: Path) -> str:
    if not is_file(path):
        raise ModelError(
            f"{path}: no such model file",
            hint="check the path; a relative path counts from the current folder",
        )
    if path.suffix in {".pt", ".pth", ".torchscript"}:
        return _torch_format(path)
    if path.suffix not in _FORMATS:
        raise ModelError(
            f"{path}: unknown kind of model file '{path.suffix}'",
            hint="known: .onnx, .pt2, .xml (OpenVINO), .pt or .torchscript (TorchScript)",
        )
    if path.suffix == ".pt2":
        _check_plain(path)
    return _FORMATS[path.suffix]


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
