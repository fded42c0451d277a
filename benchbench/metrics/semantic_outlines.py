"""The options for figures about outlines, and those figures for one image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.metrics.semantic_maps import Maps
from benchbench.metrics.semantic_tally import Areas, Rules
from benchbench.metrics.surface import Hd95Rule, Mask, Surfaces, boundary_f1
from benchbench.types import Record

Values = NDArray[np.float64]
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_HD95 = {
    "max": "the larger of the two directions' 95th percentiles",
    "mean": "mean of the two directions' 95th percentiles",
    "pooled": "95th percentile of both directions' distances together",
}


class OutlineOptions(Record):
    """Which figures about outlines are formed, and how."""

    boundary: bool = False
    """Whether ``boundary_f1`` is formed; it costs some milliseconds an image and class."""
    boundary_tolerance: float = Field(default=0.008, ge=0, allow_inf_nan=False)
    """How far apart outlines may be for ``boundary_f1``."""
    boundary_unit: Literal["diagonal", "pixels"] = "diagonal"
    """Unit of that tolerance: shares of the map's diagonal, rounded up to a pixel, or pixels."""
    surface: bool = False
    """Whether HD95, ASSD and normalised surface Dice are formed; they cost as much."""
    hd95: Hd95Rule = "max"
    """Which 95 % Hausdorff distance: of the two directed percentiles, or of all distances."""
    surface_tolerance: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How far apart outlines may be for ``nsd``: pixels, or mm with ``spacing_mm``."""
    spacing_mm: tuple[Millimetres, Millimetres] | None = None
    """Distance of two rows and of two columns of the image; distances are then in mm."""

    @property
    def outline_names(self) -> tuple[str, ...]:
        """The figures asked for; a distance's name carries its unit."""
        unit = "px" if self.spacing_mm is None else "mm"
        surface = (f"hd95_{unit}", f"assd_{unit}", "nsd") if self.surface else ()
        return (*(("boundary_f1",) if self.boundary else ()), *surface)

    def outline_values(
        self, maps: Maps, found: Areas, foreground: NDArray[np.bool_], rules: Rules
    ) -> dict[str, Values]:
        """Return (K,) values of each figure for one image, NaN where it is absent.

        *found* holds the image's pixels by class, (1, K). Surfaces are those of the *foreground*.
        """
        pixels = found.truth[0] + found.predicted[0]
        values = {name: np.full(len(pixels), np.nan) for name in self.outline_names}
        for index in np.flatnonzero(pixels) if values else ():
            truth, predicted = maps.masks(int(index))
            if self.boundary:
                tolerance = self._tolerance_px(truth.shape)
                values["boundary_f1"][index] = boundary_f1(truth, predicted, tolerance)
            if self.surface and foreground[index]:
                self._fill_surface(values, int(index), self._surfaces(maps, truth, predicted))
        if self.boundary:
            values["boundary_f1"] = rules.applied(values["boundary_f1"][None], found)[0]
        return values

    def _tolerance_px(self, shape: tuple[int, ...]) -> float:
        if self.boundary_unit == "pixels":
            return self.boundary_tolerance
        return math.ceil(self.boundary_tolerance * math.hypot(*shape))

    def _surfaces(self, maps: Maps, truth: Mask, predicted: Mask) -> Surfaces | None:
        spacing = (1.0, 1.0)
        if self.spacing_mm is not None:
            rows, columns = (a / b for a, b in zip(maps.image_shape, truth.shape, strict=True))
            spacing = (self.spacing_mm[0] * rows, self.spacing_mm[1] * columns)
        return Surfaces.between(truth, predicted, spacing)

    def _fill_surface(
        self, values: Mapping[str, Values], index: int, surfaces: Surfaces | None
    ) -> None:
        names = self.outline_names[-3:]
        figures = (np.nan, np.nan, 0.0)  # of two masks only one is empty: nothing is near
        if surfaces is not None:
            figures = (
                surfaces.hd95(self.hd95),
                surfaces.assd(),
                surfaces.nsd(self.surface_tolerance),
            )
        for name, figure in zip(names, figures, strict=True):
            values[name][index] = figure

    def outline_convention(self) -> dict[str, str]:
        """Return the sentences that make these figures comparable."""
        said = {}
        if self.boundary:
            share = f"{self.boundary_tolerance:g} of the map's diagonal, rounded up to a pixel"
            said["boundary_f1"] = (
                "F-score of DAVIS outlines within "
                + (share if self.boundary_unit == "diagonal" else f"{self.boundary_tolerance:g} px")
                + "; per image: mean over classes, then over the images"
            )
        if self.surface:
            said |= self._surface_convention()
        return said

    def _surface_convention(self) -> dict[str, str]:
        hd95, assd, nsd = self.outline_names[-3:]
        unit = "pixels of the scored map"
        if self.spacing_mm is not None:
            unit = f"mm; pixel spacing {self.spacing_mm[0]:g} × {self.spacing_mm[1]:g} mm"
        return {
            hd95: f"{_HD95[self.hd95]} (linear interpolation), in {unit}",
            assd: f"mean distance over both outlines' pixels, in {unit}",
            nsd: f"share of both outlines' pixels within {self.surface_tolerance:g}"
            f" {'px' if self.spacing_mm is None else 'mm'}",
            "surface": "foreground masks without their erosion by a cross, the frame being outside;"
            " per image: mean over classes, then over the images",
            "surface_empty": "distances absent where truth or prediction is empty, nsd 0 where one"
            " is, absent where both are",
        }
