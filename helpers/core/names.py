"""Names that exist, and what is said of one that does not: the nearest, then the others."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

MOST = 150  # names that are listed
T = TypeVar("T")


class UnknownName(KeyError):
    """A name that does not exist; the message names the nearest and lists the others."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would put its message in quotes


class Names(dict[str, T]):
    """Entries by name; a name that is not there is answered with the nearest and the others."""

    def __init__(self, what: str, entries: Mapping[str, T]) -> None:
        super().__init__(entries)
        self.what = what

    def __missing__(self, name: object) -> T:
        raise UnknownName(no_such(name, self.what, self))


def nearest(name: object, names: Iterable[object], *, most: int = 3) -> list[str]:
    """The names most like one that does not exist, the most alike first.

    Capitals do not matter; entries of a mapping are also found by what they are called in Chinese
    or English (`zh`, `en`).
    """
    called: dict[str, str] = {}
    for one in names:
        entry = names[one] if isinstance(names, Mapping) else None
        labels = (getattr(entry, "zh", ""), getattr(entry, "en", ""))
        for words in (str(one), *filter(None, labels)):
            called.setdefault(words.casefold(), str(one))
    given = str(name).casefold()
    near = difflib.get_close_matches(given, called, n=2 * most)
    near = near or difflib.get_close_matches(given, called, n=1, cutoff=0.4)
    return list(dict.fromkeys(called[words] for words in near))[:most]


def no_such(name: object, what: str, names: Iterable[object], *, most: int = MOST) -> str:
    """What is said of a name that does not exist: what is nearest, and the others.

    'hots' is no column; nearest: host; others: source, minute … At most `most` of the others.
    """
    near = nearest(name, names)
    others = [one for one in dict.fromkeys(map(str, names)) if one not in near]
    listed = ", ".join(others[:most])
    if len(others) > most:
        listed += f" … ({len(others) - most} more)"
    parts = [f"{name!r} is no {what}"]
    parts += [f"nearest: {', '.join(near)}"] if near else []
    parts += [f"{'others' if near else 'there are'}: {listed}"] if others else []
    return "; ".join(parts if near or others else [*parts, "there is none"])
