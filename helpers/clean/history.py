"""What was known when: the newest state of rows that several exports speak of, and earlier ones."""

import numpy as np
import pandas as pd

SINCE, UNTIL = "known_from", "known_to"
TRACE = ("source_file", "source_sheet", "source_row")
# says of itself that it is newer: no change of what is known
_ALWAYS_NEW = {SINCE, "as_of", *TRACE}
_GROUP = "rows_of_one_key"  # no column of a table is called so


def versions(frame: pd.DataFrame, key: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest state of each key, and its earlier states.

    `frame` holds the rows of all exports, oldest first, with `known_from` (the time of the export).
    A state is, column by column, the newest value that is not missing. The first frame has one row
    per key, `known_from` the export that first said so; the second one row per earlier state,
    `known_to` when the next was known. Without key columns, or where no key comes twice, the frame
    itself and none.
    """
    key = [name for name in key if name in frame]
    several = frame.duplicated(key, keep=False) if key and len(frame) else np.zeros(0, dtype=bool)
    if not several.any():
        return frame, frame.iloc[:0].assign(**{UNTIL: frame[SINCE].iloc[:0]})
    states = _states(frame[several], key)
    last = ~states[_GROUP].duplicated(keep="last")
    until = states.groupby(_GROUP, sort=False)[SINCE].shift(-1)
    earlier = states.assign(**{UNTIL: until})[~last].drop(columns=_GROUP)
    newest = frame[several].drop_duplicates(key, keep="last")
    now = states[last].set_index(_GROUP)
    group_of = frame[several].groupby(key, dropna=False, sort=False).ngroup().loc[newest.index]
    now = now.loc[group_of].set_axis(newest.index, axis=0)
    always = [name for name in newest if name in _ALWAYS_NEW - {SINCE}]
    now = now.assign(**{name: newest[name].fillna(now[name]) for name in always})[frame.columns]
    newest_states = pd.concat([frame[~several], now], ignore_index=True)
    return newest_states, earlier[[*frame.columns, UNTIL]].reset_index(drop=True)


def _states(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The different states of each key (`_GROUP`) in the exports' order, one per moment."""
    group = rows.groupby(key, dropna=False, sort=False).ngroup()
    rows = rows.iloc[np.argsort(group.to_numpy(), kind="stable")]
    group = group.loc[rows.index]
    filled = rows.groupby(group, sort=False).ffill()
    states = filled[list(rows)].assign(**{_GROUP: group})
    states = states[_changes(states)]
    return states[~states.duplicated([_GROUP, SINCE], keep="last")]


def _changes(states: pd.DataFrame) -> np.ndarray:
    group = states[_GROUP].to_numpy()
    changed = np.append(True, group[1:] != group[:-1])
    for name in states.columns.difference([*_ALWAYS_NEW, _GROUP]):
        codes = pd.factorize(states[name], use_na_sentinel=True)[0]
        changed |= np.append(True, codes[1:] != codes[:-1])
    return changed


def distinct(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Rows of a table without a key, those that overlapping exports repeat counted once.

    A row that stands n times in one sheet and m times in another counts max(n, m) times; the one
    that was known first stays.
    """
    if frame.empty:
        return frame
    part = frame.groupby(["source_file", "source_sheet"], dropna=False, sort=False).ngroup()
    if part.nunique() < 2:
        return frame
    mark = pd.util.hash_pandas_object(frame[columns], index=False)
    nth = mark.groupby([part, mark]).cumcount()
    return frame[~pd.DataFrame({"mark": mark, "nth": nth}).duplicated()].reset_index(drop=True)


def as_known(now: pd.DataFrame, earlier: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The states known at a moment, one row per key spoken of by then, without `known_to`."""
    then = now[now[SINCE] <= moment]
    if len(earlier):
        before = earlier[(earlier[SINCE] <= moment) & (moment < earlier[UNTIL])]
        then = pd.concat([then, before[now.columns]], ignore_index=True) if len(before) else then
    return then.reset_index(drop=True)
