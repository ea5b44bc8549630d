"""The checkers by name, in the order in which they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from boomtown.container_sim.sim_repositories import SimRepositories
from boomtown.sim.checkers.bodies import BodyLife
from boomtown.sim.checkers.evidence import Evidence
from boomtown.sim.checkers.town_rows import Row

Checker = Callable[[Evidence], str | None]

# How late a town's alarm may be set: its slowest period.
ALARM_MS_MAX = 300_000
NEVER_COUNTED = ("phases.failed", "actions.failed")
LIVE_REVIEW = ("open", "in_progress")

Edges = dict[str, tuple[str, ...]]  # from -> where to

# The edges of town.md 3.1, written down once more.
ISSUE: Edges = {
    "open": ("in_progress", "in_review", "closed", "failed"),
    "in_progress": ("open", "in_review", "closed", "failed"),
    "in_review": ("open", "closed", "failed"),
}
REVIEW: Edges = {
    "open": ("in_progress", "closed", "failed"),
    "in_progress": ("open", "closed", "failed"),
}
RECORD: Edges = {"open": ("closed", "failed")}
EDGES = {
    "issue": ISSUE,
    "merge_request": REVIEW,
    "molecule": REVIEW,
    "convoy": RECORD,
    "message": RECORD,
    "escalation": RECORD,
}
WHERE_KEPT = {
    "bead": ("beads", "bead_id"),
    "agent": ("agents", "agent_id"),
    "rig": ("rigs", "rig_id"),
}


def acknowledged_is_there(evidence: Evidence) -> str | None:
    """What somebody was told that the town has, it has."""
    rows = evidence.rows
    if rows is None:
        return f"no town, and {evidence.acknowledged[0]} told" if evidence.acknowledged else None
    known = {
        kind: {row[key] for row in rows.tables[table]} for kind, (table, key) in WHERE_KEPT.items()
    }
    for kind, subject in evidence.acknowledged:
        if subject not in known[kind]:
            return f"{kind} {subject} was acknowledged and is gone"
    return None


def one_body_per_bead(evidence: Evidence) -> str | None:
    """No bead and no agent ever had two bodies at once."""
    return _overlap(evidence.bodies, "bead") or _overlap(evidence.bodies, "agent")


def _overlap(bodies: tuple[BodyLife, ...], what: str) -> str | None:
    last: dict[str, BodyLife] = {}
    for body in bodies:
        subject = body.bead_id if what == "bead" else body.agent_id
        before = last.get(subject)
        if before is not None and body.started_at_ms < before.ended_at_ms:
            return (
                f"{what} {subject} has bodies {before.session_id} until {before.ended_at_ms} "
                f"and {body.session_id} from {body.started_at_ms}"
            )
        if before is None or body.ended_at_ms > before.ended_at_ms:
            last[subject] = body
    return None


def start_has_row(evidence: Evidence) -> str | None:
    """A start, and so a body, was asked for by a row that was durable before."""
    if evidence.rows is None:
        return None
    states = {row["session_id"]: row["state"] for row in evidence.rows.tables["sessions"]}
    written = {
        row["session_id"] for row in evidence.rows.tables["effects"] if row["kind"] == "start"
    }
    for session_id in (*evidence.asked, *(body.session_id for body in evidence.bodies)):
        if session_id not in states:
            return f"session {session_id} was started and is in no row"
        if session_id not in written:
            return f"session {session_id} was started and no start was written down"
        if states[session_id] == "claimed":
            return f"session {session_id} was started and is only claimed"
    return None


def ended_has_no_body(evidence: Evidence) -> str | None:
    """A session that the town calls ended has no body: nothing but proof of death ends one."""
    if evidence.rows is None:
        return None
    ended = {
        row["session_id"]: row["ended_at_ms"]
        for row in evidence.rows.tables["sessions"]
        if row["state"] == "ended"
    }
    for body in evidence.bodies:
        ended_at_ms = ended.get(body.session_id)
        if ended_at_ms is not None and body.ended_at_ms > ended_at_ms:
            late_ms = body.ended_at_ms - ended_at_ms
            return f"the body of session {body.session_id} lived {late_ms} ms past its end"
    return None


def body_is_its_own(evidence: Evidence) -> str | None:
    """The process that the town knows of a session was born for that session."""
    if evidence.rows is None:
        return None
    born = {(body.session_id, body.pid) for body in evidence.bodies}
    for row in evidence.rows.tables["sessions"]:
        if row["pid"] is not None and (row["session_id"], row["pid"]) not in born:
            return f"session {row['session_id']} has process {row['pid']}, which was never its own"
    return None


def verdict_was_said(evidence: Evidence) -> str | None:
    """A session that has a body achieved only what that body, and no other, has said."""
    if evidence.rows is None:
        return None
    for row in evidence.rows.tables["sessions"]:
        session_id, verdict = row["session_id"], row["verdict"]
        is_external = row["harness"] == "external"
        if verdict is not None and not is_external and session_id not in evidence.spoke:
            return f"session {session_id} has verdict {verdict}, and its body sent none"
    return None


def edges_are_legal(evidence: Evidence) -> str | None:
    """The audit has only edges that exist, each from where the one before it led."""
    if evidence.rows is None:
        return None
    types = {row["bead_id"]: row["type"] for row in evidence.rows.tables["beads"]}
    now = {row["bead_id"]: row["status"] for row in evidence.rows.tables["beads"]}
    seen: dict[str, str] = {}
    for row in evidence.rows.tables["bead_events"]:
        bead = row["bead_id"]
        if row["event_type"] != "status_changed" or bead not in types:
            continue
        before, after = row["old_value"], row["new_value"]
        if seen.get(bead, before) != before:
            return f"bead {bead} goes on from {before}, and was {seen[bead]}"
        if after not in EDGES.get(types[bead], {}).get(before, ()):
            return f"bead {bead} ({types[bead]}) went from {before} to {after}"
        seen[bead] = after
    for bead, status in seen.items():
        if now[bead] != status:
            return f"bead {bead} is {now[bead]}, its audit says {status}"
    return None


def sessions_are_unique(evidence: Evidence) -> str | None:
    """One live session per agent and per bead, one live review session per rig."""
    if evidence.rows is None:
        return None
    live = [row for row in evidence.rows.tables["sessions"] if row["state"] != "ended"]
    for column, rows in (
        ("agent_id", live),
        ("bead_id", live),
        ("rig_id", [row for row in live if row["kind"] == "review"]),
    ):
        double = _repeated(rows, column)
        if double is not None:
            return f"two live sessions for {column} {double}"
    return None


def reviews_agree(evidence: Evidence) -> str | None:
    """A source waits in review exactly as long as one review of it lives."""
    if evidence.rows is None:
        return None
    beads = {row["bead_id"]: row for row in evidence.rows.tables["beads"]}
    live = [
        row for row in beads.values() if row["kind"] == "review" and row["status"] in LIVE_REVIEW
    ]
    double = _repeated(live, "subject")
    if double is not None:
        return f"two live reviews of {double}"
    reviewed = {row["subject"] for row in live}
    for bead_id, bead in beads.items():
        if bead["kind"] == "work" and bead["status"] == "in_review" and bead_id not in reviewed:
            return f"bead {bead_id} is in review, and no review of it lives"
    for row in live:
        source = beads.get(row["subject"])
        if source is None or source["status"] != "in_review":
            status = "gone" if source is None else source["status"]
            return f"review {row['bead_id']} lives, its source is {status}"
    return None


def merged_once(evidence: Evidence) -> str | None:
    """What a closed review is of is in its target's history, by one merge."""
    if evidence.rows is None:
        return None
    repositories, origin = evidence.repositories, evidence.repositories.origins[evidence.origin_url]
    reviews = {row["bead_id"]: row for row in evidence.rows.tables["reviews"]}
    histories: dict[str, _History] = {}  # by branch
    for bead in evidence.rows.tables["beads"]:
        review = reviews.get(bead["bead_id"])
        if review is None or bead["status"] != "closed" or review["merge_commit"] is None:
            continue
        branch, target = review["branch"], review["target_branch"]
        head = origin.branches.get(target)
        if head is None:
            return f"review {bead['bead_id']} is closed and origin has no {target}"
        if target not in histories:
            histories[target] = _history(repositories, head)
        merges = histories[target].messages[f"Merge {branch} into {target}"]
        if merges > 1:
            return f"{branch} was merged {merges} times into {target}"
        if not repositories.has_commit(review["merge_commit"]):
            return f"review {bead['bead_id']} names commit {review['merge_commit']}, which is none"
        if review["merge_commit"] not in histories[target].commits:
            return f"review {bead['bead_id']} is closed, and its merge is not in {target}"
    return None


class _History(NamedTuple):
    """What a head descends from, and how often each message was said there."""

    commits: frozenset[str]
    messages: Counter[str]


def _history(repositories: SimRepositories, head: str) -> _History:
    commits = repositories.ancestors(head)
    messages = Counter(repositories.get_commit(commit).message for commit in commits)
    return _History(frozenset(commits), messages)


def alarm_is_set(evidence: Evidence) -> str | None:
    """A town has an alarm within its slowest period, and the host's index knows it."""
    rows = evidence.rows
    if rows is None:
        return None
    if rows.indexed_at_ms is None:
        return "the index of alarms has lost the town"
    if rows.alarm_at_ms is None:
        return "the town has no alarm"
    if rows.indexed_at_ms > rows.alarm_at_ms:
        return f"the index says {rows.indexed_at_ms}, the town {rows.alarm_at_ms}"
    if rows.alarm_at_ms > evidence.now_ms + ALARM_MS_MAX:
        return f"the alarm is {rows.alarm_at_ms - evidence.now_ms} ms away"
    return None


def feed_is_kept(evidence: Evidence) -> str | None:
    """Whoever reads the feed is told every change once, and none that a crash then takes back. A
    seed that was rolled back takes what was told of it along, and says so."""
    rows = evidence.rows
    if rows is None:
        return None
    if evidence.told_twice is not None:
        return f"change {evidence.told_twice} was told twice"
    kept = {row["seq"]: f"{row['topic']} {row['entity_id']}" for row in rows.tables["feed_log"]}
    gone = {
        row["entity_id"] for row in rows.tables["feed_log"] if row["topic"] == "session.rolled_back"
    }
    for seq, what in evidence.told.items():
        if seq not in kept:
            if what.partition(" ")[2] not in gone:
                return f"change {seq} ({what}) was told and is gone"
        elif kept[seq] != what:
            return f"change {seq} was told as {what} and is {kept[seq]}"
    for seq, what in kept.items():
        if seq <= evidence.told_up_to and seq not in evidence.told:
            return f"change {seq} ({what}) was left out"
    return None


def nothing_raised(evidence: Evidence) -> str | None:
    """No phase of a tick and no action failed by a fault of the town's own. A tick passes over
    such a thing and goes on, so that nothing else would tell."""
    if evidence.rows is None:
        return None
    counts = {row["name"]: row["value"] for row in evidence.rows.tables["counters"]}
    for name in NEVER_COUNTED:
        if counts.get(name, 0):
            return f"the town counts {counts[name]} x {name}"
    return None


def everything_came_to_rest(evidence: Evidence) -> str | None:
    """After the quiet phase every bead is final, or an escalation says why it waits."""
    rows = evidence.rows
    if rows is None or not evidence.is_final:
        return None
    for bead in rows.restless():
        return f"bead {bead['bead_id']} ({bead['type']}, {bead['title']}) is {bead['status']}"
    for session in rows.tables["sessions"]:
        if session["state"] != "ended":
            return f"session {session['session_id']} is {session['state']}"
    return None


def _repeated(rows: list[Row], column: str) -> str | None:
    seen: set[str] = set()
    for row in rows:
        if row[column] in seen:
            return str(row[column])
        seen.add(row[column])
    return None


CHECKERS: tuple[tuple[str, Checker], ...] = (
    ("lost acknowledgement", acknowledged_is_there),
    ("two bodies", one_body_per_bead),
    ("effect before its row", start_has_row),
    ("body without a session", ended_has_no_body),
    ("body of another", body_is_its_own),
    ("word of another", verdict_was_said),
    ("illegal edge", edges_are_legal),
    ("two sessions", sessions_are_unique),
    ("review and source disagree", reviews_agree),
    ("merge", merged_once),
    ("lost alarm", alarm_is_set),
    ("feed", feed_is_kept),
    ("raised", nothing_raised),
    ("no rest", everything_came_to_rest),
)


def find_violation(evidence: Evidence) -> tuple[str, str] | None:
    """(checker, what is wrong) of the first one that finds something."""
    for name, checker in CHECKERS:
        message = checker(evidence)
        if message is not None:
            return name, message
    return None
