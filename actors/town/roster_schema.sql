-- What agents hold and leave behind, beside schema.sql. A dismissal deletes rows of `watches` and
-- nothing else here: memory, actions, reviewed pull requests and the log outlive every employment.

CREATE UNIQUE INDEX one_employed_name_without_rig ON agents (name) -- NULLs are not equal in the other
    WHERE rig_id IS NULL AND employment != 'offboarded';
CREATE INDEX agents_by_boss ON agents (boss_id) WHERE boss_id IS NOT NULL;

CREATE TABLE watches (                             -- a reviewer's repositories
    watch_id            TEXT PRIMARY KEY,
    agent_id            TEXT NOT NULL REFERENCES agents,
    owner_user_id       TEXT NOT NULL,
    forge               TEXT NOT NULL,             -- base address of the forge, lower case
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    repo_name           TEXT NOT NULL COLLATE NOCASE,
    created_at_ms       INTEGER NOT NULL,          -- older pull requests of a new watch are let be
    CONSTRAINT one_watch_per_repository UNIQUE (owner_user_id, forge, repo_owner, repo_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX watches_by_agent ON watches (agent_id, created_at_ms);

CREATE TABLE agent_memory (
    agent_id            TEXT NOT NULL REFERENCES agents,
    key                 TEXT NOT NULL,
    value               TEXT NOT NULL,             -- JSON
    updated_at_ms       INTEGER NOT NULL,
    PRIMARY KEY (agent_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_actions (                       -- the gateway's decisions; append only
    action_id           TEXT PRIMARY KEY,
    agent_id            TEXT NOT NULL REFERENCES agents,
    session_id          TEXT,
    action              TEXT NOT NULL,
    outcome             TEXT NOT NULL CHECK (outcome IN ('allowed', 'denied')),
    metadata            TEXT NOT NULL DEFAULT '{}', -- JSON, never a credential
    created_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_actions_by_agent ON agent_actions (agent_id, created_at_ms, action_id);

CREATE TABLE reviewed_prs (                        -- written by the gateway, after a posted review
    agent_id            TEXT NOT NULL REFERENCES agents,
    forge               TEXT NOT NULL,
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    repo_name           TEXT NOT NULL COLLATE NOCASE,
    number              INTEGER NOT NULL,
    head_sha            TEXT NOT NULL,
    reviewed_at_ms      INTEGER NOT NULL,
    PRIMARY KEY (agent_id, forge, repo_owner, repo_name, number, head_sha)
) STRICT, WITHOUT ROWID;

CREATE TABLE roster_log (                          -- who did what to whom, and why; append only
    entry_id            TEXT PRIMARY KEY,
    agent_id            TEXT NOT NULL,             -- no foreign key: a rolled-back seed is named too
    session_id          TEXT,
    verb                TEXT NOT NULL CHECK (verb IN ('hired', 'offboarded', 'reassigned', 'killed', 'rolled_back', 'restored', 'ended')),
    actor               TEXT NOT NULL,
    reason              TEXT,
    details             TEXT NOT NULL DEFAULT '{}', -- JSON: what was released, which workers moved
    created_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX roster_log_by_agent ON roster_log (agent_id, created_at_ms, entry_id);
CREATE INDEX roster_log_by_session ON roster_log (session_id) WHERE session_id IS NOT NULL;
