"""Each raw file is read in a process of its own: a file can only break its own reading.

A small server imports the reader once and forks for each file; where a system has no fork, a new process is started for each file. A reader has limits of
memory and of time by the size of its file. What dies there is one named file; the others go on.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pickle
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from helpers import reference
from helpers.clean import raw_file, recognise, template

FORKS = hasattr(os, "fork")
PACKAGE = Path(__file__).parents[2]
MEMORY, MEMORY_PER_BYTE, MEMORY_PER_PACKED_BYTE = 900_000_000, 6, 40  # beside what imports take
SECONDS, SECONDS_PER_BYTE, SECONDS_PER_PACKED_BYTE = 40, 1e-6, 1e-5  # of processor time
PATIENCE = 8  # times the processor's seconds by the clock: a machine can be busy
START_SECONDS = 120


class Limits(NamedTuple):
    """What a reader may use: bytes of memory beside those of its imports, seconds of processor."""

    memory: int
    seconds: int


def limits_of(path: Path) -> Limits:
    """The limits of a file's reader by its size: what is packed may become much more."""
    try:
        size = path.stat().st_size
        packed = zipfile.is_zipfile(path) or path.suffix.lower() == ".xls"
    except OSError:
        return Limits(MEMORY, SECONDS)
    memory, seconds = (
        (MEMORY_PER_PACKED_BYTE, SECONDS_PER_PACKED_BYTE)
        if packed
        else (MEMORY_PER_BYTE, SECONDS_PER_BYTE)
    )
    return Limits(MEMORY + int(size * memory), SECONDS + int(size * seconds))


class Readers:
    """Reads raw files, each in a process of its own; several threads may ask at once."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="fupan-read-"))

    def close(self) -> None:
        """End the server, and take its files away."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def read(self, path: Path, **options: Any) -> raw_file.Reading:
        """What `raw_file.read_file` gives; a ledger with the reason where the reader dies."""
        allowed = limits_of(path)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            request = pickle.dumps((path, options, folder, allowed))
            answer = self._asked(request, allowed)
            kind, content = answer or ("memory", None)  # a library that gets no memory just ends
            if kind == "read":
                return raw_file.Reading(**_loaded(Path(folder), content))
        return raw_file.unreadable(path, _in_words(kind, content, allowed), **options)

    def _asked(self, request: bytes, allowed: Limits) -> tuple[str, Any] | None:
        """The reader's answer; None where it died before it gave one."""
        patience = allowed.seconds * PATIENCE + 5
        try:
            if FORKS:
                with socket.socket(socket.AF_UNIX) as line:
                    line.settimeout(patience)
                    line.connect(self._address())
                    _send(line, request)
                    return pickle.loads(_received(line))
            done = subprocess.run(
                [*_command(), "once"], input=request, capture_output=True, timeout=patience
            )
            return pickle.loads(done.stdout) if done.returncode == 0 else None
        except (TimeoutError, subprocess.TimeoutExpired):
            return ("seconds", None)
        except (EOFError, OSError):
            return None

    def _address(self) -> str:
        """The socket of the server, which is started when the first file is read."""
        with self._starting:
            place = self._folder / "server"
            if self._server is None or self._server.poll() is not None:
                place.unlink(missing_ok=True)
                self._server = subprocess.Popen(
                    [*_command(), str(place), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                self._server.stdout.readline()  # it says so when it listens
            return str(place)


@functools.cache
def readers() -> Readers:
    """The readers of this process: their server starts with the first file and ends with it."""
    shared = Readers()
    atexit.register(shared.close)
    return shared


def _command() -> list[str]:
    program = f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); "
    return [
        sys.executable,
        "-c",
        program + "from helpers.clean import reader_process; reader_process.main(sys.argv[1:])",
    ]


def _in_words(kind: str, detail: object, allowed: Limits) -> str:
    """Why a file could not be read: what was found, and what helps."""
    if kind == "memory":
        return (
            f"broke off its reader, most likely by asking for more than the "
            f"{allowed.memory // 1_000_000:,} MB of memory that a file of its size may take; it is "
            "damaged or made to do so. Open it in Excel, save the sheet as CSV and put that into "
            "raw/"
        )
    if kind == "seconds":
        return (
            f"takes more than {allowed.seconds:,} seconds to be read, far more than a file of its "
            "size; it is damaged or made to do so. Open it in Excel, save the sheet as CSV and put "
            "that into raw/"
        )
    return (
        f"cannot be read ({detail}); it is damaged, or holds what the reader does not expect. Open "
        "it in Excel, save it again, and export it anew where that does not help"
    )


# ---- a line between the two ------------------------------------------------------------------


def _send(line: socket.socket, message: bytes) -> None:
    line.sendall(struct.pack("!Q", len(message)) + message)


def _received(line: socket.socket) -> bytes:
    """A whole message. Raises `EOFError` where the other side ends before it."""

    def exactly(size: int) -> bytes:
        parts = []
        while size:
            part = line.recv(min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    return exactly(struct.unpack("!Q", exactly(8))[0])


def _kept(folder: Path, reading: raw_file.Reading) -> dict[str, Any]:
    """A reading written to a folder as Arrow files: the names by which `_loaded` finds them."""

    def written(frame: pd.DataFrame, name: str) -> str:
        table = pa.Table.from_pandas(frame)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_file(sink, table.schema) as to:
            to.write_table(table)
        return name

    tables = {name: written(frame, f"table-{name}") for name, frame in reading.tables.items()}
    others = {name: written(getattr(reading, name), name) for name in reading._fields[1:]}
    return {"tables": tables, **others}


def _loaded(folder: Path, names: dict[str, Any]) -> dict[str, Any]:
    def frame(name: str) -> pd.DataFrame:
        with pa.memory_map(str(folder / name)) as source:
            return pa.ipc.open_file(source).read_all().to_pandas()

    tables = {table: frame(name) for table, name in names["tables"].items()}
    return {"tables": tables} | {name: frame(name) for name in names if name != "tables"}


# ---- the side of the reader --------------------------------------------------------------------


def _limited(allowed: Limits) -> None:
    """Bound this process: its memory beside what it has now, its processor time, its patience."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        held = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("VmData:")
        )
        resource.setrlimit(resource.RLIMIT_DATA, (held + allowed.memory,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (allowed.seconds, allowed.seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hasattr(signal, "alarm"):
        signal.alarm(allowed.seconds * PATIENCE)


def _answer(request: bytes) -> bytes:
    """Read the file of a request within its limits; the answer, pickled."""
    path, options, folder, allowed = pickle.loads(request)
    _limited(allowed)
    try:
        reading = raw_file.read_file(path, **options)
        return pickle.dumps(("read", _kept(Path(folder), reading)))
    except (MemoryError, pa.ArrowMemoryError):
        return pickle.dumps(("memory", None))
    except Exception as error:  # what a message says may be somebody's: only its kind and place
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return pickle.dumps(("died", f"{type(error).__name__} in {where}"))


def _server(place: str, parent: int) -> None:
    """Fork for each request until the process that asks is gone."""

    class Reader(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _send(self.request, _answer(_received(self.request)))

    class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
        request_queue_size = 64

        def service_actions(self) -> None:
            super().service_actions()
            if os.getppid() != parent:
                raise SystemExit

    reference.tables(), reference.terms(), recognise.candidates([template.system()])  # once for all
    with Server(place, Reader) as server:
        print("listening", flush=True)
        server.serve_forever(poll_interval=0.2)


def main(arguments: list[str]) -> None:
    """Serve at a socket for a parent process, or read the one request of standard input."""
    if arguments == ["once"]:
        sys.stdout.buffer.write(_answer(sys.stdin.buffer.read()))
    else:
        _server(arguments[0], int(arguments[1]))
