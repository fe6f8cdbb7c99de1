-- What was confirmed before it went live, who was erased, and who has looked at people's data.
CREATE TABLE published_source (
    tenant       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    source       TEXT NOT NULL,
    terms        TEXT,          -- digest of what was confirmed; NULL: what the configuration says when it is next asked
    published_at TEXT NOT NULL,
    published_by TEXT NOT NULL,
    PRIMARY KEY (tenant, environment, source)
) STRICT, WITHOUT ROWID;
-- What has been applied up to now goes on being applied.
INSERT INTO published_source (tenant, environment, source, terms, published_at, published_by)
    SELECT d.tenant, d.environment, d.source, NULL, max(coalesce(r.finished_at, d.received_at)), 'an earlier version'
    FROM import_run r JOIN delivery d ON d.seq = r.delivery_seq
    WHERE r.outcome IN ('applied', 'no_change') AND d.source IS NOT NULL GROUP BY d.tenant, d.environment, d.source;

-- The one secret of the hashes below: without it nobody can tell from a hash whether it is of an id they know.
CREATE TABLE erasure_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
) STRICT;

-- Whoever was erased: their rows are left out, so that tonight's file does not bring them back.
CREATE TABLE forgotten (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    person      BLOB NOT NULL, -- keyed hash of the id
    PRIMARY KEY (tenant, environment, source, person)
) STRICT, WITHOUT ROWID;

-- That somebody was erased, or may return.
CREATE TABLE erasure (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    who         TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    person      BLOB NOT NULL, -- keyed hash of the id
    act         TEXT NOT NULL CHECK (act IN ('forget', 'allow_return'))
) STRICT;

-- Copies in the archive that may hold somebody who was erased, and that a run still needs: they go when it does not any more.
CREATE TABLE doomed_copy (
    delivery_seq INTEGER PRIMARY KEY REFERENCES delivery (seq),
    with_reports INTEGER NOT NULL -- whether the files about it in /errors go too
) STRICT;

-- Who has looked at people's data through the command line.
CREATE TABLE viewing (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    uid         INTEGER NOT NULL,
    who         TEXT NOT NULL,
    command     TEXT NOT NULL,
    tenant      TEXT,
    environment TEXT,
    what        TEXT NOT NULL,
    people      INTEGER         -- how many; NULL: it ended before it knew
) STRICT;
CREATE INDEX viewing_by_tenant ON viewing (tenant, id);
