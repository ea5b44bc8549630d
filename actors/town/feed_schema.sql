-- The feed: every committed change of a tracked table, in order (feed_log.py has the theory). Only
-- triggers write change rows; they are made from feed_map.py by feed_triggers.py. No list of topics
-- and no foreign key: a new topic rebuilds nothing, and history outlives what it tells of.

CREATE TABLE feed_log (
    seq                 INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    topic               TEXT NOT NULL,             -- 'bead.updated'
    entity              TEXT NOT NULL,             -- 'bead'
    entity_id           TEXT NOT NULL,
    rig_id              TEXT,
    agent_id            TEXT,
    session_id          TEXT,
    actor               TEXT NOT NULL,             -- 'operator:USER', 'session:ID', 'container:ID', 'system'
    reason              TEXT,
    payload             TEXT NOT NULL CHECK (json_valid(payload)),
    created_at_ms       INTEGER NOT NULL
) STRICT;

CREATE INDEX feed_log_by_session ON feed_log (session_id) WHERE session_id IS NOT NULL;

CREATE TABLE feed_cursors (                        -- how far a named consumer has come
    consumer            TEXT PRIMARY KEY,
    seq                 INTEGER NOT NULL CHECK (seq >= 0),
    updated_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_state (
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1),
    triggers_digest     TEXT NOT NULL,             -- of the triggers that stand
    pruned_seq          INTEGER NOT NULL           -- retention took everything up to here
) STRICT;

CREATE TABLE feed_speaker (                        -- of the running transaction, for the triggers
    only_row            INTEGER PRIMARY KEY CHECK (only_row = 1),
    actor               TEXT NOT NULL,
    reason              TEXT,
    now_ms              INTEGER NOT NULL
) STRICT;

INSERT INTO feed_state (only_row, triggers_digest, pruned_seq) VALUES (1, '', 0);
INSERT INTO feed_speaker (only_row, actor, reason, now_ms) VALUES (1, 'system', NULL, 0);
