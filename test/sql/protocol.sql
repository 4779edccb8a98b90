-- The worker protocol in one session: attach, claim, commit_turns, detach, with every
-- parameter and every error. (Several workers: test/specs.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_owner;
CREATE ROLE regress_dgen_worker;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_owner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_owner;
SET ROLE regress_dgen_owner;
SELECT dgen.create_actor_type('job', initial_state => '{"init": 1}', max_attempts => 3, backoff => '0', max_backoff => '0', turn_timeout => '10 s');
SELECT dgen.create_actor_type('slow', backoff => '1 day', max_backoff => '1 day'), dgen.create_actor_type('foreign');
SELECT dgen.grant_work('job', 'regress_dgen_worker');

-- Batches as large as they may be, however slow the machine.
SET dgen.batch_duration = '1 min';

-- What a claim returns, without what differs from run to run.
CREATE FUNCTION pg_temp.claim(max_actors integer DEFAULT NULL, max_messages integer DEFAULT NULL)
RETURNS TABLE (actor integer, key text, version text, state jsonb, kind text, attempt integer, message jsonb) LANGUAGE sql
AS $$
	SELECT actor, actor_key, CASE version WHEN 0 THEN 'new' ELSE 'old' END, state, kind, attempt, message
	FROM dgen.claim(max_actors, max_messages)
$$;
-- How many messages are left.
CREATE FUNCTION pg_temp.empty() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM dgen.messages WHERE actor_type IN ('job', 'slow') $$;

-- ---- attach ----
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.commit_turns('{}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach(NULL, '{job}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('', '{job}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach(repeat('w', 64), '{job}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{job,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{job,missing}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{job}', '99.0.0');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{job}', '0.0.9');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{job}', 'no version');
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_dgen_worker;
SELECT dgen.attach('w', '{job,slow}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
SELECT worker_id > 0 AS id, array_length(type_ids, 1) AS types FROM dgen.attach(repeat('w', 63), '{job,job}', '0.1.99');
-- Again: it replaces what held before; rolled back, that holds again.
SET ROLE regress_dgen_owner;
SELECT array_length(type_ids, 1) AS types FROM dgen.attach('w', '{slow,job}');
BEGIN;
SELECT dgen.detach();
SELECT * FROM dgen.claim();
ROLLBACK;
SELECT * FROM dgen.claim();
SELECT dgen.detach(), dgen.detach();
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
SELECT array_length(type_ids, 1) AS types FROM dgen.attach('w', '{slow,job}');

-- ---- claim ----
-- A row per message, in order; the state in the first one of each actor.
SELECT count(dgen.cast('job', 'a', to_jsonb(n), priority => p)) FROM (VALUES (1, 0), (2, 0), (3, 9), (4, -9), (5, 9)) AS v (n, p);
SELECT dgen.cast('job', 'a', '"delayed"', delay => '1 day') > 0 AS sent, dgen.cast('foreign', 'a') > 0 AS sent;
SELECT dgen.request('job', 'a', '6', headers => '{"h": 1}', correlation => 'c') AS request \gset
BEGIN;
SELECT * FROM pg_temp.claim();
ROLLBACK;
BEGIN;
SELECT actor_type, message_id = :request AS is_request, sent_at <= clock_timestamp() AS sent, headers, in_reply_to, correlation, error, sqlstate
FROM dgen.claim() WHERE message = '6';
-- Once per transaction, until it is committed.
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- Silence is bounded by the longest turn and a grace.
SHOW idle_in_transaction_session_timeout;
BEGIN;
SELECT count(*) FROM dgen.claim();
SHOW idle_in_transaction_session_timeout;
ROLLBACK;
SHOW idle_in_transaction_session_timeout;
-- Limits.
SELECT count(dgen.cast('job', k, '0')) FROM unnest('{b,c,d}'::text[]) AS k, generate_series(1, 3);
BEGIN;
SELECT count(DISTINCT actor) AS actors, count(*) > 0 AS messages FROM dgen.claim(2);
ROLLBACK;
BEGIN;
SELECT count(DISTINCT actor) AS actors, count(*) AS messages FROM dgen.claim(max_messages => 1);
ROLLBACK;
BEGIN;
SELECT count(DISTINCT actor) AS actors, count(*) AS messages FROM dgen.claim(1, 2);
ROLLBACK;
BEGIN;
SELECT count(DISTINCT actor) AS actors FROM dgen.claim(1000000, 1000000);
ROLLBACK;
SELECT * FROM dgen.claim(0);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.claim(max_messages => -1);
\echo :LAST_ERROR_SQLSTATE
SET dgen.batch_actors = 1;
BEGIN;
SELECT count(DISTINCT actor) AS actors FROM dgen.claim();
ROLLBACK;
RESET dgen.batch_actors;
SET dgen.batch_messages = 2;
BEGIN;
SELECT count(*) AS messages FROM dgen.claim();
ROLLBACK;
RESET dgen.batch_messages;
-- The first message is taken whatever its size.
SELECT dgen.delete_actor('job', k) FROM unnest('{b,c,d}'::text[]) AS k;
SELECT dgen.cast('job', 'b', to_jsonb(repeat('x', 3000))) > 0 AS sent, dgen.cast('job', 'c', to_jsonb(repeat('x', 3000))) > 0 AS sent
FROM dgen.delete_actor('job', 'a');
SET dgen.batch_bytes = '2kB';
BEGIN;
SELECT count(*) AS messages FROM dgen.claim();
ROLLBACK;
SET dgen.batch_bytes = '8kB';
BEGIN;
SELECT count(*) AS messages FROM dgen.claim();
ROLLBACK;
RESET dgen.batch_bytes;
SELECT dgen.delete_actor('job', k) FROM unnest('{a,b,c}'::text[]) AS k;
-- Paused: the actor, the type.
SELECT dgen.cast('job', 'p') > 0 AS sent FROM dgen.pause('job', 'p');
SELECT * FROM pg_temp.claim();
SELECT dgen.resume('job', 'p'), dgen.pause('job');
SELECT * FROM pg_temp.claim();
SELECT dgen.resume('job');
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{1}');
COMMIT;
-- READ COMMITTED only; a right that was revoked; a type that was dropped.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SET ROLE regress_dgen_worker;
SELECT * FROM dgen.claim();
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT dgen.grant_work('foreign', 'regress_dgen_worker');
SET ROLE regress_dgen_worker;
SELECT array_length(type_ids, 1) AS types FROM dgen.attach('w', '{foreign,job}');
RESET ROLE;
SELECT dgen.drop_actor_type('foreign', discard => true);
SET ROLE regress_dgen_worker;
SELECT * FROM dgen.claim();
SET ROLE regress_dgen_owner;
SELECT dgen.revoke_work('job', 'regress_dgen_worker');
SET ROLE regress_dgen_worker;
\set VERBOSITY sqlstate
SELECT * FROM dgen.claim();
\set VERBOSITY default
SET ROLE regress_dgen_owner;
SELECT array_length(type_ids, 1) AS types FROM dgen.attach('w', '{slow,job}');

-- ---- commit_turns: handled, states ----
SELECT count(dgen.cast('job', 'a', to_jsonb(n))) FROM generate_series(1, 5) AS n;
-- Part of the messages: the rest stays, in order.
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{2}', states => ARRAY['{"s": 2}']::jsonb[]);
SELECT dgen.commit_turns('{1}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT dgen.state('job', 'a');
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{2}', states => ARRAY['{"s": 2}']::jsonb[]);
COMMIT;
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{0}');
COMMIT;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns(NULL);
COMMIT;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{NULL}', states => '{NULL}', errors => '{NULL}', outcomes => '{NULL}');
COMMIT;
-- An unchanged state is not written: the version stays.
SELECT version AS before FROM dgen.actor('job', 'a') \gset
BEGIN;
SELECT version = :before AS same FROM dgen.claim(NULL, 1);
SELECT dgen.commit_turns('{1}', states => ARRAY['{"s": 2}']::jsonb[]);
COMMIT;
SELECT version = :before AS same FROM dgen.actor('job', 'a');
BEGIN;
SELECT version = :before AS same FROM dgen.claim(NULL, 1);
SELECT dgen.commit_turns('{1}', states => ARRAY['{"s": 2, "deep": {"x": [1, 2]}}']::jsonb[]);
COMMIT;
SELECT version > :before AS higher, state FROM dgen.actor('job', 'a');
-- Entries: deleted first, then set, on top of states if that is given.
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{1}', set_entries => ARRAY['{"new": {"y": null}, "s": 3}']::jsonb[], delete_entries => ARRAY['["deep", "none", "new"]']::jsonb[]);
COMMIT;
SELECT dgen.state('job', 'a'), pg_temp.empty();
SELECT dgen.cast('job', 'a') > 0 AS sent;
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{1}', ARRAY['{"a": 1, "b": 2, "c": 3}']::jsonb[], ARRAY['{"c": 4}']::jsonb[], ARRAY['["a", "c"]']::jsonb[]);
COMMIT;
SELECT dgen.state('job', 'a');
-- Destroyed: what waits begins anew, and so does what is set with it.
SELECT version AS before FROM dgen.actor('job', 'a') \gset
SELECT count(dgen.cast('job', 'a', to_jsonb(n))) FROM generate_series(1, 3) AS n;
BEGIN;
SELECT state FROM dgen.claim(NULL, 1);
SELECT dgen.commit_turns('{1}', destroyed => '{true}');
COMMIT;
SELECT dgen.state('job', 'a');
BEGIN;
SELECT * FROM pg_temp.claim(NULL, 1);
SELECT dgen.commit_turns('{1}', set_entries => ARRAY['{"n": 1}']::jsonb[]);
COMMIT;
SELECT version > :before AS higher, state FROM dgen.actor('job', 'a');
SELECT version AS before FROM dgen.actor('job', 'a') \gset
BEGIN;
SELECT state FROM dgen.claim();
SELECT dgen.commit_turns('{1}', destroyed => '{true}', set_entries => ARRAY['{"n": 2}']::jsonb[]);
COMMIT;
SELECT version > :before AS higher, state, pg_temp.empty() FROM dgen.actor('job', 'a');

-- ---- several actors: element n is about actor n ----
SELECT count(dgen.cast('job', k)) FROM unnest('{k1,k1,k2,k2}'::text[]) AS k;
BEGIN;
CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT DISTINCT actor, actor_key FROM dgen.claim();
SELECT dgen.commit_turns(array_agg(CASE actor_key WHEN 'k1' THEN 2 ELSE 1 END ORDER BY actor), array_agg(jsonb_build_object('is', actor_key) ORDER BY actor)) FROM batch;
COMMIT;
SELECT k, dgen.state('job', k), (SELECT count(*) FROM dgen.mailbox('job', k)) AS waiting FROM unnest('{k1,k2}'::text[]) AS k;
SELECT dgen.delete_actor('job', 'k1'), dgen.delete_actor('job', 'k2');

-- ---- what does not fit the batch; nothing is changed ----
SELECT count(dgen.cast('job', 'e', to_jsonb(n))) FROM generate_series(1, 2) AS n;
CREATE PROCEDURE pg_temp.refused(arguments text) LANGUAGE plpgsql
AS $$
DECLARE
	message text;
	hint    text;
	state   text;
BEGIN
	PERFORM dgen.claim();
	BEGIN
		EXECUTE format('SELECT dgen.commit_turns(%s)', arguments);
		RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = 'accepted', HINT = arguments;
	EXCEPTION WHEN others THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
		RAISE INFO E'% %\n      %', state, message, hint;
	END;
	ROLLBACK;
END
$$;
CALL pg_temp.refused($$'{1,1}'$$);
CALL pg_temp.refused($$'{3}'$$);
CALL pg_temp.refused($$'{-1}'$$);
CALL pg_temp.refused($$'{1}', states => ARRAY['{}', '{}']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', states => ARRAY['[]']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', states => ARRAY['null']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', set_entries => ARRAY['{}', '{}']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', set_entries => ARRAY['["a"]']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', delete_entries => ARRAY['[]', '[]']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', delete_entries => ARRAY['["a", 1]']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', delete_entries => ARRAY['{"a": 1}']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', delete_entries => ARRAY['"a"']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', destroyed => '{true,false}'$$);
CALL pg_temp.refused($$'{0}', states => ARRAY['{"x": 1}']::jsonb[]$$);
CALL pg_temp.refused($$'{0}', set_entries => ARRAY['{"x": 1}']::jsonb[]$$);
CALL pg_temp.refused($$'{0}', destroyed => '{true}'$$);
CALL pg_temp.refused($$'{1}', errors => '{a,b}'$$);
CALL pg_temp.refused($$'{2}', errors => '{a}'$$);
CALL pg_temp.refused($$'{2}', outcomes => '{retry}'$$);
CALL pg_temp.refused($$'{1}', sqlstates => '{a,b}'$$);
CALL pg_temp.refused($$'{1}', hints => '{a,b}'$$);
CALL pg_temp.refused($$'{1}', outcomes => '{a,b}'$$);
CALL pg_temp.refused($$'{1}', outcomes => '{Fail}'$$);
CALL pg_temp.refused($$'{1}', delays => '{1 s,2 s}'$$);
CALL pg_temp.refused($$'{1}', reply_requests => '{1}'$$);
CALL pg_temp.refused($$'{1}', reply_requests => '{1}', replies => '{1,2}'$$);
CALL pg_temp.refused($$'{1}', reply_requests => '{1}', reply_sqlstates => '{P0001}'$$);
CALL pg_temp.refused($$'{1}', reply_requests => '{1}', reply_errors => '{a,b}'$$);
CALL pg_temp.refused($$'{1}', reply_requests => '{1}', replies => '{1}', reply_sqlstates => '{a,b}'$$);
CALL pg_temp.refused($$'{1}', reply_errors => '{a}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a,b}', send_messages => '{1,2}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{NULL}', send_keys => '{a}', send_messages => '{1}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{NULL}', send_messages => '{1}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{NULL}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{missing}', send_keys => '{a}', send_messages => '{1}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{""}', send_messages => '{1}'$$);
SELECT message, attempts FROM dgen.mailbox('job', 'e');

-- In another transaction than the claim; after the savepoint of the claim was rolled back.
BEGIN;
SELECT count(*) FROM dgen.claim();
COMMIT;
SELECT dgen.commit_turns('{2}');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM dgen.claim();
ROLLBACK TO s;
SELECT dgen.commit_turns('{2}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM dgen.claim();
RELEASE s;
SAVEPOINT s;
SELECT dgen.commit_turns('{2}');
COMMIT;
SELECT pg_temp.empty();
-- After a rolled back savepoint the transaction may claim again.
SELECT count(dgen.cast('job', 'e', to_jsonb(n))) FROM generate_series(1, 2) AS n;
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM dgen.claim();
ROLLBACK TO s;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{2}');
COMMIT;
SELECT pg_temp.empty();

-- ---- failures ----
-- error: attempts are counted, up to the dead letter. (No back-off here: backoff is 0.)
SELECT dgen.cast('job', 'f', '"bad"', headers => '{"h": 1}', priority => 4) AS bad \gset
SELECT dgen.cast('job', 'f', '"next"') > 0 AS sent;
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{0}', errors => '{first}', sqlstates => '{P0001}', hints => '{a hint}');
COMMIT;
SELECT message, status, attempts, last_error, last_sqlstate FROM dgen.mailbox('job', 'f');
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{0}', errors => '{second}', outcomes => '{error}');
COMMIT;
SELECT message, status, attempts, last_error, last_sqlstate FROM dgen.mailbox('job', 'f');
-- retry counts nothing.
BEGIN;
SELECT attempt, message FROM dgen.claim();
SELECT dgen.commit_turns('{0}', outcomes => '{retry}');
COMMIT;
SELECT message, status, attempts, last_error FROM dgen.mailbox('job', 'f');
BEGIN;
SELECT attempt, message FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{third}', sqlstates => '{P0003}', hints => '{a hint}', outcomes => '{NULL}');
COMMIT;
SELECT message_id = :bad AS is_bad, kind, message, priority, headers, attempts, error, sqlstate, hint, worker FROM dgen.dead_letters WHERE actor_key = 'f';
-- The actor goes on; a failure after handled ones is the next message's.
SELECT dgen.cast('job', 'f', '"last"') > 0 AS sent;
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{1}', errors => '{of the second}', set_entries => ARRAY['{"f": 1}']::jsonb[]);
COMMIT;
SELECT message, attempts, last_error, dgen.state('job', 'f') FROM dgen.mailbox('job', 'f');
-- Handled after a failure, nothing remains of it.
BEGIN;
SELECT attempt, state FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
COMMIT;
RESET ROLE;
SELECT count(*) FROM dgen.failed_attempt;
SET ROLE regress_dgen_owner;
-- fail is final at once, and the caller of a request is told.
SELECT dgen.request('job', 'g', '"ask"') AS request \gset
BEGIN;
SELECT attempt FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{no such order}', sqlstates => '{P0042}', hints => '{Look again.}', outcomes => '{fail}');
COMMIT;
SELECT dgen.await_reply(:request, '0');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS dead FROM dgen.dead_letters WHERE message_id = :request;
-- Without a word about the error there is one, too.
SELECT dgen.request('job', 'g', '"ask"') AS request \gset
BEGIN;
SELECT attempt FROM dgen.claim();
SELECT dgen.commit_turns('{0}', outcomes => '{fail}');
COMMIT;
SELECT dgen.await_reply(:request, '0');
\echo :LAST_ERROR_SQLSTATE
-- A request that nobody waits for any more, and what is no request, become dead letters.
SELECT dgen.request('job', 'g', '"ask"') AS request, dgen.cast('job', 'h', '"tell"') AS told \gset
SELECT dgen.send_reply(:request, '"answered already"');
BEGIN;
SELECT attempt FROM dgen.claim();
SELECT dgen.commit_turns('{0,0}', outcomes => '{fail,fail}');
COMMIT;
SELECT kind, attempts, error, sqlstate FROM dgen.dead_letters WHERE message_id IN (:request, :told) ORDER BY kind;
SELECT dgen.discard(:request), dgen.discard(:told), dgen.await_reply(:request, '0');
-- The last attempt makes a request a dead letter. Redriven: the same id, no attempts, and the request is open again.
SELECT max_attempts AS attempts FROM dgen.actor_types WHERE actor_type = 'job' \gset
SELECT dgen.alter_actor_type('job', max_attempts => 1);
SELECT dgen.request('job', 'g', '"ask"') AS request \gset
BEGIN;
SELECT attempt FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{no such order}', sqlstates => '{P0042}', hints => '{Look again.}');
COMMIT;
SELECT kind, attempts, error, sqlstate, hint FROM dgen.dead_letters WHERE message_id = :request;
SELECT dgen.redrive(:request);
SELECT dgen.alter_actor_type('job', max_attempts => :attempts);
BEGIN;
SELECT message_id = :request AS same, attempt FROM dgen.claim();
SELECT dgen.commit_turns('{1}', reply_requests => ARRAY[:request], replies => '{"\"after all\""}');
COMMIT;
SELECT dgen.await_reply(:request, '0');

-- Back-off: the actor is left out with all its messages until it is over.
SELECT dgen.cast('slow', 'a', '1') > 0 AS sent, dgen.cast('slow', 'a', '2', priority => 9) > 0 AS sent;
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{wait}');
COMMIT;
SELECT * FROM pg_temp.claim();
SELECT message, status, attempts, not_before > now() + '11 h' AS between_half, not_before < now() + '25 h' AS and_all FROM dgen.mailbox('slow', 'a');
SELECT dgen.cast('slow', 'b') > 0 AS sent;
BEGIN;
SELECT key FROM pg_temp.claim();
-- A delay of retry is taken as it is.
SELECT dgen.commit_turns('{0}', outcomes => '{retry}', delays => '{2 days}');
COMMIT;
SELECT status, attempts, not_before > now() + '47 h' AS two_days, not_before < now() + '49 h' AS two_days FROM dgen.mailbox('slow', 'b');
SELECT * FROM pg_temp.claim();
RESET ROLE;
UPDATE dgen.failed_attempt SET retry_at = now() - interval '1 s';
SELECT dgen._wake_at(now());
SET ROLE regress_dgen_owner;
BEGIN;
SELECT key, attempt, message FROM pg_temp.claim() ORDER BY key;
SELECT dgen.commit_turns(NULL);
ROLLBACK;
SELECT dgen.delete_actor('slow', 'a'), dgen.delete_actor('slow', 'b');

-- ---- replies and sends ----
SELECT dgen.request('job', 'r', '1') AS r1 \gset
SELECT dgen.request('job', 'r', '2') AS r2 \gset
SELECT dgen.request('job', 'r', '3') AS r3 \gset
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{3}', reply_requests => ARRAY[:r1, NULL, :r2, -1, :r1], replies => ARRAY['"one"', '"to nobody"', NULL, '"unknown"', '"again"']::jsonb[],
	send_types => '{job,job,slow}', send_keys => '{r,t,u}', send_messages => ARRAY['"to itself"', 'null', '{"n": 1}']::jsonb[]);
COMMIT;
SELECT dgen.await_reply(:r1, '0'), dgen.await_reply(:r2, '0') AS json_null;
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r3, '0');
\set VERBOSITY default
SELECT actor_type, actor_key, kind, message FROM dgen.messages WHERE actor_key IN ('r', 't', 'u') ORDER BY 1, 2;
-- Sends with options: delays, priorities, headers, idempotency keys; requests whose
-- replies come to an actor of the batch.
SELECT dgen.delete_actor('job', 'r'), dgen.delete_actor('job', 't'), dgen.delete_actor('slow', 'u'), dgen.cast('job', 's') > 0 AS sent;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{slow,slow,slow,slow,slow}', send_keys => '{u,u,u,u,u}', send_messages => ARRAY['1', '2', '3', '4', '5']::jsonb[],
	send_actors => '{NULL,1,1,NULL,1}', send_requests => '{false,true,NULL,NULL,true}', send_correlations => '{NULL,corr,NULL,NULL,NULL}', send_delays_ms => '{0,NULL,86400000,NULL,NULL}',
	send_priorities => '{NULL,7,-7,NULL,8}', send_idempotency_keys => '{i,NULL,NULL,i,NULL}', send_headers => ARRAY['{"h": 1}', NULL, NULL, NULL, NULL]::jsonb[]);
COMMIT;
SELECT kind, message, status, priority, headers FROM dgen.mailbox('slow', 'u');
RESET ROLE;
SELECT actor_key, reply_key, correlation FROM dgen.request WHERE reply_key IS NOT NULL ORDER BY correlation;
SELECT id AS to_s FROM dgen.request WHERE correlation = 'corr' \gset
SET ROLE regress_dgen_owner;
SELECT dgen.send_reply(:to_s, '"reply"');
SELECT kind, message, correlation, in_reply_to = :to_s AS to_s FROM dgen.mailbox('job', 's');
SELECT dgen.delete_actor('slow', 'u');
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_priorities => '{1,2}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_priorities => '{40000}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_delays_ms => '{-1}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_headers => ARRAY['[]']::jsonb[]$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_idempotency_keys => '{""}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_requests => '{true}'$$);
CALL pg_temp.refused($$'{1}', send_types => '{job}', send_keys => '{a}', send_messages => '{1}', send_requests => '{true}', send_actors => '{2}'$$);
SELECT dgen.delete_actor('job', 's');

-- States that the client holds are not sent again; batch_state gives one that it dropped.
SELECT dgen.batch_state(1);
\echo :LAST_ERROR_SQLSTATE
SELECT count(dgen.cast('job', 'h')) FROM generate_series(1, 4);
BEGIN;
SELECT state FROM dgen.claim(max_messages => 1, cached => true);
SELECT dgen.commit_turns('{1}', states => ARRAY['{"h": 1}']::jsonb[]);
COMMIT;
BEGIN;
SELECT state FROM dgen.claim(max_messages => 1, cached => true);
SELECT dgen.batch_state(1);
SAVEPOINT s;
SELECT dgen.batch_state(2);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.batch_state(NULL);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}', states => ARRAY['{"h": 2}']::jsonb[]);
-- Rolled back: the client has dropped what it holds, so the state is sent.
ROLLBACK;
BEGIN;
SELECT state FROM dgen.claim(max_messages => 1, cached => true);
SELECT dgen.commit_turns('{1}', set_entries => ARRAY['{"i": 1}']::jsonb[]);
COMMIT;
-- Who does not ask for it gets every state; who does, the one that changed meanwhile.
BEGIN;
SELECT state FROM dgen.claim(max_messages => 1);
SELECT dgen.commit_turns('{1}', states => ARRAY['{"h": 3}']::jsonb[]);
COMMIT;
BEGIN;
SELECT state FROM dgen.claim(cached => true);
ROLLBACK;
SELECT dgen.delete_actor('job', 'h');

-- Requests that fail, though the turn commits: one of the batch, one of an earlier turn, those that are not open any more.
SELECT dgen.request('job', 'q') AS q1 \gset
BEGIN;
SELECT message_id = :q1 AS q1 FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
COMMIT;
SELECT dgen.request('job', 'q') AS q2 \gset
SELECT dgen.request('job', 'q') AS q3 \gset
BEGIN;
SELECT message_id = :q2 AS q2, message_id = :q3 AS q3 FROM dgen.claim();
SELECT dgen.commit_turns('{2}', states => ARRAY['{"q": 1}']::jsonb[], reply_requests => ARRAY[:q1, :q2, :q3, :q1, -1, NULL],
	replies => ARRAY['1', '2', '3', '4', '5', '6']::jsonb[], reply_errors => ARRAY['gone', 'sold out', NULL, 'again', 'unknown', 'nobody'],
	reply_sqlstates => '{NULL,P0042,P0043,NULL,NULL,NULL}');
COMMIT;
SELECT dgen.state('job', 'q'), (SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'q') AS dead;
SELECT reply, error, sqlstate FROM dgen.await_replies(ARRAY[:q1, :q2, :q3], '0');
-- There may be errors alone.
SELECT dgen.request('job', 'q') AS q4 \gset
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', reply_requests => ARRAY[:q4], reply_errors => '{no}');
COMMIT;
SELECT reply, error, sqlstate FROM dgen.await_replies(ARRAY[:q4], '0');
SELECT dgen.delete_actor('job', 'q');

-- A rollback takes it all back.
SELECT dgen.cast('job', 'r', '"to itself"') > 0 AS sent, dgen.cast('job', 't') > 0 AS sent, dgen.cast('slow', 'u') > 0 AS sent;
SELECT dgen.request('job', 'r', '4') AS r4 \gset
BEGIN;
SELECT count(*) FROM dgen.claim() WHERE actor_key = 'r';
ROLLBACK;
SELECT dgen.delete_actor('job', 't'), dgen.delete_actor('slow', 'u');
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns('{2}', states => ARRAY['{"gone": true}']::jsonb[], reply_requests => ARRAY[:r4], replies => ARRAY['1']::jsonb[],
	send_types => '{job}', send_keys => '{t}', send_messages => '{1}');
ROLLBACK;
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r4, '0');
\set VERBOSITY default
SELECT dgen.state('job', 'r'), (SELECT count(*) FROM dgen.mailbox('job', 't')) AS t, (SELECT count(*) FROM dgen.mailbox('job', 'r')) AS r;
SELECT dgen.delete_actor('job', 'r');
-- A worker sends what it may send, and answers for the types that it works for.
SELECT dgen.grant_work('job', 'regress_dgen_worker');
SELECT dgen.request('slow', 'x') AS foreign \gset
SELECT dgen.cast('job', 'x') > 0 AS sent;
SET ROLE regress_dgen_worker;
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{job}');
RESET ROLE;
SET ROLE regress_dgen_worker;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', reply_requests => ARRAY[:foreign], replies => '{1}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{slow}', send_keys => '{a}', send_messages => '{1}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SET ROLE regress_dgen_owner;

-- ---- in a batch ----
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{job}');
BEGIN;
SELECT message_id AS id FROM dgen.claim() \gset
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT dgen.cancel('job', 'x', :id);
ROLLBACK TO s;
SELECT dgen.reset('job', 'x');
ROLLBACK TO s;
SELECT dgen.delete_actor('job', 'x');
ROLLBACK TO s;
\set VERBOSITY default
-- The worker's own writes are part of the batch; so is what it sends by dgen.cast, also to the same actor.
SELECT dgen.cast('job', 'x', '"sent in the batch"') > 0 AS sent;
CREATE TEMP TABLE own_write (x integer);
SELECT dgen.commit_turns('{1}');
COMMIT;
SELECT message FROM dgen.mailbox('job', 'x');
SELECT count(*) FROM own_write;
-- A message that somebody took out by hand, against all advice: refused, not lost.
BEGIN;
SELECT count(*) FROM dgen.claim();
RESET ROLE;
DELETE FROM dgen.message WHERE actor_key = 'x';
SET ROLE regress_dgen_owner;
\set VERBOSITY sqlstate
SELECT dgen.commit_turns('{1}');
\set VERBOSITY default
ROLLBACK;

-- ---- two keys with one mailbox are two actors that share one lock ----
SELECT dgen.delete_actor('job', 'x'), dgen.delete_actor('slow', 'x');
\set A '''lizuvykkEkiaA'''
\set B '''FByEeqihkuybX'''
SELECT dgen.mailbox_of(:A) = dgen.mailbox_of(:B) AS same;
SELECT count(dgen.cast('job', CASE n % 2 WHEN 1 THEN :A ELSE :B END, to_jsonb(n), idempotency_key => n::text)) FROM generate_series(1, 6) AS n;
SELECT dgen.cast('job', :A, '"again"', idempotency_key => '1') < dgen.cast('job', :B, '"new"', idempotency_key => '1') AS own_keys;
SELECT message FROM dgen.mailbox('job', :A);
BEGIN;
SELECT * FROM pg_temp.claim();
SELECT dgen.commit_turns('{2,1}', states => ARRAY['{"is": "A"}', '{"is": "B"}']::jsonb[]);
COMMIT;
SELECT dgen.state('job', :A) AS a, dgen.state('job', :B) AS b;
-- One is paused, backs off, is deleted: the other goes on.
SELECT dgen.pause('job', :A);
BEGIN;
SELECT * FROM pg_temp.claim(NULL, 1);
SELECT dgen.commit_turns('{0}', outcomes => '{retry}', delays => '{1 day}');
COMMIT;
SELECT * FROM pg_temp.claim();
SELECT dgen.resume('job', :A);
BEGIN;
SELECT * FROM pg_temp.claim();
ROLLBACK;
SELECT dgen.delete_actor('job', :A);
SELECT * FROM pg_temp.claim();
SELECT dgen.state('job', :A) AS a, dgen.state('job', :B) AS b, (SELECT count(*) FROM dgen.mailbox('job', :B)) AS messages;
SELECT dgen.delete_actor('job', :B);

-- ---- a batch that is rolled back to a savepoint is work again, also for this session ----
SELECT dgen.cast('job', 'x', '"again"') > 0 AS sent;
BEGIN;
SAVEPOINT s;
SELECT message FROM dgen.claim();
ROLLBACK TO s;
COMMIT;
CALL dgen.wait('1 s');
-- Also one whose end alone is rolled back.
BEGIN;
SELECT message FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.commit_turns('{1}');
ROLLBACK TO s;
COMMIT;
CALL dgen.wait('1 s');
BEGIN;
SELECT message FROM dgen.claim();
ROLLBACK;
SELECT dgen.delete_actor('job', 'x');

-- ---- a claim that failed has found nothing, and the session does not sleep over it ----
SELECT dgen.cast('job', 'x', '"there"') > 0 AS sent;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT message FROM dgen.claim();
ROLLBACK;
CALL dgen.wait('1 s');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SAVEPOINT s;
SELECT message FROM dgen.claim();
ROLLBACK TO s;
COMMIT;
CALL dgen.wait('1 s');
SELECT dgen.delete_actor('job', 'x');

SELECT dgen.detach();
SELECT dgen.drop_actor_type('job', discard => true), dgen.drop_actor_type('slow', discard => true);
RESET ROLE;
DROP TABLE own_write;
DROP FUNCTION pg_temp.claim, pg_temp.empty;
DROP PROCEDURE pg_temp.refused;
DROP OWNED BY regress_dgen_owner, regress_dgen_worker;
DROP ROLE regress_dgen_owner, regress_dgen_worker;
