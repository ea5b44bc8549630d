"""What concerns a rig as a whole: mail, escalations, events, the review queue."""

from __future__ import annotations

from msgspec.structs import asdict

from boomtown.actors.town.commands import CompleteReview, CreateEscalation, SendMail, SubmitReview
from boomtown.actors.town.questions import ListEvents
from boomtown.container_sim.git_urls import validate_branch
from boomtown.http.bodies import CompleteReviewBody, EscalationBody, MailBody, ReviewBody
from boomtown.http.calls import Call, invalid_body
from boomtown.http.query_parameters import find_count, find_instant_ms, page_size
from boomtown.ids import BeadId, RigId


async def send_mail(call: Call) -> object:
    return await send_mail_of(call, await call.body(MailBody), call.rig_id)


async def send_mail_of(call: Call, body: MailBody, rig_id: RigId) -> object:
    """Mail needs a receiver: an agent, or the sender's boss. An agent sends as itself."""
    if body.to_agent_id is None and body.to is None:
        raise invalid_body("to_agent_id", "Object missing required field `to_agent_id`")
    return await call.execute(
        SendMail(
            rig_id=rig_id,
            from_agent_id=call.caller.agent_id or body.from_agent_id,
            subject=body.subject,
            body=body.body,
            to_agent_id=body.to_agent_id,
            to=body.to,
        )
    )


async def create_escalation(call: Call) -> object:
    body = await call.body(EscalationBody)
    return await call.execute(CreateEscalation(rig_id=call.rig_id, **asdict(body)))


async def list_rig_events(call: Call) -> object:
    query = call.request.query
    return await call.query(
        ListEvents(
            rig_id=call.rig_id,
            since_ms=find_instant_ms(query, "since"),
            after=find_count(query, "after"),
            limit=page_size(query),
        )
    )


async def submit_review(call: Call) -> object:
    body = await call.body(ReviewBody)
    validate_branch(body.branch)
    return await call.execute(
        SubmitReview(
            rig_id=call.rig_id,
            bead_id=body.bead_id,
            agent_id=call.caller.agent_id or body.agent_id,
            branch=body.branch,
            pr_url=body.pr_url,
            summary=body.summary,
        )
    )


async def complete_review(call: Call) -> object:
    body = await call.body(CompleteReviewBody)
    review_id = BeadId(call.path["entry"])
    return await call.execute(
        CompleteReview(rig_id=call.rig_id, review_id=review_id, **asdict(body))
    )
