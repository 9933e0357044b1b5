"""The platform's HTTP shell and timers: thin, async only, on whatever event loop it is given.

`Carrier.app` is the ASGI application, `Carrier.run()` carries out changes and posts webhooks until it is cancelled.
Both use the loop's time, so the platform runs on a virtual loop as well (`now` maps it to Unix seconds).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec
from fastapi import FastAPI, Request, Response

from simulator.carrier.admission import Account
from simulator.carrier.manners import Manners
from simulator.carrier.platform import Answer, Platform, render_error
from simulator.carrier.services import ProvisioningError, RequestRefusedError, SimOrder, render_service
from simulator.carrier.webhooks import Delivery

logger = logging.getLogger(__name__)

API: Final = "/tmf-api/ServiceActivationAndConfiguration/v4"
WEBHOOK_DEADLINE_S: Final = 10.0
# Webhooks on their way at a time; the others wait for their turn.
WEBHOOKS_AT_A_TIME: Final = 16


class LostAnswer(Response):
    """Begins an answer and never ends it: a server closes the connection on that, an in-process caller is told."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the head, with the length of a body that does not come."""
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})


class Carrier:
    """A platform on the network. `now` gives Unix seconds; `client` posts the webhooks."""

    def __init__(
        self, platform: Platform, *, tokens: Mapping[str, str], now: Callable[[], float], client: httpx.AsyncClient
    ) -> None:
        self.platform = platform
        self._accounts = {token: Account(name) for token, name in tokens.items()}
        self._now = now
        self._client = client
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(WEBHOOKS_AT_A_TIME)
        # Called after each look at what was due, with everything in place; the server saves its state file then.
        self.saved: Callable[[], None] = lambda: None
        self.app = self._build_app()

    async def run(self) -> None:
        """Carry out what is due and post webhooks, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                # Cleared before the look, so that what comes during it is seen by the next one.
                self._woken.clear()
                for delivery in self.platform.advance(self._now()):
                    await self._slots.acquire()
                    group.create_task(self._post(delivery), name=f"webhook {delivery.serial}")
                self.saved()
                await self._wait_for_work()

    def wake(self) -> None:
        """Look at once whether something is due; for callers that use the platform directly."""
        self._woken.set()

    async def _wait_for_work(self) -> None:
        due_s = self.platform.next_due_s()
        timeout = None if due_s is None else max(0.0, due_s - self._now())
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _post(self, delivery: Delivery) -> None:
        headers = {"Content-Type": "application/json", "X-Signature": delivery.signature}
        try:
            async with asyncio.timeout(WEBHOOK_DEADLINE_S):
                answer = await self._client.post(delivery.callback, content=delivery.body, headers=headers)
            accepted = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            accepted = False
            logger.debug("webhook %d not delivered: %s", delivery.serial, type(error).__name__)
        finally:
            self._slots.release()
        self.platform.outbox.settle(delivery, accepted=accepted, manners=self.platform.manners, now_s=self._now())
        self.wake()

    # Routes.

    def _build_app(self) -> FastAPI:
        app = FastAPI(title="Simulated SIM platform", openapi_url=None, docs_url=None, redoc_url=None)
        for method, path, route in (
            ("GET", f"{API}/service", self._list_services),
            ("GET", f"{API}/service/{{id_}}", self._read_service),
            ("PATCH", f"{API}/service/{{id_}}", self._change_service),
            ("GET", f"{API}/monitor/{{id_}}", self._read_monitor),
            ("POST", f"{API}/hub", self._register),
            ("DELETE", f"{API}/hub/{{id_}}", self._unregister),
            ("POST", "/sim/sims", self._provision),
            ("GET", "/sim/attach", self._attach),
            ("GET", "/sim/state", self._state),
            ("POST", "/sim/usage", self._usage),
            ("PUT", "/sim/manners", self._set_manners),
        ):
            app.add_api_route(path, route, methods=[method], response_model=None)
        return app

    async def _list_services(self, request: Request) -> Response:
        return await self._read(request, lambda now: self.platform.list_services(request.query_params, now))

    async def _read_service(self, request: Request, id_: str) -> Response:
        return await self._read(request, lambda now: self.platform.read_service(id_, now))

    async def _read_monitor(self, request: Request, id_: str) -> Response:
        return await self._read(request, lambda now: self.platform.read_monitor(id_, now))

    async def _change_service(self, request: Request, id_: str) -> Response:
        body = await _read_json(request)
        return await self._admitted(request, lambda now: self.platform.change_service(id_, body, now))

    async def _register(self, request: Request) -> Response:
        body = await _read_json(request)

        def register(_now: float) -> Answer:
            callback = body.get("callback") if isinstance(body, dict) else None
            if not isinstance(callback, str) or not callback.startswith(("http://", "https://")):
                raise RequestRefusedError(400, "callback must be an http or https URL")
            listener = self.platform.outbox.register(
                callback, str(body.get("secret", "")), str(body.get("query") or "")
            )
            return Answer(201, {"id": listener.id, "callback": listener.callback})

        return await self._admitted(request, register)

    async def _unregister(self, request: Request, id_: str) -> Response:
        def unregister(_now: float) -> Answer:
            if not self.platform.outbox.remove(id_):
                raise RequestRefusedError(404, f"no listener {id_}")
            return Answer(204)

        return await self._admitted(request, unregister)

    async def _provision(self, request: Request) -> Response:
        body = await _read_json(request)
        try:
            orders = msgspec.convert(body if isinstance(body, list) else [body], list[SimOrder])
            made = [self.platform.provision(order, self._now()) for order in orders]
        except (msgspec.ValidationError, ProvisioningError) as error:
            return _render(Answer(400, render_error(400, str(error))))
        self.wake()
        return _render(Answer(201, [render_service(service, self.platform.base) for service in made]))

    async def _attach(self, request: Request) -> Response:
        query = request.query_params
        verdict = self.platform.attach(query.get("iccid", ""), query.get("imei", ""), self._now())
        self.wake()
        return _render(Answer(200, {"accepted": verdict.accepted, "cause": verdict.cause, "bearer": verdict.bearer}))

    async def _state(self, request: Request) -> Response:
        del request
        self.platform.advance_effects(self._now())
        return _render(Answer(200, self.platform.describe()))

    async def _usage(self, request: Request) -> Response:
        body = await _read_json(request)
        try:
            service = self.platform.count_use(str(body["iccid"]), float(body["mb"]), self._now())
        except (KeyError, TypeError, ValueError):
            return _render(Answer(400, render_error(400, 'wanted: {"iccid": "…", "mb": number}')))
        except RequestRefusedError as error:
            return _render(Answer(error.status, render_error(error.status, error.reason)))
        self.wake()
        return _render(Answer(200, render_service(service, self.platform.base)))

    async def _set_manners(self, request: Request) -> Response:
        try:
            self.platform.manners = msgspec.convert(await _read_json(request), Manners, strict=False)
        except msgspec.ValidationError as error:
            return _render(Answer(400, render_error(400, str(error))))
        return _render(Answer(200, msgspec.to_builtins(self.platform.manners)))

    # Manners of the shell.

    async def _read(self, request: Request, act: Callable[[float], Answer]) -> Response:
        def read(now: float) -> Answer:
            answer = act(now)
            return Answer(500, render_error(500, "internal error")) if self.platform.read_fails() else answer

        return await self._admitted(request, read)

    async def _admitted(self, request: Request, act: Callable[[float], Answer]) -> Response:
        account = self._accounts.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if account is None:
            return _render(Answer(401, render_error(401, "wanted: Authorization: Bearer {token}")))
        refusal = account.admit(self.platform.manners, started_s=self.platform.started_s, now_s=self._now())
        if refusal is not None:
            retry = {"Retry-After": str(refusal.retry_after_s)}
            return _render(Answer(refusal.status, render_error(refusal.status, refusal.reason), retry))
        try:
            return await self._act(act)
        finally:
            account.release()

    async def _act(self, act: Callable[[float], Answer]) -> Response:
        takes_s = self.platform.draw_call_time()
        if takes_s > 0:
            await asyncio.sleep(takes_s)
        try:
            answer = act(self._now())
        except RequestRefusedError as error:
            answer = Answer(error.status, render_error(error.status, error.reason))
        self.wake()
        if not answer.lost:
            return _render(answer)
        await asyncio.sleep(self.platform.manners.lost_answer_after_s)
        return LostAnswer()


def _render(answer: Answer) -> Response:
    if answer.status == 204:
        return Response(status_code=204)
    return Response(
        msgspec.json.encode(answer.body),
        status_code=answer.status,
        headers=dict(answer.headers),
        media_type="application/json",
    )


async def _read_json(request: Request) -> Any:
    """The body, or None for what is no JSON."""
    try:
        return msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        return None
