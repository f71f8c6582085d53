"""The S3 client: lists a bucket, and reads the bytes of one version of an object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from botocore import exceptions as boto_errors
from botocore.config import Config
from botocore.parsers import ResponseParserError
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import ExitCode, RetryPolicy, TapError, setting_label, validate_base_url
from tap_sticky_s3.credentials import open_session
from tap_sticky_s3.s3_errors import describe_error

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

_Result = TypeVar("_Result")
_CHUNK = 1 << 20
#: Headers and small files: the time goes into waiting for them.
HEADER_THREADS = SMALL_FILE_THREADS = 16
_INTERRUPTED = (
    boto_errors.IncompleteReadError,
    boto_errors.ResponseStreamingError,
    boto_errors.ReadTimeoutError,
    boto_errors.ConnectionError,
    boto_errors.HTTPClientError,
)
_ERRORS = (boto_errors.ClientError, boto_errors.BotoCoreError, ResponseParserError)


@dataclass(frozen=True)
class S3Object:
    """One version of an object.

    Attributes:
        key: Key in the bucket.
        etag: ETag, which is different for each version; opaque, without quotes.
        size: Size in bytes.
        modified: LastModified (UTC); for a multipart upload, when it was started.
    """

    key: str
    etag: str
    size: int
    modified: datetime


class ObjectChangedError(Exception):
    """The object was overwritten while it was being read."""


class ObjectGoneError(Exception):
    """The object was deleted after it was listed."""


class Bucket:
    """A bucket, opened read-only.

    Args:
        config: The tap's settings.
        logger: Logger for retries and renewed credentials.
    """

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger) -> None:
        self.name: str = config["bucket"]
        self._config = config
        self._logger = logger
        self._retry = RetryPolicy.from_config(config)
        self._endpoint = config.get("endpoint_url") and validate_base_url(
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
        compatibility = {
            # R2, MinIO and others do not support the newer checksums.
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
                # Retried here, with a log message, and in the middle of a body too.
                retries={"total_max_attempts": 1},
                max_pool_connections=SMALL_FILE_THREADS * self._config["max_concurrency"],
                s3={"addressing_style": style},
                **(compatibility if endpoint else {}),
            ),
        )
        client.meta.events.register("response-received.s3", _refuse_redirect)
        return client

    def close(self) -> None:
        """Close the connections to S3."""
        if "_client" in vars(self):
            self._client.close()
            del self._client

    def list_objects(self, prefix: str) -> Iterator[S3Object]:
        """List objects in the order of their keys.

        Args:
            prefix: Start of the keys.

        Yields:
            The objects, without folders.

        Raises:
            TapError: If the bucket cannot be listed.
        """
        arguments = {"Bucket": self.name, "Prefix": prefix, **self._extra}
        while True:
            page = self._request("list_objects_v2", f"list {self.name}/{prefix}", **arguments)
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):
                    yield _to_object(entry["Key"], entry, entry["Size"])
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def current_version(self, key: str) -> S3Object:
        """Request the current version of an object.

        Args:
            key: Key in the bucket.

        Raises:
            ObjectGoneError: If the object was deleted.
            TapError: If the credentials may not read it.
        """
        doing = f"look at {self.name}/{key}"
        response = self._request("head_object", doing, Bucket=self.name, Key=key, **self._extra)
        return _to_object(key, response, response["ContentLength"])

    def read(self, obj: S3Object, end: int | None = None) -> Iterator[bytes]:
        """Read an object's bytes; an interrupted download resumes where it stopped.

        Args:
            obj: The version to read.
            end: How many bytes to read from the start; all by default.

        Yields:
            The bytes in chunks.

        Raises:
            ObjectChangedError: If the object has another version now.
            ObjectGoneError: If the object was deleted.
            TapError: If the credentials may not read it, or the download keeps failing.
        """
        end = obj.size if end is None else min(end, obj.size)
        position = 0
        body: Any = None

        def read_chunk() -> bytes:
            nonlocal body
            body = body or self._open(obj, position, end)
            try:
                # Checks the length; the raw stream would silently end early.
                chunk: bytes = body.read(_CHUNK)
            except _INTERRUPTED:
                body.close()
                body = None
                raise
            return chunk

        try:
            # Retries are counted by chunk: progress of any size resets the count.
            while position < end:
                place = f" from byte {position}" if position else ""
                chunk = self._with_retries(read_chunk, f"read {self.name}/{obj.key}{place}")
                position += len(chunk)
                yield chunk
        finally:
            if body:
                body.close()

    def _open(self, obj: S3Object, start: int, end: int) -> Any:
        """Request a part of an object; returns its body."""
        part = {} if (start, end) == (0, obj.size) else {"Range": f"bytes={start}-{end - 1}"}
        condition = {"Bucket": self.name, "Key": obj.key, "IfMatch": f'"{obj.etag}"'}
        response = self._send("get_object", condition | part | self._extra)
        # Not every store honors If-Match.
        if (
            _etag(response) != obj.etag
            or response["ContentLength"] != end - start
            or (part and not response.get("ContentRange", "").endswith(f"/{obj.size}"))
        ):
            response["Body"].close()
            raise ObjectChangedError(obj.key)
        return response["Body"]

    def _request(self, operation: str, doing: str, **arguments: Any) -> Any:
        return self._with_retries(lambda: self._send(operation, arguments), doing)

    def _with_retries(self, attempt: Callable[[], _Result], doing: str) -> _Result:
        """Repeat an attempt while its errors are transient, as the retry policy says."""

        def attempt_once() -> _Result:
            try:
                return attempt()
            except _ERRORS as error:
                if not _is_transient(error):
                    raise describe_error(error, doing, self._config) from error
                msg = f"Cannot {doing} ({_error_code(error)})"
                raise RetriableAPIError(msg) from error

        try:
            return self._retry.run(attempt_once, logger=self._logger)
        except RetriableAPIError as error:
            cause, tries = error.__cause__, self._retry.max_tries
            if not isinstance(cause, Exception):
                raise
            raise describe_error(cause, doing, self._config, tries=tries) from cause

    def _send(self, operation: str, arguments: Mapping[str, Any], *, may_renew: bool = True) -> Any:
        """Send a request once."""
        try:
            response = getattr(self._client, operation)(**arguments)
        except boto_errors.ClientError as error:
            code, status = _code_and_status(error)
            if code == "ExpiredToken" and may_renew:
                # The next client gets new ones, if the credentials renew themselves.
                self._logger.warning("The credentials have expired: requesting new ones")
                # Not closed: other threads are still using it.
                vars(self).pop("_client", None)
                return self._send(operation, arguments, may_renew=False)
            if status == _PRECONDITION_FAILED and "IfMatch" in arguments:
                raise ObjectChangedError(arguments["Key"]) from None
            if status == _NOT_FOUND and code != "NoSuchBucket" and "Key" in arguments:
                raise ObjectGoneError(arguments["Key"]) from None
            raise
        required = _REQUIRED_FIELDS[operation]
        present = required & response.keys()
        # A proxy's page, or an error with status 200. Stores other than AWS leave out some fields
        # of a listing.
        if not present or (present != required and operation != "list_objects_v2"):
            if "Body" in response:
                response["Body"].close()
            msg = f"the response has no {' and no '.join(sorted(required - present))}"
            raise ResponseParserError(msg)
        return response


def _refuse_redirect(
    response_dict: Mapping[str, Any] | None = None,
    parsed_response: Mapping[str, Any] | None = None,
    **_: object,
) -> None:
    """Refuse redirects, except those of S3 itself to the bucket's region.

    botocore would request the region from the same address, be redirected again, and so on.
    """
    headers = response_dict["headers"] if response_dict else {}
    code = ((parsed_response or {}).get("Error") or {}).get("Code", "")
    if "location" in headers and not code.endswith("Redirect") and _REGION_HEADER not in headers:
        target = urlsplit(headers["location"])
        msg = (
            f"The request to S3 was redirected to {target.scheme}://{target.netloc}, which is not "
            f"S3. Check {setting_label('endpoint_url')}, and any proxy in between."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)


def _to_object(key: str, fields: Mapping[str, Any], size: int) -> S3Object:
    return S3Object(key, _etag(fields), size, fields["LastModified"].astimezone(UTC))


def _etag(fields: Mapping[str, Any]) -> str:
    return str(fields["ETag"]).strip('"')


_REGION_HEADER = "x-amz-bucket-region"
#: Fields that each response has, even an empty one.
_REQUIRED_FIELDS = {
    "get_object": {"ETag", "ContentLength"},
    "head_object": {"ETag", "ContentLength", "LastModified"},
    "list_objects_v2": {"Name", "IsTruncated", "KeyCount"},
}
_TRANSIENT = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling"}
_NOT_FOUND, _PRECONDITION_FAILED, _TOO_MANY, _SERVER = 404, 412, 429, 500


def _is_transient(error: Exception) -> bool:
    if isinstance(error, boto_errors.ClientError):
        code, status = _code_and_status(error)
        is_busy = status in {_PRECONDITION_FAILED, _TOO_MANY} or status >= _SERVER
        return is_busy or code in _TRANSIENT
    return isinstance(error, (*_INTERRUPTED, ResponseParserError))


def _code_and_status(error: boto_errors.ClientError) -> tuple[str, int]:
    details, metadata = error.response["Error"], error.response["ResponseMetadata"]
    return str(details.get("Code") or ""), int(metadata["HTTPStatusCode"])


def _error_code(error: Exception) -> str:
    if isinstance(error, boto_errors.ClientError):
        code, status = _code_and_status(error)
        return code or str(status)
    return type(error).__name__
