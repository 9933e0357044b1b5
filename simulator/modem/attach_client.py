"""Asks a simulated carrier in another process whether a SIM may attach (`GET {url}/sim/attach`, docs/carrier.md)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import httpx

from simulator.radio import Service, Verdict

LOG = logging.getLogger(__name__)
DEADLINE_S = 10.0


class AttachClient:
    """`ask_attach` over HTTP. No answer means no verdict: the modem's own timer then ends the attempt."""

    def __init__(self, url: str) -> None:
        # Loading certificates takes longer than starting a modem, and a platform next door has none.
        secure = url.startswith("https:")
        self._client = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=DEADLINE_S, verify=secure, trust_env=secure)
        self._tasks: set[asyncio.Task[None]] = set()

    def ask_attach(self, answer: Callable[[Verdict], None], *, iccid: str, imsi: str, imei: str) -> None:
        """Ask; one question at a time is usual, and each is bounded by the deadline."""
        task = asyncio.get_running_loop().create_task(self._ask(answer, iccid, imsi, imei), name="attach question")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, answer: Callable[[Verdict], None], iccid: str, imsi: str, imei: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                reply = await self._client.get("/sim/attach", params={"iccid": iccid, "imsi": imsi, "imei": imei})
            reply.raise_for_status()
            body = reply.json()
            service = Service(body.get("bearer") or Service.INTERNET)
            verdict = Verdict(accepted=bool(body["accepted"]), cause=body.get("cause"), service=service)
        except (TimeoutError, httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            LOG.warning("the carrier gave no verdict: %s", error)
            return
        answer(verdict)

    async def idle(self) -> None:
        """Wait until every question was answered or given up."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Give up open questions and close."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
