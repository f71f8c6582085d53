"""Lasting behaviours of an instance that a test turns on: each was seen, or may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """Mautic 5.1.1 as it was seen, where all are as here."""

    #: 4 to 7.
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
    #: Pages of e-mails are cut where e-mails are joined with their segments, with a filter too;
    #: otherwise only without one.
    joined_pages: bool = False
    #: `fields.all` is missing.
    without_all: bool = False
    #: Filters have no effect.
    where_ignored: bool = False
    #: Pages of more rows than this exceed PHP's memory; 0: none.
    memory_rows: int = 0
    #: With this status; a 500 is the page of HTML that Mautic shows then.
    memory_status: int = 500
    #: The role may not view others' rows.
    own_only: bool = False
    #: The user whose rows are the role's own: made or owned by the user; 0: nobody.
    user: int = 0
    #: The audit log may not be read.
    audit_hidden: bool = False
    #: A table that this instance does not have.
    missing_table: str = ""
