"""Nothing that names a person or a piece of equipment is readable in a log."""

import json
import logging
import sys

import pytest

from device_agent.logs import JsonFormatter, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("IMEI 861500059492816", "IMEI 861500***"),
        ("iccid=89443000000000000018", "iccid=894430***"),
        ("from +447700900001", "from +447700***"),
        ("msisdn 7700900001", "msisdn 770090***"),
        ("port 770090000", "port 770090000"),
        ("password=secret", "password=***"),
        ("wrong PIN: 4711", "wrong PIN: ***"),
        ("hub 01990000-0000-7000-8000-0000000000aa", "hub 01990000-0000-7000-8000-0000000000aa"),
        ("port 1883, 90 s", "port 1883, 90 s"),
    ],
)
def test_identifiers_and_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_a_line_is_one_json_object_with_masked_fields() -> None:
    record = logging.makeLogRecord(
        {
            "name": "n",
            "levelname": "INFO",
            "msg": "sim %s",
            "args": ("8944300000000000001",),
            "iccid": "8944300000000000001",
        }
    )
    line = json.loads(JsonFormatter().format(record))
    assert line["event"] == "sim 894430***"
    assert line["iccid"] == "894430***"
    assert line["level"] == "info"


def test_a_traceback_is_masked_too() -> None:
    try:
        int("sim 8944300000000000001")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    line = json.loads(JsonFormatter().format(record))
    assert "'sim 894430***'" in line["traceback"]
    assert "8944300000000000001" not in json.dumps(line)
