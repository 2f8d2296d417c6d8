"""The setting of a review: made once, and what the room's functions make of the same tables."""

import pandas as pd

from helpers import compare, reference
from helpers.review import open_review


def test_a_setting_is_made_once_and_is_what_its_parts_give(demo_workspace, tmp_path):
    review = open_review(
        "latest", data_dir=demo_workspace, reports_dir=tmp_path, notebook="03_compare"
    )
    setting = compare.setting_of(review)
    assert compare.setting_of(review) is setting
    events = compare.event_windows(review.everything("events"), reference.event_kinds())
    comparable = compare.comparable(
        review.sessions,
        review.session_id,
        events=events,
        calendar=reference.calendar(),
        thresholds=review.thresholds,
    )
    pd.testing.assert_frame_equal(setting.events, events)
    pd.testing.assert_frame_equal(setting.comparable, comparable)
    assert setting.basis == compare.basis(comparable, review.thresholds)
    assert setting.chosen == comparable.loc[comparable["chosen"], "session_id"].tolist()


def test_another_review_has_a_setting_of_its_own(demo_workspace, tmp_path):
    one, other = (
        open_review("latest", data_dir=demo_workspace, reports_dir=tmp_path, notebook=name)
        for name in ("03_compare", "04_split")
    )
    assert compare.setting_of(one) is not compare.setting_of(other)
