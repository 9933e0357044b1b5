import pytest

from controller.cli.logs import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("imei 352099001761481 seen", "imei …1481 seen"),
        ("imsi=234300000000001", "imsi=…0001"),
        ("sim 8944100000000000011", "sim …0011"),
        ("to +447700900123", "to …0123"),
        ("to ann.holder@example.org", "to …@example.org"),
        ("/service/sim-8944100000000000011", "/service/sim-…0011"),
        ("/service?id=sim-8944100000000000011,sim-8944100000000000029", "/service?id=sim-…0011,sim-…0029"),
    ],
)
def test_identifiers_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "01890000-0000-7000-8000-000000000001",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "127.0.0.1:18830",
        "took 1234 ms",
    ],
)
def test_what_names_nobody_is_left(text: str) -> None:
    assert mask(text) == text
