"""S3: what is there, and its bytes, whole and of one version."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import exceptions as boto_errors
from botocore.config import Config
from botocore.parsers import ResponseParserError

from signalroom_singer import ExitCode, TapError, base_url, exponential_wait, named
from tap_sticky_s3.credentials import open_session
from tap_sticky_s3.s3_errors import describe_error

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

_CHUNK = 1 << 20
#: Headers are small: waiting for them is what takes time.
HEADERS_AT_ONCE = 8
_CUT = (
    boto_errors.IncompleteReadError,
    boto_errors.ResponseStreamingError,
    boto_errors.ReadTimeoutError,
    boto_errors.ConnectionError,
    boto_errors.HTTPClientError,
)


@dataclass(frozen=True)
class S3Object:
    """One version of an object.

    Attributes:
        key: Its key in the bucket.
        etag: What tells versions apart; opaque, without quotes.
        size: Bytes.
        modified: LastModified (UTC); of a multipart upload, when it was begun.
    """

    key: str
    etag: str
    size: int
    modified: datetime


class ObjectChangedError(Exception):
    """The object was overwritten meanwhile."""


class ObjectGoneError(Exception):
    """The object was deleted meanwhile."""


class Bucket:
    """A bucket, read only.

    Args:
        config: The tap's settings.
        logger: Where waits are told.
    """

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger) -> None:
        self.name: str = config["bucket"]
        self._config = config
        self._logger = logger
        self._tries: int = config["max_tries"]
        self._longest_wait: float = config["max_retry_wait"]
        self._endpoint = config.get("endpoint_url") and base_url(
            config["endpoint_url"], setting="endpoint_url", allow_http=config["allow_http"]
        )
        self._extra = {
            name: value
            for name, value in (
                ("RequestPayer", "requester" if config.get("request_payer") else None),
                ("ExpectedBucketOwner", config.get("expected_bucket_owner")),
            )
            if value
        }

    @cached_property
    def _client(self) -> Any:
        endpoint = self._endpoint
        style = self._config.get("addressing_style") or ("path" if endpoint else "auto")
        only_if_asked = {
            # Newer checksums are more than R2, MinIO and others understand.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        timeout = self._config["request_timeout"]
        session = open_session(self._config)
        client = session.client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=min(timeout, 20),
                read_timeout=timeout,
                # Tried again here, where it is told, and where bodies are read too.
                retries={"total_max_attempts": 1},
                max_pool_connections=HEADERS_AT_ONCE + self._config["max_concurrency"],
                s3={"addressing_style": style},
                **(only_if_asked if endpoint else {}),
            ),
        )
        client.meta.events.register("response-received.s3", _refuse_redirect)
        return client

    def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            self._client.close()
            del self._client

    def objects(self, prefix: str) -> Iterator[S3Object]:
        """List objects, in the order of their keys.

        Args:
            prefix: What the keys begin with.

        Yields:
            The objects; no folders.

        Raises:
            TapError: If the bucket cannot be listed.
        """
        asked = {"Bucket": self.name, "Prefix": prefix, **self._extra}
        while True:
            page = self._ask("list_objects_v2", f"list {self.name}/{prefix}", **asked)
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):
                    yield _object(entry["Key"], entry, entry["Size"])
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def head(self, key: str) -> S3Object:
        """Ask for the version that is there now.

        Args:
            key: Its key.

        Raises:
            ObjectGoneError: If there is none.
            TapError: If it may not be read.
        """
        doing = f"look at {self.name}/{key}"
        found = self._ask("head_object", doing, Bucket=self.name, Key=key, **self._extra)
        return _object(key, found, found["ContentLength"])

    def read(self, thing: S3Object, end: int | None = None) -> Iterator[bytes]:
        """Read an object's bytes; a body that breaks is taken up where it broke.

        Args:
            thing: The version to read.
            end: How many bytes of it; all by default.

        Yields:
            Some of them.

        Raises:
            ObjectChangedError: If it was overwritten since.
            ObjectGoneError: If it was deleted since.
            TapError: If it may not be read, or keeps breaking.
        """
        end = thing.size if end is None else min(end, thing.size)
        position, failed = 0, 0
        while position < end:
            began = position
            try:
                for chunk in self._body(thing, position, end):
                    position += len(chunk)
                    yield chunk
            except _CUT as error:
                failed = 1 if position > began else failed + 1
                self._wait(failed, f"read {self.name}/{thing.key} from byte {position}", error)

    def _body(self, thing: S3Object, start: int, end: int) -> Iterator[bytes]:
        part = {} if (start, end) == (0, thing.size) else {"Range": f"bytes={start}-{end - 1}"}
        response = self._ask(
            "get_object",
            f"read {self.name}/{thing.key}",
            Bucket=self.name,
            Key=thing.key,
            IfMatch=f'"{thing.etag}"',
            **part,
            **self._extra,
        )
        with closing(response["Body"]) as body:
            # Not every store heeds If-Match.
            if (
                _etag(response) != thing.etag
                or response["ContentLength"] != end - start
                or (part and not response.get("ContentRange", "").endswith(f"/{thing.size}"))
            ):
                raise ObjectChangedError(thing.key)
            # Checks the length; the raw stream would end early without a word.
            yield from body.iter_chunks(_CHUNK)

    def _ask(self, operation: str, doing: str, **arguments: Any) -> Any:
        """Ask S3, again while that may help."""
        failed = 0
        renewed = False
        while True:
            try:
                return self._answer(operation, arguments)
            except boto_errors.ClientError as error:
                code = error.response["Error"].get("Code", "")
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if code == "ExpiredToken" and not renewed:
                    # Credentials that renew themselves have new ones after this.
                    self._logger.warning("The credentials have expired: asking for new ones")
                    renewed = True
                    # Not closed: other threads are reading by it.
                    vars(self).pop("_client", None)
                    continue
                if status == _CHANGED and "IfMatch" in arguments:
                    raise ObjectChangedError(doing) from None
                if status == _GONE and code != "NoSuchBucket" and "Key" in arguments:
                    raise ObjectGoneError(doing) from None
                if not _is_passing(code, status):
                    raise describe_error(error, doing, self._config) from error
                problem: Exception = error
            except ResponseParserError as error:
                problem = error
            except boto_errors.BotoCoreError as error:
                if not isinstance(error, _CUT):
                    raise describe_error(error, doing, self._config) from error
                problem = error
            failed += 1
            self._wait(failed, doing, problem)

    def _answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """One answer; a proxy's page or an error with status 200 is none."""
        ask: Callable[..., Any] = getattr(self._client, operation)
        found = ask(**arguments)
        told = _TOLD[operation] & found.keys()
        # Of a listing, stores other than AWS's leave some out.
        if not told or (told != _TOLD[operation] and operation != "list_objects_v2"):
            if "Body" in found:
                found["Body"].close()
            msg = f"the answer has no {' and no '.join(sorted(_TOLD[operation] - told))}"
            raise ResponseParserError(msg)
        return found

    def _wait(self, failed: int, doing: str, error: Exception) -> None:
        """Wait before the next try, or give up."""
        if failed >= self._tries:
            raise describe_error(error, doing, self._config, tries=failed) from error
        seconds = exponential_wait(failed - 1, longest=self._longest_wait)
        self._logger.warning(
            "Cannot %s (%s): trying again in %.1f s (%d of %d)",
            *(doing, _named(error), seconds, failed + 1, self._tries),
        )
        time.sleep(seconds)


def _refuse_redirect(
    response_dict: Mapping[str, Any] | None = None,
    parsed_response: Mapping[str, Any] | None = None,
    **_: object,
) -> None:
    """Stop at what leads elsewhere, other than S3 itself to the region that a bucket is in.

    botocore would ask the same address for that region, is led elsewhere again, and so on.
    """
    headers = response_dict["headers"] if response_dict else {}
    code = ((parsed_response or {}).get("Error") or {}).get("Code", "")
    if "location" in headers and not code.endswith("Redirect") and _REGION not in headers:
        target = urlsplit(headers["location"])
        msg = (
            f"S3 was asked, and the request was redirected to {target.scheme}://{target.netloc}: "
            f"that is not S3. Check {named('endpoint_url')}, and any proxy in between."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)


def _object(key: str, found: Mapping[str, Any], size: int) -> S3Object:
    return S3Object(key, _etag(found), size, found["LastModified"].astimezone(UTC))


def _etag(found: Mapping[str, Any]) -> str:
    return str(found["ETag"]).strip('"')


_REGION = "x-amz-bucket-region"
#: What each answer says, even if there is nothing to read.
_TOLD = {
    "get_object": {"ETag", "ContentLength"},
    "head_object": {"ETag", "ContentLength", "LastModified"},
    "list_objects_v2": {"Name", "IsTruncated", "KeyCount"},
}
_PASSING = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling"}
_GONE, _CHANGED, _TOO_MANY, _SERVER = 404, 412, 429, 500


def _is_passing(code: str, status: int) -> bool:
    return code in _PASSING or status in {_CHANGED, _TOO_MANY} or status >= _SERVER


def _named(error: Exception) -> str:
    if isinstance(error, boto_errors.ClientError):
        return str(error.response["Error"].get("Code") or error.response["ResponseMetadata"])
    return type(error).__name__
