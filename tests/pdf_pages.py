"""The words of a PDF that Chromium printed, sheet by sheet.

Enough to see what stands where, and no library for it.
"""

from __future__ import annotations

import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)\sendobj", re.DOTALL)
STREAM = re.compile(rb"stream\r?\n(.*)\r?\nendstream", re.DOTALL)
SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)> Tj|\[([^\]]*)\] TJ")
PAIRS = re.compile(rb"beginbf(char|range)(.*?)endbf", re.DOTALL)


def sheets(pdf: bytes) -> list[str]:
    """What each sheet says, in the order in which it is drawn.

    Without spaces: of kerned words they are not in the file.
    """
    objects = {int(number): content for number, content in OBJECT.findall(pdf)}
    fonts: dict[int, dict[int, str]] = {}
    pages = [
        content for _, content in sorted(objects.items()) if re.search(rb"/Type /Page\b", content)
    ]
    return [
        _said(_stream(objects[_reference(page, b"Contents")]), page, objects, fonts)
        for page in pages
    ]


def _said(
    drawn: bytes, page: bytes, objects: dict[int, bytes], fonts: dict[int, dict[int, str]]
) -> str:
    named = {name: int(number) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", page)}
    found, letters, wide = [], {}, 4
    for font, one, several in SHOWN.findall(drawn):
        if font:
            number = named[font]
            letters, wide = (
                fonts.setdefault(number, _letters(objects, objects[number])),
                2 if b"/Type3" in objects[number] else 4,
            )
            continue
        glyphs = one + b"".join(re.findall(rb"<([0-9A-Fa-f]+)>", several))
        found += [
            letters.get(int(glyphs[place : place + wide], 16), "")
            for place in range(0, len(glyphs), wide)
        ]
    return "".join("".join(found).split())


def _letters(objects: dict[int, bytes], font: bytes) -> dict[int, str]:
    """The character of each glyph.

    By the table that the font carries for those who copy its words.
    """
    if b"/ToUnicode" not in font:
        return {}
    known: dict[int, str] = {}
    for kind, lines in PAIRS.findall(_stream(objects[_reference(font, b"ToUnicode")])):
        for line in lines.strip().splitlines():
            numbers = re.findall(rb"<([0-9A-Fa-f]+)>", line)
            first, last = int(numbers[0], 16), int(numbers[-2 if kind == b"char" else 1], 16)
            start = bytes.fromhex(numbers[-1].decode()).decode("utf-16-be")
            known |= {
                glyph: start[:-1] + chr(ord(start[-1]) + glyph - first)
                for glyph in range(first, last + 1)
            }
    return known


def _reference(content: bytes, name: bytes) -> int:
    return int(re.search(rb"/" + name + rb" (\d+) 0 R", content).group(1))


def _stream(content: bytes) -> bytes:
    body = STREAM.search(content).group(1)
    return zlib.decompress(body) if b"/FlateDecode" in content else body
