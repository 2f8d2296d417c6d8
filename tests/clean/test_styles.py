"""Known tables through many styles of export and re-save come out equal, or as a named question.

`styles.py` lists the styles. Each is tried alone on the exports that it fits, then in combinations
of two and three, drawn with a seed: 100 in `make test`, 2,000 in `make fuzz` (FUPAN_FUZZ=number for
more or fewer).
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clean import styles
from tests.clean.checked import Checked, check

COMBINATIONS = int(os.environ.get("FUPAN_FUZZ", "100"))
SEED = 16
IN_ONE = 24  # files of a workspace: each is of a shop of its own


_RUPIAH = "rupiah"


class Trial(NamedTuple):
    """An export, the styles that it is written through, and the number of its shop."""

    kind: str
    names: tuple[str, ...]
    number: int

    def __str__(self) -> str:
        return f"{self.kind}: {' + '.join(self.names)} (shop {self.number})"


def _checked(folder: Path, trials: list[Trial]) -> tuple[list[styles.File], Checked]:
    (folder / "raw").mkdir()
    (folder / "workspace.yml").write_text(f"timezone: {styles.ZONE}\n", encoding="utf-8")
    files = [
        styles.written(folder / "raw", trial.kind, trial.names, trial.number) for trial in trials
    ]
    return files, check(folder)


def _alone(trial: Trial) -> tuple[str, str]:
    """The verdict on a file that is alone in its workspace: there the exit code is its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            (file,), found = _checked(Path(folder), [trial])
        except Exception as error:
            return "wrong", f"reading ends: {type(error).__name__}: {str(error)[:160]}"
        verdict, why = styles.judged(file, found)
    if verdict == "named" and found.exit_code != 1 and not file.said:
        return "wrong", f"{why}; it is named, but the exit code is {found.exit_code}"
    return verdict, why


def verdicts(trials: list[Trial]) -> dict[Trial, tuple[str, str]]:
    """What became of each file; one that is named is read again by itself, for the exit code.

    A workspace has files of one currency: orders in the yuan of a workspace that lie in sessions in
    rupiah are asked about.
    """
    made: dict[Trial, tuple[str, str]] = {}
    of_one = [[trial for trial in trials if (_RUPIAH in trial.names) is it] for it in (True, False)]
    for some in (one[at : at + IN_ONE] for one in of_one for at in range(0, len(one), IN_ONE)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                files, found = _checked(Path(folder), some)
            except Exception:  # one of the files: which one?
                made |= {trial: _alone(trial) for trial in some}
                continue
            for trial, file in zip(some, files, strict=True):
                verdict = styles.judged(file, found)
                made[trial] = _alone(trial) if verdict[0] == "named" else verdict
    return made


# ---- each style alone
# -----------------------------------------------------------------------------


def _shop(kind: str, name: str) -> int:
    """The shop of a style on a kind: the same whatever other styles there are."""
    return zlib.crc32(f"{kind} {name}".encode()) % 40_000


_FITTING = {
    name: {kind for kind in styles.KINDS if name in styles.fitting(kind)} for name in styles.STYLES
}


def _alone_on(name: str, every: bool) -> list[str]:
    """The kinds that a style is tried on: all, or the one whose turn it is."""
    kinds = [kind for kind in styles.KINDS if kind in _FITTING[name]]
    return kinds if every else [kinds[_shop("", name) % len(kinds)]]


ALONE = [
    Trial(kind, (name,), _shop(kind, name))
    for name in styles.STYLES
    for kind in _alone_on(name, every="FUPAN_FUZZ" in os.environ)
]


@functools.cache
def _all_alone() -> dict[Trial, tuple[str, str]]:
    return verdicts(ALONE)


@pytest.mark.parametrize("trial", ALONE, ids=lambda trial: f"{trial.names[0]}-{trial.kind}")
def test_a_style(trial):
    verdict, why = _all_alone()[trial]
    assert verdict != "wrong", f"{trial}: {why}"


def test_every_style_is_listed():
    lines = [line.split() for line in styles.__doc__.splitlines() if line.startswith("  ")]
    listed = {words[1]: words[0] for words in lines if words[0] in ("=", "?")}
    assert set(listed) == set(styles.STYLES) and len(listed) >= 40
    assert {name for name, sign in listed.items() if sign == "?"} == {
        name for name, one in styles.STYLES.items() if one.asks is not None
    }


# ---- several together
# -----------------------------------------------------------------------------


# pairs in which one style hides what the other needs to be told by
PAIRS = [
    *itertools.product(
        ("sessions", "tiktok_sessions"), ("dmy", "dmy_pm"), ("over_two_sheets", "header_again")
    ),
    ("tiktok_sessions", "spoken_durations", "big5"),
    *((kind, "sign_of_money_before", "big5") for kind in ("tiktok_orders", "tiktok_sessions")),
    *((kind, "columns_turned", "total_without_mark") for kind in ("traffic", "ads")),
]


@pytest.mark.parametrize(("kind", "one", "other"), PAIRS)
def test_two_styles_that_hinder_each_other(kind, one, other):
    trial = Trial(kind, (one, other), 7)
    verdict, why = _alone(trial)
    assert verdict != "wrong", f"{trial}: {why}"


def test_combinations_of_styles():
    dice = random.Random(SEED)
    trials = [Trial(*styles.drawn(dice), number) for number in range(COMBINATIONS)]
    found = verdicts(trials)
    kinds = Counter(verdict for verdict, _ in found.values())
    print(f"\n{len(trials)} combinations: {dict(kinds)}")
    wrong = [f"{trial}: {why}" for trial, (verdict, why) in found.items() if verdict == "wrong"]
    assert not wrong, "\n".join(wrong)
