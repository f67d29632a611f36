"""Where an output differs from what was sent: only there does the artifact take its pixels from the output."""

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageFilter

DECODER_NOISE_LEVELS = 2
"""Two decoders may differ by this much, of 255 levels, on the same file."""

_EXACT_LEVELS = 3
_LOSSY_LEVELS = 16
_LOSSY_MEAN_LEVELS = 3
_MEAN_RADIUS = 2
_MARGIN = 4
_FEATHER = 2
_MIDDLE = 128


def is_same(sent: Image.Image, output: Image.Image) -> bool:
    """Return whether two RGB pictures are the same but for decoder noise."""
    highest = _highest(ImageChops.difference(sent, output)).histogram()
    return not any(highest[DECODER_NOISE_LEVELS + 1 :])


def changed_area(references: Sequence[Image.Image], output: Image.Image, *, is_exact: bool) -> Image.Image:
    """Return how much of each pixel is to come from the output: mode `L`, 0 to 255, with soft edges.

    Args:
        references: RGB pictures the output may be the same as where nothing was changed; at least one.
        output: What came back, RGB of the same size.
        is_exact: The output's format loses nothing. Otherwise the noise of its encoder has to be told from changes:
            single pixels have to differ by 16 levels, or averages over 5×5 pixels, where noise cancels out but the
            faintest watermark does not, by 3.
    """
    find = _exactly if is_exact else _through_noise
    changed = find(references[0], output)
    for reference in references[1:]:
        changed = ImageChops.darker(changed, find(reference, output))
    # The box filter is as fast at any radius, which a maximum filter is not.
    wider = changed.filter(ImageFilter.BoxBlur(_MARGIN)).point(_from(1))
    return wider.filter(ImageFilter.BoxBlur(_FEATHER))


def _exactly(reference: Image.Image, output: Image.Image) -> Image.Image:
    return _highest(ImageChops.difference(reference, output)).point(_from(_EXACT_LEVELS))


def _through_noise(reference: Image.Image, output: Image.Image) -> Image.Image:
    singly = _highest(ImageChops.difference(reference, output)).point(_from(_LOSSY_LEVELS))
    signed = ImageChops.subtract(output, reference, 1, _MIDDLE).filter(ImageFilter.BoxBlur(_MEAN_RADIUS))
    middle = Image.new("RGB", output.size, (_MIDDLE, _MIDDLE, _MIDDLE))
    together = _highest(ImageChops.difference(signed, middle)).point(_from(_LOSSY_MEAN_LEVELS))
    return ImageChops.lighter(singly, together)


def _highest(picture: Image.Image) -> Image.Image:
    # Weighing channels by brightness would miss a mark that is only blue.
    red, green, blue = picture.split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _from(level: int) -> list[int]:
    return [0] * level + [255] * (256 - level)
