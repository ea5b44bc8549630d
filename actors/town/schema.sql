-- The town's tables, one database per town. STRICT, foreign keys on, instants in milliseconds
-- since the epoch (*_at_ms), JSON as text. The CHECK lists repeat the enums of model.py; a test
-- compares them. Version 1; later changes come as numbered migrations behind this file.

CREATE TABLE town (
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1),
    town_id             TEXT NOT NULL,
    name                TEXT NOT NULL,
    owner_user_id       TEXT NOT NULL,
    config              TEXT NOT NULL,             -- JSON, TownConfig
    is_paused           INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1)),
    is_draining         INTEGER NOT NULL DEFAULT 0 CHECK (is_draining IN (0, 1)),
    drain_nonce         TEXT,                      -- of the newest drain, kept after its end
    drain_started_at_ms INTEGER,                   -- of the newest drain, kept after its end
    drain_instance_id   TEXT,                      -- the instance that asked for it
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL,
    CHECK (is_draining = 0 OR (drain_nonce IS NOT NULL AND drain_started_at_ms IS NOT NULL))
) STRICT;

CREATE TABLE breaker (                             -- of dispatch; no row yet: closed, nothing heard
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1),
    opened_at_ms        INTEGER,                   -- NULL: closed
    last_start_at_ms    INTEGER                    -- the newest first sign of life of a body of ours
) STRICT;

CREATE TABLE failed_starts (                       -- since the breaker closed; pruned by its window
    session_id          TEXT PRIMARY KEY,          -- a session fails to start once
    failed_at_ms        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX failed_starts_by_time ON failed_starts (failed_at_ms);

CREATE TABLE counters (                            -- repairs, dropped actions, ticks: by name
    name                TEXT PRIMARY KEY,
    value               INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rigs (
    rig_id              TEXT PRIMARY KEY,
    name                TEXT NOT NULL UNIQUE,
    git_url             TEXT NOT NULL,
    default_branch      TEXT NOT NULL,
    config              TEXT NOT NULL,             -- JSON, RigConfig
    is_paused           INTEGER NOT NULL DEFAULT 0 CHECK (is_paused IN (0, 1)),
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE beads (
    bead_id             TEXT PRIMARY KEY,
    type                TEXT NOT NULL CHECK (type IN ('issue', 'message', 'escalation', 'merge_request', 'convoy', 'molecule', 'agent')),
    kind                TEXT NOT NULL CHECK (kind IN ('work', 'rework', 'review', 'landing', 'patrol', 'record')),
    subject             TEXT,                      -- the bead that it is about (model.BeadKind)
    status              TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'in_review', 'closed', 'failed')),
    title               TEXT NOT NULL,
    body                TEXT,
    rig_id              TEXT,                      -- no foreign key: history outlives a rig
    parent_bead_id      TEXT,
    assignee_agent_id   TEXT,
    priority            TEXT NOT NULL DEFAULT 'medium' CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    labels              TEXT NOT NULL DEFAULT '[]', -- JSON array of text
    metadata            TEXT NOT NULL DEFAULT '{}', -- JSON object, the users' own
    dispatch_attempts   INTEGER NOT NULL DEFAULT 0,
    not_before_ms       INTEGER,                   -- backoff
    created_by          TEXT,
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL,
    closed_at_ms        INTEGER,                   -- set only when status becomes closed
    failure_code        TEXT,
    failure_message     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX beads_by_type_and_status ON beads (type, status, created_at_ms);
CREATE INDEX beads_by_rig ON beads (rig_id, created_at_ms);
CREATE INDEX beads_by_subject ON beads (subject) WHERE subject IS NOT NULL;
CREATE UNIQUE INDEX one_live_landing_per_convoy ON beads (subject)
    WHERE kind = 'landing' AND status IN ('open', 'in_progress');
CREATE UNIQUE INDEX one_live_rework_per_review ON beads (subject)
    WHERE kind = 'rework' AND status IN ('open', 'in_progress', 'in_review');

CREATE TABLE bead_dependencies (                   -- bead_id `type` depends_on_bead_id
    bead_id             TEXT NOT NULL REFERENCES beads ON DELETE CASCADE,
    depends_on_bead_id  TEXT NOT NULL REFERENCES beads ON DELETE CASCADE,
    type                TEXT NOT NULL CHECK (type IN ('blocks', 'tracks', 'parent-child')),
    PRIMARY KEY (bead_id, depends_on_bead_id, type)
) STRICT, WITHOUT ROWID;

CREATE INDEX dependencies_backwards ON bead_dependencies (depends_on_bead_id, type);

CREATE TABLE reviews (                             -- satellite of merge_request beads
    bead_id             TEXT PRIMARY KEY REFERENCES beads ON DELETE CASCADE,
    branch              TEXT NOT NULL,
    target_branch       TEXT NOT NULL,
    source_agent_id     TEXT,
    pr_url              TEXT,
    merge_commit        TEXT,
    is_approved         INTEGER NOT NULL DEFAULT 0 CHECK (is_approved IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE convoys (                             -- satellite of convoy beads
    bead_id             TEXT PRIMARY KEY REFERENCES beads ON DELETE CASCADE,
    rig_id              TEXT NOT NULL,
    merge_mode          TEXT NOT NULL CHECK (merge_mode IN ('review-then-land', 'review-and-merge')),
    feature_branch      TEXT,
    is_staged           INTEGER NOT NULL CHECK (is_staged IN (0, 1)),
    is_ready_to_land    INTEGER NOT NULL DEFAULT 0 CHECK (is_ready_to_land IN (0, 1)),
    total_beads         INTEGER NOT NULL DEFAULT 0,
    closed_beads        INTEGER NOT NULL DEFAULT 0, -- closed and failed, equal to the recount
    landed_at_ms        INTEGER,
    landing_attempts    INTEGER NOT NULL DEFAULT 0,
    last_landing_at_ms  INTEGER,
    failure_message     TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE escalations (                         -- satellite of escalation beads
    bead_id             TEXT PRIMARY KEY REFERENCES beads ON DELETE CASCADE,
    severity            TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    category            TEXT,
    key                 TEXT,                      -- one live escalation per key
    is_live             INTEGER NOT NULL DEFAULT 1 CHECK (is_live IN (0, 1)), -- 0 once closed
    is_acknowledged     INTEGER NOT NULL DEFAULT 0 CHECK (is_acknowledged IN (0, 1)),
    acknowledged_at_ms  INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_live_escalation_per_key ON escalations (key)
    WHERE key IS NOT NULL AND is_live = 1;

CREATE TABLE agents (
    agent_id            TEXT PRIMARY KEY,
    rig_id              TEXT,
    role                TEXT NOT NULL CHECK (role IN ('polecat', 'refinery', 'mayor', 'triage', 'architect', 'reviewer')),
    name                TEXT NOT NULL,
    identity            TEXT NOT NULL UNIQUE,
    employment          TEXT NOT NULL CHECK (employment IN ('hired', 'offboarding', 'offboarded')),
    boss_id             TEXT,
    checkpoint          TEXT,                      -- JSON
    status_message      TEXT,
    status_message_at_ms INTEGER,
    last_activity_at_ms INTEGER,
    stalled_at_ms       INTEGER,
    waiting_since_ms    INTEGER,
    created_at_ms       INTEGER NOT NULL,
    offboarded_at_ms    INTEGER,
    offboard_reason     TEXT,
    offboarded_by       TEXT,
    template            TEXT,                      -- the role template it was hired by
    config              TEXT NOT NULL DEFAULT '{}' -- JSON object, what the hire said otherwise
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_employed_name_per_rig ON agents (rig_id, name)
    WHERE employment != 'offboarded';
CREATE UNIQUE INDEX one_refinery_per_rig ON agents (rig_id)
    WHERE role = 'refinery' AND employment != 'offboarded';
CREATE UNIQUE INDEX one_mayor ON agents (role)
    WHERE role = 'mayor' AND employment != 'offboarded';

CREATE TABLE sessions (
    session_id          TEXT PRIMARY KEY,
    agent_id            TEXT NOT NULL REFERENCES agents,
    bead_id             TEXT NOT NULL,             -- no foreign key: history outlives a bead
    rig_id              TEXT NOT NULL,
    kind                TEXT NOT NULL CHECK (kind IN ('work', 'review', 'landing', 'patrol')),
    subject             TEXT,                      -- review: the source; landing: the convoy
    state               TEXT NOT NULL CHECK (state IN ('claimed', 'starting', 'running', 'ending', 'ended')),
    phase               TEXT NOT NULL CHECK (phase IN ('seed', 'bodied')),
    generation          INTEGER NOT NULL,
    harness             TEXT NOT NULL,
    branch              TEXT NOT NULL,
    target_branch       TEXT NOT NULL,
    merge_only          INTEGER NOT NULL DEFAULT 0 CHECK (merge_only IN (0, 1)),
    worktree            TEXT,
    instance_id         TEXT,
    pid                 INTEGER,
    verdict             TEXT CHECK (verdict IN ('submitted', 'merged', 'pr_created', 'changes_requested', 'abandoned')),
    claimed_at_ms       INTEGER NOT NULL,
    start_sent_at_ms    INTEGER,
    started_at_ms       INTEGER,
    last_heartbeat_at_ms INTEGER,
    lease_until_ms      INTEGER,
    done_grace_until_ms INTEGER,
    stop_sent_at_ms     INTEGER,
    probe_misses        INTEGER NOT NULL DEFAULT 0,
    probed_at_ms        INTEGER,                   -- the last probe that was asked for
    ended_at_ms         INTEGER,
    end_reason          TEXT,
    restored_from       TEXT,
    prompt              TEXT,                      -- a spawn's own words; NULL: made from the bead
    made_bead           INTEGER NOT NULL DEFAULT 0 CHECK (made_bead IN (0, 1)), -- by the spawn
    ended_by            TEXT,                      -- who had it ended, where a person or agent did
    kept_worktree       TEXT,                      -- what a killed body left uncommitted, until the
                                                   -- cleanup, or a restored session goes on in it
    CHECK ((state = 'ended') = (ended_at_ms IS NOT NULL)),
    UNIQUE (agent_id, generation)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_live_session_per_agent ON sessions (agent_id) WHERE state != 'ended';
CREATE UNIQUE INDEX one_live_session_per_bead ON sessions (bead_id) WHERE state != 'ended';
CREATE UNIQUE INDEX one_running_review_per_rig ON sessions (rig_id)
    WHERE kind = 'review' AND state != 'ended';
CREATE INDEX sessions_by_bead ON sessions (bead_id, claimed_at_ms);
CREATE INDEX sessions_by_subject ON sessions (subject, kind);
CREATE INDEX sessions_by_end ON sessions (ended_at_ms, end_reason, bead_id, ended_by)
    WHERE state = 'ended';

CREATE TABLE inbox (
    seq                 INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of application
    kind                TEXT NOT NULL,             -- the event's tag
    session_id          TEXT,
    payload             TEXT NOT NULL,             -- JSON, events.TownEvent
    idempotency_key     TEXT UNIQUE,
    created_at_ms       INTEGER NOT NULL,
    attempts            INTEGER NOT NULL DEFAULT 0,
    last_error          TEXT,
    applied_at_ms       INTEGER,                   -- NULL: pending
    outcome             TEXT CHECK (outcome IN ('applied', 'stale', 'dead'))
) STRICT;

CREATE INDEX inbox_pending ON inbox (seq) WHERE applied_at_ms IS NULL;

CREATE TABLE dead_letters (
    seq                 INTEGER PRIMARY KEY,       -- of the inbox
    kind                TEXT NOT NULL,
    payload             TEXT NOT NULL,
    attempts            INTEGER NOT NULL,
    error               TEXT NOT NULL,
    created_at_ms       INTEGER NOT NULL,
    died_at_ms          INTEGER NOT NULL
) STRICT;

CREATE TABLE effects (
    effect_id           TEXT PRIMARY KEY,
    kind                TEXT NOT NULL CHECK (kind IN ('start', 'probe', 'stop', 'prove_merge', 'check_forges', 'poll_repository')),
    key                 TEXT NOT NULL UNIQUE,      -- an intention is written once
    session_id          TEXT NOT NULL,             -- '': of no session
    state               TEXT NOT NULL CHECK (state IN ('pending', 'running', 'answered')),
    attempts            INTEGER NOT NULL DEFAULT 0,
    due_at_ms           INTEGER NOT NULL,
    created_at_ms       INTEGER NOT NULL,
    answered_at_ms      INTEGER,
    outcome             TEXT                       -- JSON, for people
) STRICT, WITHOUT ROWID;

CREATE INDEX effects_unanswered ON effects (due_at_ms) WHERE state != 'answered';
CREATE INDEX effects_by_answer ON effects (answered_at_ms, session_id) WHERE state = 'answered';

CREATE TABLE bead_events (                         -- the audit; append only
    seq                 INTEGER PRIMARY KEY AUTOINCREMENT,
    bead_event_id       TEXT NOT NULL UNIQUE,
    bead_id             TEXT,
    rig_id              TEXT,
    agent_id            TEXT,
    session_id          TEXT,
    event_type          TEXT NOT NULL,
    old_value           TEXT,
    new_value           TEXT,
    metadata            TEXT NOT NULL DEFAULT '{}',
    created_at_ms       INTEGER NOT NULL
) STRICT;

CREATE INDEX bead_events_by_bead ON bead_events (bead_id, seq);
CREATE INDEX bead_events_by_agent ON bead_events (agent_id, seq);

CREATE TABLE mail (                                -- satellite of message beads
    bead_id             TEXT PRIMARY KEY REFERENCES beads ON DELETE CASCADE,
    from_agent_id       TEXT,
    to_agent_id         TEXT NOT NULL,
    delivered_at_ms     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX mail_undelivered ON mail (to_agent_id) WHERE delivered_at_ms IS NULL;

CREATE TABLE idempotency (
    principal           TEXT NOT NULL,
    key                 TEXT NOT NULL,
    body_sha256         TEXT NOT NULL,
    answer              BLOB NOT NULL,             -- msgpack, views.Answer
    created_at_ms       INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at_ms);
