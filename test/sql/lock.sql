-- Locked actors: what a worker and an operator can do with them, in one session.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dgen CASCADE;
DROP SCHEMA IF EXISTS dgen CASCADE;
CREATE EXTENSION dgen;
RESET client_min_messages;

-- ---- policy ----

SELECT dgen.create_actor_type('bad', lock_timeout => '0');
SELECT dgen.create_actor_type('bad', lock_timeout => '1 month');
SELECT dgen.create_actor_type('bad', lock_timeout => NULL);
SELECT dgen.create_actor_type('bad', locked_priority => NULL);
SELECT dgen.create_actor_type('bad', locked_priority => 32769);
SELECT dgen.create_actor_type('job', max_attempts => 2, backoff => '0', max_backoff => '0');
SELECT lock_timeout, locked_priority FROM dgen.actor_types;
SELECT dgen.alter_actor_type('job', lock_timeout => '1 min', locked_priority => 5);
SELECT dgen.alter_actor_type('job', max_attempts => 2);
SELECT lock_timeout, locked_priority FROM dgen.actor_types;

-- What waits, and in what state the actor is.
CREATE FUNCTION look(key text) RETURNS TABLE (actor text, state jsonb, messages text) LANGUAGE sql AS $$
	SELECT a.status, a.state, (SELECT string_agg(m.status || ' ' || m.message || ' ' || m.attempts, ', ') FROM dgen.mailbox('job', key) m)
	FROM (SELECT) AS one LEFT JOIN dgen.actor('job', key) a ON true $$;
CREATE FUNCTION claim() RETURNS TABLE (key text, kind text, attempt integer, state jsonb, message jsonb) LANGUAGE sql AS $$
	SELECT actor_key, kind, attempt, state, message FROM dgen.claim(locked => true) $$;
-- The next attempt of the locked part begins and has begun.
\set begin 'BEGIN; SELECT * FROM claim(); COMMIT;'
SELECT FROM dgen.attach('w', '{job}');
SET dgen.batch_duration = '1 min';   -- batches as large as they may be

-- ---- a turn that locks ----

SELECT dgen.request('job', 'a', '"lock"', headers => '{"h": 1}') AS asked \gset
SELECT dgen.cast('job', 'a', '"normal"') > 0 AS sent;
BEGIN;
SELECT * FROM claim();
SAVEPOINT s;
SELECT dgen.commit_turns('{0}', locks => '{true}');
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}', locks => '{true,false}');
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
SELECT * FROM look('a');
SELECT waiting, locked_actors, complete FROM dgen.stats();
\set VERBOSITY terse
SELECT dgen.await_reply(:asked, timeout => '0');
\set VERBOSITY default
SELECT regexp_replace(dgen.explain_actor('job', 'a'), 'since .*: attempt', 'since TIME: attempt');
SELECT dgen.cancel('job', 'a', :asked);

-- A worker that takes no locked parts, and urgent messages.
SELECT * FROM dgen.claim();
SELECT dgen.cast('job', 'a', '"urgent"', priority => 5) > 0 AS sent, dgen.cast('job', 'a', '"not urgent"', priority => 4) > 0 AS sent;
BEGIN;
SELECT actor_key, kind, message FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.commit_turns('{1}', locks => '{true}');
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}', set_entries => '{"{\"urgent\": 1}"}');
COMMIT;
SELECT * FROM look('a');

-- ---- the locked part ----

-- Given back with the transaction.
BEGIN;
SELECT * FROM claim();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT kind, attempt FROM dgen.claim(locked => true);
ROLLBACK TO s;
SELECT kind, attempt FROM dgen.claim(locked => true);
SELECT dgen.commit_turns('{1}');
ROLLBACK;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

BEGIN;
SELECT kind, attempt, headers, sent_at < now() AS sent, message_id = :asked AS is_asked, token ~ '^[0-9a-f]{16}-\d+$' AS token FROM dgen.claim(locked => true);
SELECT dgen.claim_locked();
ROLLBACK;
:begin
SELECT dgen.explain_actor('job', 'a') ~ 'attempt 1 is run by this transaction' AS explained;
SELECT * FROM dgen.claim();
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.claim_locked();
ROLLBACK;
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{2}');
ROLLBACK;
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}', locks => '{true}');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT dgen.claim_locked();
ROLLBACK;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}', set_entries => '{"{\"part\": 1}"}', reply_requests => ARRAY[:asked], replies => '{"\"done\""}');
COMMIT;
SELECT * FROM look('a');
SELECT dgen.await_reply(:asked, timeout => '0');
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT count(*) FROM dgen.locked;
BEGIN;
SELECT dgen.claim_locked();
ROLLBACK;

-- What has waited goes on.
BEGIN;
SELECT message FROM claim();
SELECT dgen.commit_turns('{2}');
COMMIT;

-- ---- attempts that fail ----

SELECT dgen.request('job', 'f', '"lock"') AS asked \gset
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
:begin
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{0}', outcomes => '{retry}', delays => '{0}');
COMMIT;
SELECT * FROM look('f');
:begin
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{0}', errors => '{"not yet"}', sqlstates => '{P0001}');
COMMIT;
SELECT * FROM look('f');
SELECT last_error, last_sqlstate FROM dgen.messages WHERE status = 'locked';
\set VERBOSITY terse
SELECT dgen.await_reply(:asked, timeout => '0');
\set VERBOSITY default
:begin
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{0}', errors => '{"never"}', sqlstates => '{P0002}');
COMMIT;
SELECT * FROM look('f');
SELECT message_id = :asked AS same, kind, attempts, error, sqlstate, worker FROM dgen.dead_letters;
SELECT dgen.redrive(message_id) FROM dgen.dead_letters;
SELECT * FROM look('f');

-- ---- an end by outcome ----

BEGIN;
SELECT kind, attempt FROM dgen.claim(locked => true);
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
:begin
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{0}', errors => '{"no"}', outcomes => '{fail}');
COMMIT;
SELECT dgen.await_reply(:asked, timeout => '0');
SELECT count(*) FROM dgen.dead_letters;

-- destroy, in the locked part and meanwhile
SELECT dgen.cast('job', 'd', '"lock"') > 0 AS sent;
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', states => '{"{\"was\": 1}"}', locks => '{true}');
COMMIT;
:begin
SELECT dgen.cast('job', 'd', '"destroy"', priority => 9) > 0 AS sent;
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}', destroyed => '{true}');
COMMIT;
SELECT * FROM look('d');
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
SELECT * FROM look('d');
SELECT dgen.cast('job', 'd', '"destroy"', priority => 9) > 0 AS sent;
BEGIN;
SELECT actor_key, message FROM dgen.claim();
SELECT dgen.commit_turns('{1}', destroyed => '{true}');
COMMIT;
SELECT * FROM look('d');

-- ---- operators ----

SELECT dgen.pause('job', 'd');
SELECT actor FROM look('d');
SELECT * FROM claim();
SELECT dgen.resume('job', 'd');
:begin
SELECT dgen.reset('job', 'd');
SELECT * FROM look('d');
SELECT dgen.unlock('job', 'nobody');
SELECT dgen.unlock('job', NULL);
SELECT dgen.unlock('job', 'd'), dgen.unlock('job', 'd');
SELECT * FROM look('d');
SELECT message, attempts, error, sqlstate, hint FROM dgen.dead_letters;
BEGIN;
SELECT dgen.claim_locked();
ROLLBACK;
SELECT dgen.discard(message_id) FROM dgen.dead_letters;

-- Deleted meanwhile.
SELECT dgen.request('job', 'x', '"lock"') AS asked \gset
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
:begin
SELECT dgen.delete_actor('job', 'x');
SELECT dgen.await_reply(:asked, timeout => '0');
BEGIN;
SELECT dgen.claim_locked();
ROLLBACK;
SELECT count(*) FROM dgen.locked;

-- The session lets go of its locks, and has lost it.
SELECT dgen.cast('job', 'y', '"lock"') > 0 AS sent;
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
:begin
SELECT pg_advisory_unlock_all();
BEGIN;
SELECT dgen.claim_locked();
ROLLBACK;
SELECT dgen.drop_actor_type('job');

-- A worker that detaches gives it up.
:begin
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT dgen.detach();
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';
SELECT dgen.drop_actor_type('job', discard => true);
SELECT count(*) FROM dgen.locked;

-- ---- savepoints around its end ----

SELECT dgen.create_actor_type('job');
SELECT FROM dgen.attach('w', '{job}');
SELECT dgen.cast('job', 's', '"lock"') > 0 AS sent;
BEGIN;
SELECT * FROM claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
:begin
BEGIN;
SAVEPOINT s;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}');
ROLLBACK TO s;
COMMIT;
SELECT * FROM look('s');
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}');
SAVEPOINT s;
ROLLBACK TO s;
COMMIT;
SELECT * FROM look('s');
SELECT * FROM claim();
SELECT dgen.detach();
SELECT dgen.drop_actor_type('job', discard => true);

-- ---- a large message, whose row in the mailbox is gone ----

SELECT dgen.create_actor_type('job');
SELECT FROM dgen.attach('w', '{job}');
SELECT dgen.cast('job', 'big', (SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 5000) i)) > 0 AS sent;
BEGIN;
SELECT kind, jsonb_array_length(message) FROM dgen.claim(locked => true);
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
BEGIN;
SELECT kind, jsonb_array_length(message) FROM dgen.claim(locked => true);
COMMIT;
SELECT jsonb_array_length(message), dgen.unlock('job', 'big') FROM dgen.messages;
SELECT jsonb_array_length(message) FROM dgen.dead_letters;

-- ---- inline calls ----

CREATE FUNCTION locks(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql
	AS $$ SELECT CASE WHEN message ? 'lock' THEN dgen.lock('{"locking": true}') ELSE dgen.reply('1') END $$;
SELECT dgen.lock(NULL);
SELECT dgen.lock('[]');
SET client_min_messages = error;
SELECT dgen.create_actor_type('caller', 'locks');
RESET client_min_messages;
SELECT dgen.call('caller', 'k', '{"lock": 1}');
SELECT dgen.call('caller', 'k', '{}');
SELECT FROM dgen.attach('w', '{caller}');
SELECT dgen.cast('caller', 'k') > 0 AS sent;
BEGIN;
SELECT kind FROM dgen.claim();
SELECT dgen.commit_turns('{1}', locks => '{true}');
COMMIT;
SELECT dgen.call('caller', 'k', '{}');
SELECT dgen.unlock('caller', 'k');
SELECT dgen.call('caller', 'k', '{}');
DROP EXTENSION dgen CASCADE;
DROP FUNCTION look, claim;
