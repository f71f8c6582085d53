"""Who asks: keys, a profile, the machine's own role, or a role that is assumed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions as boto_errors
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)

from signalroom_singer import current, missing_setting, named
from tap_sticky_s3.s3_errors import describe_error

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Variables that boto3 reads by itself, in its order.
_BOTO3_READS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")


def open_session(config: Mapping[str, Any]) -> boto3.Session:
    """Make a session by the settings.

    Keys win over a profile, and a profile over what boto3 finds by itself (environment, shared
    files, web identity, ECS, EC2). A role is assumed by these, and again before it expires.

    Args:
        config: The tap's settings.

    Raises:
        TapError: If the settings name a profile that is not there, or half of a key.
    """
    _refuse_the_projects_keys(config)
    _refuse_half_a_key(config)
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
        _assume(session, role, config)
    return session


def _refuse_the_projects_keys(config: Mapping[str, Any]) -> None:
    """See that a client without credentials is not read with the project's own.

    Without any boto3 looks into the environment, where Meltano has put what `.env` says.
    """
    ways = ("aws_access_key_id", "aws_profile", "role_arn")
    if not current().is_clients(config) or any(config.get(way) for way in ways):
        return
    if projects := next((name for name in _BOTO3_READS if os.environ.get(name)), None):
        why = (
            f"{projects} is the project's own, and is not used for a client. "
            f"{' or '.join(named(way) for way in ways[1:])} would do too"
        )
        raise missing_setting("aws_access_key_id", why)


def _refuse_half_a_key(config: Mapping[str, Any]) -> None:
    """See that a key is whole: boto3 would sign with nothing, or end in a TypeError."""
    pair = ("aws_access_key_id", "aws_secret_access_key")
    lacking = [name for name in pair if not config.get(name)]
    if len(lacking) == 1:
        raise missing_setting(lacking[0], f"{' and '.join(pair)} go together")


def _assume(session: boto3.Session, role: str, config: Mapping[str, Any]) -> None:
    """Let a session act as a role, with credentials that renew themselves: a backfill is long."""
    core = session._session  # noqa: SLF001 - boto3 has no way of its own to do this
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
