-- send_many: each message for itself. await_any: whatever is answered.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_many;
CREATE ROLE regress_dgen_other;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_many;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_many;
SET ROLE regress_dgen_many;
SELECT dgen.create_actor_type('thing');
SELECT dgen.grant_send('thing', 'regress_dgen_other');
RESET ROLE;
SELECT dgen.create_actor_type('foreign');
SET ROLE regress_dgen_many;

-- ---- send_many ----

-- Ids in the order of the arrays, which is the order in the mailbox.
SELECT count(*), count(id) AS sent, count(error) AS failed, bool_and(id > previous) AS ascending
FROM (SELECT *, lag(id, 1, 0::bigint) OVER (ORDER BY n) AS previous
	FROM ROWS FROM (dgen.send_many('{thing,thing,thing}', '{a,b,a}', '{1,2,3}')) WITH ORDINALITY AS s (id, error, sqlstate, hint, n)) s;
SELECT kind, status, message, priority, headers FROM dgen.mailbox('thing', 'a');
-- More than go to the table at once.
SELECT count(DISTINCT id) FROM dgen.send_many(array_fill('thing'::text, ARRAY[350]), array_fill('many'::text, ARRAY[350]),
	(SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 350) n),
	(SELECT array_agg(n % 2 = 0 ORDER BY n) FROM generate_series(1, 350) n));
SELECT count(*), count(*) FILTER (WHERE kind = 'call') AS calls, bool_and(message = to_jsonb(n)) AS in_order
FROM (SELECT *, row_number() OVER () AS n FROM dgen.mailbox('thing', 'many')) AS m;

-- With everything that a message can have.
SELECT id IS NOT NULL AS sent, error FROM dgen.send_many('{thing,thing,thing}', '{all,all,all}', '{1,2,3}', '{true,NULL,false}', '{86400000,0,NULL}',
	'{7,-7,NULL}', '{k,NULL,NULL}', ARRAY['{"trace": 1}', NULL, NULL]::jsonb[]);
SELECT kind, status, message, priority, headers, not_before - sent_at > '23 h' AS later FROM dgen.mailbox('thing', 'all') ORDER BY message;
-- An idempotency key used before, also in the same array, stands for the first message.
SELECT count(*) AS sent, count(DISTINCT id) AS messages FROM dgen.send_many('{thing,thing,thing}', '{once,once,once}', '{1,2,3}', '{true,true,true}',
	idempotency_keys => '{i,i,j}');
SELECT message FROM dgen.mailbox('thing', 'once');
SELECT count(*) FROM dgen.send_many('{}', '{}', '{}');
-- brief: rows for what there is something to tell of.
SELECT element, id IS NOT NULL AS sent, sqlstate FROM dgen.send_many('{thing,missing,thing,thing,missing,thing}', '{b,b,b,b,b,b}', '{1,2,3,4,5,6}',
	'{false,NULL,true,NULL,true,false}', brief => true);
SELECT count(*) FROM dgen.send_many('{thing}', '{b}', '{7}', brief => true);
SELECT message, kind FROM dgen.mailbox('thing', 'b') WHERE message <> '2';

-- A bad one fails alone, wherever it stands, and whatever is wrong with it.
SELECT n, id IS NOT NULL AS sent, error, sqlstate, hint FROM ROWS FROM (dgen.send_many(
	'{thing,missing,thing,NULL,thing,thing,thing,thing,thing,thing,thing,foreign,thing}',
	'{bad,bad,"",bad,NULL,bad,bad,bad,bad,bad,bad,bad,bad}',
	'{1,2,3,4,5,NULL,7,8,9,10,11,12,13}',
	delays_ms => '{0,0,0,0,0,0,-1,NULL,0,0,0,0,0}',
	priorities => '{0,0,0,0,0,0,0,40000,0,0,0,0,0}',
	idempotency_keys => '{x,NULL,NULL,NULL,NULL,NULL,NULL,NULL,"",NULL,NULL,NULL,x}',
	headers => ARRAY[NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[]', NULL, NULL, NULL]::jsonb[]))
	WITH ORDINALITY AS s (id, error, sqlstate, hint, n);
SELECT message FROM dgen.mailbox('thing', 'bad');
SELECT count(*) AS sent FROM dgen.send_many('{missing,missing}', '{bad,bad}', '{1,2}', '{true,false}') WHERE id IS NOT NULL;
-- What only writing shows: every fifth idempotency key is one that this role may not take.
RESET ROLE;
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.idempotency_key LIKE '%5' THEN
		RAISE 'refused %', NEW.idempotency_key USING ERRCODE = '23514', HINT = 'Take another.';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON dgen.idempotency_key FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
SET ROLE regress_dgen_many;
SELECT count(id) AS sent, count(*) FILTER (WHERE error = 'refused k' || n) AS refused, min(sqlstate) AS sqlstate, min(hint) AS hint
FROM ROWS FROM (dgen.send_many(array_fill('thing'::text, ARRAY[100]), array_fill('half'::text, ARRAY[100]),
	(SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 100) n), (SELECT array_agg(n % 2 = 0 ORDER BY n) FROM generate_series(1, 100) n),
	idempotency_keys => (SELECT array_agg('k' || n ORDER BY n) FROM generate_series(1, 100) n)))
	WITH ORDINALITY AS s (id, error, sqlstate, hint, n);
SELECT count(*), count(*) FILTER (WHERE (message::int) % 10 = 5) AS refused, bool_and(message > previous) AS in_order
FROM (SELECT *, lag(message, 1, '0') OVER () AS previous FROM dgen.mailbox('thing', 'half')) AS m;
RESET ROLE;
DROP TRIGGER refuse ON dgen.idempotency_key;
SET ROLE regress_dgen_many;

-- What is wrong with all of it fails as a whole.
SELECT * FROM dgen.send_many(NULL, '{}', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.send_many('{}', NULL, '{}');
SELECT * FROM dgen.send_many('{}', '{}', NULL);
SELECT * FROM dgen.send_many('{thing}', '{a,b}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.send_many('{thing}', '{a}', '{1}', requests => '{true,true}');
\echo :LAST_ERROR_SQLSTATE
BEGIN READ ONLY;
SELECT * FROM dgen.send_many('{thing,thing}', '{a,b}', '{1,2}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT count(*) FROM dgen.mailbox('thing', 'b');
-- It is part of the caller's transaction.
BEGIN;
SELECT count(id) FROM dgen.send_many('{thing,missing,thing}', '{gone,gone,gone}', '{1,2,3}');
SELECT count(*) FROM dgen.mailbox('thing', 'gone');
ROLLBACK;
SELECT count(*) FROM dgen.mailbox('thing', 'gone');

-- ---- await_any ----

SELECT array_agg(id) AS ids, min(id) AS first, max(id) AS last
FROM dgen.send_many(array_fill('thing'::text, ARRAY[30]), array_fill('ask'::text, ARRAY[30]), array_fill('1'::jsonb, ARRAY[30]), array_fill(true, ARRAY[30])) \gset
-- Nothing is answered.
CALL dgen.await_any(:'ids', '1 ms');
CALL dgen.await_any(:'ids', '0');
CALL dgen.await_any('{}', NULL);
-- What is answered comes, once.
SELECT dgen.send_reply(:last, '{"a": "ü\n\""}'), dgen.fail_request(:first, E'no "way"\n', 'P0042');
CALL dgen.await_any(:'ids', '1 min') \gset
SELECT a->'reply' AS reply, a->>'error' AS error, a->>'sqlstate' AS sqlstate, a->>'hint' AS hint, a->'given' AS given, (a->>'request')::bigint IN (:first, :last) AS asked
FROM json_array_elements(:'answers') a;
CALL dgen.await_any(:'ids', '1 min') \gset
SELECT count(*), min(a->>'sqlstate') AS sqlstate FROM json_array_elements(:'answers') a;
SELECT array_agg(r) AS ids FROM unnest(:'ids'::bigint[]) r WHERE r NOT IN (:first, :last) \gset
-- All of them at once; the same id twice is one.
SELECT count(*) FROM unnest(:'ids'::bigint[]) r WHERE dgen.send_reply(r, to_jsonb(r));
CALL dgen.await_any(:'ids' || :'ids'::bigint[], NULL) \gset
SELECT count(*), bool_and(a->>'reply' = a->>'request') AS right FROM json_array_elements(:'answers') a;
RESET ROLE;
SELECT count(*) FROM dgen.request WHERE id = ANY (:'ids');
SET ROLE regress_dgen_many;
-- A NULL reply is JSON null; with an idempotency key the reply stays.
SELECT dgen.request('thing', 'ask', idempotency_key => 'kept') AS r \gset
SELECT dgen.send_reply(:r, NULL);
CALL dgen.await_any(ARRAY[:r]) \gset
SELECT a->'reply' AS reply FROM json_array_elements(:'answers') a;
CALL dgen.await_any(ARRAY[:r]) \gset
SELECT a->'reply' AS reply FROM json_array_elements(:'answers') a;
-- Cancelled, unknown, another role's: at once.
SELECT dgen.request('thing', 'cancelled') AS cancelled \gset
SELECT dgen.cancel('thing', 'cancelled', :cancelled);
SELECT dgen.request('thing', 'ask') AS mine \gset
SET ROLE regress_dgen_other;
SELECT dgen.request('thing', 'ask') AS yours \gset
SET ROLE regress_dgen_many;
CALL dgen.await_any(ARRAY[:cancelled, -1, :mine, :yours], NULL) \gset
SELECT regexp_replace(a->>'error', '\d+', 'N') AS error, a->>'sqlstate' AS sqlstate, a->>'hint' AS hint, a->'given' AS given
FROM json_array_elements(:'answers') a ORDER BY a->>'sqlstate';
SELECT dgen.send_reply(:yours, '"secret"');
CALL dgen.await_any(ARRAY[:yours], NULL) \gset
SELECT a->>'sqlstate' AS sqlstate, a->'reply' AS reply FROM json_array_elements(:'answers') a;
-- What it does to the setting ends with it.
SHOW synchronous_commit;

-- Arguments, and where it cannot commit.
CALL dgen.await_any(NULL);
\echo :LAST_ERROR_SQLSTATE
CALL dgen.await_any('{1,NULL}');
CALL dgen.await_any('{1}', '-1 s');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
CALL dgen.await_any(ARRAY[:mine]);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT dgen.send_reply(:mine, '1');
SELECT set_config('many.mine', :'mine', false) = :'mine' AS set;
-- In a DO block the transaction is the block's, and as durable as that is.
CREATE TEMP TABLE setting (synchronous_commit text);
DO $$
DECLARE
	answers json;
BEGIN
	CALL dgen.await_any(ARRAY[current_setting('many.mine')::bigint], '1 s', answers);
	INSERT INTO setting VALUES (current_setting('synchronous_commit'));
END
$$;
SELECT * FROM setting;

-- ---- cancelled ----
-- Bad elements are cancelled as good ones are: most of them are not looked at any more. Each look
-- for a type that is missing scans an index.
RESET ROLE;
CREATE TEMPORARY TABLE bad AS
	SELECT array_fill('nonesuch'::text, ARRAY[20000]) AS names, array_fill(jsonb '1', ARRAY[20000]) AS messages;
CREATE VIEW pg_temp.scans AS
	SELECT sum(idx_scan) AS count FROM pg_stat_user_indexes WHERE relid = 'dgen.actor_type'::regclass;
SELECT pg_stat_force_next_flush();
SELECT count AS scans FROM scans \gset
SET statement_timeout = '50 ms';
SELECT count(*) FROM bad, dgen.send_many(names, names, messages);
RESET statement_timeout;
SELECT pg_stat_force_next_flush();
SELECT count - :scans < 20000 AS cancelled FROM scans;
DROP TABLE bad;

-- ---- in a handler ----
RESET ROLE;
CREATE SCHEMA many_test;
CREATE FUNCTION many_test.handler(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	answers json;
BEGIN
	IF message = '"await"' THEN
		CALL dgen.await_any('{1}', '1 s', answers);
	END IF;
	RETURN dgen.reply((SELECT jsonb_agg(jsonb_build_array(id IS NOT NULL, sqlstate)) FROM dgen.send_many('{thing,missing,thing}', '{h,h,h}', '{1,2,3}')));
END
$$;
SELECT dgen.create_actor_type('sender', 'many_test.handler');
SELECT dgen.call('sender', 's');
SELECT message FROM dgen.mailbox('thing', 'h');
SELECT dgen.call('sender', 's', '"await"');
\echo :LAST_ERROR_SQLSTATE

SELECT dgen.drop_actor_type('sender', discard => true);
SELECT dgen.drop_actor_type('thing', discard => true);
SELECT dgen.drop_actor_type('foreign', discard => true);
DROP SCHEMA many_test CASCADE;
DROP OWNED BY regress_dgen_many, regress_dgen_other;
DROP ROLE regress_dgen_many, regress_dgen_other;
