"""The door to a courier: one order, with name, address and reference, and nothing else (P, minimisation)."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import httpx

DEADLINE_S: Final = 20.0


class CourierError(Exception):
    """The order was not taken, or nobody knows: order again, the reference tells a second copy."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a courier is told."""

    reference: str
    name: str
    postcode: str


class Courier(Protocol):
    """Takes orders; the same reference twice is one parcel."""

    async def order(self, parcel: Parcel) -> str:
        """Hand an order over and return the courier's own reference. Raises CourierError."""


@dataclass(frozen=True, slots=True)
class FileCourier:
    """Appends each order to a file as one line of JSON, for a depot that reads it."""

    path: Path

    async def order(self, parcel: Parcel) -> str:
        """Append one line."""
        line = json.dumps({"reference": parcel.reference, "name": parcel.name, "postcode": parcel.postcode})
        try:
            with self.path.open("a", encoding="utf-8") as orders:
                orders.write(line + "\n")
        except OSError as error:
            raise CourierError(f"{self.path} can't be written ({error.strerror})") from error
        return parcel.reference


@dataclass(frozen=True, slots=True)
class HttpCourier:
    """POSTs each order as JSON to `url`; answers 2xx with `{"reference": …}`."""

    http: httpx.AsyncClient
    url: str

    async def order(self, parcel: Parcel) -> str:
        """POST one order."""
        body = {"reference": parcel.reference, "name": parcel.name, "postcode": parcel.postcode}
        try:
            async with asyncio.timeout(DEADLINE_S):
                response = await self.http.post(self.url, json=body, headers={"Idempotency-Key": parcel.reference})
                response.raise_for_status()
                reference = response.json().get("reference", "")
        except (httpx.HTTPError, TimeoutError, ValueError, AttributeError) as error:
            raise CourierError(f"the courier did not take the order ({type(error).__name__})") from error
        return str(reference)[:100]
