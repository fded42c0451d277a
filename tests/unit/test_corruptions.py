"""Corruptions: repeatable, worse with severity, and every object stays where it is."""

from __future__ import annotations

import sys
import typing

import numpy as np
import pytest
from pydantic import ValidationError

from benchbench.corruptions import Corruption, CorruptionName, image_seed
from benchbench.errors import MissingDependency

NAMES = typing.get_args(CorruptionName)
DRAWN = {"gaussian_noise", "shot_noise", "motion_blur", "fog"}
SIZES = [(96, 128), (33, 200), (28, 28), (1, 1)]


@pytest.fixture(scope="module")
def library() -> None:
    pytest.importorskip("imagecorruptions")


@pytest.fixture(scope="module")
def photo(library: None) -> np.ndarray:
    """Return an image with the spectrum of photographs, (96, 128, 3)."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(128)[None])
    frequency[0, 0] = 1
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(96, 128))) / frequency) for _ in range(3)]
    mixed = np.stack(planes, axis=-1) + 2 * np.mean(planes, axis=0)[..., None]
    return np.clip(118 + 45 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


@pytest.mark.parametrize("name", NAMES)
def test_each_severity_is_further_from_the_image(name: str, photo: np.ndarray) -> None:
    levels = [
        psnr_db(Corruption(name=name, severity=severity).apply(photo, 7), photo)
        for severity in range(1, 6)
    ]
    assert (np.diff(levels) < 0).all(), levels
    assert levels[0] < 30


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_image_alone_decide(name: str, photo: np.ndarray) -> None:
    corruption = Corruption(name=name, severity=3, seed=5)
    first = corruption.apply(photo, 7)
    np.random.random(3)
    assert np.array_equal(corruption.apply(photo, 7), first)
    same = np.array_equal(corruption.apply(photo, 8), first)
    assert same == (name not in DRAWN)
    other = Corruption(name=name, severity=3, seed=6).apply(photo, 7)
    assert np.array_equal(other, first) == (name not in DRAWN)


def test_numpys_global_generator_is_left_as_it_was(photo: np.ndarray) -> None:
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    Corruption(name="gaussian_noise", severity=1).apply(photo, 0)
    assert np.random.random() == expected


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_type_stay_and_the_image_is_not_written_to(name: str, photo: np.ndarray) -> None:
    for height, width in SIZES:
        pixels = np.resize(photo, (height, width, 3))
        pixels.flags.writeable = False
        for color, given in (("RGB", pixels), ("grey", pixels[..., 0])):
            found = Corruption(name=name, severity=5).apply(given, 1, color)
            assert (found.shape, found.dtype) == (given.shape, np.uint8), (color, height)
            assert found.flags.c_contiguous


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_channels_makes_no_difference(name: str, photo: np.ndarray) -> None:
    corruption = Corruption(name=name, severity=2)
    swapped = corruption.apply(photo[..., ::-1], 1, "BGR")
    assert np.array_equal(swapped[..., ::-1], corruption.apply(photo, 1))


@pytest.mark.usefixtures("library")
def test_grey_images_get_the_noise_that_was_asked_for() -> None:
    grey = np.full((200, 200), 128, np.uint8)
    noise = Corruption(name="gaussian_noise", severity=1).apply(grey, 0, "grey").astype(float)
    assert noise.std() == pytest.approx(0.08 * 255, rel=0.03)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "name", ["defocus_blur", "brightness", "contrast", "jpeg_compression", "pixelate"]
)
def test_an_object_stays_where_it_is(name: str) -> None:
    pixels = np.full((120, 120, 3), 40, np.uint8)
    pixels[48:72, 60:84] = 200
    found = Corruption(name=name, severity=5).apply(pixels, 0).astype(float).mean(axis=-1)
    weight = np.clip(found - np.median(found) - 4, 0, None)
    centre = [(axis * weight).sum() / weight.sum() for axis in np.indices(weight.shape)]
    assert centre == pytest.approx([59.5, 71.5], abs=1)


def test_seeds_of_images_do_not_depend_on_their_order() -> None:
    seeds = [image_seed(0, i) for i in range(1000)]
    assert len(set(seeds)) == 1000
    assert image_seed(1, 0) not in seeds
    assert 0 <= min(seeds) <= max(seeds) < 1 << 32


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "fog", "severity": 0},
        {"name": "fog", "severity": 6},
        {"name": "hail", "severity": 1},
    ],
)
def test_unknown_names_and_severities_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Corruption.model_validate(fields)


def test_without_the_library_the_error_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(MissingDependency) as caught:
        Corruption(name="fog", severity=1).apply(np.zeros((40, 40, 3), np.uint8), 0)
    assert "imagecorruptions-imaug" in caught.value.message
    assert caught.value.hint == "pip install 'benchbench[corruptions]'"


@pytest.mark.usefixtures("library")
def test_the_protocol_card_names_the_corruption_and_the_library() -> None:
    card = Corruption(name="fog", severity=3, seed=2).describe()
    assert (card["name"], card["severity"], card["seed"]) == ("fog", 3, 2)
    assert "imagecorruptions-imaug 1." in card["done"]
