-- The form of the last accepted file of each data source: the next one is compared with it.
CREATE TABLE accepted_shape (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    run         TEXT NOT NULL, -- which has accepted it
    shape       TEXT NOT NULL, -- JSON
    PRIMARY KEY (tenant, environment, source)
) STRICT, WITHOUT ROWID;
