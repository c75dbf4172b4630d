"""Values that senders should not send: as JSON, whether or not it is JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.writing import Raw

if TYPE_CHECKING:
    from random import Random

NUMBERS = (
    *(b"0", b"-0", b"-0.0", b"1", b"-1", b"0.1", b"1E+2", b"1e-400", b"5e-324", b"1e308", b"1.7976931348623157e308"),
    *(b"1.8e308", b"1e309", b"1e400", b"-1e400", b"1e99999999999", b"9" * 308, b"9" * 310, b"1" + b"0" * 5_000),
    *(b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808"),
    *(b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616", b"0." + b"3" * 2_000),
    *(b"1" + b"0" * 4_299, b"1" + b"0" * 4_301 + b"e-4301", b"0.1e-99999999", b"2.5", b"1e22", b"123456789012345678"),
)
NO_NUMBERS = (
    *(b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"01", b"-01", b"1.", b".5", b"+1", b"0x10", b"1e"),
    *(b"1e+", b"-", b"1_000", b"1,5", b"--1", b"1.2.3", b"undefined", b"None", b"True", b"nul", b"\xd9\xa1"),
)
TEXTS = (
    *(b'""', b'" "', b'"null"', b'"0"', b'"-1"', b'"track"', b'"\\u0000"', b'"a\\u0000b"', b'"\\ud83d\\ude00"'),
    *('"é"'.encode(), '"e\u0301"'.encode(), '"\U0001f600"'.encode(), '"\ufeff"'.encode(), '"\u202egnirts"'.encode()),
    *('"\u2028"'.encode(), '"\uffff"'.encode(), b'"\x7f"', b'"\\/\\b\\f\\n\\r\\t\\"\\\\"', b'"__proto__"', b'"a.b.c"'),
    *(b'"%s%n%x"', b'"\'; DROP TABLE customers; --"', b'"{}"', b'"[1]"', b'"c:{1}*?"', b'"\\u0001\\u001f"', b'"*"'),
)
NO_TEXTS = (
    *(b'"\\ud800"', b'"\\udc00"', b'"\\ude00\\ud83d"', b'"\\ud83d x"', b'"\\x41"', b'"\\u12"', b'"\\u12g4"', b'"\\"'),
    *(b'"a\x00b"', b'"a\nb"', b'"a\tb"', b'"\x1f"', b"'a'", b"a", b'"a', b'a"', b'"\\uD83D\\u0041"'),
)
NO_UTF8 = (
    *(b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf"),
    *(b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xed\xa0\x80"),
    *(b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3\x28"),
)
OTHERS = (b"null", b"true", b"false", b"[]", b"{}", b"[[]]", b"[null]", b'{"":null}', b"[{}]", b'{"a":{"a":{"a":1}}}')
INSTANTS = (
    *("2025-03-01T12:00:00Z", "2025-03-01t12:00:00z", "2025-03-01T12:00:00.123456789Z", "2025-03-01T12:00:00+14:00"),
    *(
        "2025-03-01T12:00:00-23:59",
        "2025-03-01T23:59:60Z",
        "2025-03-01T24:00:00Z",
        "2025-02-29T00:00:00Z",
        "2024-02-29",
    ),
    *("2025-03-01", "2025-03-01T12:00:00", "2025-03-01 12:00:00Z", "2025-3-1T12:00:00Z", "20250301T120000Z", "now", ""),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"),
    *("9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "1969-12-31T23:59:59.9Z"),
    *(
        "2025-03-01T12:00:00.Z",
        "2025-03-01T12:00:00,5Z",
        "2025-03-01T12:00:00Z ",
        " 2025-03-01T12:00:00Z",
        "1740830400",
    ),
    *(
        "2025-03-01T12:00Z",
        "2025-W09-6T12:00:00Z",
        "2025-13-01T00:00:00Z",
        "2025-03-01T12:00:00+24:00",
        "2025-03-01T12",
    ),
    *("2025-03-01T12:00:00+0100", "2025-03-01T12:00:00+01", "2025-03-01T12:00:00UTC", "2025-03-01T12:00:00.1e3Z"),
    *(
        "\u0662\u0660\u0662\u0665-03-01T12:00:00Z",
        "2025-03-01T12:00:00." + "9" * 3_000 + "Z",
        "2025\x0003-01T12:00:00Z",
    ),
)
NAMES = (
    *("", "*", "Order Completed", "order completed", "Seen", "a\x00b", "\U0001f600" * 20, "é", "x" * 5_000, "track"),
    *("Product Viewed", "\u202e", "__class__", "{}", "%s"),
)
IDS = ("x" * 255, "x" * 256, "x" * 257, "é" * 128, "é" * 129, "\U0001f600" * 64, "\U0001f600" * 65, " ", "\x00", "\n")
DEPTHS = (2, 10, 64, 200, *range(240, 262), 300, 498, 512, 700, 900, 990, 1_000, *range(1_015, 1_030), 1_500, 5_000)


def text(words: str) -> Raw:
    """Return a text's JSON, escaped as far as it must be."""
    quoted = words.replace("\\", "\\\\").replace('"', '\\"')
    escaped = "".join(sign if sign >= " " else f"\\u{ord(sign):04x}" for sign in quoted)
    return Raw(b'"' + escaped.encode() + b'"')


def nested(dice: Random, inner: bytes = b"1") -> Raw:
    """Return lists or objects in each other, as deep as readers have limits, or deeper."""
    depth = dice.choice(DEPTHS)
    before, after = dice.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b""), (b'{"a":', b"")))
    if before == b'[{"a":':
        depth //= 2
    return Raw(before * depth + inner + after * depth)


def long(dice: Random) -> Raw:
    """Return a text, a list or an object that takes much room, though seldom too much for an event."""
    size = dice.choice((300, 1_000, 1_000, 5_000, 5_000, 20_000, 32_700, 64_000, 66_000))
    match dice.randrange(4):
        case 0:
            return Raw(b"[" + b"7," * (size // 2) + b"7]")
        case 1:
            return Raw(b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(size // 12)) + b"}")
        case 2:
            return Raw(b'"' + "\U0001f600".encode() * (size // 4) + b'"')
    return Raw(b'"' + b"x" * size + b'"')


def value(dice: Random) -> Raw:
    """Return any odd value."""
    match dice.randrange(18):
        case 0 | 1 | 2:
            return Raw(dice.choice(NUMBERS))
        case 3:
            return Raw(dice.choice(NO_NUMBERS))
        case 4 | 5:
            return Raw(dice.choice(TEXTS))
        case 6:
            return Raw(dice.choice(NO_TEXTS))
        case 7:
            return Raw(b'"a' + dice.choice(NO_UTF8) + b'b"')
        case 8 | 9 | 10:
            return Raw(dice.choice(OTHERS))
        case 11:
            return text(dice.choice(INSTANTS))
        case 12:
            return nested(dice)
        case 13:
            return long(dice)
    return Raw(dice.choice(OTHERS + TEXTS + NUMBERS[:12]))
