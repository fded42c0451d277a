"""Semantic segmentation as folders of images and of masks: Cityscapes, CamVid, COCO-stuff."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchbench.datasets.described import chosen
from benchbench.datasets.draft import IMAGE_SUFFIXES, Draft, Frame, opened
from benchbench.datasets.imported import Imported, files_below, stamps
from benchbench.datasets.label_maps import indexed, regions
from benchbench.errors import DatasetError
from benchbench.types import Record

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
Index = Annotated[int, Field(ge=0, le=65535)]
Value = Index | Colour


class MaskSplit(Record):
    """Folders of one split, relative to the dataset's root."""

    images: Path
    """Folder of the images; folders below it are searched too."""
    masks: Path
    """Folder of the masks, arranged as the images are."""


class MaskFolder(Imported):
    """Imports images and their label maps."""

    format_name: ClassVar[str] = "mask-folder"
    dense: ClassVar[bool] = True

    files: Annotated[dict[str, MaskSplit], Field(min_length=1)]
    """Split name → its folders."""
    classes: Annotated[dict[str, list[Value] | Value], Field(min_length=1)]
    """Class → its value in the masks, or several: indices, or colours such as "#804080"."""
    ignore: list[Value] = [255]
    """Values of pixels that belong to no class; for colours usually ["#000000"]."""
    unlisted: Literal["error", "ignore"] = "error"
    """What becomes of a value that neither ``classes`` nor ``ignore`` names."""
    image_suffix: str = ""
    """What image names end in beside what they share with the mask; "" for any extension."""
    mask_suffix: str = ".png"
    """What stands in a mask's name in place of it."""

    @model_validator(mode="after")
    def _one_meaning(self) -> MaskFolder:
        values = [value for _, several in self._listed() for value in several]
        if len({type(value) for value in values}) > 1:
            raise ValueError("classes: values are either all indices or all colours")
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ValueError(f"classes: the value {min(twice, key=str)} stands for two classes")
        return self

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, in the order given."""
        return tuple(self.files)

    def images_folder(self, split: str) -> Path | None:
        """Return the folder of the images."""
        return self.root / self._split(split).images

    def inputs(self, split: str) -> Any:
        """Return what the files are."""
        pairs = self._pairs(split)
        return [stamps(images) for images in zip(*pairs, strict=True)]

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each mask into one annotation a class."""
        folder = self.root / self._split(split).images
        draft.categories(list(self.classes))
        table = self._table()
        for image, mask in self._pairs(split):
            frame = draft.image(image, image.relative_to(folder).as_posix())
            labels = self._read(mask, frame)
            self._annotate(draft, frame, mask, labels, table)

    def _annotate(
        self,
        draft: Draft,
        frame: Frame,
        mask: Path,
        labels: NDArray[np.integer],
        table: NDArray[np.int32],
    ) -> None:
        classes = table[labels]
        if self.unlisted == "error" and classes.min() < 0:
            raise self._unknown(mask, np.unique(labels[classes < 0]).tolist())
        for region in regions(np.maximum(classes, 0)):
            if not region.value:
                draft.notes["void_pixels"] += region.area
                continue
            draft.annotation(
                frame,
                region.value,
                bbox=region.bbox,
                area=region.area,
                iscrowd=0,
                segmentation=region.segmentation,
            )

    def _unknown(self, mask: Path, values: list[int]) -> DatasetError:
        shown = [f"#{v:06x}" if self._colours else str(v) for v in values[:5]]
        more = ", …" if len(values) > 5 else ""
        return DatasetError(
            f"{mask}: the values {', '.join(shown)}{more} are neither in 'classes' nor in 'ignore'",
            hint="name them in 'classes' or 'ignore', or set 'unlisted: ignore'",
        )

    @property
    def _colours(self) -> bool:
        return isinstance(self._listed()[0][1][0], str)

    def _listed(self) -> list[tuple[str, list[Value]]]:
        return [
            (name, values if isinstance(values, list) else [values])
            for name, values in self.classes.items()
        ]

    def _table(self) -> NDArray[np.int32]:
        """Return the category id of each mask value; 0 for what is ignored, -1 for the unlisted."""
        colours = self._colours
        table = np.full(1 << 24 if colours else 1 << 16, -1, np.int32)
        table[[_number(value) for value in self.ignore if isinstance(value, str) == colours]] = 0
        for identity, (_, values) in enumerate(self._listed(), 1):
            table[[_number(value) for value in values]] = identity
        return table

    def _read(self, path: Path, frame: Frame) -> NDArray[np.integer]:
        with opened(path) as mask:
            if mask.size != (frame.width, frame.height):
                raise DatasetError(
                    f"{path}: the mask has {mask.width} × {mask.height} pixels (width × height),"
                    f" its image {frame.width} × {frame.height}",
                    hint="masks must be of the stored image's size",
                )
            if self._colours:
                return indexed(np.asarray(mask.convert("RGB")))
            if mask.mode in ("RGB", "RGBA", "CMYK", "F", "LA"):
                raise DatasetError(
                    f"{path}: the mask holds colours (Pillow mode {mask.mode}), not indices",
                    hint="give colours in 'classes', such as {road: \"#804080\"}",
                )
            labels = np.asarray(mask).astype(np.int64)
        if labels.min() < 0 or labels.max() > 65535:
            raise self._unknown(path, [int(labels.min()), int(labels.max())])
        return labels

    def _split(self, split: str) -> MaskSplit:
        found: MaskSplit = chosen(self.files, split, self.root)
        return found

    def _pairs(self, split: str) -> list[tuple[Path, Path]]:
        spec = self._split(split)
        images, masks = self.root / spec.images, self.root / spec.masks
        suffixes = (self.image_suffix.lower(),) if self.image_suffix else IMAGE_SUFFIXES
        found = [path for path in files_below(images, suffixes) if self._is_image(path)]
        if not found:
            raise DatasetError(
                f"no image below {images} ends in '{self.image_suffix or '.png, .jpg, …'}'",
                hint="check 'images' and 'image_suffix'",
            )
        return [(path, masks / self._mask_name(path.relative_to(images))) for path in found]

    def _is_image(self, path: Path) -> bool:
        """Return whether *path* is not itself a mask that lies among the images."""
        ending = self.mask_suffix
        return self.image_suffix != "" or ending in IMAGE_SUFFIXES or not path.name.endswith(ending)

    def _mask_name(self, image: Path) -> Path:
        stem = image.name[: -len(self.image_suffix)] if self.image_suffix else image.stem
        return image.with_name(stem + self.mask_suffix)


def _number(value: Value) -> int:
    return int(value[1:], 16) if isinstance(value, str) else value
