"""What some models take beside the image: prompts that say which object is meant, and texts.

Records of the input contract. Their tensors have fixed shapes, so that every runtime can run them.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from benchbench.errors import MissingDependency, ModelError
from benchbench.files import sha256_file
from benchbench.types import Geometry, Record

TensorName = Annotated[str, Field(min_length=1, max_length=200)]
Arrays = dict[str, NDArray[Any]]
FOREGROUND = 1
"""Label of a point that lies on the object."""


class Prompts(Record):
    """Boxes or points, taken from the evaluated annotations, of which the model gives the masks."""

    kind: Literal["box", "point"]
    """``box``: the annotation's box; ``point``: the most interior pixel of its mask."""
    name: TensorName
    """The model's input for them: (N, count, 4) corners x1, y1, x2, y2, or (N, count, 2) x, y."""
    labels_name: TensorName | None = None
    """The model's input (N, count) for the points' labels, all 1 (on the object); None: it has
    none."""
    count: int = Field(ge=1, le=4096)
    """Prompts a row: an image with more objects is fed several times, one with fewer is padded."""

    @model_validator(mode="after")
    def _labels_are_of_points(self) -> Prompts:
        if self.labels_name and self.kind == "box":
            raise ValueError("labels_name is for kind 'point': boxes have no labels")
        if self.labels_name == self.name:
            raise ValueError("name and labels_name must differ")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors, in the order in which the model takes them."""
        return (self.name, *([self.labels_name] if self.labels_name else []))

    def tensors(self, rows: Sequence[NDArray[np.float64]]) -> Arrays:
        """Return the tensors of a batch: float32, and int64 labels.

        Each row holds 1…count prompts (P, 4) or (P, 2) in pixels of the input; the last is repeated
        until there are ``count``.
        """
        padded = [np.pad(row, ((0, self.count - len(row)), (0, 0)), mode="edge") for row in rows]
        made: Arrays = {self.name: np.stack(padded).astype(np.float32)}
        if self.labels_name:
            made[self.labels_name] = np.full((len(rows), self.count), FOREGROUND, np.int64)
        return made

    def example(self, batch: int, size: tuple[int, int]) -> Arrays:
        """Return tensors of prompts in the middle of an input of *size* (height, width)."""
        height, width = size
        box = np.array([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]])
        return self.tensors([box if self.kind == "box" else box[:, 2:] - box[:, :2]] * batch)

    def mapped(self, values: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
        """Return prompts (P, 4) or (P, 2), in pixels of the image, in pixels of the input."""
        scale = np.array([geometry.scale_x, geometry.scale_y])
        offset = np.array([geometry.offset_x, geometry.offset_y])
        pairs: NDArray[np.float64] = values.reshape(len(values), -1, 2) * scale + offset
        return pairs.reshape(values.shape)

    def describe(self) -> str:
        """Return the protocol card's words."""
        what = {
            "box": "each annotation's box (x1, y1, x2, y2)",
            "point": "the pixel of each annotation's mask that is farthest from the mask's outside"
            " and from the image's border (the first by rows; of an empty mask the middle of its"
            " box), by its indices x, y, labelled 1",
        }
        return (
            f"{what[self.kind]}, × scale + offset of the input; crowds are not prompted;"
            f" {self.count} a row: images with more are fed several times, rows with fewer are"
            " filled by repeating the last"
        )


class Texts(Record):
    """Sentences about the model's classes, as token ids: the same for every image."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("tokenizers",),)
    extra: ClassVar[str] = "text"

    tokenizer: Path
    """A Hugging Face ``tokenizer.json``."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Digest (hex) that this file must have; filled in if it is not given."""
    templates: tuple[str, ...] = Field(("a photo of a {}.",), min_length=1)
    """Sentences, ``{}`` standing for the class's name; with several the model averages them."""
    length: int = Field(77, ge=1, le=65_536)
    """Tokens a sentence, padding included; a longer one is refused."""
    pad: str | None = None
    """Token that fills a sentence up; None: the one that the file says."""
    name: TensorName = "input_ids"
    """The model's input (classes × templates, length) for token ids; templates run fastest."""
    mask_name: TensorName | None = "attention_mask"
    """The model's input of that shape that is 1 for tokens, 0 for padding; None: it has none."""
    dtype: Literal["int64", "int32"] = "int64"
    """Element type of both."""

    @field_validator("templates")
    @classmethod
    def _one_gap_each(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for one in templates:
            if one.count("{}") != 1:
                raise ValueError(f"a template must hold one {{}}, not as in '{one}'")
        return templates

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, data: Any) -> Any:
        """Fill in the digest, so that what depends on the file's content has another identity."""
        if not isinstance(data, Mapping) or not isinstance(data.get("tokenizer"), str | Path):
            return data
        path, wanted = Path(data["tokenizer"]), data.get("sha256")
        try:
            found = sha256_file(path)
        except OSError as error:
            raise ValueError(f"the tokenizer cannot be read: {error}") from None
        if wanted not in (None, found):
            raise ValueError(f"the SHA-256 of {path} is {found}, not {wanted}")
        return {**data, "sha256": found}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors, in the order in which the model takes them."""
        return (self.name, *([self.mask_name] if self.mask_name else []))

    def tensors(self, classes: Sequence[str]) -> Arrays:
        """Return the tensors, (classes × templates, length).

        Raises :class:`~benchbench.errors.ModelError` for a tokenizer that cannot be used or a
        sentence that is too long, :class:`~benchbench.errors.MissingDependency` without the
        library.
        """
        sentences = [
            template.replace("{}", name) for name in classes for template in self.templates
        ]
        coder = self._coder()
        coded = coder.encode_batch(sentences)
        self._check_lengths(sentences, coded)
        made: Arrays = {self.name: np.array([one.ids for one in coded], self.dtype)}
        if self.mask_name:
            made[self.mask_name] = np.array([one.attention_mask for one in coded], self.dtype)
        return made

    def _coder(self) -> Any:
        """Return the tokenizer, set to pad and never to cut."""
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingDependency("tokenizers", self.extra) from error
        try:
            coder = Tokenizer.from_file(str(self.tokenizer))
        except Exception as error:  # the library raises Exception itself
            raise ModelError(
                f"{self.tokenizer}: not a usable tokenizer: {error}",
                hint="give the file 'tokenizer.json' that Hugging Face's tokenizers write",
            ) from error
        coder.no_truncation()
        coder.enable_padding(**self._padding(coder), length=self.length)
        return coder

    def _padding(self, coder: Any) -> dict[str, Any]:
        if self.pad is None and coder.padding:
            return {key: coder.padding[key] for key in ("pad_id", "pad_token", "direction")}
        number = None if self.pad is None else coder.token_to_id(self.pad)
        if number is None:
            what = "says no padding" if self.pad is None else f"has no token '{self.pad}'"
            raise ModelError(
                f"{self.tokenizer}: the tokenizer {what}",
                hint="name the token that fills short texts up: texts: {pad: ...}",
            )
        return {"pad_id": number, "pad_token": self.pad}

    def _check_lengths(self, sentences: Sequence[str], coded: Sequence[Any]) -> None:
        worst = max(range(len(coded)), key=lambda index: len(coded[index].ids), default=None)
        if worst is not None and len(coded[worst].ids) > self.length:
            raise ModelError(
                f"the text '{sentences[worst][:100]}' has {len(coded[worst].ids)} tokens, more than"
                f" the length of {self.length}",
                hint="shorten the template or the class's name, or raise 'texts: {length: ...}' if"
                " the model takes more",
            )

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        shown = "; ".join(f"'{one}'" for one in self.templates)
        filled = "as the file says" if self.pad is None else f"with '{self.pad}'"
        try:
            version = importlib.metadata.version("tokenizers")
        except importlib.metadata.PackageNotFoundError:
            version = "(not installed)"
        return {
            "texts": f"of each class: {shown}; fed and encoded anew with every query",
            "tokens": f"tokenizers {version}, {self.tokenizer.name} (SHA-256"
            f" {str(self.sha256)[:12]}…), {self.length} a text, filled up {filled}",
        }
