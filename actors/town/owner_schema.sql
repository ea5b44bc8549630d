-- An owner's tables, one database per owner. STRICT, instants in milliseconds (*_at_ms).
-- `creating` rows come before what they name, so that a crash between the two is seen and mended.
-- Every statement may be run again: a table that a later version adds is made at its first start.

CREATE TABLE IF NOT EXISTS towns (
    town_id             TEXT PRIMARY KEY,
    name                TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rigs (                  -- which town a rig is in
    rig_id              TEXT PRIMARY KEY,
    town_id             TEXT NOT NULL REFERENCES towns ON DELETE CASCADE,
    name                TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('creating', 'ready')),
    created_at_ms       INTEGER NOT NULL,
    UNIQUE (town_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS keys (                  -- API keys; the text is never kept
    key_id              TEXT PRIMARY KEY,
    sha256              TEXT NOT NULL UNIQUE,      -- of the key's text, hex
    scope               TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
    created_at_ms       INTEGER NOT NULL,
    revoked_at_ms       INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS requests (              -- creations that came with an idempotency key
    request_key         TEXT PRIMARY KEY,
    body_sha256         TEXT NOT NULL,             -- of what was asked, hex
    made_id             TEXT NOT NULL,             -- the town or rig that it makes
    answer              BLOB,                      -- msgpack; NULL until it is made
    created_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The two below are filled in the database of the owner `local` alone.

CREATE TABLE IF NOT EXISTS owners (                -- everybody who may be named, `local` too
    name                TEXT PRIMARY KEY,
    created_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS towns_of_others (       -- whose a town is that is not `local`'s
    town_id             TEXT PRIMARY KEY,
    owner               TEXT NOT NULL
) STRICT, WITHOUT ROWID;
