"""The workspace on disk: a folder of one shop or brand, its settings, key and lock.

- raw/ holds what platforms export, never changed.
- clean/ holds canonical tables, <table>/<YYYY-MM>.parquet, and their earlier states,
  history/<table>.parquet; the ledgers files, aside (and aside.xlsx, to be mended), mended,
  attribution and personal; pattern.parquet, what the good sessions of each room share; counted/,
  what reviews counted in single sessions of large tables.
- plans/ holds one Excel a session, edited by the team, and a CSV to read.
- reference/ holds the team's own additions to data/reference.
- notebooks/ holds copies of the notebooks to work in, and the team's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import filelock
import pandas as pd
import platformdirs
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from helpers.clean.columns import Answers
from helpers.clean.notes import note
from helpers.core import places, text

KEY_BYTES = 32
WORK = ".work"  # under the reports folder: where a run writes until its page may be published


def _in_words(days: object) -> object:
    """YAML reads a day as a date."""
    return days.isoformat() if isinstance(days, dt.date) else days


_TIME = r"\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?"
_TIMES = rf"^(?:{_TIME}(?:\.\.{_TIME})?(?:\s*,\s*|$))*$"


class WorkspaceError(ValueError):
    """The workspace cannot be used: the message names the folder or file, and what is expected."""


class Settings(BaseModel):
    """A workspace's `workspace.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    timezone: str = "Asia/Shanghai"
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")
    # which comes first in dates such as 03/04/2026, where a file leaves it open
    dates: Literal["day", "month"] | None = None
    # which mark groups thousands in numbers such as 5.000, where a file leaves it open
    thousands: Literal[".", ","] | None = None
    # the unit of plain numbers in columns of durations, where neither header nor cell states it
    durations: Literal["seconds", "minutes", "hours", "days"] | None = None
    # the fixed base (定基): days, months or spans of them, as 2026-06 or 2026-06-01..2026-06-20
    base: Annotated[str, BeforeValidator(_in_words)] = Field("", pattern=_TIMES)
    # the room of files that name none, by a pattern of their names such as shop_a*
    rooms: dict[str, str] = {}
    id: str | None = Field(None, pattern=r"^\w[\w-]{0,63}$")  # names the key's file: no path

    @property
    def answers(self) -> Answers:
        """What the workspace says of cells that a file leaves open."""
        return Answers(self.dates, self.thousands, self.durations)


@dataclasses.dataclass(frozen=True)
class Workspace:
    """A folder of one shop or brand."""

    path: Path
    settings: Settings

    @classmethod
    def open(cls, data_dir: str | Path = "") -> Workspace:
        """The workspace of a folder; an empty name is the demo workspace, made on first use.

        Raises `WorkspaceError` where the folder cannot be opened or `workspace.yml` does not fit.
        """
        path = _folder(data_dir) if str(data_dir) else _demo()
        return cls(path, _settings(path / "workspace.yml"))

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def clean(self) -> Path:
        return self.path / "clean"

    @property
    def plans(self) -> Path:
        return self.path / "plans"

    @property
    def notebooks(self) -> Path:
        return self.path / "notebooks"

    @property
    def reference(self) -> Path | None:
        """The workspace's own reference data, laid over the shipped ones."""
        folder = self.path / "reference"
        # The shipped data/ is a workspace too: its reference/ is the shipped one.
        return folder if folder.is_dir() and folder.resolve() != places.REFERENCE else None

    def raw_files(self) -> list[Path]:
        """All of raw/ by name, without hidden and half-saved ones, and the own costs.csv.

        Also what cannot be read (`unreadable`): links that lead nowhere, folders that are shut.
        """
        files: list[Path] = []

        def shut(error: OSError) -> None:
            if os.path.lexists(error.filename):
                files.append(Path(error.filename))

        for folder, folders, names in os.walk(self.raw, onerror=shut):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            files += [
                Path(folder, name) for name in (*names, *links) if not name.startswith((".", "~$"))
            ]
        return sorted(files) + [path for path in [self.path / "costs.csv"] if path.exists()]

    @property
    def identity(self) -> str:
        """What tells it from other workspaces: its id, else a digest of where it lies."""
        digest = hashlib.blake2s(str(self.path).encode(), digest_size=8).hexdigest()
        return self.settings.id or digest

    def key(self) -> bytes:
        """The secret with which buyer ids are hashed, outside the data, in the user's folder."""
        name = self.identity
        folder = Path(os.environ.get("FUPAN_KEYS") or platformdirs.user_data_path("fupan") / "keys")
        path = folder / f"{name}.key"
        if path.resolve().is_relative_to(self.path):
            raise WorkspaceError(
                f"{path}: the key must lie outside the workspace, or who gets the data gets the "
                "key; set FUPAN_KEYS elsewhere"
            )
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = folder / f"{name}.{secrets.token_hex(8)}"
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())  # a power cut must not leave an empty one
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                os.link(new, path)
            new.unlink()
            synced(folder)
        return _kept_key(path)

    def lock(self) -> filelock.BaseFileLock:
        """The lock under which raw files are read."""
        try:
            self.clean.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{self.clean}: {error.strerror}. What is read from the exports is kept there"
            ) from error
        return filelock.FileLock(self.clean / ".lock", timeout=600)


def _kept_key(path: Path) -> bytes:
    """The key in a file; raises `WorkspaceError` where it would keep no secret."""
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise WorkspaceError(
            f"{path}: the key of the buyers' hashes has {len(key)} bytes, expected {KEY_BYTES}; "
            "bring it back from a backup, or delete it and the workspace's clean/: buyers then get "
            "other hashes"
        )
    if os.name == "posix" and path.stat().st_mode & 0o007:
        raise WorkspaceError(
            f"{path}: the key of the buyers' hashes is open to everybody on this machine; shut it "
            f"with: chmod 600 {path}"
        )
    return key


def synced(path: Path) -> None:
    """Have what was written of a file or folder on the disk, where the system can say so."""
    with contextlib.suppress(OSError):  # some systems and disks have no way to sync a folder
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def unreadable(path: Path) -> str | None:
    """Why what lies in raw/ cannot be read, as a note; None of a file that can be opened."""
    kind = "link_to_folder" if path.is_symlink() else "shut_folder"
    try:
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()
            return None
        if not path.is_dir():
            kind = "device"
    except FileNotFoundError:
        kind = "dead_link"
    except OSError as error:
        return note("no_rights", error=error.strerror)
    return note(kind)


def status(path: Path) -> os.stat_result:
    """Of a file; of a link that leads nowhere, its own."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def _folder(data_dir: str | Path) -> Path:
    """The folder in full; raises `WorkspaceError` where it cannot be opened."""
    try:
        path = Path(data_dir).expanduser().resolve()
        os.listdir(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WorkspaceError(
            f"{path}: no such folder. A workspace is a folder with your exports in its raw/"
        ) from error
    # not permitted, no such user's home, no name of a file
    except (OSError, RuntimeError, ValueError) as error:
        raise WorkspaceError(
            f"{text.plain(str(data_dir), 200)}: the folder cannot be opened "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error
    return path


def _demo() -> Path:
    folder = places.DEMO
    if not (folder / "truth.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.parent / ".demo.lock", timeout=600):
            if not (folder / "truth.json").exists():
                from helpers import demo  # dear to import for what happens once

                demo.write(demo.simulate(demo.SEED), folder)
    return folder


def _settings(path: Path) -> Settings:
    try:
        if not path.exists():
            return Settings()
        settings = Settings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        pd.Timestamp("2026-01-01").tz_localize(settings.timezone)
    except (ValidationError, yaml.YAMLError, KeyError, ValueError, OSError) as error:
        detail = {"loc": (), "msg": str(error)}
        if isinstance(error, ValidationError):
            detail = error.errors()[0]
        where = "".join(f"{part}: " for part in detail["loc"])
        raise WorkspaceError(
            f"{path}: {where}{text.plain(detail['msg'], 300)} (expected "
            f"{', '.join(Settings.model_fields)})"
        ) from error
    return settings


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = False) -> Iterator[Path]:
    """A temporary path that takes the place of `path` if the block ends well, else vanishes.

    With `lasting` it is on the disk before it does, as what cannot be made again must be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        if lasting:
            synced(unfinished)
        unfinished.replace(path)
        if lasting:
            synced(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def sweep(folder: Path, below: str = "") -> None:
    """Remove the unfinished files of `replacing` whose process is gone: it was killed.

    Those of the folder itself, with `below` (`**/`) also of those in it.
    """
    for path in folder.glob(f"{below}.*.part"):
        process = path.name.split(".")[-2]
        if path.is_file() and process.isdigit() and not is_alive(int(process)):
            path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process of this number runs; it may, where the system does not say."""
    if os.name != "posix":  # to ask would end it there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
