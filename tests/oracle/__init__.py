"""The naive evaluator: what segue must say, worked out from full histories with no state kept.

It shares no code with `rules` and `state`: it is written from the segment language's definition alone, so that a
fault in the engine and the same fault here would have to be made twice. Simple before fast: the full history of each
customer is kept, and truth is worked out from scratch at every instant at which anything could change.
"""

from __future__ import annotations

from tests.oracle.customer import Expected
from tests.oracle.models import Released
from tests.oracle.replay import Result, expected_live, expected_replay
from tests.oracle.wire import Record

__all__ = ["Expected", "Record", "Released", "Result", "expected_live", "expected_replay"]
