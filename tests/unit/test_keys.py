from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import SettingsError
from state.keys import Keys, escape_glob


def test_the_keys_of_a_partition_share_the_hash_tag_of_its_number() -> None:
    names = Keys("segue")
    assert names.head(7) == "segue:{7}:head"
    assert names.due(7) == "segue:{7}:due"
    assert names.outbox(7) == "segue:{7}:outbox"
    assert names.sizes(7) == "segue:{7}:sizes"
    assert names.views(7) == "segue:{7}:views"
    assert names.history(7) == "segue:{7}:history"
    assert names.history_prefix(7) + "c42" == "segue:{7}:h:c42"
    assert names.flows(7) == ("segue:{7}:flows", "segue:{7}:minutes")
    assert names.webhooks_of(7) == "segue:{7}:webhooks"
    assert names.webhook_lane(7, "ep_1", 2, "due") == "segue:{7}:webhooks:ep_1:2:due"
    assert names.webhook_dead(7, "ep_1") == "segue:{7}:webhooks:ep_1:dead"
    assert names.profile_prefix(7) + "c42" == "segue:{7}:c:c42"
    assert names.scan_pattern(7) == "segue:{7}:c:*"
    assert names.view_prefix + "c42" == "segue:customer:c42"
    assert names.view_pattern == "segue:customer:*"
    assert names.rules == "segue:rules"
    assert names.everything == "segue:*"


@pytest.mark.parametrize("app", ["", "a:b", "a{b", "a}b", "a b", "a\n"])
def test_an_app_id_that_would_confuse_keys_is_refused(app: str) -> None:
    with pytest.raises(SettingsError, match=f"SEGUE_APP_ID {re.escape(repr(app))}"):
        Keys(app)


@given(st.text("ab*?[]^-\\!", max_size=8), st.text("ab*?[]^-\\!", max_size=8))
def test_an_escaped_pattern_matches_nothing_but_itself(text: str, other: str) -> None:
    # Python's own globs know no backslash: its way of quoting, a class of one, is put in for ours.
    pattern = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], escape_glob(text))
    assert fnmatchcase(other, pattern) == (other == text)
    assert fnmatchcase(text, pattern)
