-- The photos that lie in the mailboxes, as they were last looked at; and how far each mailbox was looked at and told of.
CREATE TABLE photo (
    tenant       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    path         TEXT NOT NULL,
    delivery_seq INTEGER NOT NULL REFERENCES delivery (seq), -- by which these bytes came last
    sha256       TEXT NOT NULL,
    wish         TEXT NOT NULL,    -- what the tenant wanted to be done with photos when it was looked at
    taken        INTEGER NOT NULL, -- whether no finding refuses it
    conformed    TEXT,             -- name of the file that it was brought to
    findings     TEXT NOT NULL,    -- JSON
    PRIMARY KEY (tenant, environment, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE photo_batch (
    tenant       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    examined_seq INTEGER NOT NULL, -- every photo up to this delivery was looked at, or replaced before that
    first_seq    INTEGER,          -- of the last batch that is over
    last_seq     INTEGER,
    roster       INTEGER,          -- sum of the roster's versions when it was told of
    report       TEXT,             -- digest of what was told; NULL: nothing was
    PRIMARY KEY (tenant, environment)
) STRICT, WITHOUT ROWID;
