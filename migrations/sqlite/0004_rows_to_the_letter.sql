-- How each person's last row read to the letter: a row that reads so again is not checked again. Zeros: it is to be checked.
ALTER TABLE person ADD COLUMN verbatim_hash BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
-- Everything that a night's file is compared with, apart from the people's fields, which would make it ten times as much to read.
CREATE INDEX person_to_compare ON person (tenant, environment, source, key, standing, row_hash, verbatim_hash);
