-- A session that is reset for another client, as a pool does, is no worker any more.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
SELECT dgen.create_actor_type('reset', max_attempts => 3, backoff => '0', max_backoff => '0');
CREATE VIEW reset_worker AS SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();

SELECT FROM dgen.attach('w', '{reset}');
TABLE reset_worker;
DISCARD ALL;
TABLE reset_worker;
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE

-- Unless the transaction is undone that did it.
SELECT FROM dgen.attach('w', '{reset}');
BEGIN;
RESET ALL;
ROLLBACK;
TABLE reset_worker;
BEGIN;
RESET ALL;
COMMIT;
TABLE reset_worker;

-- A turn that does so is one of the client that is there. The next reset counts again, also before another turn.
SELECT FROM dgen.attach('w', '{reset}');
SELECT dgen.cast('reset', 'k', '1') > 0 AS sent;
BEGIN;
SELECT message FROM dgen.claim();
RESET ALL;
SELECT dgen.commit_turns('{1}');
COMMIT;
TABLE reset_worker;
BEGIN;
SELECT message FROM dgen.claim();
COMMIT;
TABLE reset_worker;
DISCARD ALL;
TABLE reset_worker;

SELECT FROM dgen.attach('w', '{reset}');
BEGIN;
SELECT count(message) FROM dgen.claim();
RESET ALL;
COMMIT;
TABLE reset_worker;
DISCARD ALL;
TABLE reset_worker;

-- Of turns that are undone nothing is left, nor of what they reset.
SELECT FROM dgen.attach('w', '{reset}');
BEGIN;
SELECT count(message) FROM dgen.claim();
RESET ALL;
ROLLBACK;
BEGIN;
SELECT count(message) FROM dgen.claim();
RESET ALL;
COMMIT;
BEGIN;
SELECT count(message) FROM dgen.claim();
ROLLBACK;
TABLE reset_worker;
RESET ALL;
TABLE reset_worker;

-- A locked part: its attempt has failed, and the next one begins.
SELECT FROM dgen.attach('w', '{reset}');
SELECT dgen.cast('reset', 'k', '"lock"') > 0 AS sent;
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
BEGIN;
SELECT kind, attempt FROM dgen.claim(locked => true);
COMMIT;
DISCARD ALL;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
SELECT FROM dgen.attach('w', '{reset}');
BEGIN;
SELECT kind, attempt FROM dgen.claim(locked => true);
COMMIT;
SELECT attempt, failed, last_sqlstate, last_error FROM dgen.locked;

-- Who attaches where another worker was has nothing of it.
SELECT FROM dgen.attach('other', '{reset}');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
BEGIN;
SELECT dgen.claim_locked();
ROLLBACK;
BEGIN;
SELECT kind, attempt FROM dgen.claim(locked => true);
SELECT dgen.detach();
COMMIT;

DROP VIEW reset_worker;
SELECT dgen.drop_actor_type('reset', discard => true);
