-- What came in: every claimed file, and how each mailbox file looked when it was last taken up.
PRAGMA application_id = 1919906676; -- "rost": tells rosterd's database from any other

CREATE TABLE delivery (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival, whatever the clock did
    id           TEXT NOT NULL UNIQUE,
    tenant       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('data', 'photo')),
    source       TEXT CHECK ((kind = 'data') = (source IS NOT NULL)),
    mode         TEXT CHECK ((kind = 'data') = (mode IS NOT NULL)),
    file_name    TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    received_at  TEXT NOT NULL,
    photo_format TEXT,
    photo_width  INTEGER,
    photo_height INTEGER
) STRICT;
CREATE INDEX delivery_by_place ON delivery (tenant, environment, kind, source, seq);
CREATE INDEX delivery_by_time ON delivery (tenant, environment, received_at) WHERE kind = 'data';

CREATE TABLE seen_file (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    path        TEXT NOT NULL,
    inode       INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    changed_ns  INTEGER NOT NULL,
    sha256      TEXT NOT NULL,
    PRIMARY KEY (tenant, environment, path)
) STRICT, WITHOUT ROWID;
