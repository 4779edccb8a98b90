-- Reading: state, actor, mailbox, the views, and dgen.explain_actor's sentences that
-- one session can bring about (the others are in test/specs/iso_explain.spec).
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
SET dgen.batch_duration = '1 min';   -- batches as large as they may be, however slow the machine
SELECT dgen.create_actor_type('rd', initial_state => '{"n": 0}', backoff => '1 hour', max_backoff => '1 hour');

-- mailbox_of is fixed for ever, and depends on nothing.
SELECT dgen.mailbox_of('') AS empty, dgen.mailbox_of('a') AS a, dgen.mailbox_of('user-42') AS user_42,
	dgen.mailbox_of('z' || chr(228) || 'hler') AS utf8, dgen.mailbox_of(NULL) AS none;
SELECT provolatile, proisstrict, proleakproof, proparallel FROM pg_proc WHERE oid = 'dgen.mailbox_of'::regproc;

-- An actor that does not exist.
SELECT dgen.state('rd', 'a');
SELECT count(*) FROM dgen.actor('rd', 'a');
SELECT count(*) FROM dgen.mailbox('rd', 'a');
-- Names of types that do not exist: an error from a function, no rows from a view.
SELECT dgen.state('missing', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM dgen.actor('missing', 'a');
SELECT count(*) FROM dgen.mailbox(NULL, NULL);
SELECT dgen.state(NULL, 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('rd', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('rd', '');
\echo :LAST_ERROR_SQLSTATE

-- A mailbox, in the order in which it will be handled.
SELECT dgen.cast('rd', 'a', '"first"') AS first, dgen.cast('rd', 'a', '"second"', headers => '{"trace": 1}') AS second,
	dgen.request('rd', 'a', '"urgent"', priority => 7) AS urgent,
	dgen.cast('rd', 'a', '"late"', not_before => '2999-01-01 00:00+00') AS late \gset
SELECT message, kind, status, priority, attempts, not_before = '2999-01-01 00:00+00' AS late, headers, last_error,
	in_reply_to, correlation, sent_at <= now() AS sent
FROM dgen.mailbox('rd', 'a');
SELECT array_agg(message_id) = ARRAY[:urgent, :first, :second, :late]::bigint[] AS ids FROM dgen.mailbox('rd', 'a');
SELECT actor_type, actor_key, mailbox = dgen.mailbox_of('a') AS mailbox FROM dgen.messages WHERE message_id = :late;
SELECT actor_key FROM dgen.actors WHERE actor_type = 'rd';

-- Handled by this session as a worker, the first of them, and then one that fails.
SELECT extension_version IS NOT NULL AS attached FROM dgen.attach('regress', ARRAY['rd']);
BEGIN;
SELECT message FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[1], ARRAY['{"n": 1}'::jsonb], errors => ARRAY['no luck'], sqlstates => ARRAY['P0001']);
COMMIT;
SELECT dgen.state('rd', 'a');
SELECT actor_type, actor_key, status, state, version > 0 AS version, updated_at <= clock_timestamp() AS updated
FROM dgen.actor('rd', 'a');
SELECT message, status, attempts, last_error, last_sqlstate, not_before > now() AS not_before FROM dgen.mailbox('rd', 'a');

-- Both functions fit LATERAL.
SELECT k, a.state, m.messages
FROM (VALUES ('a'), ('b')) AS keys (k)
LEFT JOIN LATERAL dgen.actor('rd', k) AS a ON true
LEFT JOIN LATERAL (SELECT count(*) AS messages FROM dgen.mailbox('rd', k)) AS m ON true
ORDER BY k;

-- A statement sees one snapshot; a transaction sees what it did.
BEGIN;
SELECT dgen.reset('rd', 'a');
SELECT dgen.state('rd', 'a');
ROLLBACK;
SELECT dgen.state('rd', 'a');

-- What is there is found by index, whatever the statistics say, with many actors of the type.
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Seq Scan on (actor|message|delayed_message|dead_letter)\M' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END
$$;
INSERT INTO dgen.actor SELECT dgen.mailbox_of('k' || i), 1, now(), t.id, 'k' || i, '', '{}'
FROM dgen.actor_type t, generate_series(1, 20000) AS i WHERE t.name = 'rd';
INSERT INTO dgen.delayed_message SELECT mailbox, nextval('dgen.message_seq'), now(), type_id, 0, 'c', actor_key, '1', NULL,
	NULL, NULL, NULL, NULL, NULL, now() + interval '1 day'
FROM dgen.actor WHERE actor_key LIKE 'k%';
INSERT INTO dgen.message SELECT mailbox, nextval('dgen.message_seq'), now(), type_id, 0, 'c', actor_key, '1'
FROM dgen.actor WHERE actor_key LIKE 'k%';
INSERT INTO dgen.dead_letter (message_id, mailbox, sent_at, died_at, type_id, attempts, priority, kind, actor_key, message)
SELECT nextval('dgen.message_seq'), mailbox, now(), now(), type_id, 1, 0, 'c', actor_key, '1'
FROM dgen.actor WHERE actor_key LIKE 'k%';
CREATE TABLE keys AS SELECT 'rd'::text AS type, 'k' || i AS key FROM generate_series(1, 200) AS i;
CREATE FUNCTION pg_temp.plans() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT pg_temp.plan($q$SELECT * FROM dgen.actor('rd', 'k7')$q$)
	UNION ALL SELECT pg_temp.plan($q$SELECT * FROM dgen.mailbox('rd', 'k7')$q$)
	UNION ALL SELECT pg_temp.plan($q$SELECT a.* FROM keys, LATERAL dgen.actor(type, key) AS a$q$)
	UNION ALL SELECT pg_temp.plan($q$SELECT m.* FROM keys, LATERAL dgen.mailbox(type, key) AS m$q$)
	UNION ALL SELECT pg_temp.plan($q$SELECT * FROM dgen.dead_letters
		WHERE actor_type = 'rd' AND actor_key = 'k7' AND mailbox = dgen.mailbox_of('k7')$q$)
$$;
SELECT pg_temp.plans() AS no_statistics;
ANALYZE dgen.actor, dgen.message, dgen.delayed_message, dgen.dead_letter, dgen.actor_type, keys;
SELECT pg_temp.plans() AS statistics;
SELECT count(*) FROM keys, LATERAL dgen.actor(type, key);
SELECT count(*) FROM keys, LATERAL dgen.mailbox(type, key);
SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'rd' AND actor_key = 'k7' AND mailbox = dgen.mailbox_of('k7');
DROP TABLE keys;
DELETE FROM dgen.actor WHERE actor_key LIKE 'k%';
DELETE FROM dgen.message WHERE actor_key LIKE 'k%';
DELETE FROM dgen.delayed_message WHERE actor_key LIKE 'k%';
DELETE FROM dgen.dead_letter WHERE actor_key LIKE 'k%';

-- ---- explain_actor ----
CREATE FUNCTION pg_temp.explain(key text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(dgen.explain_actor('rd', key), '\d{4}-\d\d-\d\d [0-9:]+[-+]\d+', 'T', 'g'),
		'(process|message) \d+', '\1 N', 'g')
$$;
SET datestyle = 'ISO';
SELECT dgen.explain_actor('missing', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.explain_actor('rd', '');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.explain('nobody');
SELECT pg_temp.explain('a') AS backing_off;
SELECT dgen.cancel('rd', 'a', :first), dgen.cancel('rd', 'a', :second);
SELECT pg_temp.explain('a') AS only_delayed;
SELECT dgen.cancel('rd', 'a', :late);
SELECT pg_temp.explain('a') AS idle;
SELECT dgen.cast('rd', 'a', '1') IS NOT NULL AS sent, dgen.cast('rd', 'a', '2') IS NOT NULL AS sent;
SELECT pg_temp.explain('a') AS about_to;
BEGIN;
SELECT message FROM dgen.claim();
SELECT pg_temp.explain('a') AS claimed_by_this_session;
ROLLBACK;
SELECT dgen.pause('rd', 'a');
SELECT pg_temp.explain('a') AS paused;
SELECT dgen.pause('rd');
SELECT dgen.resume('rd', 'a');
SELECT pg_temp.explain('a') AS type_paused;
SELECT dgen.resume('rd');
UPDATE dgen.adoption SET database_oid = 1;
SELECT pg_temp.explain('a') AS not_adopted;
SELECT dgen.adopt_database();
SELECT dgen.detach();
SELECT pg_temp.explain('a') AS no_worker;
CREATE FUNCTION regress_reading_handler(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql RETURN dgen.noreply();
SET client_min_messages = error;
SELECT dgen.alter_actor_type('rd', 'regress_reading_handler');
RESET client_min_messages;
SELECT pg_temp.explain('a') AS no_worker_in_database;
-- Who may not start some is told who does: the reader of an actor, and who only waits for a reply.
CREATE ROLE regress_reading_starter;
CREATE FUNCTION pg_temp.told(request bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM dgen.await_reply(request, '1 ms');
EXCEPTION WHEN SQLSTATE 'ZD010' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
SELECT dgen.grant_read('rd', 'regress_reading_starter');
SET ROLE regress_reading_starter;
SELECT pg_temp.explain('a') AS may_not_start;
RESET ROLE;
SELECT dgen.revoke_read('rd', 'regress_reading_starter'), dgen.grant_send('rd', 'regress_reading_starter');
SET ROLE regress_reading_starter;
SELECT dgen.request('rd', 'z') AS r \gset
SELECT pg_temp.told(:r) AS may_not_start;
RESET ROLE;
GRANT EXECUTE ON FUNCTION dgen.start_workers TO regress_reading_starter;
SET ROLE regress_reading_starter;
SELECT pg_temp.told(:r) AS may_start;
SELECT dgen.cancel('rd', 'z', :r);
RESET ROLE;
DROP OWNED BY regress_reading_starter;
DROP ROLE regress_reading_starter;
-- dgen.retry counts no attempt and has no error.
INSERT INTO dgen.failed_attempt SELECT type_id, mailbox, seq, actor_key, 0, now() + interval '1 hour', NULL, NULL
FROM dgen.message WHERE actor_key = 'a' ORDER BY seq LIMIT 1;
SELECT pg_temp.explain('a') AS retry;
RESET datestyle;

SELECT dgen.drop_actor_type('rd', discard => true);
DROP FUNCTION regress_reading_handler;

-- ---- stats, longest_waiting ----

CREATE VIEW pg_temp.stats AS
	SELECT actor_type, waiting, oldest IS NOT NULL AS oldest, delayed, backing_off, dead_letters, paused_actors, paused_at IS NOT NULL AS paused, complete
	FROM dgen.stats(5) ORDER BY 1;
SELECT * FROM pg_temp.stats;
SELECT * FROM dgen.longest_waiting();
SELECT dgen.create_actor_type('st1', backoff => '1 h', max_backoff => '1 h'), dgen.create_actor_type('st2'), dgen.create_actor_type('st3');
SELECT * FROM pg_temp.stats;
SELECT dgen.cast('st1', 'old') > 0 AS sent;
SELECT dgen.cast_many('st1', '{b,a,b,a}', '{1,2,3,4}'), dgen.cast('st1', 'c', delay => '1 h') > 0 AS delayed;
SELECT count(dgen.cast('st2', 'k' || i)) FROM generate_series(1, 6) AS i;
SELECT dgen.pause('st1', 'a'), dgen.pause('st1', 'c'), dgen.pause('st3');
INSERT INTO dgen.failed_attempt SELECT type_id, mailbox, seq, actor_key, 1, clock_timestamp() + CASE message WHEN '1' THEN interval '1 h' ELSE '-1 h' END, 'E', 'ZD400'
FROM dgen.message WHERE message IN ('1', '2');
INSERT INTO dgen.dead_letter (message_id, mailbox, sent_at, died_at, type_id, attempts, priority, kind, actor_key, message)
SELECT i, dgen.mailbox_of('a'), now(), now(), (SELECT id FROM dgen.actor_type WHERE name = 'st1'), 1, 0, 'c', 'a', 'null' FROM generate_series(-2, -1) AS i;
SELECT * FROM pg_temp.stats;
SELECT s.oldest = (SELECT min(sent_at) FROM dgen.messages AS m WHERE m.actor_type = 'st1') AS exact FROM dgen.stats() AS s WHERE s.actor_type = 'st1';
SELECT actor_type, actor_key, sent_at = (SELECT min(sent_at) FROM dgen.mailbox(w.actor_type, w.actor_key) WHERE status <> 'delayed') AS oldest, waiting
FROM dgen.longest_waiting() AS w WHERE actor_type = 'st1' AND actor_key = 'old';
SELECT actor_type, count(*), sum(waiting) AS waiting, bool_and(in_order) AS in_order
FROM (SELECT *, sent_at >= lag(sent_at, 1, sent_at) OVER (PARTITION BY actor_type ORDER BY n) AS in_order
	FROM ROWS FROM (dgen.longest_waiting(2, 4)) WITH ORDINALITY AS w (actor_type, actor_key, sent_at, waiting, n)) AS w GROUP BY 1 ORDER BY 1;
-- Only what one may read.
CREATE ROLE regress_reading_stats;
GRANT USAGE ON SCHEMA dgen TO regress_reading_stats;
SELECT dgen.grant_read('st2', 'regress_reading_stats'), dgen.grant_send('st1', 'regress_reading_stats');
SET ROLE regress_reading_stats;
SELECT actor_type, waiting FROM dgen.stats();
SELECT DISTINCT actor_type FROM dgen.longest_waiting();
RESET ROLE;
SELECT dgen.stats(0);
SELECT dgen.stats(NULL);
SELECT dgen.longest_waiting(1001);
SELECT dgen.longest_waiting(1, -1);
SELECT dgen.drop_actor_type(t, discard => true) FROM unnest('{st1,st2,st3}'::text[]) AS t;
DROP OWNED BY regress_reading_stats;
DROP ROLE regress_reading_stats;
