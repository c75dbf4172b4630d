"""Whether a partition gets on: clients are known to die in silence (Faust #175, #532), and logs to end too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.errors import ServiceError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.parts import Parts
    from streams.transport import Place

_SHORT_S = 10.0
"""For so long a log may seem to end before what was read of it: a new leader learns its watermark late."""


class Watch:
    """Watches one partition in the hands of one worker."""

    def __init__(self, parts: Parts, partition: int) -> None:
        """Begin with nothing seen."""
        self._topic, self._partition = parts.topics.events, partition
        self._stall_s = parts.settings.stall_deadline / 1000
        self._stood = (-1, -1)
        self._since_s = 0.0

    def look(self, applied: int, place: Place | None, now_s: float, *, idle: bool) -> None:
        """Compare the offset up to which all is applied, and where reading stands, with the last look.

        `place` is None where it is not known; `idle` says that the tenure has nothing to do.

        Raises
        ------
        ServiceError
            if records wait and nothing was applied for the setting's `stall_deadline`.
        StateError
            if the log ends before what was applied.
        """
        stands = (applied, place.position if place is not None else -1)
        if stands != self._stood or place is None or (idle and place.position == place.end):
            self._stood, self._since_s = stands, now_s
            return
        still_s = now_s - self._since_s
        if place.position > place.end and still_s > _SHORT_S:
            raise out_of_range(self._topic, {self._partition: place.position})
        if still_s > self._stall_s:
            message = (
                f"{self._topic}/{self._partition}: nothing was applied for {still_s:.0f} s although records wait (at "
                f"offset {applied} of {place.end}); the worker stops, start it again"
            )
            raise ServiceError(message)


def out_of_range(topic: str, wanted: Mapping[int, int]) -> StateError:
    """Return the error for offsets (partition -> offset) that the broker does not have."""
    return StateError(
        f"{topic}: the broker does not have the next records (partition: offset {dict(wanted)}): retention removed "
        "them before they were applied, or the topic was truncated. What they would have changed is lost. To go on "
        "without, give the app another SEGUE_APP_ID, or remove its state and start with --from-scratch"
    )
