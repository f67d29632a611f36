"""Any photo in, the same kind of photo out."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from core.errors import SourceRefused
from photos.comparison import compare
from photos.fitting import Fitted, Restored, fit, restore
from photos.pictures import has_alpha
from removal.bounds import Bounds
from tests.photos.fitting.kinds import KINDS, flat, psnr, seen
from tests.photos.pictures import bomb, drawn, highest, saved

ORIENTATION = 0x0112
SIZES = st.sampled_from([(1, 1), (3, 700), (200, 150), (511, 513), (512, 512), (640, 700), (1501, 40), (901, 1203)])
SMALL = Bounds(min_side=512, max_side=800, max_bytes=300_000)
"""The API's bounds, only that photos do not have to be so large to leave them."""


def check_sent(fitted: Fitted, bounds: Bounds) -> None:
    with Image.open(io.BytesIO(fitted.sent)) as image:
        image.load()
        assert image.format in bounds.formats
        assert image.format == fitted.sent_format == fitted.plan.sent_format
        assert image.mode in {"RGB", "L"}
        assert image.size == fitted.sent_size == fitted.plan.sent_size
        assert bounds.min_side <= min(image.size) <= max(image.size) <= bounds.max_side
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert getattr(image, "n_frames", 1) == 1
        assert not has_alpha(image)
    assert len(fitted.sent) <= bounds.max_bytes


def put_back(source: bytes, fitted: Fitted, output: bytes) -> Restored:
    return restore(output, source, fitted, compare(fitted.sent, output, box=fitted.plan.photo_box))


def check_alike(source: bytes, artifact: Restored) -> None:
    with Image.open(io.BytesIO(source)) as before, Image.open(io.BytesIO(artifact.data)) as after:
        assert after.format == before.format == artifact.format
        assert after.size == before.size == (artifact.width, artifact.height)
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        assert (after.mode == "CMYK") == (before.mode == "CMYK")
        if before.format != "TIFF":
            assert after.getexif().get(ORIENTATION, 1) == before.getexif().get(ORIENTATION, 1)
    shown, wanted = seen(artifact.data), seen(source)
    assert shown.size == wanted.size
    strayed = highest(ImageChops.difference(shown.getchannel("A"), wanted.getchannel("A")))
    assert strayed <= (8 if artifact.format == "AVIF" else 0)


def edited(fitted: Fitted, format_name: str) -> bytes:
    """Return what was sent with a dark square in the middle of the photo."""
    picture = flat(fitted.sent)
    left, top, width, height = fitted.plan.photo_box
    ImageDraw.Draw(picture).rectangle(
        (left + width * 3 // 8, top + height * 3 // 8, left + width * 5 // 8, top + height * 5 // 8), fill=(10, 20, 90)
    )
    return saved(picture, format_name, **({"quality": 95} if format_name == "JPEG" else {}))


@pytest.mark.parametrize("output_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_was_changed_is_changed(kind: str, output_format: str) -> None:
    source = KINDS[kind](640, 560)
    fitted = fit(source)
    check_sent(fitted, Bounds())
    artifact = put_back(source, fitted, edited(fitted, output_format))
    check_alike(source, artifact)
    before, after = flat(source), flat(artifact.data)
    width, height = after.size
    middle = after.getpixel((width // 2, height // 2))
    assert middle != before.getpixel((width // 2, height // 2)) or "black and white" in kind
    # A GIF is painted with the colours it has.
    if "black and white" not in kind and "gif" not in kind:
        wanted = (26, 26, 26) if "grey" in kind or "16 bit" in kind else (10, 20, 90)
        assert isinstance(middle, tuple)
        if "alpha" in kind:
            alpha = seen(source).getpixel((width // 2, height // 2))
            assert isinstance(alpha, tuple)
            assert alpha[3] > 240
        room = 60 if "cmyk" in kind else 14
        assert all(abs(have - want) <= room for have, want in zip(middle, wanted, strict=True)), middle
    for corner in ((0, 0, width, height // 4), (0, height * 3 // 4, width, height)):
        assert psnr(before.crop(corner), after.crop(corner)) >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_an_echo_is_the_source_byte_for_byte(kind: str) -> None:
    source = KINDS[kind](600, 530)
    fitted = fit(source)
    assert put_back(source, fitted, fitted.sent).data == source
    again = saved(flat(fitted.sent), "PNG")
    assert put_back(source, fitted, again).data == source


@pytest.mark.parametrize("quality", [75, 95])
@pytest.mark.parametrize("kind", ["jpeg", "jpeg with profile", "jpeg turned 6", "png", "webp", "png alpha"])
def test_an_echo_the_api_re_encoded_is_the_source(kind: str, quality: int) -> None:
    source = KINDS[kind](600, 530)
    fitted = fit(source)
    again = saved(flat(fitted.sent), "JPEG", quality=quality, subsampling=2)
    assert put_back(source, fitted, again).data == source


@pytest.mark.slow
@given(st.sampled_from(sorted(KINDS)), SIZES, st.sampled_from(["JPEG", "PNG", None]))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_any_photo_is_sent_within_the_bounds_and_comes_back_as_it_was(
    kind: str, size: tuple[int, int], output_format: str | None
) -> None:
    source = KINDS[kind](*size)
    fitted = fit(source, SMALL)
    check_sent(fitted, SMALL)
    if output_format is None:
        assert put_back(source, fitted, fitted.sent).data == source
        return
    check_alike(source, put_back(source, fitted, edited(fitted, output_format)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "height", "format_name", "options"),
    [
        (3600, 2400, "JPEG", {}),
        (3500, 600, "PNG", {"compress_level": 1}),
        (3001, 512, "BMP", {}),
        (100, 5000, "TIFF", {}),
    ],
)
def test_large_photos_within_the_apis_own_bounds(
    width: int, height: int, format_name: str, options: dict[str, int]
) -> None:
    source = saved(drawn(width, height), format_name, **options)
    fitted = fit(source)
    check_sent(fitted, Bounds())
    assert fitted.plan.is_scaled
    artifact = put_back(source, fitted, edited(fitted, "JPEG"))
    check_alike(source, artifact)
    before, after = flat(source), flat(artifact.data)
    assert after.getpixel((width // 2, height // 2))[2] > 70  # type: ignore[index]
    assert psnr(before.crop((0, 0, width, height // 4)), after.crop((0, 0, width, height // 4))) >= 40


def test_a_file_over_the_limit_is_re_encoded() -> None:
    noise = Image.effect_noise((1900, 1900), 120)
    source = saved(Image.merge("RGB", (noise, noise.transpose(Image.Transpose.ROTATE_90), noise)), "PNG")
    assert len(source) > 6_000_000
    bounds = Bounds(max_bytes=3_000_000)
    fitted = fit(source, bounds)
    check_sent(fitted, bounds)
    assert fitted.plan.quality is not None
    assert put_back(source, fitted, fitted.sent).data == source


def test_an_acceptable_photo_is_sent_as_it_is() -> None:
    source = saved(drawn())
    fitted = fit(source)
    assert fitted.sent is source
    assert fitted.plan.is_unchanged
    assert fitted.plan.steps == ()


@pytest.mark.parametrize("kind", ["jpeg", "png", "bmp", "jpeg turned 6", "webp"])
def test_a_plain_copy_is_a_small_change_of_file_and_none_of_picture(kind: str) -> None:
    source = KINDS[kind](600, 530)
    fitted = fit(source, is_plain=True)
    check_sent(fitted, Bounds())
    assert fitted.sent != fit(source).sent
    assert fitted.sent_format == "JPEG"
    assert psnr(flat(source), flat(fitted.sent)) > 35
    assert put_back(source, fitted, fitted.sent).data == source


def test_an_output_without_the_profile_gets_the_sources() -> None:
    source = KINDS["jpeg with profile"](600, 530)
    fitted = fit(source)
    output = edited(fitted, "JPEG")
    artifact = put_back(source, fitted, output)
    check_alike(source, artifact)
    assert flat(artifact.data).tobytes() == flat(output).tobytes(), "its pixels are the output's own"


def test_an_output_like_its_source_is_the_artifact() -> None:
    source = KINDS["jpeg"](600, 530)
    fitted = fit(source)
    output = edited(fitted, "JPEG")
    assert put_back(source, fitted, output).data == output


def test_fitting_is_the_same_each_time() -> None:
    source = KINDS["webp alpha"](700, 300)
    assert fit(source).plan == fit(source).plan
    assert fit(source).sent == fit(source).sent


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"text", "not_an_image"),
        (bomb(), "bomb"),
        (saved(drawn())[:-400], "truncated"),
        (saved(drawn(), "TIFF")[:-4000], "truncated"),
        (b"\x00\x00\x00\x1cftypheic....", "format_unsupported"),
        (b"8BPS....", "format_unsupported"),
    ],
)
def test_what_is_refused_all_the_same(data: bytes, code: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        fit(data)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"tiff pages", "gif animated"}))
def test_cut_off_photos_are_refused(kind: str) -> None:
    source = KINDS[kind](600, 530)
    with pytest.raises(SourceRefused):
        fit(source[: len(source) // 2])
