"""Each raw file is read in a process of its own: a file can only break its own reading.

A small server has the reader's imports and forks for each file; it is a fork of the process that
asks where that has one thread, else a new process. Where a system has no fork, a new process is
started for each file. A reader has limits of time and, on Linux, of memory, by the size of
its file. What dies is one named file. Server and readers end with the process that asks, however
that ends, and leave nothing on disk.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import mmap
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from helpers import reference
from helpers.clean import raw_file, recognise, template
from helpers.clean.notes import NotedError, joined, note
from helpers.clean.open_file import RawFile, open_file

FORKS = hasattr(os, "fork")
KILLED = -9  # by the system, which had no memory left, or by somebody: not the file's fault
MEMORY, MEMORY_PER_BYTE = 400_000_000, 12  # beside what imports take
SECONDS, SECONDS_PER_BYTE = 20, 2e-6  # of processor time
XLS_UNPACKED = 4  # text of an xls has a byte a character, each cell becomes an object
_ALIGNED = 64  # bytes: blocks of memory begin at multiples
_LARGE = 1 << 26  # bytes of a file's tables
PATIENCE = 8  # times the processor's seconds by the clock: a machine can be busy
_T = TypeVar("_T")


class ReaderError(NotedError):
    """A file's reader gave no answer; the note says how it ended, and what helps."""


class Limits(NamedTuple):
    """What a reader may use: bytes of memory beside those of its imports, seconds of processor."""

    memory: int
    seconds: int


class Ended(NamedTuple):
    """How a reader ended: exit code (negative: its signal), seconds of processor, most bytes."""

    code: int
    seconds: float = 0
    memory: int = 0


_ENDED = struct.Struct("!idQ")


def limits_of(path: Path) -> Limits:
    """The limits of a file's reader, by the bytes that the file says it unpacks to."""
    try:
        size = path.stat().st_size * (XLS_UNPACKED if path.suffix.lower() == ".xls" else 1)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size += sum(member.file_size for member in archive.infolist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, struct.error):
        size = 0
    return Limits(MEMORY + size * MEMORY_PER_BYTE, SECONDS + int(size * SECONDS_PER_BYTE))


class Readers:
    """Reads files, each in a process of its own; several threads may ask at once."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._server: int | None = None  # the number of its process
        self._line: socket.socket | None = None
        self.close: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Start the server, which is at work then when the first file is asked for."""
        if FORKS:
            with self._asking:
                self._connected()

    def read(self, path: Path, **options: Any) -> raw_file.Reading:
        """What `raw_file.read_file` gives; a ledger with the reason where the reader dies."""
        try:
            return self.call(raw_file.read_file, path, **options)
        except ReaderError as error:
            return raw_file.unreadable(path, error.kept, **options)

    def open_file(self, path: Path) -> RawFile:
        """What `open_file.open_file` gives; a problem where the reader dies."""
        try:
            return self.call(open_file, path)
        except ReaderError as error:
            return RawFile(path.name, "", (), (("", error.kept),))

    def call(self, function: Callable[..., _T], path: Path, **options: Any) -> _T:
        """What a function makes of a file; raises `ReaderError` where it does not come to it."""
        with _nameless() as request, _nameless() as answer:
            pickle.dump((function, path.absolute(), options), request)
            request.flush()
            for _ in range(2):  # who was killed may not be, without another beside him
                request.seek(0)
                ended = self._forked(request, answer) if FORKS else _started(request, answer, path)
                if ended.code != KILLED:
                    break
            if ended.code:
                raise ReaderError(_noted(ended))
            result, fault = _taken(answer)
        if fault:
            raise ReaderError(note("reader_fault", error=fault))
        return result

    def _forked(self, request: BinaryIO, answer: BinaryIO) -> Ended:
        mine, theirs = socket.socketpair()
        with mine, theirs:
            with self._asking:
                line = self._connected()
                with contextlib.suppress(OSError):
                    files = [request.fileno(), answer.fileno(), theirs.fileno()]
                    socket.send_fds(line, [b"r"], files)
            theirs.close()
            ended = mine.recv(_ENDED.size, socket.MSG_WAITALL)
        if ended:
            return Ended(*_ENDED.unpack(ended))
        with self._asking:  # the server itself died
            if line is self._line:
                self.close()
        return Ended(KILLED)

    def _connected(self) -> socket.socket:
        """The line to the server, which is started with the first file, and again if it died."""
        if self._line is None or self._line.fileno() < 0:
            self._line, theirs = socket.socketpair()
            with theirs:
                start = _fork_of_this if _is_alone() else _new_process
                self._server, wait = start(theirs)
            self.close = weakref.finalize(self, _end, self._line, self._server, wait, os.getpid())
        return self._line


def _is_alone() -> bool:
    """Whether no other thread runs Python here, which a fork would stop wherever it is."""
    return sys.platform == "linux" and len(sys._current_frames()) == 1


def _new_process(line: socket.socket) -> tuple[int, Callable[[], object]]:
    server = subprocess.Popen(
        _command("serve"),
        stdin=line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt is the asking process's to deal with
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # no threads where it forks
    )
    return server.pid, server.wait


def _fork_of_this(line: socket.socket) -> tuple[int, Callable[[], object]]:
    """A server whose imports are those of this process: a second of processor time saved."""
    server = os.fork()
    if server:
        return server, functools.partial(os.waitpid, server, 0)
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for old, new in ((line.fileno(), 0), (nothing, 1), (nothing, 2)):
            os.dup2(old, new)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        serve()
    finally:
        os._exit(1)


def _end(line: socket.socket, server: int, wait: Callable[[], object], owner: int) -> None:
    """End a server with its readers; a fork of its owner only lets go of it."""
    line.close()
    if os.getpid() == owner:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            wait()


def _nameless() -> BinaryIO:
    """A file that is gone when nobody has it open: in memory where there is such, which is fast."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("fupan-reading"), "w+b")
    return tempfile.TemporaryFile()


def _taken(answer: BinaryIO) -> Any:
    """The object of `_hand_back`.

    A large one stays where it is, which keeps a file open; of small ones there may be thousands.
    """
    answer.seek(0)
    lengths, place = pickle.load(answer), answer.tell()
    if sum(lengths) > _LARGE:
        content = memoryview(mmap.mmap(answer.fileno(), 0, access=mmap.ACCESS_COPY))
    else:
        answer.seek(0)
        content = memoryview(bytearray(answer.read()))
    parts = []
    for length in lengths:
        place += -place % _ALIGNED
        parts.append(content[place : place + length])
        place += length
    return pickle.loads(parts[0], buffers=parts[1:])


@functools.cache
def readers() -> Readers:
    """The readers of this process."""
    return Readers()


if FORKS:  # a forked process has readers of its own, and does not keep those of its parent alive
    os.register_at_fork(after_in_child=readers.cache_clear)


def _command(what: str) -> list[str]:
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        f"from helpers.clean import reader_process; sys.exit(reader_process.{what}())"
    )
    return [sys.executable, "-c", program]


def _started(request: BinaryIO, answer: BinaryIO, path: Path) -> Ended:
    """A reader that is a new process."""
    seconds = limits_of(path).seconds * PATIENCE
    try:
        done = subprocess.run(
            _command("once"),
            stdin=request,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Ended(errno.ETIME, seconds)
    return Ended(done.returncode)


def _noted(ended: Ended) -> str:
    """Why a file could not be read: what was found, what was expected, and what helps."""
    how = {errno.ENOMEM: "reader_memory", errno.ETIME: "reader_time"}.get(ended.code)
    if how is None and ended.code < 0:
        why = note("reader_signal", signal=signal.Signals(-ended.code).name)
    else:
        why = note(how) if how else note("reader_code", code=ended.code)
    used = [
        note("reader_seconds", seconds=ended.seconds) if ended.seconds else None,
        note("reader_bytes", megabytes=ended.memory / 1e6) if ended.memory else None,
    ]
    return joined([why, *used, note("reader_expected")])


# ---- the side of the reader ----------------------------------------------------------------------


def serve() -> None:
    """Fork a reader for each request at standard input, until the process that asks is gone."""
    reference.tables(), reference.terms(), recognise.candidates([template.system()])  # once for all
    gc.freeze()
    ends: dict[int, int] = {}

    def report(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                process, status, used = ended
                seconds = used.ru_utime + used.ru_stime
                memory = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                message = _ENDED.pack(os.waitstatus_to_exitcode(status), seconds, memory)
                with contextlib.suppress(OSError):  # nobody waits for it any more
                    os.write(ends[process], message)
                os.close(ends.pop(process))

    signal.signal(signal.SIGCHLD, report)
    with socket.socket(fileno=0) as line:
        while files := socket.recv_fds(line, 1, 3)[1]:
            request, answer, end = files
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until it is in `ends`
            ends[process := os.fork()] = end
            if not process:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for file in (*ends.values(), line.fileno()):
                    os.close(file)
                _read(request, answer)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os.close(request)
            os.close(answer)
    os.killpg(0, signal.SIGKILL)  # with the readers, whose answers nobody waits for


def _read(request: int, answer: int) -> None:
    """In the forked process, which never goes back into what the server does."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        with os.fdopen(request, "rb") as asked, os.fdopen(answer, "wb") as to:
            code = _answered(asked, to)
    finally:
        os._exit(code)


def once() -> int:
    """Answer the one request of standard input at standard output."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what a library prints is no part of it
        return _answered(sys.stdin.buffer, answer)


def _answered(request: BinaryIO, answer: BinaryIO) -> int:
    """Do what is asked within the limits of the file; the exit code."""
    function, path, options = pickle.load(request)
    try:
        _limit(Limits(MEMORY, SECONDS))  # while the file's own are found out
        _limit(limits_of(path))
        _hand_back((function(path, **options), None), answer)
    except MemoryError:
        return errno.ENOMEM
    except Exception as error:  # what its message says may be somebody's: only its kind and place
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
        answer.seek(0)
        _hand_back((None, fault), answer)
    return 0


def _hand_back(content: object, answer: BinaryIO) -> None:
    """Write an object and, each by itself, the blocks of memory that it holds."""
    blocks: list[pickle.PickleBuffer] = []
    whole = pickle.dumps(content, protocol=5, buffer_callback=blocks.append)
    parts = [whole, *(block.raw() for block in blocks)]
    pickle.dump([len(part) for part in parts], answer)
    for part in parts:
        answer.write(bytes(-answer.tell() % _ALIGNED))
        answer.write(part)


def _limit(allowed: Limits) -> None:
    """Bound this process: its time, and its memory beside what it has now."""
    if hasattr(signal, "alarm"):
        signal.alarm(allowed.seconds * PATIENCE)
    with contextlib.suppress(ImportError):  # Windows
        import resource

        def bound(what: int, most: int) -> None:
            highest = resource.getrlimit(what)[1]
            free = highest == resource.RLIM_INFINITY
            resource.setrlimit(what, (most if free else min(most, highest), highest))

        bound(resource.RLIMIT_CORE, 0)
        bound(resource.RLIMIT_CPU, allowed.seconds)
        with contextlib.suppress(OSError):  # no /proc: what a process holds cannot be bounded
            status = Path("/proc/self/status").read_text()
            held = int(status.partition("VmData:")[2].split()[0]) * 1024
            bound(resource.RLIMIT_DATA, held + allowed.memory)
            # where the machine has no memory left, it is the reader that goes
            Path("/proc/self/oom_score_adj").write_text("1000")
