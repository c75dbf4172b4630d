"""A profile as bytes: the number of the format, and msgpack.

Format 4: the byte 4, then, as `state.shorthand` shortens it, [ruleset version, clock, seq, rev, ids, traits, trait
times, scores, levels, dues, form, features, spare, models]. The version is the 6 bytes that its 12 digits stand for.
Levels are keyed by segment or segmentation (`key`: since, or `key`: [segment, since]), dues by the unit's place in the
ruleset; the least of them is the customer's. Features stand in the ruleset's order, nil where nothing was counted yet.
The hashes of their definitions, 8 bytes each in the same order, are the same for everybody under one ruleset: `form` is
a hash of them all, and what it stands for is kept once, in the partition's head.

Older formats are one array with their number in it, and the version as text. Format 3 has `due` after `dues`, and the
hashes in the place of `form`. Format 2 has the features keyed by their hash, and dues in the order of units, nil for
never; format 1 has no models.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rules.errors import StateError, UnknownFormat
from rules.features import NEVER, feature_key
from rules.models.unit import ModelUnit
from state.profile import Profile
from state.shorthand import lengthened, shortened
from state.stored import Stored

if TYPE_CHECKING:
    from rules.checks.base import Level
    from rules.compile import CompiledRuleset

FORMAT: Final = 4
KEY_BYTES: Final = 8
FORM_BYTES: Final = 6
"""No multiple of `KEY_BYTES`: that tells it from the hashes themselves, which older formats have in its place."""
_OLDER: Final = (1, 2, 3)
SPARE_KEPT_MS: Final = 7 * 86_400_000

BEGINS: Final = bytes([FORMAT])
"""A profile's first byte."""
_FORMATS: Final = 0x80
"""Bytes below are numbers of formats; in older ones, which are arrays, the first byte is another."""
_NONE: Final = msgspec.Raw(b"\x80")
"""The levels of somebody who is in nothing."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode
_decode_stored: Final = msgspec.msgpack.Decoder(Stored).decode


class ProfileCodec:
    """Writes and reads the profiles of one compiled ruleset."""

    def __init__(self, compiled: CompiledRuleset) -> None:
        """Index the ruleset's features and units by what they are stored under."""
        self.version = compiled.version
        self.packed_version = bytes.fromhex(self.version)
        self.keys = [feature_key(spec) for spec in compiled.specs]
        self.packed_keys = b"".join(key.to_bytes(KEY_BYTES, "big") for key in self.keys)
        self.form = blake2b(self.packed_keys, digest_size=FORM_BYTES).digest()
        self.own_form = {self.form.hex(): self.packed_keys}
        self.forms = dict(self.own_form)
        """What forms stand for, by their names: those that were learned, too."""
        self.slots = {key: slot for slot, key in enumerate(self.keys)}
        self.units = [(unit.key, unit.segmentation is None) for unit in compiled.units]
        self.indexes = {key: index for index, (key, _) in enumerate(self.units)}
        self.models = frozenset(unit.hash for unit in compiled.units if isinstance(unit, ModelUnit))

    def new(self, customer: str) -> Profile:
        """Return the profile of a customer with no event yet."""
        return Profile(customer, self.version, len(self.keys))

    def encode(self, profile: Profile) -> bytes:
        """Return the profile's bytes; it must stand under this ruleset."""
        if profile.version != self.version:
            message = f"the profile stands under ruleset {profile.version}, not {self.version}"
            raise StateError(message)
        if profile.spare:
            self._forget_spare(profile)
        if profile.packed_levels is None:
            profile.packed_levels = self._pack_levels(profile)
        whole = _encode((
            self.packed_version, profile.clock, profile.seq, profile.rev, profile.ids,
            profile.traits, profile.trait_times, profile.scores, profile.packed_levels, profile.dues,
            self.form, profile.slots, profile.spare, profile.models,
        ))  # fmt: skip
        return BEGINS + shortened(whole, profile.clock)

    def decode(self, customer: str, data: bytes) -> Profile:
        """Return the profile; one of another ruleset keeps its old due instant until it is evaluated under this one.

        Raises UnknownFormat for a version of the bytes that this code does not know, StateError for bytes that are
        no profile, or whose form was not learned.
        """
        try:
            return self._restore(customer, unpacked(data) if data.startswith(BEGINS) else _upgraded(data))
        except (msgspec.DecodeError, TypeError, ValueError, AttributeError, IndexError, KeyError, _Formless) as error:
            message = f"the stored profile of customer {customer!r} cannot be read ({error}); restore it from a backup"
            raise StateError(message) from error
        except _Unknown as error:
            message = (
                f"the stored profile of customer {customer!r} has format {error}; this version of segue reads "
                f"format {FORMAT}: run the version that wrote it, or a newer one"
            )
            raise UnknownFormat(message) from None

    def knows_form(self, data: bytes) -> bool:
        """Return whether a stored profile can be read with the forms that are known; of other bytes, `decode` tells."""
        try:
            return not data.startswith(BEGINS) or unpacked(data).form.hex() in self.forms
        except (msgspec.DecodeError, IndexError, KeyError):
            return True

    def _pack_levels(self, profile: Profile) -> msgspec.Raw:
        levels: dict[str, Any] = {}
        level: Any
        for index in sorted(profile.levels):
            level = profile.levels[index]
            key, own = self.units[index]
            levels[key] = level[1] if own else level
        return _raw(levels)

    def _restore(self, customer: str, stored: Stored) -> Profile:
        current = stored.version == self.packed_version
        profile = Profile(customer, self.version if current else stored.version.hex(), 0)
        profile.clock, profile.seq, profile.rev = stored.clock, stored.seq, stored.rev
        profile.ids = bytearray(stored.ids)
        profile.traits, profile.trait_times, profile.scores = stored.traits, stored.trait_times, stored.scores
        profile.due = min(stored.dues.values()) if stored.dues else NEVER
        profile.spare = stored.spare
        if stored.models:
            profile.models = {key: kept for key, kept in stored.models.items() if key in self.models}
        if stored.levels != _NONE:
            self._restore_levels(profile, _decode(stored.levels))
        if stored.form == self.form:
            profile.slots = stored.slots
        else:
            profile.slots = [None] * len(self.keys)
            self._restore_slots(profile, unpack_keys(self._keys(stored.form)), stored.slots)
        if current:
            profile.dues, profile.packed_levels = stored.dues, stored.levels
        else:
            spare = profile.spare
            for key in [key for key in spare if key in self.slots]:
                profile.slots[self.slots[key]] = spare.pop(key)[0]
        return profile

    def _keys(self, form: bytes) -> bytes:
        if len(form) != FORM_BYTES:
            return form
        keys = self.forms.get(form.hex())
        if keys is None:
            message = f"its form {form.hex()} is not in the head of its partition"
            raise _Formless(message)
        return keys

    def _restore_slots(self, profile: Profile, keys: list[int], states: list[Any]) -> None:
        for key, state in zip(keys, states, strict=True):
            slot = self.slots.get(key)
            if slot is not None:
                profile.slots[slot] = state
            elif state is not None:
                profile.spare[key] = [state, profile.clock]

    def _restore_levels(self, profile: Profile, levels: dict[str, Any]) -> None:
        for key, stored in levels.items():
            own = stored.__class__ is not list
            level: Level = (key, stored) if own else (stored[0], stored[1])
            index = self.indexes.get(key)
            if index is None or self.units[index][1] is not own:
                profile.gone.append((None if own else key, level))
            else:
                profile.levels[index] = level

    def _forget_spare(self, profile: Profile) -> None:
        oldest = profile.clock - SPARE_KEPT_MS
        profile.spare = {key: kept for key, kept in profile.spare.items() if kept[1] >= oldest}


def unpack_keys(packed: bytes) -> list[int]:
    """Return the keys of features as a profile has them."""
    return [int.from_bytes(packed[at : at + KEY_BYTES], "big") for at in range(0, len(packed), KEY_BYTES)]


class _Formless(Exception):
    """What a profile leaves out is not known."""


class _Unknown(Exception):
    """The format of a profile that this code does not know."""


def unpacked(data: bytes) -> Stored:
    """Return the fields of a profile in this format, which `BEGINS` says; raises `msgspec.DecodeError` and others."""
    stored: Stored = _decode_stored(lengthened(data, len(BEGINS)))
    return stored


def _upgraded(data: bytes) -> Stored:
    """Return a profile in an older format as this one has it, but for the hashes, which are all in it."""
    if data[0] < _FORMATS:
        raise _Unknown(str(data[0]))
    number, version, *fields = _decode(data)
    if number not in _OLDER:
        raise _Unknown(repr(number))
    if number == _OLDER[-1]:
        *before, levels, dues, _, keys, slots, spare, models = fields
    else:
        *before, levels, by_unit, _, features, spare = fields[:12]
        models = fields[12] if len(fields) > 12 else {}  # noqa: PLR2004 - format 1 has none
        dues = {index: due for index, due in enumerate(by_unit) if due is not None}
        keys, slots = b"".join(key.to_bytes(KEY_BYTES, "big") for key in features), list(features.values())
    newer = [bytes.fromhex(version), *before, _raw(levels), dues, keys, slots, spare, models]
    return Stored(*newer)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
