"""SMTP, an HTTP SMS gateway, and an outbox file; `Routes` picks by medium."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import aiosmtplib
import httpx

from controller.notify.port import MaybeSentError, Medium, Message, Notifier, NotSentError, UndeliverableError

DEADLINE_S: Final = 20.0
KEY_HEADER: Final = "X-Notice-Key"
# RFC 5321 section 4.2.1: 4yz is transient, 5yz permanent.
PERMANENT: Final = 500


@dataclass(frozen=True, slots=True)
class SmtpNotifier:
    """E-mail through a submission server. The key is the Message-ID, so that mailboxes drop a second copy."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = None
    start_tls: bool | None = None

    async def send(self, message: Message) -> str:
        """Send one e-mail; returns the server's last reply."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                _, reply = await aiosmtplib.send(
                    email_of(message, self.sender),
                    hostname=self.host,
                    port=self.port,
                    username=self.username,
                    password=self.password,
                    start_tls=self.start_tls,
                    timeout=DEADLINE_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            raise _refused(max(codes, default=PERMANENT), "the recipient was refused") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, "the mail server refused") from error
        except (aiosmtplib.SMTPReadTimeoutError, aiosmtplib.SMTPServerDisconnected, TimeoutError) as error:
            raise MaybeSentError(f"the mail server's answer was lost ({type(error).__name__})") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSentError(f"the mail server can't be used ({type(error).__name__})") from error
        return str(reply)[:200]


@dataclass(frozen=True, slots=True)
class HttpSmsNotifier:
    """SMS through an HTTP gateway: POST {key, to, text} to `url`; the gateway drops a key it has seen."""

    http: httpx.AsyncClient
    url: str

    async def send(self, message: Message) -> str:
        """Hand one SMS to the gateway; returns its reference."""
        body = {"key": message.key, "to": message.to, "text": message.text}
        try:
            async with asyncio.timeout(DEADLINE_S):
                response = await self.http.post(self.url, json=body, headers={"Idempotency-Key": message.key})
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSentError(f"the SMS gateway can't be reached ({type(error).__name__})") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise MaybeSentError(f"the SMS gateway's answer was lost ({type(error).__name__})") from error
        if response.status_code in {400, 404, 410, 422}:
            raise UndeliverableError(f"the SMS gateway refused with {response.status_code}")
        if response.is_error:
            raise NotSentError(f"the SMS gateway answered {response.status_code}")
        reference: str = response.headers.get("x-reference", "")
        return reference[:200]


@dataclass(frozen=True, slots=True)
class OutboxNotifier:
    """Appends each message to a file as one line of JSON: the demo's notifier, and a check by eye."""

    path: Path

    async def send(self, message: Message) -> str:
        """Append one line; a line is shorter than a page, so appending is whole or not at all."""
        fields = {"key": message.key, "medium": message.medium.value, "to": message.to}
        line = json.dumps({**fields, "subject": message.subject, "text": message.text}, ensure_ascii=False)
        try:
            with self.path.open("a", encoding="utf-8") as outbox:
                outbox.write(line + "\n")
        except OSError as error:
            raise NotSentError(f"the outbox {self.path} can't be written ({error.strerror})") from error
        return "outbox"


@dataclass(frozen=True, slots=True)
class Routes:
    """One notifier for each medium; a medium without one is not sent, and says so."""

    by_medium: Mapping[Medium, Notifier]

    async def send(self, message: Message) -> str:
        """Send by the message's medium."""
        notifier = self.by_medium.get(message.medium)
        if notifier is None:
            raise NotSentError(f"no notifier is configured for {message.medium.value}")
        return await notifier.send(message)


def email_of(message: Message, sender: str) -> EmailMessage:
    """Write the e-mail. Raises UndeliverableError for an address that is none."""
    # One plain addr-spec (RFC 5321 section 4.1.2): no lists, no display names, no line breaks.
    if not re.fullmatch(r"[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+", message.to):
        raise UndeliverableError("the address is not an e-mail address")
    email = EmailMessage()
    email["From"], email["To"], email["Subject"] = sender, message.to, message.subject
    email["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2] or 'localhost'}>"
    email[KEY_HEADER] = message.key
    # RFC 3834: nobody's out-of-office should answer a service notice.
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text)
    return email


def _refused(code: int, what: str) -> NotSentError | UndeliverableError:
    kind = UndeliverableError if code >= PERMANENT else NotSentError
    return kind(f"{what} with {code}")
