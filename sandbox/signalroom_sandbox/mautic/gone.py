"""Deletes contacts, and merges them into others.

Rows in other tables follow the entities' metadata (``addLead`` with ``SET NULL`` or ``CASCADE``)
and the merge subscribers of Mautic's bundles:
https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Deduplicate/ContactMerger.php
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_sandbox.mautic.tables import TABLES

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.world import World

#: Tables whose rows stay, without the contact; rows of all other tables are deleted with it.
_STAY = frozenset(
    {
        *("asset_downloads", "dynamic_content_stats", "email_stats", "focus_stats"),
        *("form_submissions", "page_hits", "push_notification_stats", "sms_message_stats"),
        "video_hits",
    }
)
#: Tables whose rows a merge moves to the winner, without changing a date.
_MOVE = (
    *("asset_downloads", "email_stats", "form_submissions", "lead_devices", "lead_event_log"),
    *("lead_points_change_log", "lead_stages_change_log", "page_hits", "video_hits"),
)
#: The same, except for rows that the winner already has.
_MOVE_OTHERS = {
    "campaign_lead_event_log": "event_id",
    "campaign_leads": "campaign_id",
    "lead_lists_leads": "leadlist_id",
    "point_lead_action_log": "point_id",
    "point_lead_event_log": "event_id",
    "stage_lead_action_log": "stage_id",
}
_OF_CONTACTS = tuple(table for table, names in TABLES.items() if "lead_id" in names.split())


def delete(world: World, number: int) -> None:
    """Delete a contact, and the rows that belong only to it.

    Args:
        world: The database of the instance.
        number: The contact's id.
    """
    world.execute("delete from leads where id = ?", [number])
    world.execute("delete from lead_tags where lead_id = ?", [number])
    for table in _OF_CONTACTS:
        change = f"update {table} set lead_id = null" if table in _STAY else f"delete from {table}"
        world.execute(f"{change} where lead_id = ?", [number])
    world.audit(number, "delete")


def merge(world: World, loser: int, winner: int) -> None:
    """Merge a contact into another.

    Which one loses does not depend on age: an identified contact that sends a form from a new
    browser is merged into the new, anonymous one.

    Args:
        world: The database of the instance.
        loser: The id that goes.
        winner: The id that stays.
    """
    (old,) = world.query("select * from leads where id = ?", [loser])
    (new,) = world.query("select * from leads where id = ?", [winner])
    filled = {name: old[name] for name in (*world.fields, "date_identified") if not new[name]}
    points = (old["points"] or 0) + (new["points"] or 0)
    world.edit([winner], **{**filled, "points": points})
    if filled.get("date_identified"):
        world.audit(winner, "identified")
    world.audit(winner, "ipadded")
    world.execute(
        "insert into lead_tags select ?, tag from lead_tags where lead_id = ? and tag not in "
        "(select tag from lead_tags where lead_id = ?)",
        [winner, loser, winner],
    )
    for table in _MOVE:
        world.execute(f"update {table} set lead_id = ? where lead_id = ?", [winner, loser])
    for table, column in _MOVE_OTHERS.items():
        world.execute(
            f"update {table} set lead_id = ? where lead_id = ? and {column} not in "
            f"(select {column} from {table} where lead_id = ?)",
            [winner, loser, winner],
        )
    world.audit(loser, "merge", f'a:1:{{s:11:"merged_into";i:{winner};}}')
    delete(world, loser)
