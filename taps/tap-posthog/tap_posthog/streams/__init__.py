"""The streams of PostHog's projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_posthog.streams.definitions import (
    EventDefinitions,
    Groups,
    GroupTypes,
    PropertyDefinitions,
)
from tap_posthog.streams.events import Events
from tap_posthog.streams.lists import (
    Actions,
    Annotations,
    Cohorts,
    Dashboards,
    Experiments,
    FeatureFlags,
    Insights,
    ProjectDetails,
    SessionRecordings,
    Surveys,
)
from tap_posthog.streams.persons import Persons
from tap_posthog.streams.sessions import Sessions

if TYPE_CHECKING:
    from tap_posthog.streams._base import PostHogStream

#: The streams that every project has.
STREAM_TYPES: tuple[type[PostHogStream], ...] = (
    Events,
    FeatureFlags,
    Experiments,
    Persons,
    Sessions,
    Cohorts,
    Annotations,
    Actions,
    Insights,
    Dashboards,
    Surveys,
    EventDefinitions,
    PropertyDefinitions,
    GroupTypes,
    Groups,
    SessionRecordings,
    ProjectDetails,
)

__all__ = ["STREAM_TYPES"]
