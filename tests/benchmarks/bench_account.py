"""Hosts, slots and ways of good sessions.

How often something is named where nothing matters, and found where it does.
"""

import pandas as pd

from tests.benchmarks import accounts

SEEDS, FIRST = 400, 30_000
PLANTED = {
    "host ×1.15": {"host": 1.15},
    "host ×1.3": {"host": 1.3},
    "slot ×1.2": {"slot": 1.2},
    "trait, 20 % a sd": {"planted": 0.2},
    "trait, 30 % a sd": {"planted": 0.3},
}


def test_quiet_accounts_name_nothing_and_planted_effects_are_found():
    quiet = accounts.shares(range(FIRST, FIRST + SEEDS))
    found = {
        name: accounts.shares(range(FIRST + 5000, FIRST + 5000 + SEEDS // 4), **planted)
        for name, planted in PLANTED.items()
    }
    print(
        f"\nshare of {SEEDS} accounts of {accounts.SESSIONS} sessions and {accounts.TRAITS} "
        f"traits ({SEEDS // 4} of each planted effect) in which is named:"
    )
    print(pd.DataFrame({"nothing planted": quiet, **found}).T.round(3).to_string())
    assert (quiet[["slot", "any trait"]] <= 0.075).all() and quiet["host"] <= 0.075
    assert found["host ×1.3"]["host"] > 0.8 and found["trait, 30 % a sd"]["trait 10 first"] > 0.8
