"""Errors of S3 and boto3 as sentences that say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto_errors
from botocore.parsers import ResponseParserError

from signalroom_singer import ExitCode, TapError
from signalroom_singer.http.errors import speaks_no_tls
from signalroom_singer.settings.variables import label_settings_in_backticks

if TYPE_CHECKING:
    from collections.abc import Mapping


class ForbiddenObjectError(TapError):
    """The credentials may not read one object; they may read others."""


_ADVICE = {
    "NoSuchBucket": "There is no such bucket. Check `bucket` (and `endpoint_url`, if set).",
    "InvalidAccessKeyId": "Check `aws_access_key_id`: S3 does not know it.",
    "SignatureDoesNotMatch": "Check `aws_secret_access_key`: it does not belong to the key id.",
    "InvalidToken": "Check `aws_session_token`.",
    "ExpiredToken": (
        "The credentials have expired. Set new ones; or `role_arn` or `aws_profile`, whose "
        "credentials renew themselves."
    ),
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "PermanentRedirect": "The bucket is in another region: set `region`{region}.",
    "AuthorizationHeaderMalformed": "The bucket is in another region: set `region`{region}.",
    "IllegalLocationConstraintException": "The bucket is in another region: set `region`{region}.",
    "301": "The bucket is in another region: set `region`{region}.",
    "InvalidObjectState": (
        "It is archived. Restore it, or leave it out by `pattern` or `file_date_from`."
    ),
}
_INVALID_HEADER = "Invalid header value"
_ARCHIVED = "InvalidObjectState"
_ACCESS_DENIED = {"AccessDenied", "403", "AllAccessDisabled"}
_INVALID_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"}
_PERMISSIONS = {
    "list_objects_v2": "s3:ListBucket on the bucket",
    "ListObjectsV2": "s3:ListBucket on the bucket",
    "GetObject": "s3:GetObject on the object (and kms:Decrypt, if a KMS key encrypts it)",
    "HeadObject": "s3:GetObject on the object",
    "AssumeRole": "sts:AssumeRole, and the role has to trust it (`external_id`?)",
}
_OBJECT_OPERATIONS = {"GetObject", "HeadObject"}


def _tls_advice(error: Exception, config: Mapping[str, Any]) -> str:
    where = config.get("endpoint_url") or "S3"
    if speaks_no_tls(error):
        return (
            f"{where} does not speak TLS. Check `endpoint_url`: its port, and whether it begins "
            "with http:// instead."
        )
    return (
        f"the TLS certificate of {where} is not trusted. If your own certificate authority "
        "signed it, set the environment variable AWS_CA_BUNDLE to that authority's file."
    )


def describe_error(
    error: Exception, doing: str, config: Mapping[str, Any], *, tries: int = 0
) -> TapError:
    """Turn an error of botocore into one that says what to do.

    Args:
        error: Any error of boto3 or botocore.
        doing: The operation, as it follows "Cannot" in a sentence.
        config: The tap's settings.
        tries: Attempts until the tap gave up; 0 if it did not retry.

    Returns:
        The error to raise; a `ForbiddenObjectError` if it is about one object alone.
    """
    if isinstance(error, boto_errors.ClientError):
        return _describe_client_error(error, doing, tries)
    code = ExitCode.CONFIGURATION
    if isinstance(error, (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError)):
        advice = (
            "there are no credentials, or half of them. Set `aws_access_key_id` and "
            "`aws_secret_access_key`, or `aws_profile`, or run where a role is attached."
        )
    elif isinstance(error, boto_errors.ProfileNotFound):
        advice = (
            f"there is no profile {config.get('aws_profile')!r}: check `aws_profile`, and "
            "`aws configure list-profiles`."
        )
    elif isinstance(error, boto_errors.ParamValidationError) and "bucket name" in str(error):
        advice = (
            f"{config.get('bucket')!r} is not a bucket's name. Set `bucket` to the name alone, "
            "without s3:// or folders; those are `prefixes`."
        )
    elif isinstance(error, boto_errors.NoRegionError):
        advice = "the region is not known: set `region`."
    elif isinstance(error, boto_errors.SSLError):
        advice = _tls_advice(error, config)
    elif isinstance(error, (boto_errors.ConnectionError, boto_errors.HTTPClientError)):
        where = config.get("endpoint_url") or "S3"
        if _INVALID_HEADER in str(error):
            advice = (
                "the credentials have a character that no header may have. Copy "
                "`aws_access_key_id` and `aws_secret_access_key` again, or correct the profile."
            )
        else:
            code = ExitCode.UNAVAILABLE
            advice = f"{where} does not respond ({type(error).__name__})"
            advice += f", after {tries} tries." if tries else "."
            advice += _network_advice(config)
    elif isinstance(error, ResponseParserError):
        where = config.get("endpoint_url") or "S3"
        code = ExitCode.UNAVAILABLE
        advice = f"the response of {where} is not an S3 response"
        advice += f", after {tries} tries: a proxy's page perhaps, or an outage."
        advice += _network_advice(config)
    else:
        code = ExitCode.FAILED
        advice = f"{type(error).__name__}: {error}" + (f", after {tries} tries" if tries else "")
    return TapError(f"Cannot {doing}: {label_settings_in_backticks(advice)}", exit_code=code)


def _network_advice(config: Mapping[str, Any]) -> str:
    return " Check the network" + (" and `endpoint_url`." if config.get("endpoint_url") else ".")


def _describe_client_error(error: boto_errors.ClientError, doing: str, tries: int) -> TapError:
    details = error.response["Error"]
    code = str(details.get("Code", ""))
    operation = error.operation_name
    headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
    if code in _ACCESS_DENIED:
        advice = f"Access is denied. It needs {_PERMISSIONS.get(operation, operation)}."
    else:
        region = headers.get("x-amz-bucket-region") or details.get("Region")
        advice = _ADVICE.get(code, str(details.get("Message", ""))).replace(
            "{region}", f" to {region}" if region else ""
        )
    error_type = TapError
    if operation in _OBJECT_OPERATIONS and (code in _ACCESS_DENIED or code == _ARCHIVED):
        error_type = ForbiddenObjectError
    after = f" after {tries} tries" if tries else ""
    exit_code = ExitCode.FAILED
    if code in _ACCESS_DENIED or code in _INVALID_KEY:
        exit_code = ExitCode.PERMISSION
    elif code in _ADVICE:
        exit_code = ExitCode.CONFIGURATION
    return error_type(
        f"Cannot {doing}{after} ({code}): {label_settings_in_backticks(advice)}",
        exit_code=exit_code,
    )
