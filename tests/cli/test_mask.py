"""`cleanplate mask`: from drawn masks and boxes to run lengths, and back to something to look at."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner
from PIL import Image

from cli.commands.mask import mask
from core.errors import UsageError
from removal.mask import Mask, mask_from_boxes

SIDEWAYS = 6
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(*arguments: object, stdin: str | bytes = "") -> Said:
    """Run `cleanplate mask …` and tell errors as the program's entry does: by their message and exit code."""
    done = CliRunner().invoke(mask, [str(each) for each in arguments], input=stdin, standalone_mode=False)
    error = done.exception
    if isinstance(error, UsageError | ClickException):
        return Said(error.exit_code, done.stdout, str(error))
    if error is not None:
        raise error
    return Said(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """A mask of 10×6 pixels: two rows of three."""
    path = tmp_path / "mask.png"
    mask_from_boxes([(2, 1, 3, 2)], 10, 6).to_image().save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A grey photo of 10×6 pixels."""
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (10, 6), (128, 128, 128)).save(path)
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "12 3 22 3"),
        (["--origin", "1"], "13 3 23 3"),
        (["--order", "column"], "13 2 19 2 25 2"),
        (["--order", "column", "--origin", "1"], "14 2 20 2 26 2"),
    ],
)
def test_a_drawn_mask_and_the_same_box_give_the_same_text(
    png: Path, photo: Path, options: list[str], expected: str
) -> None:
    for given in (
        ["--png", png],
        ["--png", png, "--size", "10x6"],
        ["--box", "2,1,3,2", "--size", "10×6"],
        ["--box", "2,1,3,1", "--box", "2,2,3,1", "--photo", photo],
    ):
        assert run("encode", *given, *options) == Said(0, f"{expected}\n", "")


@pytest.mark.parametrize("options", [[], ["--order", "column", "--origin", "1"]])
def test_what_is_encoded_is_decoded_again(png: Path, tmp_path: Path, options: list[str]) -> None:
    text = run("encode", "--png", png, *options).out
    file, out = tmp_path / "rle.txt", tmp_path / "again.png"
    file.write_text(f"\ufeff{text}", encoding="utf-8")
    ways: list[list[str]] = [[text], text.split(), ["-"], ["--file", "-"], ["--file", str(file)]]
    for way in ways:
        stdin = text if "-" in way else ""
        assert run("decode", *way, "--size", "10X6", "--out", out, *options, stdin=stdin) == Said(0, "", "")
        with Image.open(out) as again, Image.open(png) as before:
            assert (again.mode, again.size) == ("1", (10, 6))
            assert again.tobytes() == before.tobytes()
        out.unlink()


def test_show_tints_the_area_and_nothing_else(photo: Path, png: Path, tmp_path: Path) -> None:
    out = tmp_path / "preview.png"
    for given in (["12 3 22 3"], ["--png", png], ["--box", "2,1,3,2"]):
        said = run("show", *given, "--photo", photo, "--out", out)
        assert said.out == "6 pixels to erase, 10.00% of 10×6, within the box 2,1,3,2\n"
        with Image.open(out) as preview:
            red = {(x, y) for x in range(10) for y in range(6) if preview.getpixel((x, y)) != (128, 128, 128)}
        assert red == {(x, y) for x in (2, 3, 4) for y in (1, 2)}
        out.unlink()


def test_show_as_json(photo: Path, tmp_path: Path) -> None:
    said = run("show", "12 3", "--photo", photo, "--out", tmp_path / "o.png", "--json")
    assert json.loads(said.out) == {"width": 10, "height": 6, "area": 3, "share": 0.05, "box": [2, 1, 3, 1]}


def test_a_photo_counts_as_it_is_seen(tmp_path: Path) -> None:
    stored = Image.new("RGB", (10, 6))
    stored.paste("white", (0, 0, 5, 6))
    exif = Image.Exif()
    exif[ORIENTATION] = SIDEWAYS
    photo, out = tmp_path / "turned.jpg", tmp_path / "preview.png"
    stored.save(photo, exif=exif, quality=100)
    assert run("encode", "--box", "0,9,6,1", "--photo", photo).out == "54 6\n"
    assert run("show", "54 6", "--photo", photo, "--out", out).code == 0
    with Image.open(out) as preview:
        assert preview.size == (6, 10)
        assert preview.convert("L").getpixel((3, 0)) == pytest.approx(255, abs=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "--size", "10x6"], "exactly one way"),
        (["encode", "--png", "{png}", "--box", "1,1,1,1"], "--size WxH or --photo FILE"),
        (["encode", "--png", "{png}", "--box", "1,1,1,1", "--size", "10x6"], "exactly one way"),
        (["encode", "--box", "1,1,1,1"], "--size WxH or --photo FILE"),
        (["encode", "--box", "1,1,1,1", "--size", "10x6", "--photo", "{photo}"], "--size WxH or --photo FILE"),
        (["encode", "--box", "1,1,1", "--size", "10x6"], "is no box"),
        (["encode", "--box", "8,1,3,1", "--size", "10x6"], "outside the photo of 10×6"),
        (["encode", "--box", "1,1,1,1", "--size", "10"], "is no size"),
        (["encode", "--box", "1,1,1,1", "--size", "-1x6"], "is no size"),
        (["encode", "--box", "1,1,1,1", "--size", "0x6"], "0×6"),
        (["encode", "--box", "1,1,1,1", "--size", "999999x999999"], "too large"),
        (["encode", "--box", "1,1,1,1", "--photo", "{folder}/none.jpg"], "Cannot read"),
        (["encode", "--png", "{png}", "--size", "6x10"], "The mask is 10×6 pixels and the photo 6×10"),
        (["encode", "--png", "{photo}"], "cannot be read as PNG"),
        (["encode", "--png", "{cut}"], "truncated"),
        (["encode", "--png", "{empty}"], "The mask is empty"),
        (["encode", "--png", "{png}", "--origin", "2"], "2 is not in the range"),
        (["encode", "--png", "{png}", "--order", "diagonal"], "diagonal"),
        (["decode", "--size", "10x6", "--out", "{out}"], "exactly one way"),
        (["decode", "", "--size", "10x6", "--out", "{out}"], "The mask is empty"),
        (["decode", "1 2", "--file", "-", "--size", "10x6", "--out", "{out}"], "exactly one way"),
        (["decode", "1 2 3", "--size", "10x6", "--out", "{out}"], "is alone"),
        (["decode", "58 3", "--size", "10x6", "--out", "{out}"], "goes beyond the photo"),
        (["decode", "--file", "{png}", "--size", "10x6", "--out", "{out}"], "is no text of run lengths"),
        (["decode", "--file", "{folder}/none.txt", "--size", "10x6", "--out", "{out}"], "No such file"),
        (["decode", "--file", "{folder}", "--size", "10x6", "--out", "{out}"], "Is a directory"),
        (["decode", "1 2", "--size", "10x6", "--out", "{folder}/none/o.png"], "Cannot write"),
        (["decode", "1 2", "--size", "10x6", "--out", "{folder}/o.jpg"], "must be a .png"),
        (["show", "1 2", "--photo", "{png}", "--out", "{png}"], "not overwritten"),
        (
            ["show", "--png", "{png}", "--photo", "{photo}", "--out", "{folder}/../{folder.name}/mask.png"],
            "not overwritten",
        ),
        (["show", "1 2", "--photo", "{cut}", "--out", "{out}"], "truncated"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(
    arguments: list[str], message: str, png: Path, photo: Path, tmp_path: Path
) -> None:
    cut, empty, out = (tmp_path / f"{name}.png" for name in ("cut", "empty", "out"))
    cut.write_bytes(png.read_bytes()[:-14])
    Image.new("L", (10, 6)).save(empty)
    before = png.read_bytes()
    places = {"png": png, "photo": photo, "cut": cut, "empty": empty, "out": out, "folder": tmp_path}
    said = run(*(each.format(**places) for each in arguments))
    assert said.code == 2
    assert message in said.err
    assert said.out == ""
    assert not out.exists()
    assert png.read_bytes() == before


def test_bytes_on_stdin_are_a_usage_error(tmp_path: Path) -> None:
    said = run("decode", "-", "--size", "10x6", "--out", tmp_path / "o.png", stdin=b"\x89PNG\xff\xfe")
    assert said.code == 2
    assert "mask" in said.err


def test_the_program_itself_reads_a_pipe_and_exits_2_with_one_line(tmp_path: Path) -> None:
    program = (
        "from cli.main import main; from cli.group import cleanplate; from cli.commands.mask import mask; "
        "cleanplate.add_command(mask); main()"
    )
    command = [sys.executable, "-c", program, "mask", "decode", "-", "--size", "10x6", "--out", str(tmp_path / "o.png")]
    good = subprocess.run(command, input=b"12  3\n22\t3\n", capture_output=True, check=False, timeout=60)
    assert (good.returncode, good.stdout, good.stderr) == (0, b"", b"")
    with Image.open(tmp_path / "o.png") as image:
        assert Mask.from_image(image).to_rle() == "12 3 22 3"
    bad = subprocess.run(command, input=b"\x89PNG\xff 12", capture_output=True, check=False, timeout=60)
    assert bad.returncode == 2
    assert bad.stderr.startswith(b"cleanplate: ")
    assert bad.stderr.count(b"\n") == 1
