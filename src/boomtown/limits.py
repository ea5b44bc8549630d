"""Every bound of the system: its unit in its name, its reason beside it, relations asserted.

One frozen struct per concern, each with defaults that serve one developer's machine; `compose`
hands each part its own. A limit that a user may set in boomtown.toml stands here too.
"""

from __future__ import annotations

import msgspec


class CommitLogLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the shared commit log (commit-log.md); all segments together bound a recovery."""

    segment_bytes: int = 4 * 1024 * 1024  # written full of zeros once: some 10 ms
    segments_max: int = 16  # 64 MB in all, which a recovery reads in a second or two
    # A longer range is synced in the object's own log: writing it twice costs more than a sync.
    record_bytes_max: int = 256 * 1024
    # So many commits of one pass of the loop do not wait for its end, where the flusher is at rest.
    batch_commits_waiting_max: int = 32
    wal_bytes_kept_max: int = 64 * 1024  # an object that is closed with more is checkpointed
    # Ready for new objects, after a burst of them: 256 last a fifth of a second.
    template_files_max: int = 256
    name_bytes_max: int = 4096  # of a database's path under the data directory

    def __post_init__(self) -> None:
        assert self.segments_max >= 2  # one fills while the other is emptied
        assert self.record_bytes_max >= 0
        # A record with its name fits any fresh segment.
        assert self.record_bytes_max + self.name_bytes_max + 1024 <= self.segment_bytes


class RuntimeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the durable-object runtime."""

    critical_section_ms_max: int = 30_000  # durable-actors 2.2
    output_lock_ms_max: int = 30_000  # durable-actors 3.3
    critical_section_depth_max: int = 64  # durable-actors 2.2: 64 works, 65 is an error
    alarm_handler_ms_max: int = 900_000  # durable-actors 5.3: 15 minutes
    idle_ms: int = 10_000  # durable-actors 2.3: hibernate after this long without a request
    forced_eviction_ms: int = 70_000  # durable-actors 2.3: without an event, tasks or not
    eviction_wait_ms_max: int = 30_000  # durable-actors 8: of a test's eviction, for requests
    drain_steps_max: int = 10_000  # gates.md 2: microtasks of one turn before others may run
    drain_ms_max: int = 50  # gates.md 2: the same bound in time
    evictions_per_sweep_max: int = 200  # gates.md 3: closing files is the cost
    # 90 KB, 3 descriptors each. Exceeded while every open object is busy: those may be waiting
    # for the very one that starts, so to hold it back could be for ever.
    open_databases_max: int = 2_000
    value_bytes_max: int = 4 * 1024 * 1024  # durable-actors 4.4: of a string, a blob, a key, a row
    value_depth_max: int = 200  # containers in containers; deeper is a cycle, or might as well be
    wal_bytes_checkpoint: int = 4 * 1024 * 1024  # a checkpoint is due past this size
    log: CommitLogLimits = CommitLogLimits()
    sql_text_bytes_max: int = 100_000  # durable-actors 4.4, as are the seven below
    sql_columns_max: int = 100
    sql_bindings_max: int = 100
    sql_like_pattern_bytes_max: int = 50
    sql_expression_depth_max: int = 100
    sql_compound_terms_max: int = 5
    sql_program_steps_max: int = 25_000
    sql_trigger_depth_max: int = 10
    sql_function_arguments_max: int = 127
    sockets_per_object_max: int = 32_768  # durable-actors 6, as are the six below
    socket_tags_max: int = 10
    socket_tag_characters_max: int = 256
    socket_attachment_bytes_max: int = 16_384
    socket_auto_response_bytes_max: int = 2_048
    socket_event_timeout_ms_max: int = 604_800_000
    socket_message_bytes_max: int = 32 * 1024 * 1024
    # On their way to one reader; whoever is slower loses its connection. A hub that replays its
    # history to a newcomer in one turn must fit.
    socket_queue_messages_max: int = 16_384
    socket_queue_bytes_max: int = 64 * 1024 * 1024
    fetch_ms_max: int = 60_000  # of an object's request to a server, where it names no time
    fetch_body_bytes_max: int = 64 * 1024 * 1024  # an answer is read whole
    alarm_deliveries_max: int = 64  # at once, per host: a restart may find thousands overdue
    alarm_retries_max: int = 6  # durable-actors 5.4: the seventh failure gives up
    alarm_retry_base_ms: int = 2_000  # doubles with each counted failure
    alarm_retry_jitter_percent: int = 25
    alarm_uncounted_retry_ms_max: int = 1_024_000  # the doubling of uncounted failures ends here
    schedule_name_bytes_max: int = 1_024  # as of an object's name
    schedule_pass_ms_max: int = 60_000  # of one delivery; runs that are due then wait for the next
    schedule_starts_max: int = 6  # runs that began and never ended, as alarm_retries_max
    schedule_pause_ms: int = 64_000  # after deliveries that broke the object each time: the last
    schedule_dead_letters_max: int = 1_000  # per object, the newest are kept
    schedule_error_bytes_max: int = 2_000  # of a failed run, kept with its schedule

    def __post_init__(self) -> None:
        assert self.idle_ms < self.alarm_handler_ms_max
        assert self.schedule_pass_ms_max < self.alarm_handler_ms_max
        assert self.evictions_per_sweep_max <= self.open_databases_max
        assert self.socket_message_bytes_max <= self.socket_queue_bytes_max


class TownLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds and clocks of a town (town.md 0.1)."""

    alarm_active_ms: int = 5_000  # decisions 35
    alarm_idle_ms: int = 300_000  # decisions 35
    alarm_inbox_ms: int = 50  # decisions 35: an inbox insert brings the alarm to now + this
    heartbeat_ms: int = 30_000  # town.md 7.3
    lease_ms: int = 90_000  # three missed heartbeats
    start_timeout_ms: int = 60_000  # the start call itself
    start_deadline_ms: int = 180_000  # from the call to the first sign of life (row 32)
    probe_timeout_ms: int = 10_000
    stop_timeout_ms: int = 15_000
    stop_grace_ms: int = 5_000  # SIGTERM to SIGKILL for an agent
    look_timeout_ms: int = 20_000  # of a preflight: may ask origin once
    prompt_characters_max: int = 4_096  # roster.md 3.1; longer tasks belong into the bead's body
    message_characters_max: int = 8_192  # of what is sent to a session
    proof_timeout_ms: int = 60_000  # a fetch of the rig's repository, then a look at it
    session_run_ms_max: int = 3_600_000  # a body that runs longer is ended by its container
    silence_after_stop_ms: int = 180_000  # decisions 33: lease over, stop sent, then this
    done_grace_ms: int = 60_000  # decisions 34: a late done after "completed"
    dispatch_attempts_max: int = 5
    dispatch_backoff_ms: tuple[int, ...] = (30_000, 60_000, 120_000, 300_000, 600_000)
    container_restarts_per_hour_max: int = 10  # decisions 28
    breaker_window_ms: int = 1_800_000  # town.md 0.1: of the failed starts that count
    breaker_failed_starts_max: int = 20  # row 71: this many open the breaker
    breaker_pause_ms: int = 300_000  # half an hour's failures are not mended at once; row 71
    drain_ms_max: int = 420_000  # decisions 52: the container waits 300 s of it for its agents
    landing_attempts_max: int = 5
    landing_backoff_base_ms: int = 30_000  # min(2^n x this, max)
    landing_backoff_max_ms: int = 1_800_000
    review_attempts_max: int = 5  # row 30
    polecats_per_rig_max: int = 20
    inbox_attempts_max: int = 8  # then the dead letters
    inbox_events_per_tick_max: int = 1_000
    actions_per_tick_max: int = 500
    effects_in_flight_max: int = 32  # but polls, which have patrol_polls_max
    effect_backoff_ms: int = 2_000
    effect_backoff_max_ms: int = 60_000
    convoy_tasks_max: int = 50
    bulk_delete_max: int = 5_000
    prime_open_beads_max: int = 20
    list_limit_max: int = 1_000
    list_limit_default: int = 100
    processed_inbox_kept_ms: int = 7 * 86_400_000
    prune_period_ms: int = 60_000  # between two looks of a live town for what is past its time
    idempotency_kept_ms: int = 86_400_000  # decisions 53
    feed_kept_ms: int = 7 * 86_400_000  # roster.md 4.4; a cursor in use keeps its rows longer
    feed_rows_max: int = 100_000  # some 50 MB; a cursor in use keeps more
    feed_prune_rows_max: int = 2_000  # at once: some 10 ms
    feed_cursor_in_use_ms: int = 86_400_000  # one that was moved less long ago holds rows back
    feed_cursors_max: int = 1_000  # named consumers of one town
    feed_followers_max: int = 256  # that wait in one town at once
    feed_wait_ms_max: int = 30_000  # of one question for the next changes
    # What one agent may leave in a town's database: notes, not documents.
    memory_entries_max: int = 1_000
    memory_value_bytes_max: int = 65_536
    watches_per_agent_max: int = 200  # a patrol asks the forge about each
    # The observer of the forges (roster.md 3.6, 4.4).
    patrol_poll_ms: int = 30_000  # between two polls of a repository
    patrol_reviews_ms: int = 120_000  # between two fetches of its reviews: two calls a request
    patrol_poke_ms: int = 2_000  # after a done: one poll for several that come together
    patrol_boot_age_ms: int = 1_800_000  # what was opened longer before a boot is let be
    patrol_call_ms: int = 20_000  # of one question to a forge
    patrol_polls_max: int = 8  # at once: containers never wait for a slow forge
    patrol_requests_max: int = 50  # looked at closely by one poll: three calls each
    patrol_backoff_max_ms: int = 600_000  # doubles from patrol_poll_ms
    patrol_attempts_max: int = 5  # of one review, as review_attempts_max
    nudges_about_reviews_max: int = 3  # roster.md 4.4; then the people may talk
    nudge_log_characters_max: int = 2_000  # of each failing check, from its end
    nudge_items_max: int = 20  # checks or threads that one nudge quotes

    def __post_init__(self) -> None:
        assert self.heartbeat_ms * 3 <= self.lease_ms
        assert self.start_timeout_ms < self.start_deadline_ms
        assert self.alarm_inbox_ms < self.alarm_active_ms < self.alarm_idle_ms
        assert self.stop_grace_ms < self.stop_timeout_ms
        assert self.breaker_pause_ms < self.breaker_window_ms
        assert self.patrol_poke_ms < self.patrol_poll_ms <= self.patrol_reviews_ms


class ContainerLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of containers and their agents."""

    boot_ms_max: int = 20_000  # from spawning a control server to its first answer
    kill_wait_ms_max: int = 5_000  # from SIGKILL to the last process gone
    drain_ms_max: int = 10_000  # decisions 52: a server's SIGTERM leaves containers this long
    # decisions 52: an evicted container waits so long for its agents; with its drain it must end
    # before the town gives the drain up (TownLimits.drain_ms_max, 420 s).
    eviction_wait_ms: int = 300_000
    agent_run_ms_max: int = 3_600_000
    agent_output_bytes_max: int = 1_048_576  # the newest of it is kept
    # Containers of objects, on one host: some ten descriptors each, and a program of any size.
    commands_max: int = 100
    # Of those, starts within the span: more is an object that starts again what ends at once.
    command_starts_max: int = 100
    command_starts_span_ms: int = 10_000
    port_answer_bytes_max: int = 33_554_432  # of a container's port, held in memory: 32 MiB
    git_command_ms_max: int = 600_000
    gate_ms_max: int = 600_000  # decisions 49
    merge_tries_max: int = 3  # decisions 49: not fast-forward, fetch and merge once more
    socket_path_bytes_max: int = 107  # sun_path, less its terminator
    sleep_after_ms: int = 600_000  # town.md 7.5: of a container without any session
    # Of one agent and all it started (decisions 46, 48), looked at with its heartbeats.
    agent_processes_max: int = 256  # a parallel build on a large machine, and no fork bomb
    agent_memory_bytes_max: int = 4 * 1024**3  # a build and its language server on a laptop
    worktree_bytes_max: int = 8 * 1024**3  # a checkout with its dependencies and build products
    worktree_entries_max: int = 500_000  # a look walks over all of them: about 2 s
    agent_watch_percent_max: int = 5  # of the time, for such looks: rarer where they take long
    # Under a terminal: reading it without any output for so long is a question that nobody hears.
    harness_input_wait_ms: int = 120_000

    def __post_init__(self) -> None:
        assert self.kill_wait_ms_max <= self.drain_ms_max
        assert 0 < self.agent_watch_percent_max <= 100
        assert self.sleep_after_ms > 0


class ForgeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of what is fetched from a forge by one question."""

    page_items: int = 100  # GitHub gives no more in one page
    pages_max: int = 10  # 1,000 open pull requests, or reviews, or threads; more is incomplete
    failing_logs_max: int = 10  # of one commit; a nudge shows fewer
    log_tail_bytes: int = 4_096  # what an agent is shown of a failing log
    comments_per_thread_max: int = 50
    body_bytes_max: int = 8 * 1024 * 1024  # a page of 100 pull requests is about 3 MiB
    retry_unnamed_ms: int = 60_000  # GitHub's advice where an answer names no instant
    faults_armed_max: int = 100  # of our own server

    def __post_init__(self) -> None:
        assert 0 < self.page_items <= 100
        assert self.log_tail_bytes <= self.body_bytes_max


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the front."""

    body_bytes_max: int = 1_048_576  # http.md 1
    socket_message_bytes_max: int = 32 * 1024 * 1024  # durable-actors 6
    socket_heartbeat_ms: int = 30_000  # a client that is gone without a word is found in two
    socket_close_ms_max: int = 10_000  # from the first close frame to the end of the connection
    verified_keys_kept_max: int = 256  # operators' keys; a forgotten one costs one actor call
    known_names_kept_max: int = 1_000  # owners, and towns; a forgotten one costs one actor call
    shutdown_ms_max: int = 15_000  # decisions 52
    session_token_ms: int = 8 * 3_600_000  # http.md 4
    token_refresh_expired_ms_max: int = 86_400_000  # decisions 47
    ticket_ms: int = 60_000  # http.md 3: from a ticket's making to its one use
    tickets_max: int = 1_000  # that wait for their use; the oldest go first
    feed_heartbeat_ms: int = 5_000  # decisions 60
    feed_batch_rows: int = 512  # of one question of a stream: what is in memory per reader
    feed_write_ms_max: int = 10_000  # a reader that takes nothing for so long is let go
    feed_retry_ms: int = 200  # after an object that was reset under its reader


class SimulationLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of boomtown.testing.simulate."""

    run_ms_max: int = 3_600_000  # of virtual time: what takes longer is taken to hang
    shrink_runs_max: int = 300  # one switch of tasks costs some 30, a crash some 100
    outages_per_mille: int = 5  # of disk operations: about one in a run of thirty writes
    reboot_ms: int = 200  # from an outage to the next start
    call_delay_ms_max: int = 5  # each way between a simulated client and its object
