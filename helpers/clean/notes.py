"""What the ledger says of a file: ids with values, worded (`notes.yml`) only where it is shown."""

import json
from collections.abc import Iterable, Mapping

from helpers import reference
from helpers.core import privacy, text

_LONGEST = 200  # characters of a value


def note(name: str, **values: object) -> str:
    """A note as it is kept, in one line: its id, and the values that its words need.

    A value is a number, a text, a list of texts, or a label in both languages (`both`).
    """
    return json.dumps({"note": name, **values}, ensure_ascii=False, default=int)


def both(label: text.Labelled) -> dict[str, str]:
    """A label as a value of a note."""
    return {"zh": label.zh, "en": label.en}


def joined(notes: Iterable[str | None]) -> str:
    """Notes as a cell of the ledger holds them, one a line."""
    return "\n".join(filter(None, notes))


def parted(notes: object) -> list[dict[str, object]]:
    """The notes of a cell of the ledger, each its id (`note`) and values."""
    return [json.loads(line) for line in notes.split("\n")] if isinstance(notes, str) else []


def with_values(kept: str, **values: object) -> str:
    """The note with more values, as the column that it is of."""
    return json.dumps(json.loads(kept) | values, ensure_ascii=False)


def masked(notes: str) -> str:
    """Notes with somebody's phone number or the like hidden."""

    def hidden(value: object) -> object:
        return privacy.mask_name(value) if isinstance(value, str) else value

    return "\n".join(
        json.dumps({name: hidden(value) for name, value in one.items()}, ensure_ascii=False)
        for one in parted(notes)
    )


class NotedError(ValueError):
    """Why something could not be read, as a note; as text it is the note's English words."""

    def __init__(self, kept: str):
        super().__init__(kept)
        self.kept = kept

    def __str__(self) -> str:
        return in_words(self.kept, "en")


def in_words(kept: str, lang: str) -> str:
    """Why something could not be read, in words."""
    return text.choose(lang, "", " ").join(sentence(one, lang) for one in parted(kept))


def sentence(one: Mapping[str, object], lang: str) -> str:
    """A note in words."""
    catalogue = reference.notes()

    def shown(value: object) -> object:
        if isinstance(value, dict):
            return text.plain(value[lang], _LONGEST)
        if isinstance(value, list):
            return text.choose(lang, "、", ", ").join(str(shown(each)) for each in value)
        return text.plain(value, _LONGEST) if isinstance(value, str) else value

    values = {name: shown(value) for name, value in one.items() if name != "note"}
    expected = text.label(catalogue["expected"], lang)
    return text.label(catalogue[one["note"]], lang).format(expected=expected, **values)
