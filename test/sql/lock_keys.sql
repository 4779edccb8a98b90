-- The keys of actors' locks, which nobody can choose who does not have the secret of the database.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dgen CASCADE;
DROP SCHEMA IF EXISTS dgen CASCADE;
CREATE EXTENSION dgen;
CREATE ROLE sends_only;
RESET client_min_messages;
SELECT dgen.create_actor_type('open'), dgen.create_actor_type('closed'), dgen.grant_send('open', 'sends_only');

-- It is SipHash-2-4, of the 12 bytes of mailbox and type: a test vector of its authors.
BEGIN;
SET LOCAL client_min_messages = warning;
DROP EXTENSION dgen CASCADE;
CREATE EXTENSION dgen;
ALTER TABLE dgen.lock_secret DISABLE TRIGGER unchanged;
UPDATE dgen.lock_secret SET secret = '\x000102030405060708090a0b0c0d0e0f';
SELECT to_hex(dgen._lock_key(x'0b0a0908'::integer, x'0706050403020100'::bigint)) AS key;
ROLLBACK;
-- And with the secret that is there again another one.
SELECT to_hex(dgen._lock_key(x'0b0a0908'::integer, x'0706050403020100'::bigint)) <> '751e8fbc860ee5fb' AS other;

-- From the keys of one type those of another one do not follow: no two mailboxes have the same difference.
SELECT count(DISTINCT dgen._lock_key(1, m)) AS keys, count(DISTINCT dgen._lock_key(1, m) # dgen._lock_key(2, m)) AS differences
FROM generate_series(1, 1000) m;

-- Not even of a type of which a role may hold all locks.
SET ROLE sends_only;
BEGIN;
SELECT dgen.cancel('open', 'k', 0);
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory';
COMMIT;
SELECT dgen._lock_key(1, 1);
SELECT * FROM dgen.lock_secret;
SELECT dgen._own(2, dgen.mailbox_of('k'));
-- Nor does it come to one with locks of its own: dgen's have another class.
BEGIN;
SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(1, 1);
SELECT objsubid FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' ORDER BY 1;
COMMIT;
RESET ROLE;
SELECT dgen._lock_class() NOT IN (1, 2) AND dgen._slot_class() NOT IN (1, 2) AS apart;

-- It never changes.
DELETE FROM dgen.lock_secret;
UPDATE dgen.lock_secret SET secret = '';
INSERT INTO dgen.lock_secret VALUES ('');
TRUNCATE dgen.lock_secret;
-- Rows of another database are left out.
CREATE TEMP TABLE kept AS SELECT secret FROM dgen.lock_secret;
SET session_replication_role = replica;
INSERT INTO dgen.lock_secret VALUES ('\x00');
UPDATE dgen.lock_secret SET secret = '';
DELETE FROM dgen.lock_secret;
TRUNCATE dgen.lock_secret;
RESET session_replication_role;
SELECT s.secret = k.secret AS same, length(s.secret) FROM dgen.lock_secret s, kept k;

-- Each extension has its own.
SET client_min_messages = warning;
DROP EXTENSION dgen CASCADE;
CREATE EXTENSION dgen;
SELECT s.secret = k.secret AS same, length(s.secret) FROM dgen.lock_secret s, kept k;
-- What is not one says so.
ALTER TABLE dgen.lock_secret DISABLE TRIGGER unchanged;
UPDATE dgen.lock_secret SET secret = '\x00';
SELECT dgen._own(1, 1);
DELETE FROM dgen.lock_secret;
SELECT dgen._own(1, 1);
DROP EXTENSION dgen CASCADE;
CREATE EXTENSION dgen;
DROP OWNED BY sends_only;
DROP ROLE sends_only;
