"""Running PostgreSQL when we are root and PostgreSQL refuses to be.

It then runs as a system user of its own, who must be able to pass through every folder above its programs and its
data. No folder of the user's is opened for that: what lies in a closed one gets a place elsewhere, /var/lib, or the
temporary folder when the home itself is temporary. The home remembers that place in `postgres.place`.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.errors import UnavailableError
from localstack.found import find_processes

SYSTEM_USER = "embedded_postgres"
STATE_ROOT = Path("/var/lib")
MARKER = "postgres.place"


def run_as(uid: int) -> dict[str, Any]:
    """Return what `subprocess` needs to start a program as a user, or nothing for -1, our own."""
    return {} if uid < 0 else {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": [], "umask": 0o077}


def is_passable(path: Path) -> bool:
    """Whether any user may pass through `path` and every folder above it."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def find_system_user() -> int:
    """Return the id of the user PostgreSQL runs as; makes the user when missing.

    Raises:
        UnavailableError: There is none and none could be made.
    """
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER).pw_uid
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        return pwd.getpwnam(SYSTEM_USER).pw_uid
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        with contextlib.suppress(KeyError):  # another process was faster
            return pwd.getpwnam(SYSTEM_USER).pw_uid
        raise UnavailableError(
            f"PostgreSQL does not run as root and no system user {SYSTEM_USER} could be made for it ({error}). Run as "
            "another user, or set DATABASE_URL to a server of your own."
        ) from error


def reachable_binaries(binaries: Path) -> Path:
    """Return where the system user finds PostgreSQL's programs; copies them when they lie in a closed folder.

    Raises:
        UnavailableError: They could not be copied.
    """
    if is_passable(binaries):
        return binaries
    root = STATE_ROOT if os.access(STATE_ROOT, os.W_OK) else Path(tempfile.gettempdir())
    target = root / f"cleanplate-programs-{version('embedded-postgres')}"
    installed = target / "embedded_postgres" / "pginstall"
    if not _is_ours(target):
        try:
            _copy_programs(binaries.parent, root, target)
        except OSError as error:
            raise UnavailableError(f"PostgreSQL's programs could not be copied to {root} ({error}).") from error
    if not _is_ours(target):
        raise UnavailableError(f"{target} belongs to somebody else; remove it and run again.")
    return installed / "bin"


def moved_folder(home: Path) -> Path:
    """Return the folder that holds the data of a home which others cannot pass; made when missing.

    Raises:
        UnavailableError: There is no place for it.
    """
    marker = home / MARKER
    with contextlib.suppress(FileNotFoundError):
        folder = Path(marker.read_text(encoding="utf-8"))
        if not _is_ours(folder):
            raise UnavailableError(
                f"The data of {home} should be in {folder}, and is not. Bring it back, or remove {marker} to start "
                "with an empty database."
            )
        return folder
    root = _root_for(home)
    _sweep(root, home)
    folder = Path(tempfile.mkdtemp(prefix=f"cleanplate-{_digest(home)}-", dir=root))
    folder.chmod(0o711)
    (folder / "home").write_text(str(home), encoding="utf-8")
    note = home / folder.name
    try:
        note.write_text(str(folder), encoding="utf-8")
        os.link(note, marker)
    except FileExistsError:  # another process was faster
        shutil.rmtree(folder)
    finally:
        note.unlink(missing_ok=True)
    return Path(marker.read_text(encoding="utf-8"))


def remove_moved(home: Path) -> None:
    """Delete the data that a home keeps elsewhere, if it does."""
    with contextlib.suppress(FileNotFoundError):
        folder = Path((home / MARKER).read_text(encoding="utf-8"))
        if _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def remove_moved_below(root: Path) -> None:
    """Delete the data that homes below `root` keep in the temporary folder."""
    for folder in Path(tempfile.gettempdir()).resolve().glob("cleanplate-*"):
        if _is_ours(folder) and (folder / "home").is_file():
            home = Path((folder / "home").read_text(encoding="utf-8"))
            if home.is_relative_to(root):
                shutil.rmtree(folder, ignore_errors=True)


def _sweep(root: Path, home: Path) -> None:
    """Delete what a former home of the same path left behind: that home was deleted, and its data with it."""
    for folder in root.glob(f"cleanplate-{_digest(home)}-*"):
        if _is_ours(folder) and not find_processes("postgres", str(folder / "postgres")):
            shutil.rmtree(folder, ignore_errors=True)


def _root_for(home: Path) -> Path:
    temporary = Path(tempfile.gettempdir()).resolve()
    for root in (temporary, STATE_ROOT) if home.is_relative_to(temporary) else (STATE_ROOT,):
        if is_passable(root) and os.access(root, os.W_OK):
            return root
    raise UnavailableError(
        f"As root, PostgreSQL needs a folder that its system user can reach, and neither {home} nor {STATE_ROOT} is "
        "one. Set CLEANPLATE_HOME to such a folder, or DATABASE_URL to a server of your own."
    )


def _copy_programs(source: Path, root: Path, target: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix="cleanplate-programs-", dir=root))
    libraries = source.parents[1] / "embedded_postgres.libs"
    try:
        for part in ("bin", "lib", "share"):
            shutil.copytree(source / part, fresh / "embedded_postgres" / "pginstall" / part, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod((path.stat().st_mode & 0o755) | 0o444 | (0o111 if path.is_dir() else 0))
        with contextlib.suppress(OSError):  # another process was faster
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
