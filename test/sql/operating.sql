-- Operating: cancel, redrive, discard, reset, delete_actor, pause, resume,
-- adopt_database and maintenance. This session is the worker, too.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
SET dgen.batch_duration = '1 min';   -- batches as large as they may be, however slow the machine
SELECT dgen.create_actor_type('op', initial_state => '{"n": 0}', max_attempts => 2, backoff => '1 hour',
	max_backoff => '1 hour');
SELECT dgen.create_actor_type('asker');
SELECT extension_version IS NOT NULL AS attached FROM dgen.attach('regress', ARRAY['op', 'asker']);

-- One batch: every message is handled, every state gets a member "last".
CREATE FUNCTION pg_temp.work() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line    text;
	handled integer[] := '{}';
	states  jsonb[] := '{}';
	batch   record;
BEGIN
	FOR batch IN
		SELECT actor, actor_type, actor_key, count(*) AS n, max(state::text)::jsonb AS state,
			string_agg(message::text, ' ' ORDER BY message_id) AS messages
		FROM dgen.claim() GROUP BY 1, 2, 3 ORDER BY 1
	LOOP
		line := format('%s %s: %s', batch.actor_type, batch.actor_key, batch.messages);
		RETURN NEXT line;
		handled := handled || batch.n::integer;
		states := states || (batch.state || jsonb_build_object('last', batch.messages));
	END LOOP;
	IF cardinality(handled) > 0 THEN
		PERFORM dgen.commit_turns(handled, states);
	END IF;
END
$$;
-- One batch: the first message of every actor fails.
CREATE FUNCTION pg_temp.fail(outcome text DEFAULT 'error') RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	actors integer;
BEGIN
	SELECT max(actor) INTO actors FROM dgen.claim();
	IF actors > 0 THEN
		PERFORM dgen.commit_turns(array_fill(0, ARRAY[actors]), errors => array_fill('no luck'::text, ARRAY[actors]),
			sqlstates => array_fill('P0001'::text, ARRAY[actors]), outcomes => array_fill(outcome, ARRAY[actors]));
	END IF;
	RETURN actors;
END
$$;
CREATE FUNCTION pg_temp.rows(type text, key text) RETURNS TABLE (kind text, n bigint) LANGUAGE sql AS $$
	SELECT 'message', count(*) FROM dgen.message m, dgen.actor_type t WHERE t.id = m.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'delayed', count(*) FROM dgen.delayed_message d, dgen.actor_type t WHERE t.id = d.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'failed', count(*) FROM dgen.failed_attempt f, dgen.actor_type t WHERE t.id = f.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'dead', count(*) FROM dgen.dead_letter l, dgen.actor_type t WHERE t.id = l.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'request', count(*) FROM dgen.request r, dgen.actor_type t WHERE t.id = r.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'key', count(*) FROM dgen.idempotency_key i, dgen.actor_type t WHERE t.id = i.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'paused', count(*) FROM dgen.paused p, dgen.actor_type t WHERE t.id = p.type_id AND t.name = type AND actor_key = key
	UNION ALL SELECT 'actor', count(*) FROM dgen.actor a, dgen.actor_type t WHERE t.id = a.type_id AND t.name = type AND actor_key = key
$$;

-- ---- cancel ----
SELECT dgen.cast('op', 'a', '1') AS first, dgen.cast('op', 'a', '2') AS second,
	dgen.cast('op', 'a', '3', delay => '1 day') AS delayed, dgen.cast('op', 'a', '4', priority => 5) AS urgent \gset
SELECT dgen.cancel('op', 'a', :second), dgen.cancel('op', 'a', :delayed), dgen.cancel('op', 'a', :urgent);
SELECT dgen.cancel('op', 'a', :second) AS again, dgen.cancel('op', 'b', :first) AS other_actor,
	dgen.cancel('op', 'a', 0) AS never_sent;
SELECT message FROM dgen.mailbox('op', 'a');
-- Rolled back, it is no cancel.
BEGIN;
SELECT dgen.cancel('op', 'a', :first);
ROLLBACK;
SELECT * FROM pg_temp.work();
SELECT dgen.cancel('op', 'a', :first) AS handled;
-- The waiter of a request is told.
SELECT dgen.request('op', 'a', '"ask"', idempotency_key => 'once') AS request \gset
SELECT dgen.cancel('op', 'a', :request);
SELECT dgen.await_reply(:request, '1 s');
\echo :LAST_ERROR_SQLSTATE
-- The key stays used.
SELECT dgen.cast('op', 'a', '"again"', idempotency_key => 'once') = :request AS same;
SELECT count(*) FROM dgen.mailbox('op', 'a');
-- A message that backs off can be cancelled; the next one is free then.
SELECT dgen.cast('op', 'a', '"bad"') AS bad, dgen.cast('op', 'a', '"good"') AS good \gset
SELECT pg_temp.fail();
SELECT message, status, attempts, last_error FROM dgen.mailbox('op', 'a');
SELECT * FROM pg_temp.work();
SELECT dgen.cancel('op', 'a', :bad);
SELECT * FROM pg_temp.work();
SELECT * FROM pg_temp.rows('op', 'a');

-- ---- dead letters ----
SELECT dgen.cast('op', 'd', '1') AS dead, dgen.request('op', 'e', '"ask"') AS request \gset
SELECT max_attempts AS attempts FROM dgen.actor_types WHERE actor_type = 'op' \gset
SELECT dgen.alter_actor_type('op', max_attempts => 1);
SELECT pg_temp.fail();
SELECT dgen.alter_actor_type('op', max_attempts => :attempts);
SELECT message_id IN (:dead, :request) AS expected, actor_key, kind, message, attempts, error, sqlstate, worker
FROM dgen.dead_letters WHERE actor_type = 'op' ORDER BY actor_key;
SELECT dgen.cast('op', 'd', '2') IS NOT NULL AS sent;
SELECT dgen.redrive(:dead), dgen.redrive(:dead) AS again, dgen.redrive(0) AS none;
SELECT message, message_id = :dead AS same_id, attempts, kind FROM dgen.mailbox('op', 'd');
SELECT * FROM pg_temp.work();
-- The error was not collected: the request is open again, and can be answered.
SELECT dgen.redrive(:request);
SELECT kind, message_id = :request AS same_id FROM dgen.mailbox('op', 'e');
SELECT dgen.send_reply(:request, '"at last"');
SELECT dgen.await_reply(:request, '1 s');
SELECT * FROM pg_temp.work();
-- A redriven message that dies again is a dead letter again.
SELECT dgen.cast('op', 'd', '3') AS dead \gset
SELECT pg_temp.fail('fail');
SELECT dgen.redrive(:dead);
SELECT pg_temp.fail('fail');
SELECT dgen.discard(:dead), dgen.discard(:dead) AS again, dgen.redrive(:dead) AS too_late;
SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'op';

-- ---- reset ----
SELECT dgen.cast('op', 'r', '1') IS NOT NULL AS sent;
SELECT * FROM pg_temp.work();
SELECT dgen.state('op', 'r');
SELECT version AS before FROM dgen.actor('op', 'r') \gset
SELECT dgen.cast('op', 'r', '2') IS NOT NULL AS sent;
SELECT dgen.reset('op', 'r'), dgen.reset('op', 'nobody') AS none;
SELECT state, version > :before AS newer FROM dgen.actor('op', 'r');
SELECT * FROM pg_temp.work();
SELECT dgen.state('op', 'r');

-- ---- delete_actor ----
SELECT dgen.cast('op', 'x', '1') IS NOT NULL AS sent;
SELECT * FROM pg_temp.work();
SELECT version AS before FROM dgen.actor('op', 'x') \gset
SELECT dgen.request('op', 'x', '"answered"') AS answered \gset
SELECT * FROM pg_temp.work();
SELECT dgen.send_reply(:answered, '1');
SELECT dgen.cast('op', 'x', '"dead"') IS NOT NULL AS sent;
SELECT pg_temp.fail('fail');
SELECT dgen.cast('op', 'x', '"failed"') IS NOT NULL AS sent;
SELECT pg_temp.fail();
SELECT dgen.cast('op', 'x', '2', delay => '1 day') IS NOT NULL AS sent, dgen.cast('op', 'x', '3', idempotency_key => 'k') IS NOT NULL AS sent;
SELECT dgen.request('op', 'x', '"open"', correlation => 'c') AS open \gset
SELECT dgen.pause('op', 'x');
SELECT * FROM pg_temp.rows('op', 'x');
SELECT dgen.cast('op', 'neighbour', '1') IS NOT NULL AS sent;
SELECT dgen.delete_actor('op', 'x');
SELECT * FROM pg_temp.rows('op', 'x');
SELECT dgen.delete_actor('op', 'x') AS again, dgen.delete_actor('op', 'nobody') AS none;
SELECT dgen.await_reply(:open, '1 s');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:answered, '1 s');
\set VERBOSITY default
-- The next incarnation is new, and its version higher.
SELECT dgen.cast('op', 'x', '"new"', idempotency_key => 'k') IS NOT NULL AS sent;
SELECT * FROM pg_temp.work() ORDER BY 1;
SELECT state, version > :before AS higher FROM dgen.actor('op', 'x');

-- Requests between actors: their askers hear nothing, and neither do the deleted.
BEGIN;
SELECT dgen.cast('asker', 'q', '1') IS NOT NULL AS sent;
COMMIT;
BEGIN;
SELECT actor_key, message FROM dgen.claim();
SELECT dgen.request('op', 'asked', '"for q"', correlation => 'c',
	reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_type": "asker", "actor_key": "q"}')) AS asked \gset
SELECT dgen.request('op', 'asked', '"for q"',
	reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_type": "asker", "actor_key": "q"}')) AS asked_too \gset
SELECT dgen.commit_turns(ARRAY[1]);
COMMIT;
SELECT dgen.cancel('op', 'asked', :asked);
SELECT count(*) FROM dgen.request WHERE id = :asked;
SELECT dgen.delete_actor('asker', 'q');
SELECT count(*) FROM dgen.request WHERE id = :asked_too;
SELECT * FROM pg_temp.work();
SELECT count(*) FROM dgen.mailbox('asker', 'q');

-- ---- pause, resume ----
SELECT dgen.cast('op', 'p', '1') IS NOT NULL AS sent, dgen.cast('op', 'not p', '1') IS NOT NULL AS sent;
SELECT dgen.pause('op', 'p'), dgen.pause('op', 'p');
SELECT * FROM pg_temp.work();
SELECT dgen.cast('op', 'not p', '2') IS NOT NULL AS sent;
SELECT dgen.pause('op'), dgen.pause('op');
SELECT actor_key, status, message FROM dgen.messages WHERE actor_type = 'op' ORDER BY 1;
SELECT paused_at IS NOT NULL AS paused FROM dgen.actor_types WHERE actor_type = 'op';
SELECT * FROM pg_temp.work();
SELECT dgen.resume('op'), dgen.resume('op');
SELECT * FROM pg_temp.work();
SELECT dgen.resume('op', 'p');
SELECT * FROM pg_temp.work();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT dgen.pause('op', 'p'), dgen.resume('op', 'p');
COMMIT;

-- ---- what is refused ----
SELECT dgen.cancel('op', 'a', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.redrive(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.discard(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.reset('op', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.delete_actor('op', '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.pause('op', repeat('x', 513));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cancel('missing', 'a', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.resume(NULL);
\echo :LAST_ERROR_SQLSTATE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SAVEPOINT s;
SELECT dgen.cancel('op', 'a', 1);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.reset('op', 'a');
ROLLBACK TO s;
SELECT dgen.delete_actor('op', 'a');
ROLLBACK;
-- An actor of the batch that this very transaction has claimed.
SELECT dgen.cast('op', 'n', '1') AS nested \gset
BEGIN;
SELECT actor_key FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.cancel('op', 'n', :nested);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.delete_actor('op', 'n');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.reset('op', 'another'), dgen.reset('op', 'another');
SELECT dgen.commit_turns(ARRAY[1]);
COMMIT;

-- A handler may operate on other actors, not on its own, which its turn has a copy of.
CREATE FUNCTION regress_operating(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql
AS $$
BEGIN
	CASE message->>'do'
		WHEN 'cancel' THEN
			RETURN dgen.reply(to_jsonb(dgen.cancel('op_in', message->>'key', (message->>'id')::bigint)));
		WHEN 'reset' THEN
			RETURN dgen.reply(to_jsonb(dgen.reset('op_in', message->>'key')));
		WHEN 'pause' THEN
			PERFORM dgen.pause('op_in', message->>'key');
		ELSE
	END CASE;
	RETURN dgen.reply('"ok"', state || '{"n": 1}');
END
$$;
SET client_min_messages = error;
SELECT dgen.create_actor_type('op_in', 'regress_operating');
RESET client_min_messages;
SELECT dgen.cast('op_in', 'other') AS other \gset
SELECT dgen.call('op_in', 'self', jsonb_build_object('do', 'cancel', 'key', 'other', 'id', :other));
SELECT dgen.call('op_in', 'self', '{"do": "reset", "key": "self"}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('op_in', 'self', '{"do": "cancel", "key": "self", "id": 1}');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT dgen.reset('op_in', 'self');
SELECT dgen.call('op_in', 'self', '{"do": "reset", "key": "self"}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN;
SELECT dgen.call('op_in', 'self', '{}');
SELECT dgen.state('op_in', 'self');
SELECT dgen.reset('op_in', 'self'); -- the turn is over: nothing works on a copy any more
SELECT dgen.state('op_in', 'self');
ROLLBACK;
SELECT dgen.call('op_in', 'self', '{"do": "pause", "key": "self"}');
SELECT dgen.call('op_in', 'self', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.drop_actor_type('op_in', discard => true);
DROP FUNCTION regress_operating;

-- ---- adoption ----
UPDATE dgen.adoption SET system_identifier = system_identifier + 1;
SELECT dgen.cast('op', 'f', '1') IS NOT NULL AS sent;
SELECT * FROM pg_temp.work();
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.adopt_database();
SELECT * FROM pg_temp.work();
-- A dump restored into this database brings another row.
INSERT INTO dgen.adoption SELECT system_identifier, '1'::oid, now() FROM dgen.adoption;
SELECT * FROM pg_temp.work();
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.adopt_database();
SELECT count(*) FROM dgen.adoption;

-- A worker that names a batch of nobody's moves no sequence.
SELECT dgen.settle(9223372036854775807, 1);
SELECT dgen.adopt_database();
SELECT last_value < 1000000 AS sequence_stays FROM dgen.worker_id_seq;

-- ---- maintenance ----
SELECT dgen.cast('op', 'm', '1', idempotency_key => 'i' || i) IS NOT NULL AS sent FROM generate_series(1, 5) AS i \g /dev/null
SELECT * FROM pg_temp.work() \g /dev/null
SELECT dgen._maintain(1000) >= 0 AS what_others_left;
SELECT dgen._maintain(1000) AS nothing;
UPDATE dgen.idempotency_key SET expires_at = now() - interval '1 s' WHERE actor_key = 'm' AND idempotency_key <> 'i5';
SELECT dgen._maintain(3), dgen._maintain(3), dgen._maintain(3);
-- Open requests stay, answered ones for as long as their type says.
SELECT dgen.request('op', 'm', to_jsonb(i)) AS id FROM generate_series(1, 6) AS i \g /dev/null
UPDATE dgen.request SET status = 'r', replied_at = now() - interval '2 days' WHERE actor_key = 'm'
	AND id IN (SELECT id FROM dgen.request WHERE actor_key = 'm' ORDER BY id DESC LIMIT 3);
UPDATE dgen.request SET status = 'r', replied_at = now() - interval '1 hour' WHERE id = (SELECT min(id) FROM dgen.request WHERE actor_key = 'm');
SELECT sum(dgen._maintain(2)) AS in_small_steps FROM generate_series(1, 100);
SELECT status, count(*) FROM dgen.request WHERE actor_key = 'm' GROUP BY 1 ORDER BY 1;
-- Marks of messages that are gone.
INSERT INTO dgen.failed_attempt SELECT type_id, mailbox, 1, actor_key, 1, now() - interval '1 day', 'e', 'P0001'
FROM dgen.message WHERE actor_key = 'm' LIMIT 1;
INSERT INTO dgen.failed_attempt SELECT type_id, mailbox, seq, actor_key, 1, now() - interval '1 day', 'e', 'P0001'
FROM dgen.message WHERE actor_key = 'm' LIMIT 1;
SELECT dgen._maintain(1000), dgen._maintain(1000);
SELECT count(*) FROM dgen.failed_attempt WHERE actor_key = 'm';

SELECT dgen.detach();
SELECT dgen.drop_actor_type('op', discard => true), dgen.drop_actor_type('asker', discard => true);
