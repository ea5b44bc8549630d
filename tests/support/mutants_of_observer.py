"""Defects of the observer of the forges: what it must never forget, close, or say twice."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_ANSWERS = "actors/town/observer_answers.py"
_CALLS = "actors/town/observer_calls.py"
_DEEDS = "actors/town/pr_actions.py"
_MOVES = "actors/town/patrol_moves.py"
_PATROL = "actors/town/patrol.py"
_OF_OBSERVER = "tests/actors/town/test_observer.py::test_"
_OF_OWNED = "tests/actors/town/test_observer_owned.py::test_"
_OF_WATCHES = "tests/actors/town/test_observer_watches.py::test_"

# As a poll would that acknowledges what it stores: hashes_of wants what the rows hold by now.
_ACKNOWLEDGED_WHEN_SEEN = """
    from boomtown.actors.town.nudges import hashes_of
    from boomtown.actors.town.store_prs import list_checks, list_threads

    seen = hashes_of(
        get_pr(tx, key, details.number), tuple(list_checks(tx)), tuple(list_threads(tx))
    )
    update_pr(
        tx,
        pr.url,
        metadata_hash=seen.metadata,
        checks_hash=seen.checks,
        reviews_hash=seen.reviews,
    )


def ci_status("""

_KEPT_BEFORE_THE_POST = """\
        from boomtown.actors.town.store_roster import ReviewedPr, keep_reviewed_pr

        early = ReviewedPr(
            agent_id=deed.agent_id,
            forge=key.forge,
            repo_owner=key.owner,
            repo_name=key.name,
            number=args.number,
            head_sha=args.head_sha,
            reviewed_at_ms=self._begin().now_ms,
        )
        keep_reviewed_pr(self._begin(), early)
        mark = f"<!-- boomtown:"""

OBSERVER_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="observer-ack-early",
        defect="what is seen counts as reacted to before anybody was told",
        edits=(Edit(_ANSWERS, "\n\n\ndef ci_status(", _ACKNOWLEDGED_WHEN_SEEN),),
        tests=(
            f"{_OF_OWNED}failing_ci_is_told_once_per_head_and_set_of_checks_with_its_log",
            f"{_OF_OWNED}a_wish_for_changes_is_feedback",
        ),
    ),
    Mutant(
        name="observer-ack-never",
        defect="a reaction is not acknowledged, and is repeated by every tick",
        edits=(Edit(_MOVES, "    _acknowledge(tx, action, nudges=action.remembered)\n", ""),),
        tests=(
            f"{_OF_OWNED}failing_ci_is_told_once_per_head_and_set_of_checks_with_its_log",
            f"{_OF_OWNED}facts_without_their_reaction_are_reacted_to_after_a_restart",
        ),
    ),
    Mutant(
        name="observer-prune",
        defect="a listing that was cut off takes away what it does not show",
        edits=(
            Edit(
                _ANSWERS,
                "    if listing.is_complete:\n        prune_prs(",
                "    if listing.items:\n        prune_prs(",
            ),
        ),
        tests=(
            f"{_OF_OBSERVER}a_failed_poll_changes_no_fact_and_a_truncated_listing_never_prunes",
        ),
    ),
    Mutant(
        name="observer-prune-threads",
        defect="a listing of threads that was cut off takes away the others",
        edits=(
            Edit(
                _ANSWERS,
                "    if listing.is_complete:\n        prune_threads(",
                "    if listing.items or True:\n        prune_threads(",
            ),
        ),
        tests=(f"{_OF_OWNED}a_truncated_listing_of_threads_never_prunes",),
    ),
    Mutant(
        name="observer-failed-fetch",
        defect="a request that could not be fetched is taken for gone, and closed",
        edits=(
            Edit(
                _CALLS,
                "        if isinstance(answer, NotFound):\n",
                "        if not isinstance(answer, Fetched):\n",
            ),
        ),
        tests=(f"{_OF_OWNED}i15_a_failed_look_at_a_request_ends_nothing",),
    ),
    Mutant(
        name="observer-reviewed-early",
        defect="a head counts as reviewed before its review is posted",
        edits=(Edit(_DEEDS, '        mark = f"<!-- boomtown:', _KEPT_BEFORE_THE_POST),),
        tests=(f"{_OF_WATCHES}i18_a_row_of_reviewed_prs_needs_a_posted_review",),
    ),
    Mutant(
        name="observer-post-twice",
        defect="a review is posted without a look whether it stands there",
        edits=(
            Edit(
                _DEEDS,
                "        found = await self._find_said(key, args.number, mark)\n        is_new",
                "        found: Review | None = None\n        is_new",
            ),
        ),
        tests=(f"{_OF_WATCHES}a_post_whose_answer_was_lost_is_found_and_not_said_twice",),
    ),
    Mutant(
        name="observer-disabled",
        defect="an observer without credentials goes on polling what it had planned",
        edits=(
            Edit(
                _PATROL,
                "        if effect.state == EffectState.PENDING:\n            yield DropPoll(",
                "        if effect.state == EffectState.RUNNING:\n            yield DropPoll(",
            ),
        ),
        tests=(f"{_OF_OBSERVER}i16_a_disabled_observer_takes_back_the_polls_it_wanted",),
    ),
)
