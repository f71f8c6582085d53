"""Entities and dictionaries: lists, each read whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import TapError, redact
from tap_redtrack.client import RedTrackStream
from tap_redtrack.paging import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

#: Lists take so many without complaint.
_PER = 500
#: Credentials of ad platforms, postbacks and certificates, wherever they are.
_SECRET = re.compile(
    r"api_?key|token|secret|passw|credential|private|authorization|(^|_)(key|crt|cert)$",
    re.IGNORECASE,
)
#: In URLs that hold one.
_SECRET_PARAMETER = re.compile(
    r"([?&;][\w.-]*(?:key|token|secret|passw\w*|auth|sign\w*)=)[^&#;\s]+", re.IGNORECASE
)
_OBJECT = th.ObjectType(additional_properties=True)
_TIMES = (
    th.Property("created_at", th.DateTimeType),
    th.Property("updated_at", th.DateTimeType),
)


class EntityStream(RedTrackStream):
    """All entities of a kind, by their id; what they have no column for is in ``_extra``."""

    primary_keys = ("id",)

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        pages = Pages(
            lambda page: self.ask(self.path, {"page": page, "per": _PER}),
            self._id,
            size=_PER,
            what=self.name,
            logger=self.logger,
        )
        for rows in pages:
            yield from rows

    def _id(self, row: Any) -> str:
        if isinstance(row, dict) and row.get("id"):
            return str(row["id"])
        msg = (
            f"{self.name}: RedTrack lists something without an id. Nothing was replaced; deselect "
            "the stream, or run again later."
        )
        raise TapError(msg)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        # Sums of a time nobody asked for; reports have them.
        row.pop("stat", None)
        return super().post_process(without_secrets(row), context)


def without_secrets(value: Any, within: str = "") -> Any:
    """Drop secrets, at any depth.

    Args:
        value: As RedTrack sent it.
        within: The key that it stands under.

    Returns:
        The same without fields that are named like secrets, without the parameters of
        integrations, and with masked secrets in URLs.
    """
    if isinstance(value, dict):
        return {
            name: without_secrets(item, name)
            for name, item in value.items()
            if not _SECRET.search(name) and not (within == "integrations" and name == "params")
        }
    if isinstance(value, list):
        return [without_secrets(item, within) for item in value]
    if isinstance(value, str):
        return redact(_SECRET_PARAMETER.sub(r"\1<redacted>", value))
    return value


def _entity(*more: th.Property[Any]) -> dict[str, Any]:
    return th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("serial_number", th.IntegerType, description="The number on RedTrack's pages"),
        th.Property("title", th.StringType),
        # A number here, a text there: 1 active, 2 paused, 3 deleted.
        th.Property("status", th.StringType),
        *more,
        *_TIMES,
    ).to_dict()


class Campaigns(EntityStream):
    """Campaigns, with their funnels as objects."""

    name = "campaigns"
    path = "/campaigns"
    schema = _entity(
        th.Property("source_id", th.StringType),
        th.Property("source_title", th.StringType),
        th.Property("domain_id", th.StringType),
        th.Property("cost_type", th.StringType),
        th.Property("cost_value", th.NumberType),
        th.Property("trackback_url", th.StringType),
        th.Property("notes", th.ArrayType(th.StringType)),
        th.Property("tags", th.ArrayType(th.StringType)),
        # As one object: streams hold filters hold lists, by the megabyte.
        th.Property("streams", th.ArrayType(_OBJECT)),
    )


class Offers(EntityStream):
    """Offers; their ``url`` leads to the affiliate network's."""

    name = "offers"
    path = "/offers"
    schema = _entity(
        th.Property("url", th.StringType),
        th.Property("network_title", th.StringType),
        th.Property("payment", _OBJECT),
        th.Property("notes", th.StringType),
        th.Property("tags", th.ArrayType(th.StringType)),
    )


class Sources(EntityStream):
    """Traffic sources."""

    name = "sources"
    path = "/sources"
    schema = _entity(th.Property("alias", th.StringType))


class Networks(EntityStream):
    """Affiliate networks."""

    name = "networks"
    path = "/networks"
    schema = _entity(th.Property("offer_count", th.IntegerType))


class Landings(EntityStream):
    """Landing pages, and those before them."""

    name = "landings"
    path = "/landings"
    schema = _entity(th.Property("type", th.StringType), th.Property("url", th.StringType))


class Streams(EntityStream):
    """Funnel templates: what RedTrack calls streams."""

    name = "streams"
    path = "/streams"
    schema = _entity()


class Domains(EntityStream):
    """Tracking domains."""

    name = "domains"
    path = "/domains"
    schema = _entity(th.Property("url", th.StringType))


class DictionaryStream(RedTrackStream):
    """A list that is the same for all accounts."""

    selected_by_default = False
    #: The column of lists of texts.
    column: ClassVar[str] = "value"

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        answer = self.ask(self.path)
        if answer.total is not None and len(answer.rows) < answer.total:
            msg = (
                f"{self.name}: GET {self.path} lists {len(answer.rows)} of {answer.total}. Nothing "
                "was replaced; run it again, and report it if that does not help."
            )
            raise TapError(msg)
        for item in answer.rows:
            if isinstance(item, str):
                yield {self.column: item}
            elif isinstance(item, dict):
                yield item
            else:
                msg = (
                    f"{self.name}: GET {self.path} has {json.dumps(item)[:50]} in its list, which "
                    "is neither a text nor an object. Run it again; if that does not help, report "
                    "it."
                )
                raise TapError(msg)


class Currencies(DictionaryStream):
    """Currencies, and what they are worth."""

    name = "currencies"
    path = "/currencies"
    primary_keys = ("letter_code",)
    schema = th.PropertiesList(
        th.Property("letter_code", th.StringType, required=True),
        th.Property("aliases", th.ArrayType(th.StringType)),
        th.Property("exchange_rate", _OBJECT),
    ).to_dict()


class Countries(DictionaryStream):
    """Countries."""

    name = "countries"
    path = "/countries"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("iso", th.StringType),
        th.Property("title", th.StringType),
    ).to_dict()


class Timezones(DictionaryStream):
    """The names of time zones."""

    name = "timezones"
    path = "/timezones"
    primary_keys = ("value",)
    schema = th.PropertiesList(th.Property("value", th.StringType, required=True)).to_dict()
