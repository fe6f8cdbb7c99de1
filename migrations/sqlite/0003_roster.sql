-- Who is employed, and every change that made it so.
CREATE TABLE person (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    key         TEXT NOT NULL,
    standing    TEXT NOT NULL CHECK (standing IN ('employed', 'left')),
    row_hash    BLOB NOT NULL,
    last_run    TEXT NOT NULL REFERENCES import_run (id), -- that changed the person
    fields      TEXT NOT NULL,                            -- JSON: canonical name to value, empty ones left out
    UNIQUE (tenant, environment, source, key)
) STRICT;

CREATE TABLE change (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    run    TEXT NOT NULL REFERENCES import_run (id),
    person INTEGER NOT NULL REFERENCES person (id),
    kind   TEXT NOT NULL CHECK (kind IN ('joiner', 'mover', 'leaver', 'rehire')),
    at     TEXT NOT NULL,
    fields TEXT NOT NULL                                  -- JSON: canonical name to {"from", "to"}
) STRICT;
CREATE INDEX change_by_run ON change (run, id);
CREATE INDEX change_by_person ON change (person, id);

-- What a run that waits for a person would do; gone as soon as somebody or something has decided.
CREATE TABLE held_change (
    run      TEXT NOT NULL REFERENCES import_run (id),
    position INTEGER NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('joiner', 'mover', 'leaver', 'rehire')),
    key      TEXT NOT NULL,
    fields   TEXT NOT NULL,                               -- JSON: canonical name to {"from", "to"}, pay and national ids masked
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE roster_version (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (tenant, environment, source)
) STRICT, WITHOUT ROWID;
