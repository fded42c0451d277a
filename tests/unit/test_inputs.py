import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.errors import ImageError, MissingDependency
from benchbench.inputs import CenterCrop, InputContract, Letterbox, read_image
from benchbench.types import Geometry, Image

GRADIENT = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


def record(path: Path, width: int = 6, height: int = 4) -> Image:
    return Image(id=5, file_name=path.name, path=path, width=width, height=height)


def png_of(path: Path, width: int, height: int) -> Path:
    """Write a PNG whose header promises more than it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


# --- reading -----------------------------------------------------------------------------


def test_channels_come_in_the_order_asked_for(tmp_path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(GRADIENT).save(path)
    assert np.array_equal(read_image(record(path), "RGB"), GRADIENT)
    assert np.array_equal(read_image(record(path), "BGR"), GRADIENT[..., ::-1])
    grey = read_image(record(path), "grey")
    luma = GRADIENT @ np.array([0.299, 0.587, 0.114])
    assert grey.shape == (4, 6)
    assert np.abs(grey - luma).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_every_eight_bit_mode_becomes_three_channels_or_one(tmp_path, mode) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    PIL.Image.fromarray(GRADIENT).convert(mode).save(path)
    for color, shape in (("RGB", (4, 6, 3)), ("grey", (4, 6))):
        pixels = read_image(record(path), color)
        assert pixels.dtype == np.uint8
        assert pixels.shape == shape


def test_transparency_is_dropped_and_not_blended(tmp_path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.dstack([GRADIENT, np.zeros((4, 6), np.uint8)])).save(path)
    assert np.array_equal(read_image(record(path), "RGB"), GRADIENT)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_samples_keep_their_upper_byte(tmp_path, suffix) -> None:
    path = tmp_path / f"a.{suffix}"
    samples = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)
    PIL.Image.fromarray(samples).save(path)
    assert np.array_equal(read_image(record(path), "grey"), samples >> 8)
    assert np.array_equal(read_image(record(path), "BGR")[..., 1], samples >> 8)


def test_samples_without_a_defined_range_are_refused(tmp_path) -> None:
    path = tmp_path / "a.tif"
    PIL.Image.fromarray(np.ones((4, 6), np.float32)).save(path)
    with pytest.raises(ImageError, match=r"a\.tif: samples of 32 bits"):
        read_image(record(path), "RGB")


def test_exif_orientation_is_not_applied(tmp_path) -> None:
    path = tmp_path / "a.png"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(GRADIENT).save(path, exif=exif)
    assert np.array_equal(read_image(record(path), "RGB"), GRADIENT)


def test_a_size_unlike_the_annotated_one_names_both(tmp_path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(GRADIENT).save(path)
    with pytest.raises(ImageError, match=r"6 × 4 .* image 5 say 4 × 6") as caught:
        read_image(record(path, 4, 6), "RGB")
    assert "a.png" in str(caught.value)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: the file of image 5 does not exist"):
        read_image(record(tmp_path / "gone.png"), "RGB")


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"not an image at all", b"\x89PNG\r\n\x1a\n\0\0\0", b"%!PS-Adobe-3.0"],
)
def test_what_is_no_image_is_refused_by_name(tmp_path, content) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png: cannot decode image 5") as caught:
        read_image(record(path), "RGB")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.gif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused_by_name(tmp_path, name, share) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError, match=f"{name}: cannot decode image 5"):
        read_image(record(path, 64, 64), "RGB")


@pytest.mark.parametrize(("width", "height"), [(100_000, 10_000), (12_000, 10_000)])
def test_a_bomb_is_refused_from_its_header(tmp_path, width, height) -> None:
    path = png_of(tmp_path / "bomb.png", width, height)
    with pytest.raises(ImageError, match=r"bomb\.png: .*not decoded") as caught:
        read_image(record(path, width, height), "RGB")
    assert str(width * height) in str(caught.value)


def test_the_limit_on_pixels_can_be_lowered(tmp_path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(GRADIENT).save(path)
    assert read_image(record(path), "RGB", max_pixels=24).shape == (4, 6, 3)
    with pytest.raises(ImageError, match="more than the limit of 23"):
        read_image(record(path), "RGB", max_pixels=23)


# --- the contract ------------------------------------------------------------------------


def contract(**options) -> InputContract:
    return InputContract.model_validate({"size": (8, 8), "color": "RGB"} | options)


def test_a_resize_may_be_given_by_name_and_a_scale_as_a_fraction() -> None:
    short = contract(resize="letterbox", scale="1/255")
    long = contract(resize={"kind": "letterbox", "pad": 114}, scale=1 / 255)
    assert short == long
    assert InputContract.model_validate(short.model_dump(mode="json")) == short


def test_the_schema_allows_both_ways_of_writing() -> None:
    fields = InputContract.model_json_schema()["properties"]
    assert fields["resize"]["anyOf"][1] == {"enum": ["stretch", "letterbox"]}
    assert {choice["type"] for choice in fields["scale"]["anyOf"]} == {"number", "string"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "rgb"}, "'RGB', 'BGR' or 'grey'"),
        ({"size": (0, 8)}, "greater than 0"),
        ({"size": (8, 20_000)}, "less than or equal to 16384"),
        ({"scale": "1/0"}, "divides by zero"),
        ({"scale": "1:255"}, "valid number"),
        ({"scale": 0}, "greater than 0"),
        ({"scale": float("nan")}, "finite"),
        ({"mean": (1, 2)}, "mean has 2 values; RGB takes 1 or 3"),
        ({"color": "grey", "mean": (1, 2, 3)}, "mean has 3 values; grey takes 1"),
        ({"std": (1, 0, 1)}, "std must be above 0"),
        ({"std": float("inf")}, "finite"),
        ({"dtype": "uint8", "scale": "1/255"}, "uint8 takes neither"),
        ({"dtype": "uint8", "mean": 1}, "uint8 takes neither"),
        ({"dtype": "uint8", "resize": {"kind": "letterbox", "pad": 0.5}}, "pad of 0…255"),
        ({"resize": "center-crop"}, "shorter"),
        ({"resize": {"kind": "center-crop", "shorter": 7}}, "less than the crop's side"),
        ({"resize": {"kind": "letterbox", "padding": 1}}, "Extra inputs"),
        ({"resize": "squash"}, "does not match any of the expected tags"),
    ],
)
def test_a_contract_that_cannot_be_met_is_refused(options, message) -> None:
    with pytest.raises(ValidationError, match=message):
        contract(**options)


def test_values_follow_the_formula_in_the_declared_order() -> None:
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    made = contract(size=(4, 6), scale="1/255", mean=mean, std=std)
    tensor, _ = made.prepare(GRADIENT)
    expected = (GRADIENT / 255 - mean) / std
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor.shape == made.shape(1)[1:] == (3, 4, 6)
    np.testing.assert_allclose(tensor, expected.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_the_other_layout_holds_the_same_values() -> None:
    options = {"scale": "1/255", "mean": 0.5, "resize": "letterbox"}
    planes, one = contract(**options).prepare(GRADIENT)
    pixels, two = contract(**options, layout="NHWC").prepare(GRADIENT)
    assert contract(layout="NHWC").shape(2) == (2, 8, 8, 3)
    assert pixels.flags.c_contiguous
    assert np.array_equal(planes, pixels.transpose(2, 0, 1))
    assert one == two


def test_bytes_pass_unchanged_and_the_source_is_not_written_to() -> None:
    pixels = GRADIENT.copy()
    pixels.flags.writeable = False
    tensor, _ = contract(size=(4, 6), dtype="uint8").prepare(pixels)
    assert tensor.dtype == np.uint8
    assert np.array_equal(tensor.transpose(1, 2, 0), GRADIENT)
    assert tensor.flags.writeable


def test_grey_has_one_channel() -> None:
    tensor, _ = contract(size=(4, 6), color="grey", mean=3.0).prepare(GRADIENT[..., 0])
    assert tensor.shape == (1, 4, 6)
    assert np.array_equal(tensor[0], GRADIENT[..., 0].astype(np.float32) - 3)


def test_letterbox_pads_with_a_pixel_value_that_is_normalised_too() -> None:
    made = contract(resize={"kind": "letterbox", "pad": 114}, scale=0.5, mean=7)
    tensor, geometry = made.prepare(np.full((4, 6, 3), 200, np.uint8))
    assert geometry == Geometry(6, 4, 8, 8, 8 / 6, 5 / 4, 0.0, 1.0)
    assert np.array_equal(tensor[0, :, 0], [50, 93, 93, 93, 93, 93, 50, 50])


@pytest.mark.parametrize(
    ("options", "image", "placed"),
    [
        ({}, (640, 480), (320, 240, 0, 40)),
        ({}, (480, 640), (240, 320, 40, 0)),
        ({}, (427, 640), (214, 320, 53, 0)),
        ({"rounding": "floor"}, (427, 640), (213, 320, 53, 0)),
        ({}, (640, 449), (320, 225, 0, 47)),
        ({"rounding": "even"}, (640, 449), (320, 224, 0, 48)),
        ({"rounding": "even"}, (640, 451), (320, 226, 0, 47)),
        ({"rounding": "even"}, (427, 640), (214, 320, 53, 0)),
        ({"rounding": "ceil"}, (640, 449), (320, 225, 0, 47)),
        ({"rounding": "ceil"}, (640, 450), (320, 225, 0, 47)),
        ({"rounding": "ceil"}, (1000, 701), (320, 225, 0, 47)),
        ({"align": "top-left"}, (427, 640), (214, 320, 0, 0)),
        ({}, (100, 50), (320, 160, 0, 80)),
        ({"upscale": False}, (100, 50), (100, 50, 110, 135)),
        ({"upscale": False}, (640, 50), (320, 25, 0, 147)),
        ({}, (10_000, 1), (320, 1, 0, 159)),
    ],
)
def test_letterbox_places_images_by_whole_number_arithmetic(options, image, placed) -> None:
    found = Letterbox(**options).place(image, (320, 320))
    assert (found.width, found.height, found.left, found.top) == placed


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_letterbox_always_fills_one_side_and_never_overflows(width, height) -> None:
    for rounding in ("round", "even", "floor", "ceil"):
        found = Letterbox(rounding=rounding).place((width, height), (320, 256))
        assert found.width == 320 or found.height == 256
        assert 1 <= found.width <= 320
        assert 1 <= found.height <= 256


def test_center_crop_agrees_with_torchvision() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    noise = np.random.default_rng(1).integers(0, 256, (37, 61, 3), dtype=np.uint8)
    chain = transforms.Compose([transforms.Resize(20), transforms.CenterCrop(15)])
    made = contract(size=(15, 15), resize={"kind": "center-crop", "shorter": 20}, dtype="uint8")
    tensor, geometry = made.prepare(noise)
    assert np.array_equal(tensor.transpose(1, 2, 0), np.asarray(chain(PIL.Image.fromarray(noise))))
    assert (geometry.offset_x, geometry.offset_y) == (-round((32 - 15) / 2), -2.0)


def test_a_crop_is_placed_left_and_above_the_input() -> None:
    found = CenterCrop(shorter=256).place((640, 480), (224, 224))
    assert (found.width, found.height, found.left, found.top) == (341, 256, -58, -16)


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic", "area", "lanczos"])
@pytest.mark.parametrize("color", ["RGB", "grey"])
def test_opencv_resizes_as_the_filter_says(how, color) -> None:
    cv2 = pytest.importorskip("cv2")
    flags = {"bilinear": "LINEAR", "bicubic": "CUBIC", "lanczos": "LANCZOS4"}
    flag = getattr(cv2, f"INTER_{flags.get(how, how.upper())}")
    noise = np.random.default_rng(2).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    pixels = noise if color == "RGB" else noise[..., 0].copy()
    resize = {"kind": "stretch", "filter": how, "library": "opencv"}
    tensor, _ = contract(size=(16, 16), color=color, dtype="uint8", resize=resize).prepare(pixels)
    expected = cv2.resize(pixels, (16, 16), interpolation=flag).reshape(16, 16, -1)
    assert np.array_equal(tensor.transpose(1, 2, 0), expected)


def test_opencv_that_is_not_installed_is_named_with_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    needs = contract(resize={"kind": "stretch", "library": "opencv"})
    with pytest.raises(MissingDependency, match="opencv-python-headless") as caught:
        needs.prepare(GRADIENT)
    assert caught.value.extra == "opencv"
    assert needs.describe()["filter"].startswith("bilinear, OpenCV")


def test_only_opencv_needs_a_package() -> None:
    assert contract().packages == ()
    needs = contract(resize={"kind": "stretch", "library": "opencv"})
    assert needs.packages == (("opencv-python-headless", "opencv-python"),)
    assert needs.extra == "opencv"


def test_the_card_names_everything_that_changes_pixels() -> None:
    resize = {"kind": "letterbox", "pad": 7, "rounding": "floor", "upscale": False}
    card = contract(size=(4, 6), color="BGR", resize=resize, scale="1/255", mean=0.5).describe()
    assert card == {
        "decode": f"Pillow {PIL.__version__}, stored pixels (EXIF orientation not applied)",
        "input": "6 × 4 (width × height), BGR, NCHW float32",
        "resize": "letterbox, centre, size rounded down, padded with 7, smaller images"
        " not enlarged",
        "filter": f"bilinear, Pillow {PIL.__version__}, antialiased",
        "normalisation": "(pixel × 0.0039215686 − (0.5)) / (1)",
    }


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["stretch", "letterbox", {"kind": "center-crop", "shorter": 40}]),
)
def test_the_geometry_maps_the_image_onto_the_pixels_it_filled(width, height, resize) -> None:
    made = contract(size=(32, 40), resize=resize)
    _, found = made.prepare(np.zeros((height, width, 3), np.uint8))
    right = width * found.scale_x + found.offset_x
    bottom = height * found.scale_y + found.offset_y
    assert (found.image_width, found.image_height) == (width, height)
    assert (found.input_width, found.input_height) == (40, 32)
    if isinstance(resize, str):
        assert found.offset_x >= 0 <= found.offset_y
        assert right <= 40 + 1e-9
        assert bottom <= 32 + 1e-9
    else:
        assert found.offset_x <= 0 >= found.offset_y
        assert right >= 40 - 1e-9
        assert bottom >= 32 - 1e-9
