"""Fuzz target of the AT connection: no bytes raise, grow memory, or mean something else in other chunks.

    python tests/fuzz/fuzz_connection.py -max_total_time=60 -dict=tests/fuzz/at.dict

Arguments are libFuzzer's. Needs atheris (in the development lock where it has wheels).
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["firmware_bridge"]):
    from firmware_bridge.at.tokens import parameters
    from firmware_bridge.transport.redact import Redactor
    from tests.unit.bridge.at.conversation import assert_any_chunks_mean_the_same


def one_input(data: bytes) -> None:
    """What the fuzzer calls: the first three bytes choose, the rest is what the modem says."""
    if len(data) < 4:
        return
    said = data[3:]
    assert_any_chunks_mean_the_same(data[0], said, data[1] % 16 + 2, data[2])
    line = said.decode("latin-1")
    parameters(line)
    assert len(Redactor().line(line)) == len(line)


def main() -> None:
    """Run until libFuzzer's limits or a finding."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
