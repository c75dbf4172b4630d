"""What all tests share: the choice of the broker, an environment without the developer's settings, no time limits."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import pytest

BROKERS = ("embedded", "kafka")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=BROKERS,
        default="embedded",
        help="run integration tests on the embedded broker (default) or on Apache Kafka itself (needs java and mvn)",
    )
    parser.addoption("--long", action="store_true", help="run the tests marked `long`, too: CI leaves them out")


def pytest_configure() -> None:
    # a shell's background job ignores Ctrl-C, and so would every program that a test starts
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # a busy machine is no reason to fail: hypothesis allows an example 200 ms, and the drawing of examples a second
    settings.register_profile("segue", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("segue")
    # SEGUE_PROPERTY_* and SEGUE_CHAOS* are the tests' own, and are read when their modules are imported, which is later
    ours = ("SEGUE_PROPERTY_", "SEGUE_CHAOS")
    for name in [name for name in os.environ if name.startswith("SEGUE_") and not name.startswith(ours)]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the other broker, or takes too long: deselected and counted, never skipped."""
    others = set(BROKERS) - {config.getoption("--broker")}
    others |= set() if config.getoption("--long") else {"long"}
    left_out = [item for item in items if any(item.get_closest_marker(other) for other in others)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_report_header(config: pytest.Config) -> str:
    return f"broker: {config.getoption('--broker')}"
