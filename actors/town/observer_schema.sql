-- What the observer of the forges knows, beside schema.sql. What it saw can be seen again; what it
-- decided cannot: nudges, which are remembered so that each is sent once, and who owns what.

CREATE TABLE observer_state (
    name                TEXT PRIMARY KEY,          -- 'scm'
    state               TEXT NOT NULL CHECK (state IN ('starting', 'active', 'disabled', 'degraded')),
    reason              TEXT,
    checked_at_ms       INTEGER,                   -- the last answer about credentials
    last_ok_at_ms       INTEGER,                   -- the last poll that learnt something
    next_poll_at_ms     INTEGER,                   -- a poke: no repository waits longer than this
    booted_at_ms        INTEGER                    -- the first poll after it lets old requests be
) STRICT, WITHOUT ROWID;

CREATE TABLE observed_owners (                     -- owners for whom no forge takes a token of ours
    forge               TEXT NOT NULL,
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    reason              TEXT NOT NULL,
    since_ms            INTEGER NOT NULL,
    PRIMARY KEY (forge, repo_owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE observed_repos (                      -- one row per polled repository: its isolation
    forge               TEXT NOT NULL,
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    repo_name           TEXT NOT NULL COLLATE NOCASE,
    etag                TEXT,                      -- kept only when all behind it succeeded
    interest            TEXT,                      -- what the listing with this etag was read for
    polled_at_ms        INTEGER,                   -- when the last poll was asked, however it went
    reviews_at_ms       INTEGER,                   -- the last time reviews and threads were fetched
    last_ok_at_ms       INTEGER,
    failures            INTEGER NOT NULL DEFAULT 0, -- in a row
    last_error          TEXT,
    not_before_ms       INTEGER,                   -- the forge's own word
    PRIMARY KEY (forge, repo_owner, repo_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE prs (                                 -- pull requests that an agent of ours owns, or watches
    url                 TEXT PRIMARY KEY,
    forge               TEXT NOT NULL,
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    repo_name           TEXT NOT NULL COLLATE NOCASE,
    number              INTEGER NOT NULL,
    agent_id            TEXT,                      -- its one owner; NULL: only watched
    session_id          TEXT,                      -- the owner's session that it came from
    rig_id              TEXT,
    title               TEXT NOT NULL,
    author              TEXT NOT NULL,
    branch              TEXT NOT NULL,
    base_branch         TEXT NOT NULL,
    head_sha            TEXT NOT NULL,
    head_since_ms       INTEGER NOT NULL,          -- when this head came; 0: let be
    state               TEXT NOT NULL CHECK (state IN ('open', 'closed', 'merged')),
    is_draft            INTEGER NOT NULL DEFAULT 0 CHECK (is_draft IN (0, 1)),
    review_decision     TEXT,                      -- NULL, like the two below: never fetched
    ci_status           TEXT,
    mergeability        TEXT,
    metadata_hash       TEXT,                      -- of what was reacted to, not of what was seen
    checks_hash         TEXT,
    reviews_hash        TEXT,
    nudges              TEXT NOT NULL DEFAULT '{}', -- JSON: reaction -> what it said last, how often
    opened_at_ms        INTEGER NOT NULL,
    observed_at_ms      INTEGER NOT NULL           -- of the last change that was seen
) STRICT, WITHOUT ROWID;

CREATE INDEX prs_by_agent ON prs (agent_id) WHERE agent_id IS NOT NULL;
CREATE UNIQUE INDEX one_row_per_pull_request ON prs (forge, repo_owner, repo_name, number);

CREATE TABLE pr_checks (
    pr_url              TEXT NOT NULL REFERENCES prs (url) ON DELETE CASCADE,
    name                TEXT NOT NULL,
    head_sha            TEXT NOT NULL,
    status              TEXT NOT NULL,
    log_tail            TEXT,
    PRIMARY KEY (pr_url, name, head_sha)
) STRICT, WITHOUT ROWID;

CREATE TABLE pr_threads (
    pr_url              TEXT NOT NULL REFERENCES prs (url) ON DELETE CASCADE,
    thread_id           TEXT NOT NULL,
    path                TEXT,
    line                INTEGER,
    is_resolved         INTEGER NOT NULL CHECK (is_resolved IN (0, 1)),
    is_bot              INTEGER NOT NULL CHECK (is_bot IN (0, 1)),
    body                TEXT NOT NULL,
    PRIMARY KEY (pr_url, thread_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pr_reviews (                          -- satellite of beads of kind 'patrol'
    bead_id             TEXT PRIMARY KEY REFERENCES beads ON DELETE CASCADE,
    agent_id            TEXT NOT NULL REFERENCES agents,
    forge               TEXT NOT NULL,
    repo_owner          TEXT NOT NULL COLLATE NOCASE,
    repo_name           TEXT NOT NULL COLLATE NOCASE,
    number              INTEGER NOT NULL,
    head_sha            TEXT NOT NULL,
    CONSTRAINT one_review_per_head UNIQUE (agent_id, forge, repo_owner, repo_name, number, head_sha)
) STRICT, WITHOUT ROWID;
