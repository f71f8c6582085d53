"""Google's errors: Sheets and Drive have different envelopes."""

from __future__ import annotations

from typing import Any

from signalroom_sandbox import vendor

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


class ApiError(vendor.ApiError):
    """A response with Google's body for errors.

    Args:
        code: HTTP status code.
        message: Google's message, in English.
        status: Google's status, if it is not the usual one of the code.
        details: The details that Sheets adds.
        reason: Drive's reason; with one the envelope is Drive's.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str = "",
        details: list[dict[str, Any]] | None = None,
        reason: str = "",
    ) -> None:
        error: dict[str, Any] = {"code": code, "message": message}
        if reason:
            domain = "usageLimits" if reason.endswith("Exceeded") else "global"
            error["errors"] = [{"domain": domain, "reason": reason, "message": message}]
        else:
            error["status"] = status or _STATUS[code]
        if details:
            error["details"] = details
        super().__init__(code, message, body={"error": error})


def quota(limit: int) -> ApiError:
    """The error for too many reads in a minute, without ``Retry-After``."""
    service = "sheets.googleapis.com"
    return ApiError(
        429,
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per "
        f"user' of service '{service}' for consumer 'project_number:713713713713'.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
                "metadata": {
                    "quota_limit": "ReadRequestsPerMinutePerUser",
                    "quota_limit_value": str(limit),
                    "quota_metric": f"{service}/read_requests",
                    "quota_unit": "1/min/{project}/{user}",
                    "quota_location": "global",
                    "consumer": "projects/713713713713",
                    "service": service,
                },
            },
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [
                    {
                        "description": "Request a higher quota limit.",
                        "url": "https://cloud.google.com/docs/quotas/help/request_increase",
                    }
                ],
            },
        ],
    )


def bad_field(path: str) -> ApiError:
    """The error for a field mask with an unknown name."""
    return ApiError(
        400,
        "Request contains an invalid argument.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    {
                        "field": path,
                        "description": f"Error expanding 'fields' parameter. Cannot find matching "
                        f"fields for path '{path}'.",
                    }
                ],
            }
        ],
    )
