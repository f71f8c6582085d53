"""AWS credentials: keys, a profile, the machine's own role, or an assumed role."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions as boto_errors
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

from signalroom_singer import missing_setting, setting_label
from signalroom_singer.settings.variables import current_naming
from tap_sticky_s3.s3_errors import describe_error

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables that boto3 reads by itself, in that order.
_BOTO3_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")


def open_session(config: Mapping[str, Any]) -> boto3.Session:
    """Open a boto3 session with the credentials of the settings.

    Keys take precedence over a profile, and a profile over boto3's default chain (environment,
    shared files, web identity, ECS, EC2). With `role_arn` these credentials assume that role, and
    renew it before it expires.

    Args:
        config: The tap's settings.

    Raises:
        TapError: If the profile of the settings does not exist.
        ConfigValidationError: If the settings have only one half of a key.
    """
    _check_client_credentials(config)
    _check_key_pair(config)
    try:
        session = boto3.Session(
            aws_access_key_id=config.get("aws_access_key_id"),
            aws_secret_access_key=config.get("aws_secret_access_key"),
            aws_session_token=config.get("aws_session_token") or None,
            profile_name=None if config.get("aws_access_key_id") else config.get("aws_profile"),
            region_name=config.get("region"),
        )
    except (boto_errors.BotoCoreError, ValueError) as error:
        raise describe_error(error, "use the credentials", config) from error
    if role := config.get("role_arn"):
        _assume_role(session, role, config)
    return session


def _check_client_credentials(config: Mapping[str, Any]) -> None:
    """Fail if a client has no credentials of its own, rather than use the project's.

    boto3 would look into the environment, where Meltano has put the variables of `.env`.
    """
    settings = ("aws_access_key_id", "aws_profile", "role_arn")
    if not current_naming().is_clients(config) or any(config.get(setting) for setting in settings):
        return
    if variable := next((name for name in _BOTO3_VARIABLES if os.environ.get(name)), None):
        why = (
            f"{variable} is the project's own, and is not used for a client. "
            f"{' or '.join(map(setting_label, settings[1:]))} would do too"
        )
        raise missing_setting("aws_access_key_id", why)


def _check_key_pair(config: Mapping[str, Any]) -> None:
    """Fail if only one half of the key is set: boto3 would not sign, or raise a TypeError."""
    pair = ("aws_access_key_id", "aws_secret_access_key")
    missing = [name for name in pair if not config.get(name)]
    if len(missing) == 1:
        raise missing_setting(missing[0], f"{' and '.join(pair)} go together")


def _assume_role(session: boto3.Session, role: str, config: Mapping[str, Any]) -> None:
    """Make the session assume a role, with credentials that renew themselves for long backfills."""
    core = session._session  # noqa: SLF001 - boto3 has no public way to do this
    credentials = session.get_credentials()
    if credentials is None:
        raise describe_error(boto_errors.NoCredentialsError(), f"assume the role {role}", config)
    arguments = {
        "RoleSessionName": config["role_session_name"],
        "ExternalId": config.get("external_id"),
    }
    fetcher = AssumeRoleCredentialFetcher(
        core.create_client,
        credentials,
        role,
        extra_args={name: value for name, value in arguments.items() if value},
    )

    def fetch() -> Any:
        try:
            return fetcher.fetch_credentials()
        except (boto_errors.BotoCoreError, boto_errors.ClientError) as error:
            raise describe_error(error, f"assume the role {role}", config) from error

    core._credentials = DeferredRefreshableCredentials(fetch, "assume-role")  # noqa: SLF001
