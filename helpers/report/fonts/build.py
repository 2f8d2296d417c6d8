"""Builds the committed font: `python helpers/report/fonts/build.py NotoSansCJK-Regular.ttc`.

Keeps what a report can hold without what neither charts nor page use (vertical forms, alternates,
hinting), under a family name of its own, so that a machine's own fonts are never picked up instead.
Same input, same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

FACE = "Noto Sans CJK SC"
FAMILY = "Fupan Sans SC"
TARGET = Path(__file__).with_name("FupanSansSC-Regular.otf")
# Latin with its extensions, Greek, Cyrillic, punctuation and symbols, kana, CJK (with 啫 and other
# characters that the GB 2312 set lacks), compatibility and full-width forms. Hangul and the rare
# CJK extensions would triple the file.
RANGES = (
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x2B0, 0x2FF),
    (0x370, 0x4FF),
    (0x1E00, 0x1EFF),
    (0x2000, 0x206F),
    (0x20A0, 0x20CF),
    (0x2100, 0x214F),
    (0x2150, 0x218F),
    (0x2190, 0x21FF),
    (0x2200, 0x22FF),
    (0x2460, 0x24FF),
    (0x2500, 0x257F),
    (0x25A0, 0x25FF),
    (0x2600, 0x26FF),
    (0x2700, 0x27BF),
    (0x3000, 0x303F),
    (0x3040, 0x30FF),
    (0x3200, 0x33FF),
    (0x4E00, 0x9FFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFFEF),
)


def face(collection: Path) -> TTFont:
    """The Simplified Chinese face of a Noto Sans CJK collection.

    Raises `SystemExit` where the file has none.
    """
    for number in range(64):
        try:
            font = TTFont(collection, fontNumber=number, recalcTimestamp=False)
        except Exception:
            break
        if font["name"].getDebugName(1) == FACE:
            return font
    raise SystemExit(f"{collection}: no face named {FACE!r} in this file")


def cut(font: TTFont) -> TTFont:
    """The face with the characters of `RANGES` alone; of hinting and layout only kerning stays."""
    options = subset.Options(
        hinting=False,
        desubroutinize=False,
        layout_features=["kern", "mark"],
        name_IDs=[0, 13, 14],
        notdef_outline=True,
        glyph_names=False,
        drop_tables=["BASE", "VORG", "vhea", "vmtx"],
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={code for first, last in RANGES for code in range(first, last + 1)})
    subsetter.subset(font)
    return font


def rename(font: TTFont) -> TTFont:
    """The same font under our own family name, copyright and licence kept."""
    names = {1: FAMILY, 2: "Regular", 3: f"{FAMILY} 1", 4: FAMILY, 6: "FupanSansSC-Regular"}
    for number, name in names.items():
        font["name"].setName(name, number, 3, 1, 0x409)
    top = font["CFF "].cff
    top.fontNames[0] = names[6]
    return font


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("NotoSansCJK-Regular.ttc")
    rename(cut(face(source))).save(TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.1f} MB")
