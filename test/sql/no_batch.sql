-- Why there is no claimed batch, or no locked part, for whoever is about to end one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_none;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_none;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_none;
SET ROLE regress_dgen_none;
SELECT dgen.create_actor_type('none', max_attempts => 3, backoff => '0', max_backoff => '0');
SELECT worker_id > 0 AS attached FROM dgen.attach('none', '{none}');
-- ---- a batch ----
-- None was claimed, or found.
SELECT dgen.commit_turns('{1}');
SELECT dgen.batch_state(1);
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
ROLLBACK;
SELECT dgen.commit_turns('{1}');
-- It was claimed in another transaction.
SELECT dgen.cast('none', 'a', '1') > 0 AS sent;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
BEGIN;
SELECT actor_key FROM dgen.claim();
ROLLBACK;
SELECT dgen.commit_turns('{1}');
-- ROLLBACK TO a savepoint before the claim, and before the end.
BEGIN;
SAVEPOINT s;
SELECT actor_key FROM dgen.claim();
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}');
ROLLBACK;
BEGIN;
SELECT actor_key FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.commit_turns('{1}');
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}');
ROLLBACK;
-- It is committed already, in this transaction and before.
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
SAVEPOINT s;
SELECT dgen.commit_turns('{1}');
ROLLBACK TO s;
SELECT dgen.batch_state(1);
ROLLBACK TO s;
COMMIT;
SELECT dgen.commit_turns('{1}');

-- COMMIT alone gives back what was claimed; the worker is idle then.
SELECT dgen.cast('none', 'c', '1') > 0 AS sent;
BEGIN;
SELECT actor_key, attempt FROM dgen.claim();
COMMIT;
SELECT busy FROM dgen.workers WHERE pid = pg_backend_pid();
BEGIN;
SELECT actor_key, attempt FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
COMMIT;

-- ---- a locked part ----
SELECT dgen.cast('none', 'b', '1') > 0 AS sent;
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}', locks => '{t}');
COMMIT;
SELECT dgen.claim_locked();
-- It is not a batch, in the transaction of its claim and later.
BEGIN;
SELECT actor_key, kind FROM dgen.claim(locked => true);
SELECT dgen.commit_turns('{1}');
ROLLBACK;
SELECT dgen.claim_locked();
BEGIN;
SELECT actor_key, kind FROM dgen.claim(locked => true);
COMMIT;
SELECT dgen.commit_turns('{1}');
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}');
COMMIT;
SELECT dgen.claim_locked();
-- Somebody has ended it.
SELECT dgen.cast('none', 'b', '1') > 0 AS sent;
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}', locks => '{t}');
COMMIT;
SELECT actor_key, kind FROM dgen.claim(locked => true);
SELECT dgen.unlock('none', 'b');
SELECT dgen.claim_locked();

SELECT dgen.detach();
SELECT dgen.drop_actor_type('none', true);
RESET ROLE;
DROP OWNED BY regress_dgen_none;
DROP ROLE regress_dgen_none;
