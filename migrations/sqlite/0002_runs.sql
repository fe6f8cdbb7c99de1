-- What became of the data deliveries: one run and one job each, and the findings of the run.
CREATE TABLE import_run (
    id             TEXT PRIMARY KEY,
    delivery_seq   INTEGER NOT NULL UNIQUE REFERENCES delivery (seq),
    tenant         TEXT NOT NULL,                 -- of the delivery, for counting
    environment    TEXT NOT NULL,
    outcome        TEXT NOT NULL CHECK (outcome IN ('queued', 'running', 'applied', 'no_change', 'held', 'refused', 'superseded', 'failed')),
    reason         TEXT,
    started_at     TEXT,
    finished_at    TEXT,
    mapping        TEXT,                          -- digest of the mapping that the verdict was reached with
    roster_version INTEGER,                       -- of the source, when the verdict was reached
    approved       INTEGER NOT NULL DEFAULT 0,    -- by an admin, for the mapping and the version above
    rejected       INTEGER NOT NULL DEFAULT 0,    -- by an admin, or because these bytes were
    reported       INTEGER NOT NULL DEFAULT 0,    -- whether /errors tells of this outcome
    error_file     INTEGER NOT NULL DEFAULT 0,    -- whether /errors may hold an error file of the run, of an earlier outcome too
    row_count      INTEGER NOT NULL DEFAULT 0,
    joiners        INTEGER NOT NULL DEFAULT 0,
    movers         INTEGER NOT NULL DEFAULT 0,
    leavers        INTEGER NOT NULL DEFAULT 0,
    unchanged      INTEGER NOT NULL DEFAULT 0,
    refused_rows   INTEGER NOT NULL DEFAULT 0,
    skipped        INTEGER NOT NULL DEFAULT 0,
    collapsed      INTEGER NOT NULL DEFAULT 0,
    findings       INTEGER NOT NULL DEFAULT 0     -- all of them, also those beyond the stored ones
) STRICT;
CREATE INDEX import_run_by_outcome ON import_run (outcome, reported);
CREATE INDEX import_run_by_place ON import_run (tenant, environment, outcome);

CREATE TABLE job (
    delivery_seq INTEGER PRIMARY KEY REFERENCES delivery (seq),
    tenant       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    source       TEXT NOT NULL,
    mode         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'held', 'done', 'parked')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    crashes      INTEGER NOT NULL DEFAULT 0,      -- attempts that ended with the process
    not_before   TEXT,                            -- of the next try; NULL: at once
    owner        TEXT CHECK ((state = 'running') = (owner IS NOT NULL)),
    leased_until TEXT CHECK ((state = 'running') = (leased_until IS NOT NULL))
) STRICT;
CREATE INDEX job_by_state ON job (state, tenant, environment, source);

CREATE TABLE finding (
    run         TEXT NOT NULL REFERENCES import_run (id),
    position    INTEGER NOT NULL,
    row         INTEGER,
    column_name TEXT,
    code        TEXT NOT NULL,
    severity    TEXT NOT NULL,
    message     TEXT NOT NULL,
    remedy      TEXT NOT NULL,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
