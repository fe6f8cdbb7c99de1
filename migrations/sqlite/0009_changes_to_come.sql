-- Ends of employment that files tell in advance: on the day the person leaves.
CREATE TABLE due_change (
    person      INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
    tenant      TEXT NOT NULL,              -- of the person, to find those of a day
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    due_on      TEXT NOT NULL,              -- in the tenant's zone
    status      TEXT,                       -- the employment status from then on, if the file has told it
    applied     INTEGER NOT NULL DEFAULT 0  -- the person has left by it, while the rows went on saying employed
) STRICT;
CREATE INDEX due_change_by_day ON due_change (due_on, tenant, environment, source) WHERE applied = 0;

-- Whom somebody who leaves is the manager of.
CREATE INDEX person_by_manager ON person (tenant, environment, fields ->> 'manager_id') WHERE standing = 'employed' AND fields ->> 'manager_id' IS NOT NULL;
