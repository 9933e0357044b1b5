"""What services refuse, and why: one tree, each class with its HTTP status, set once.

ServiceError
├── BadRequestError 400      the request can't be read or contradicts itself: mend it
├── UnauthenticatedError 401 no valid key: send one
├── ForbiddenError 403       the key's role is too small: use another
├── NotFoundError 404        no such thing: check the id
├── ConflictError 409        the state forbids it now: read again and decide
│   ├── VersionConflictError the row changed since it was read
│   └── BrakeError           the change touches too much without a named override
├── UnprocessableError 422   well-formed, but breaks a rule of the data: mend the value
├── TooManyRequestsError 429 asked too often: wait `retry_after_s`
├── NoAuthorityError 503     certificates can't be signed now: try again later
└── DatabaseError 503        the database can't serve now (details in the subclass)
    ├── DatabaseBusyError    contention outlasted the bounded retries: try again
    ├── DatabaseUnreachableError
    ├── NewerDatabaseError   the database was written by newer code: upgrade the code
    └── OlderDatabaseError   the database needs `hub-controller migrate`
"""

from typing import Any


class ServiceError(Exception):
    """The root: `code` for programs, `message` and `remedy` (one line each) for people, `details` as data."""

    status = 500
    code = "service_error"

    def __init__(self, message: str, *, remedy: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details


class BadRequestError(ServiceError):
    """The request can't be read or contradicts itself."""

    status = 400
    code = "bad_request"


class UnauthenticatedError(ServiceError):
    """No valid key came with the request."""

    status = 401
    code = "unauthenticated"


class ForbiddenError(ServiceError):
    """The actor's role doesn't allow this."""

    status = 403
    code = "forbidden"


class NotFoundError(ServiceError):
    """There is no such thing."""

    status = 404
    code = "not_found"

    def __init__(self, noun: str, key: str) -> None:
        super().__init__(f"no {noun} {key}", remedy="check the id", noun=noun, key=key)


class ConflictError(ServiceError):
    """The present state forbids the change."""

    status = 409
    code = "conflict"


class VersionConflictError(ConflictError):
    """The row changed since the caller read it."""

    code = "version_conflict"

    def __init__(self, noun: str, key: str, *, expected: int, found: int) -> None:
        super().__init__(
            f"{noun} {key} is at version {found}, not {expected}",
            remedy="read it again, decide again, send its present version",
            expected=expected,
            found=found,
        )


class BrakeError(ConflictError):
    """The plan touches more than its share (decision 15); nothing was changed."""

    code = "brake"


class UnprocessableError(ServiceError):
    """The request is well-formed, but a value breaks a rule of the data."""

    status = 422
    code = "unprocessable"


class TooManyRequestsError(ServiceError):
    """The caller asked too often; `details` holds `retry_after_s`."""

    status = 429
    code = "too_many_requests"


class NoAuthorityError(ServiceError):
    """The certificate authority of hubs is not configured, or can't sign now."""

    status = 503
    code = "no_authority"


class DatabaseError(ServiceError):
    """The database can't serve."""

    status = 503
    code = "database"


class DatabaseBusyError(DatabaseError):
    """Contention outlasted the bounded retries; nothing was changed."""

    code = "database_busy"


class DatabaseUnreachableError(DatabaseError):
    """The database can't be opened or reached."""

    code = "database_unreachable"


class NewerDatabaseError(DatabaseError):
    """The database was written by newer code; nothing was touched."""

    code = "database_newer"


class OlderDatabaseError(DatabaseError):
    """The database lacks migrations of this code."""

    code = "database_older"
