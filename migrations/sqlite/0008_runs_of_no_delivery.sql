-- Runs that are of no delivery: an undo, what was due on a day, an erasure. And what goes with taking a run back: data sources that are paused, and
-- notices to whoever decides.

-- The table is made anew: a column can lose its NOT NULL in no other way. Every row that names a run is looked up meanwhile, so these need an index.
CREATE INDEX person_by_run ON person (last_run);
PRAGMA defer_foreign_keys = ON;
CREATE TABLE earlier_run AS SELECT * FROM import_run;
DROP TABLE import_run;
CREATE TABLE import_run (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they came up, whatever the clock did
    id             TEXT NOT NULL UNIQUE,
    kind           TEXT NOT NULL DEFAULT 'delivery' CHECK (kind IN ('delivery', 'rerun', 'undo', 'scheduled', 'forget')),
    delivery_seq   INTEGER UNIQUE REFERENCES delivery (seq) CHECK ((delivery_seq IS NOT NULL) = (kind IN ('delivery', 'rerun'))),
    tenant         TEXT NOT NULL,
    environment    TEXT NOT NULL,
    source         TEXT NOT NULL,
    about          TEXT,                          -- the run that an undo takes back, the delivery that a rerun repeats
    asked_by       TEXT,                          -- whoever asked for it; NULL: nobody had to
    outcome        TEXT NOT NULL CHECK (outcome IN ('queued', 'running', 'applied', 'no_change', 'held', 'refused', 'superseded', 'failed', 'dry_run')),
    would          TEXT,                          -- what a dry run would have come to
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
INSERT INTO import_run (id, delivery_seq, tenant, environment, source, outcome, reason, started_at, finished_at, mapping, roster_version, approved, rejected,
    reported, error_file, row_count, joiners, movers, leavers, unchanged, refused_rows, skipped, collapsed, findings)
SELECT r.id, r.delivery_seq, r.tenant, r.environment, d.source, r.outcome, r.reason, r.started_at, r.finished_at, r.mapping, r.roster_version, r.approved, r.rejected,
    r.reported, r.error_file, r.row_count, r.joiners, r.movers, r.leavers, r.unchanged, r.refused_rows, r.skipped, r.collapsed, r.findings
FROM earlier_run r JOIN delivery d ON d.seq = r.delivery_seq ORDER BY r.delivery_seq;
DROP TABLE earlier_run;
DROP INDEX person_by_run;
CREATE INDEX import_run_by_outcome ON import_run (outcome, reported);
CREATE INDEX import_run_by_place ON import_run (tenant, environment, outcome);

-- Set by whoever erases what an old change was about: that there was one stays, its values do not.
ALTER TABLE change ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;
CREATE INDEX change_emptied ON change (at) WHERE emptied;

CREATE TABLE paused_source (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    paused_at   TEXT NOT NULL,
    asked_by    TEXT,
    undone      TEXT,              -- the run that was taken back; NULL: somebody wanted a pause
    PRIMARY KEY (tenant, environment, source)
) STRICT, WITHOUT ROWID;

-- What is still to be told; a row goes when it was.
CREATE TABLE notice (
    id         TEXT NOT NULL PRIMARY KEY, -- by which whoever is told knows it again
    run        TEXT NOT NULL REFERENCES import_run (id),
    outcome    TEXT NOT NULL,      -- that the run had come to
    made_at    TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    not_before TEXT                -- of the next try; NULL: at once
) STRICT;
