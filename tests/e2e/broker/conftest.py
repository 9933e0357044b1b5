"""What all of these tests leave behind, ended in time."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect the sockets that paho leaves of failed handshakes where the tests' marks hold, not in a later test."""
    yield
    gc.collect()
