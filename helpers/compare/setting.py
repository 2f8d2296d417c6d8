"""What a review holds its session against, made once: calendar, events, comparable sessions."""

from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.compare.baseline import Basis, basis, comparable
from helpers.compare.events import event_windows
from helpers.review import Review


class Setting(NamedTuple):
    """What a session is held against.

    calendar and kinds (of events) are the workspace's, events those of `event_windows`.
    """

    calendar: tuple[reference.Festival, ...]
    kinds: dict[str, reference.EventKind]
    events: pd.DataFrame
    comparable: pd.DataFrame
    basis: Basis

    @property
    def chosen(self) -> list[str]:
        """The ids of the baseline sessions, newest first."""
        return self.comparable.loc[self.comparable["chosen"], "session_id"].tolist()


def setting_of(review: Review) -> Setting:
    """The setting of a review, made once and kept with it."""
    return review.once("compare.setting", lambda: _made(review))


def _made(review: Review) -> Setting:
    calendar = reference.calendar(review.workspace.reference)
    kinds = reference.event_kinds(review.workspace.reference)
    events = event_windows(review.everything("events"), kinds)
    sessions = comparable(
        review.sessions,
        review.session_id,
        events=events,
        calendar=calendar,
        thresholds=review.thresholds,
    )
    return Setting(calendar, kinds, events, sessions, basis(sessions, review.thresholds))
