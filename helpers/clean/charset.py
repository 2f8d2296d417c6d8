"""The charset of a text, found by its bytes."""

import codecs
import io
import re
from typing import BinaryIO

import charset_normalizer

from helpers.clean.notes import note
from helpers.clean.sheet import UnreadableError

HEAD = 1 << 18
MOST_DAMAGED = 0.002  # share of damaged characters up to which the rest of a text is worth reading
DAMAGE = "\ufffd"


def beginning(content: BinaryIO, size: int) -> bytes:
    """The first bytes of a file."""
    content.seek(0)
    return content.read(size)


def detect_charset(content: BinaryIO) -> str:
    """The charset of a text; raises `UnreadableError` where the bytes are no text.

    By its mark, else UTF-8 if valid, else GB18030, else what charset-normalizer says.
    """
    head = beginning(content, HEAD)
    if not head.strip(_NOTHING) and not content.read().strip(_NOTHING):
        raise UnreadableError(note("empty"))
    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return charset
    zeros = [head[start::2].count(0) for start in (0, 1)]
    if max(zeros) > len(head) // 8 and max(zeros) > 4 * min(zeros):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if len(head.translate(None, _TEXT)) > len(head.replace(b"\0", b"")) // 100:
        raise UnreadableError(note("binary"))
    if _decodes(content, "utf-8") and not _is_chance(head.decode("utf-8", errors="ignore")):
        return "utf-8"
    if _common_share(head[: 1 << 16]) > 0.7 and _decodes(io.BytesIO(head), "gb18030"):
        return "gb18030"  # whether it goes on as such is seen on reading
    if _nearly(head, "utf-8"):
        return "utf-8"
    guess = charset_normalizer.from_bytes(
        head[: 1 << 16], cp_isolation=["gb18030", "big5", "cp1252", "cp1258", "cp874"]
    ).best()
    for charset in [*([guess.encoding] if guess else []), "gb18030"]:
        if _decodes(content, charset):
            return charset
    if _nearly(head, "gb18030"):
        return "gb18030"
    raise UnreadableError(note("no_charset"))


_NOTHING = b"\0 \t\r\n\x0b\x0c"
# what a text of any of these charsets may hold; NULs are dropped
_TEXT = bytes([0, *b"\t\n\r\x0b\x0c\x1a", *range(32, 256)])


def _is_chance(text: str) -> bool:
    """Whether a text is UTF-8 by chance: as two bytes of GB18030 may be, 元 as a rare letter."""
    letters = set(re.findall(r"[^\x00-\x7f]", text))
    return bool(letters) and all(_RARE.match(letter) for letter in letters)


# phonetic marks, letters of Komi, Armenian, Syriac, N'Ko: in no export
_RARE = re.compile(r"[\u0250-\u02af\u0500-\u058f\u0700-\u07ff]")


def _nearly(head: bytes, charset: str) -> bool:
    """But for a few damaged characters."""
    text = head.decode(charset, errors="replace")
    return text.count(DAMAGE) <= max(len(text) * MOST_DAMAGED, 1)


def _common_share(head: bytes) -> float:
    """The share of common Chinese characters (GB2312 A1, B0 to D7) among the non-ASCII ones."""
    marks = [mark for mark in head.decode("gb18030", errors="ignore") if ord(mark) > 127]
    leads = [mark.encode("gb18030")[0] for mark in marks]
    return sum(lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7 for lead in leads) / max(len(leads), 1)


def _decodes(content: BinaryIO, charset: str) -> bool:
    """The last character may be cut off."""
    decoder = codecs.getincrementaldecoder(charset)()
    content.seek(0)
    try:
        while block := content.read(1 << 22):
            decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True
