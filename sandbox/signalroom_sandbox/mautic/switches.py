"""Behaviours that a test can turn on: each was observed at Mautic, or may occur."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """The behaviours; the defaults are those observed at Mautic 5.1.1."""

    #: The major version, from 4 to 7.
    version: int = 5
    #: Responses have no header with the version.
    version_hidden: bool = False
    #: Contacts edited, added and deleted with each page of contacts that is read.
    churn: int = 0
    #: "right", "low", "high", or "abc".
    total: str = "right"
    #: Lists that are objects by id come as lists, and the other way round.
    other_containers: bool = False
    #: Associations to many come as objects by id, as in old samples of Mautic's documentation.
    relations_by_id: bool = False
    #: Tags of contacts come as an object by tag.
    tags_by_name: bool = False
    #: Pages of e-mails are cut by the join with their segments even with a filter; without this
    #: switch, only without a filter.
    joined_pages: bool = False
    #: `fields.all` is missing.
    without_all: bool = False
    #: Filters have no effect.
    where_ignored: bool = False
    #: Pages of more rows than this exceed PHP's memory; 0: none.
    memory_rows: int = 0
    #: The status of that error; with 500, the body is Mautic's HTML page.
    memory_status: int = 500
    #: The role may not view others' rows.
    own_only: bool = False
    #: The user whose rows the role may view: those created or owned by the user; 0: nobody.
    user: int = 0
    #: The audit log may not be read.
    audit_hidden: bool = False
    #: A table that this instance does not have.
    missing_table: str = ""
