-- An owner's tables, one database per owner. STRICT, instants in milliseconds (*_at_ms).
-- `creating` rows come before what they name, so that a crash between the two is seen and mended.

CREATE TABLE towns (
    town_id             TEXT PRIMARY KEY,
    name                TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
    request_key         TEXT UNIQUE,               -- the idempotency key that made it
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rigs (                                -- which town a rig is in
    rig_id              TEXT PRIMARY KEY,
    town_id             TEXT NOT NULL REFERENCES towns ON DELETE CASCADE,
    name                TEXT NOT NULL,
    state               TEXT NOT NULL CHECK (state IN ('creating', 'ready')),
    created_at_ms       INTEGER NOT NULL,
    UNIQUE (town_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (                                -- API keys; the text is never kept
    key_id              TEXT PRIMARY KEY,
    sha256              TEXT NOT NULL UNIQUE,      -- of the key's text, hex
    scope               TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
    created_at_ms       INTEGER NOT NULL,
    revoked_at_ms       INTEGER
) STRICT, WITHOUT ROWID;
