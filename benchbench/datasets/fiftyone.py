"""FiftyOne's own export format (``FiftyOneDataset``), read without FiftyOne and its database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.datasets.coco_file import is_coordinate, shown
from benchbench.datasets.coco_folder import escapes
from benchbench.datasets.described import chosen, known_splits
from benchbench.datasets.draft import Draft, Frame, read_text
from benchbench.datasets.imported import Imported, stamps
from benchbench.errors import DatasetError, Place

MAX_BYTES = 1 << 30
_KINDS = ("Classification", "Detections")


class FiftyOne(Imported):
    """Imports what ``dataset.export(dataset_type=fo.types.FiftyOneDataset)`` wrote.

    Classifications and boxes; masks are not read.
    """

    format_name: ClassVar[str] = "fiftyone"

    field: str = "ground_truth"
    """Field of the samples that holds the truth."""
    tags: dict[str, str] | None = None
    """Split name → the tag of its samples; by default ``train``, ``validation`` (``val``) …"""
    names: list[str] | None = None
    """Class names; by default the dataset's own, or all labels of the field by alphabet."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return tuple(self._tags(self._samples()))

    def images_folder(self, split: str) -> Path | None:
        """Return the root: file names are relative to it."""
        del split
        return self.root

    def inputs(self, split: str) -> Any:
        """Return what the two files are, and that the split is known."""
        del split
        return stamps(self.root / name for name in ("samples.json", "metadata.json"))

    def convert(self, split: str, draft: Draft) -> None:
        """Turn each sample that has the split's tag into an image with its labels."""
        samples = self._samples()
        tag = chosen(self._tags(samples), split, self.root)
        labels = [(sample, self._labels(index, sample)) for index, sample in enumerate(samples)]
        ids = draft.categories(self._names(found for _, several in labels for found in several))
        for index, (sample, several) in enumerate(labels):
            if tag in _tags_of(sample):
                frame = self._frame(draft, index, sample)
                for label in several:
                    self._add(draft, frame, ids, label, index)

    def _add(
        self, draft: Draft, frame: Frame, ids: Mapping[str, int], label: Any, index: int
    ) -> None:
        name = label.get("label")
        if not isinstance(name, str) or name not in ids:
            raise self._fault(index, f"the label {shown(name)} is not among the classes")
        box = label.get("bounding_box")
        if label.get("_cls") == "Classification":
            draft.annotation(frame, ids[name], area=0, iscrowd=0)
            return
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_coordinate, box)):
            raise self._fault(index, f"'bounding_box' is {shown(box)}, not four finite numbers")
        sides = (frame.width, frame.height, frame.width, frame.height)
        pixels = [value * side for value, side in zip(box, sides, strict=True)]
        if min(pixels[2:]) < 0:
            raise self._fault(index, f"'bounding_box' {shown(box)} has a negative size")
        crowd = int(bool(label.get("iscrowd")))
        draft.annotation(frame, ids[name], bbox=pixels, area=pixels[2] * pixels[3], iscrowd=crowd)

    def _frame(self, draft: Draft, index: int, sample: Mapping[str, Any]) -> Frame:
        name = sample.get("filepath")
        if not isinstance(name, str) or not name or escapes(name):
            raise self._fault(
                index,
                f"'filepath' {shown(name)} is no path below the export",
                "export with the media, so that paths are relative",
            )
        return draft.image(self.root / name, name)

    def _labels(self, index: int, sample: Mapping[str, Any]) -> list[dict[str, Any]]:
        value = sample.get(self.field)
        if value is None:
            return []
        kind = value.get("_cls") if isinstance(value, dict) else None
        if kind not in _KINDS:
            raise self._fault(
                index,
                f"the field '{self.field}' holds {shown(kind)}",
                f"it must be one of {', '.join(_KINDS)}; name another with 'field'",
            )
        several = value.get("detections") if kind == "Detections" else [value]
        if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
            raise self._fault(index, "'detections' is not a list of objects")
        return several

    def _names(self, labels: Any) -> list[str]:
        if self.names is not None:
            return self.names
        metadata = self._json("metadata.json")
        classes = metadata.get("classes")
        own = classes.get(self.field) if isinstance(classes, dict) else None
        names = own or metadata.get("default_classes")
        if isinstance(names, list) and all(isinstance(name, str) for name in names) and names:
            return names
        return sorted({str(label.get("label")) for label in labels})

    def _tags(self, samples: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        if self.tags is not None:
            return self.tags
        return known_splits(tag for sample in samples for tag in _tags_of(sample))

    def _samples(self) -> list[dict[str, Any]]:
        samples = self._json("samples.json").get("samples")
        if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
            raise self._fault(None, "'samples' is not a list of objects")
        return samples

    def _json(self, name: str) -> dict[str, Any]:
        path = self.root / name
        text = read_text(path, MAX_BYTES)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._fault(None, f"{name} is not usable JSON: {error}") from None
        if not isinstance(body, dict):
            raise self._fault(None, f"{name} does not hold an object")
        return body

    def _fault(
        self, index: int | None, what: str, hint: str = "export the dataset again"
    ) -> DatasetError:
        where = "" if index is None else f"samples[{index}]: "
        return DatasetError(where + what, hint=hint, place=Place(str(self.root / "samples.json")))


def _tags_of(sample: Mapping[str, Any]) -> list[str]:
    tags = sample.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
