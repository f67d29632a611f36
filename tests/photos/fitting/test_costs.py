"""What fitting costs at most: memory for one photo, and how many big ones are worked on at once."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from photos.memory import BIG_PIXELS, MEMORY
from tests.photos.pictures import drawn, saved

MEASURE = """
import resource, sys
from pathlib import Path
from PIL import Image
from photos.comparison import compare
from photos.fitting import fit, restore
data = Path(sys.argv[1]).read_bytes()
Image.init()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fitted = fit(data)
inverted = fit(Path(sys.argv[2]).read_bytes()).sent
restored = restore(inverted, data, fitted, compare(fitted.sent, inverted))
assert (restored.width, restored.height) == (6000, 4000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told in kilobytes on Linux only")
def test_a_photo_of_24_megapixels_takes_less_than_what_is_stated(tmp_path: Path) -> None:
    photo, other = tmp_path / "a.jpg", tmp_path / "b.jpg"
    picture = drawn(6000, 4000)
    photo.write_bytes(saved(picture))
    picture.paste((0, 0, 90), (1000, 1000, 2000, 2000))
    other.write_bytes(saved(picture))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(photo), str(other)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 300_000


def test_big_photos_are_worked_on_one_after_the_other() -> None:
    side = int(BIG_PIXELS**0.5) + 1
    inside, most = 0, 0
    changing = threading.Lock()
    entered = threading.Event()

    def work() -> None:
        nonlocal inside, most
        with MEMORY.hold_pixels(side * side):
            with changing:
                inside += 1
                most = max(most, inside)
            entered.wait(0.02)
            with changing:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_small_photo_need_not_wait_for_a_big_one() -> None:
    side = int(BIG_PIXELS**0.5) + 1
    done = threading.Event()

    def work() -> None:
        with MEMORY.hold_pixels(600 * 600):
            done.set()

    with MEMORY.hold_pixels(side * side):
        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(60)
    thread.join()
