-- When, how and from where each password and key was last used: so that an admin sees which ones nobody needs any more.
CREATE TABLE credential_use (
    tenant        TEXT NOT NULL,
    login         TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('password', 'key')),
    credential    TEXT NOT NULL, -- its id, which does not change with its name
    last_used_at  TEXT NOT NULL,
    last_protocol TEXT NOT NULL,
    last_address  TEXT NOT NULL,
    uses          INTEGER NOT NULL,
    PRIMARY KEY (tenant, login, kind, credential)
) STRICT, WITHOUT ROWID;
