-- I10: what is done for every message goes by an index range scan, whatever the
-- statistics and the session's planner settings say (H4). Seen in the scans that are
-- counted, not in plans: the hot paths have none.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_planner;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_planner;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_planner;
CREATE SCHEMA regress_planner AUTHORIZATION regress_dgen_planner;
CREATE FUNCTION regress_planner.echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql AS $$ BEGIN RETURN dgen.reply(message, state || jsonb_build_object('last', message)); END $$;
SET ROLE regress_dgen_planner;
SELECT dgen.create_actor_type('hot', 'regress_planner.echo', backoff => '0', max_backoff => '0', max_attempts => 2);
SELECT dgen.create_actor_type('bulk');
RESET ROLE;

-- The scans of the large tables that the statements make, in one transaction.
CREATE FUNCTION pg_temp.scans() RETURNS TABLE (tbl name, seq bigint, idx bigint) LANGUAGE sql VOLATILE
AS $$
	SELECT c.relname, pg_stat_get_xact_numscans(c.oid),
		(SELECT sum(pg_stat_get_xact_numscans(i.indexrelid)) FROM pg_index i WHERE i.indrelid = c.oid)::bigint
	FROM pg_class c
	WHERE c.relnamespace = 'dgen'::regnamespace AND c.relkind = 'r'
		AND c.relname IN ('message', 'delayed_message', 'actor', 'request', 'failed_attempt', 'idempotency_key', 'dead_letter')
$$;
CREATE FUNCTION pg_temp.watch(title text, VARIADIC statements text[]) RETURNS TABLE (what text, tbl name, sequential bigint, by_index boolean)
	LANGUAGE plpgsql
AS $$
DECLARE
	statement text;
BEGIN
	CREATE TEMP TABLE before AS SELECT * FROM pg_temp.scans();
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
	END LOOP;
	RETURN QUERY
	SELECT title, a.tbl, a.seq - b.seq, a.idx > b.idx
	FROM pg_temp.scans() a JOIN before b USING (tbl)
	-- Where an actor's row is may be remembered, and then needs no index.
	WHERE a.seq > b.seq OR (a.idx > b.idx AND a.tbl <> 'actor')
	ORDER BY a.tbl COLLATE "C";
	DROP TABLE before;
END
$$;

-- ---- hostile statistics: ANALYZE of tables that are full of dead rows, and then 20,000 rows ----
CREATE PROCEDURE pg_temp.fill() LANGUAGE sql
AS $$
	SELECT dgen.cast_many('bulk', array_agg('actor ' || n % 100), array_agg('null'::jsonb)) FROM generate_series(1, 20000) AS n;
	INSERT INTO dgen.delayed_message SELECT dgen.mailbox_of('actor ' || n), n, now(), t.id, 0, 'c', 'actor ' || n, 'null', NULL, NULL, NULL, NULL, NULL, NULL, now() + '1 day'
	FROM dgen.actor_type t, generate_series(1, 20000) AS n WHERE t.name = 'bulk';
	INSERT INTO dgen.actor SELECT dgen.mailbox_of('actor ' || n), n, now(), t.id, 'actor ' || n, 'active', '{}'
	FROM dgen.actor_type t, generate_series(1, 20000) AS n WHERE t.name = 'bulk';
	INSERT INTO dgen.request SELECT n, dgen.mailbox_of('actor ' || n), now(), NULL, t.id, t.owner, 'p', false, 'actor ' || n
	FROM dgen.actor_type t, generate_series(-20000, -1) AS n WHERE t.name = 'bulk';
	INSERT INTO dgen.failed_attempt SELECT t.id, dgen.mailbox_of('actor ' || n), n, 'actor ' || n, 1, now() + '1 day'
	FROM dgen.actor_type t, generate_series(1, 20000) AS n WHERE t.name = 'bulk';
	INSERT INTO dgen.idempotency_key SELECT t.id, dgen.mailbox_of('actor ' || n), 'actor ' || n, 'k', n, now() + '1 day'
	FROM dgen.actor_type t, generate_series(1, 20000) AS n WHERE t.name = 'bulk';
	INSERT INTO dgen.dead_letter SELECT n, dgen.mailbox_of('actor ' || n), now(), now(), t.id, 1, 0, 'c', 'actor ' || n, 'null'
	FROM dgen.actor_type t, generate_series(-20000, -1) AS n WHERE t.name = 'bulk';
$$;
CALL pg_temp.fill();
SELECT dgen.drop_actor_type('bulk', discard => true);
DELETE FROM dgen.request; -- that they were cancelled nobody asks
ANALYZE dgen.message, dgen.delayed_message, dgen.actor, dgen.request, dgen.failed_attempt, dgen.idempotency_key, dgen.dead_letter;
SELECT relname, reltuples = 0 AS empty, relpages > 100 AS large FROM pg_class
WHERE oid IN ('dgen.message'::regclass, 'dgen.delayed_message'::regclass, 'dgen.actor'::regclass, 'dgen.request'::regclass, 'dgen.failed_attempt'::regclass,
	'dgen.idempotency_key'::regclass, 'dgen.dead_letter'::regclass) ORDER BY 1;
SELECT dgen.create_actor_type('bulk');
CALL pg_temp.fill();

-- ---- hostile settings ----
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET enable_seqscan = on;
SET seq_page_cost = 0;
SET random_page_cost = 1e6;
SET cpu_index_tuple_cost = 1e6;
SET jit = on;
SET jit_above_cost = 0;
SET plan_cache_mode = force_generic_plan;
-- They work: this is what they do to a query.
SELECT * FROM pg_temp.watch('a query', $$SELECT FROM dgen.actor a WHERE a.type_id = 1 AND a.mailbox = 1 AND a.actor_key = 'a'$$);

-- ---- sending ----
SELECT * FROM pg_temp.watch('cast', $$SELECT dgen.cast('hot', 'a', '1')$$);
SELECT * FROM pg_temp.watch('cast with a delay', $$SELECT dgen.cast('hot', 'a', '1', delay => '1 ms')$$);
SELECT * FROM pg_temp.watch('cast_many', $$SELECT dgen.cast_many('hot', '{a,b}', '{1,2}')$$);
SELECT * FROM pg_temp.watch('request', $$SELECT dgen.request('hot', 'c', '1')$$);
SELECT * FROM pg_temp.watch('idempotent cast', $$SELECT dgen.cast('hot', 'a', '1', idempotency_key => 'k')$$);
SELECT * FROM pg_temp.watch('idempotent cast again', $$SELECT dgen.cast('hot', 'a', '1', idempotency_key => 'k')$$);

-- ---- handling ----
SELECT dgen.request('hot', 'c', '"answer"') AS answered \gset
SET dgen.batch_duration = '1 min';
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{hot}');
SELECT * FROM pg_temp.watch('claim', 'SELECT FROM dgen.claim()');
SELECT * FROM pg_temp.watch('claim and commit_turns', 'SELECT FROM dgen.claim(1)',
	$$SELECT dgen.commit_turns('{1}', set_entries => ARRAY['{"n": 1}']::jsonb[], send_types => '{hot}', send_keys => '{d}', send_messages => '{1}')$$);
SELECT * FROM pg_temp.watch('a failed attempt', 'SELECT FROM dgen.claim(1)', $$SELECT dgen.commit_turns('{0}', errors => '{no}')$$);
SELECT * FROM pg_temp.watch('its success', 'CREATE TEMP TABLE claimed AS SELECT DISTINCT actor FROM dgen.claim(100)',
	'SELECT dgen.commit_turns(array_fill(1, ARRAY[(SELECT count(*)::integer FROM claimed)]))', 'DROP TABLE claimed');
SELECT * FROM pg_temp.watch('a dead letter', 'SELECT FROM dgen.claim(1)', $$SELECT dgen.commit_turns('{0}', outcomes => '{fail}', errors => '{no}')$$);
SELECT * FROM pg_temp.watch('call after messages', $$SELECT dgen.call('hot', 'a', '2')$$);
SELECT * FROM pg_temp.watch('call of a new actor', $$SELECT dgen.call('hot', 'new', '2')$$);
SELECT * FROM pg_temp.watch('state', $$SELECT dgen.state('hot', 'a')$$);

-- ---- replies ----
SELECT * FROM pg_temp.watch('send_reply', format('SELECT dgen.send_reply(%s, ''1'')', :answered));
SELECT * FROM pg_temp.watch('await_reply', format('SELECT dgen.await_reply(%s)', :answered));
SELECT * FROM pg_temp.watch('await_reply of an unknown request', 'SELECT FROM dgen.await_replies(''{0}'')');
SELECT * FROM pg_temp.watch('attach and detach', $$SELECT dgen.attach('w', '{hot}')$$, 'SELECT dgen.detach()');

-- ---- operating: with PostgreSQL's own settings, and the statistics as they are ----
-- (delete_actor looks for requests by actor, for which there is no index.)
RESET ALL;
SELECT dgen.cast('hot', 'o', '1') AS id \gset
SELECT * FROM pg_temp.watch('cancel', format($$SELECT dgen.cancel('hot', 'o', %s)$$, :id));
SELECT * FROM pg_temp.watch('redrive', $$SELECT dgen.redrive(-1)$$);
SELECT * FROM pg_temp.watch('discard', $$SELECT dgen.discard(-2)$$);
SELECT * FROM pg_temp.watch('reset', $$SELECT dgen.reset('hot', 'a')$$);
SELECT * FROM pg_temp.watch('pause and resume', $$SELECT dgen.pause('hot', 'a')$$, $$SELECT dgen.resume('hot', 'a')$$);
SELECT * FROM pg_temp.watch('mailbox', $$SELECT FROM dgen.mailbox('bulk', 'actor 1')$$);
SELECT * FROM pg_temp.watch('actor', $$SELECT FROM dgen.actor('bulk', 'actor 1')$$);
SELECT * FROM pg_temp.watch('explain_actor', $$SELECT dgen.explain_actor('bulk', 'actor 200')$$);
SELECT * FROM pg_temp.watch('delete_actor', $$SELECT dgen.delete_actor('bulk', 'actor 1')$$);
UPDATE dgen.idempotency_key SET expires_at = now() WHERE actor_key = 'actor 7';
SELECT * FROM pg_temp.watch('expiry of idempotency keys', 'SELECT dgen._expire_idempotency_keys(100)');
SELECT * FROM pg_temp.watch('expiry of requests', 'SELECT dgen._expire_requests(100)');
SELECT * FROM pg_temp.watch('stale rows', 'SELECT dgen._remove_stale_rows(100)');

-- The statement that is planned on a sender's path has no scan to plan.
EXPLAIN (COSTS OFF)
INSERT INTO dgen.idempotency_key AS k (type_id, mailbox, actor_key, idempotency_key, message_id, expires_at)
VALUES (1, 1, 'a', 'k', 1, now())
ON CONFLICT (type_id, mailbox, actor_key, idempotency_key)
DO UPDATE SET message_id = EXCLUDED.message_id, expires_at = EXCLUDED.expires_at WHERE k.expires_at <= now();

SELECT dgen.drop_actor_type('hot', discard => true), dgen.drop_actor_type('bulk', discard => true);
DELETE FROM dgen.request;
DROP FUNCTION pg_temp.watch, pg_temp.scans;
DROP PROCEDURE pg_temp.fill;
SET client_min_messages = warning;
DROP SCHEMA regress_planner CASCADE;
DROP OWNED BY regress_dgen_planner;
DROP ROLE regress_dgen_planner;
VACUUM (TRUNCATE, ANALYZE) dgen.message, dgen.delayed_message, dgen.actor, dgen.request, dgen.failed_attempt, dgen.idempotency_key, dgen.dead_letter;
