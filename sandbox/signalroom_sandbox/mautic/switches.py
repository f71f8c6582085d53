"""Lasting behaviours of an instance that a test turns on: each was seen, or may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """Mautic 5.1.1 as it was seen, where all are as here."""

    #: 4 to 7.
    version: int = 5
    #: Answers do not tell the version.
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
    #: Pages of e-mails are cut where e-mails are joined with their segments, whatever is asked;
    #: otherwise only where no filter is given.
    joined_pages: bool = False
    #: `fields.all` is missing.
    without_all: bool = False
    #: Filters are not looked at.
    where_ignored: bool = False
    #: Pages of more rows than this are out of PHP's memory; 0: none.
    memory_rows: int = 0
    #: With this status; a 500 is the page of HTML that Mautic shows then.
    memory_status: int = 500
    #: The role may not view others' rows.
    own_only: bool = False
    #: Whose rows are its own: those that this user made, or owns; 0: nobody's.
    user: int = 0
    #: Nobody may read the audit log.
    audit_hidden: bool = False
    #: A table that this instance does not have.
    missing_table: str = ""
