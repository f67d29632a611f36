"""Photos for benches: thousands of different files out of a few pictures, made in a second."""

import io
import random
import struct

from PIL import Image, ImageFilter

WIDTH, HEIGHT = 640, 800
PICTURES = 24
NAME_BYTES = 12
_START = b"\xff\xd8"


class Pictures:
    """JPEG files of 60 to 100 kB; each number's file differs from all others by a comment in its head."""

    def __init__(self) -> None:
        self._pairs = [_draw(seed) for seed in range(PICTURES)]

    def photo(self, number: int) -> bytes:
        """Return the file of a photo."""
        return _named(self._pairs[number % PICTURES][0], number)

    def output(self, number: int) -> bytes:
        """Return what is made of it: the same picture, visibly changed in one place."""
        return _named(self._pairs[number % PICTURES][1], number)


def number_in(head: bytes) -> int:
    """Return the number in the first bytes of a file."""
    return int(head[6 : 6 + NAME_BYTES])


def _named(file: bytes, number: int) -> bytes:
    return b"".join((_START, b"\xff\xfe", struct.pack(">H", NAME_BYTES + 2), b"%012d" % number, file[2:]))


def _draw(seed: int) -> tuple[bytes, bytes]:
    """Return a photo and its output."""
    chance = random.Random(seed)
    noise = Image.frombytes("RGB", (WIDTH // 4, HEIGHT // 4), chance.randbytes(WIDTH * HEIGHT * 3 // 16))
    picture = noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    tint = Image.new("RGB", (WIDTH, HEIGHT), tuple(chance.randrange(60, 220) for _ in range(3)))
    clean = Image.blend(picture, tint, 0.62).filter(ImageFilter.SMOOTH)
    marked = clean.copy()
    marked.paste((250, 30, 30), (40, 60 + seed * 8, 240, 160 + seed * 8))
    return _file(marked), _file(clean)


def _file(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return file.getvalue()
