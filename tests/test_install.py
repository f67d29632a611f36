"""What `make install` brings is enough: the parts that run in production import nothing that only tests bring."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)

WITHOUT = """
import sys
from importlib import import_module

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
for name in {names!r}:
    import_module(name)
"""


def pinned(name: str) -> set[str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {found.lower().replace("_", "-").replace(".", "-") for found in PINNED.findall(text)}


@pytest.mark.parametrize(
    "name",
    [
        "cli.main",
        "kombu.transport.redis",
        "celery.backends.redis",
        "worker.process",
        "producer.main",
        "console.app",
        *(f"cli.commands.{path.stem}" for path in sorted((ROOT / "cli" / "commands").glob("[a-z]*.py"))),
    ],
)
def test_a_part_runs_with_what_is_installed_for_it(name: str) -> None:
    only_for_tests = pinned("dev.txt") - pinned("runtime.txt")
    missing = {
        package
        for package, distributions in packages_distributions().items()
        if all(each.lower().replace("_", "-").replace(".", "-") in only_for_tests for each in distributions)
    }
    assert "pytest" in missing
    code = WITHOUT.format(missing=missing, names=[name])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("target", "megabytes"), [("install", 45), ("demo", 175)])
def test_the_first_that_is_said_is_what_is_installed_and_how_large_it_is(
    tmp_path: Path, target: str, megabytes: int
) -> None:
    command = ["make", "--silent", target, f"VENV={tmp_path / 'venv'}", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    kind = "runtime" if target == "install" else target
    count = len(pinned(f"{kind}.txt"))
    said = f"Installing into {tmp_path / 'venv'}: {count} packages ({kind}), about {megabytes} MB"
    assert done.stdout.startswith(said)
