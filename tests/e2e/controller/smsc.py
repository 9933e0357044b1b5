"""A message centre in a process of its own, on smpp34's server: what it does is told by the number's end.

`python -m tests.e2e.controller.smsc FILE` announces {"listening": port}, and appends every message it accepts as a line
of JSON. …088 is throttled the first time, …020 always finds the queue full, …011 is never a destination, …000 is taken
in but never answered.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import smpp34

from tests.e2e.mosquitto import free_port

# SMPP 3.4 sections 5.1.3 and 5.3.2.
THROTTLED, QUEUE_FULL, NO_SUCH_DESTINATION = 0x58, 0x14, 0x0B
MESSAGE_PAYLOAD, USER_MESSAGE_REFERENCE = 0x0424, 0x0204


class Centre:
    """Keeps what it accepts; `held` are messages that never get an answer."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: set[str] = set()
        self.held: list[Any] = []
        self.accepted = 0

    def take(self, event: Any) -> None:
        number, first = event.destination_addr, event.destination_addr not in self.seen
        self.seen.add(number)
        if number.endswith("088") and first:
            event.reject(THROTTLED)
        elif number.endswith("020"):
            event.reject(QUEUE_FULL)
        elif number.endswith("011"):
            event.reject(NO_SUCH_DESTINATION)
        else:
            self.keep(event)
            if number.endswith("000"):
                self.held.append(event)
            else:
                self.accepted += 1
                event.accept(message_id=f"m-{self.accepted}")

    def keep(self, event: Any) -> None:
        tlvs = {tlv.tag: bytes(tlv.value) for tlv in event.tlvs}
        body = bytes(event.short_message) or tlvs.get(MESSAGE_PAYLOAD, b"")
        line = {
            "to": event.destination_addr,
            "from": event.source_addr,
            "coding": event.data_coding,
            "body": body.hex(),
            "payload": MESSAGE_PAYLOAD in tlvs,
            "reference": tlvs.get(USER_MESSAGE_REFERENCE, b"").hex(),
        }
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")


async def main() -> None:
    port = int(sys.argv[2]) if len(sys.argv) > 2 else free_port()
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="centre")
    await server.start()
    sys.stdout.write(json.dumps({"listening": f"127.0.0.1:{port}", "port": port}) + "\n")
    sys.stdout.flush()
    centre = Centre(Path(sys.argv[1]))
    while True:
        event = await server.next()
        if isinstance(event, smpp34.SubmitSmEvent):
            centre.take(event)


if __name__ == "__main__":
    asyncio.run(main())
