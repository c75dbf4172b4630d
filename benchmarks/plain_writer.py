"""A plain program that writes to Redis as much as it is told, and nothing else: MSETs at a steady rate.

    python -m benchmarks.plain_writer PORT BYTES_A_S WRITES_A_S VALUE_BYTES

It prints how many bytes a second it wrote when it is asked to end (SIGTERM).
"""

from __future__ import annotations

import signal
import socket
import sys
import time

from streams.child import HOST

KEYS = 20_000


def write(port: int, bytes_a_s: float, writes_a_s: float, value_bytes: int) -> None:
    """Write until SIGTERM: each write when it is due, or at once where the server was too slow for that."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    count = max(1, round(bytes_a_s / writes_a_s / value_bytes))
    value = b"v" * value_bytes
    begun, written = time.monotonic(), 0
    with socket.create_connection((HOST, port)) as connection:
        replies = connection.makefile("rb")
        while not ended:
            pause_s = begun + written / writes_a_s - time.monotonic()
            if pause_s > 0:
                time.sleep(pause_s)
            connection.sendall(_mset(written * count, count, value))
            if not replies.readline().startswith(b"+OK"):
                message = "the server refused a write"
                raise SystemExit(message)
            written += 1
    print(written * count * value_bytes / (time.monotonic() - begun), flush=True)


def _mset(first: int, count: int, value: bytes) -> bytes:
    words = [b"MSET"]
    for number in range(first, first + count):
        words += (b"written:%d" % (number % KEYS), value)
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


if __name__ == "__main__":
    write(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
