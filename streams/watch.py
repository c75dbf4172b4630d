"""Whether a partition gets on: clients are known to die in silence (Faust #175, #532), and logs to end too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.errors import ServiceError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.parts import Parts

_SHORT_S = 10.0
"""For so long a log may seem to end before what was read of it: a new leader learns its watermark late."""


class Watch:
    """Watches one partition in the hands of one worker."""

    def __init__(self, parts: Parts, partition: int) -> None:
        """Begin with nothing seen."""
        self._place = f"{parts.topics.events}/{partition}"
        self._topic, self._partition = parts.topics.events, partition
        self._stall_s = parts.settings.stall_deadline / 1000
        self._applied = -1
        self._since_s = 0.0

    def look(self, applied: int, end: int | None, now_s: float) -> None:
        """Compare the offset up to which all is applied with the log's end (None where it is not known).

        Raises
        ------
        ServiceError
            if records wait and nothing was applied for the setting's `stall_deadline`.
        StateError
            if the log ends before what was applied.
        """
        if applied != self._applied or end is None or end == applied:
            self._applied, self._since_s = applied, now_s
        elif end < applied and now_s - self._since_s > _SHORT_S:
            raise out_of_range(self._topic, {self._partition: applied})
        elif end > applied and now_s - self._since_s > self._stall_s:
            message = (
                f"{self._place}: nothing was applied for {now_s - self._since_s:.0f} s although records wait (at "
                f"offset {applied} of {end}); the worker stops, start it again"
            )
            raise ServiceError(message)


def out_of_range(topic: str, wanted: Mapping[int, int]) -> StateError:
    """Return the error for offsets (partition -> offset) that the broker does not have."""
    return StateError(
        f"{topic}: the broker does not have the next records (partition: offset {dict(wanted)}): retention removed "
        "them before they were applied, or the topic was truncated. What they would have changed is lost. To go on "
        "without, give the app another SEGUE_APP_ID, or remove its state and start with --from-scratch"
    )
