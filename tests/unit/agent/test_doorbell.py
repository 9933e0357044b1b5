"""The doorbell's format: what is signed for one hub rings at that hub alone."""

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.protocol.doorbell import COUNTER_MOST, heard, ring
from device_agent.protocol.topics import TopicError

HUB = "01990000-0000-7000-8000-0000000000aa"
OTHER = "01990000-0000-7000-8000-0000000000ab"
keys = st.binary(min_size=32, max_size=40)
counters = st.integers(1, COUNTER_MOST)


@given(keys, counters)
def test_a_signed_text_gives_its_counter_and_fits_one_message(key: bytes, counter: int) -> None:
    text = ring(key, HUB, counter)
    assert heard(key, HUB, text) == counter
    assert heard(key, HUB, f" {text}\r\n") == counter
    assert len(text) <= 40
    assert text.isascii()


@given(keys, counters, st.integers(0, 255), st.data())
def test_another_hub_key_or_text_is_not_heard(key: bytes, counter: int, byte: int, data: st.DataObject) -> None:
    text = ring(key, HUB, counter)
    assert heard(key, OTHER, text) is None
    assert heard(bytes([key[0] ^ 1]) + key[1:], HUB, text) is None
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + chr(byte) + text[at + 1 :]
    assert changed.strip() == text or heard(key, HUB, changed) is None


def test_a_counter_beyond_the_last_is_not_heard_however_it_is_signed() -> None:
    key, counter = b"k" * 32, COUNTER_MOST + 1
    mac = hmac.digest(key, f"MH1|{HUB}|{counter}".encode(), "sha256")[:10]
    assert heard(key, HUB, f"MH1 {counter} {base64.b32encode(mac).decode()}") is None


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert heard(b"k" * 32, HUB, text) is None


@pytest.mark.parametrize("text", ["MH1 1", "MH1 01 WKEZTM46KUNQMPAA", "MH2 1 WKEZTM46KUNQMPAA", "look", ""])
def test_what_has_not_the_form_is_not_heard(text: str) -> None:
    assert heard(bytes(range(32)), HUB, text) is None


def test_without_a_key_nothing_is_heard_and_nothing_rung() -> None:
    assert heard(b"", HUB, ring(bytes(32), HUB, 1)) is None
    with pytest.raises(ValueError, match="32 bytes"):
        ring(b"short", HUB, 1)
    with pytest.raises(ValueError, match="counter"):
        ring(bytes(32), HUB, 0)
    with pytest.raises(TopicError):
        ring(bytes(32), "+/#", 1)
