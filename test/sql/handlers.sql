-- In-database handlers: what they get, and every outcome they can return, seen
-- through dgen.call. (What a worker makes of failed attempts: test/t/, protocol.sql.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_handler;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_handler;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_handler;
CREATE SCHEMA regress_handlers AUTHORIZATION regress_dgen_handler;
SET ROLE regress_dgen_handler;
SET search_path = regress_handlers, pg_temp;
CREATE TABLE turn (n bigint GENERATED ALWAYS AS IDENTITY, ctx dgen.context, state jsonb, message jsonb);

-- Notes the turn, does what message.do says and returns what message.return says.
CREATE FUNCTION obey(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql
AS $$
DECLARE
	outcome dgen.outcome;
BEGIN
	INSERT INTO turn (ctx, state, message) VALUES (ctx, state, message);
	IF message ? 'do' THEN
		EXECUTE message ->> 'do' USING ctx, state, message;
	END IF;
	EXECUTE format('SELECT (%s).*', COALESCE(message ->> 'return', 'dgen.noreply()')) INTO outcome USING ctx, state, message;
	RETURN outcome;
END
$$;
SELECT dgen.create_actor_type('puppet', 'obey', initial_state => '{"new": true}');
-- A call with an outcome; and the state after it.
CREATE FUNCTION call(key text, return text, "do" text DEFAULT NULL) RETURNS jsonb LANGUAGE sql
AS $$ SELECT dgen.call('puppet', key, jsonb_strip_nulls(jsonb_build_object('return', "return", 'do', "do"))) $$;

-- ---- reply ----
SELECT call('a', $$dgen.reply('"hello"')$$);
-- The state stays as it is: no row is written for an actor that has none.
SELECT dgen.state('puppet', 'a');
SELECT call('a', $$dgen.reply($2, '{"n": 1}')$$);
SELECT dgen.state('puppet', 'a');
SELECT call('a', $$dgen.reply($2, $2 || '{"n": 2}')$$), dgen.state('puppet', 'a') AS at_statement_begin;
SELECT dgen.state('puppet', 'a');
SELECT call('a', $$dgen.reply(NULL)$$) AS json_null;
SELECT call('a', $$dgen.reply($2, '{}')$$);
SELECT dgen.state('puppet', 'a');

-- ---- what the handler got ----
SELECT n, (ctx).actor_type, (ctx).actor_key, (ctx).kind, (ctx).attempt, (ctx).headers, (ctx).in_reply_to, (ctx).correlation,
	(ctx).error, (ctx).sqlstate, state FROM turn ORDER BY n;
-- The version is 0 for a new actor, rises with each change and stays without one.
SELECT n, (ctx).version = 0 AS new, (ctx).version > lag((ctx).version) OVER w AS higher, (ctx).version = lag((ctx).version) OVER w AS same,
	(ctx).message_id > COALESCE(lag((ctx).message_id) OVER w, 0) AS id_rises, (ctx).sent_at <= clock_timestamp() AS sent
FROM turn WINDOW w AS (ORDER BY n) ORDER BY n;
TRUNCATE turn;

-- ---- messages before the call are handled before it, in their order ----
SELECT dgen.cast('puppet', 'b', '{"return": "dgen.noreply(''{\"by\": 1}'')"}', headers => '{"trace": "a1"}') AS cast1 \gset
SELECT dgen.cast('puppet', 'b', '{"return": "dgen.reply(''\"nobody gets it\"'')"}', priority => 5) AS cast2 \gset
SELECT dgen.request('puppet', 'b', '{"return": "dgen.reply($2)"}', correlation => 'c7') AS request \gset
SELECT dgen.request('puppet', 'b', '{"return": "dgen.noreply($2 || ''{\"by\": 2}'')"}') AS open \gset
SELECT call('b', $$dgen.reply($2)$$);
SELECT CASE (ctx).message_id WHEN :cast1 THEN 'cast1' WHEN :cast2 THEN 'cast2' WHEN :request THEN 'request' WHEN :open THEN 'open' ELSE 'call' END AS which,
	(ctx).kind, (ctx).attempt, (ctx).headers, (ctx).correlation, state FROM turn ORDER BY n;
SELECT count(*) FROM dgen.mailbox('puppet', 'b');
SELECT dgen.await_reply(:request, '0');
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:open, '0');
\set VERBOSITY default
-- noreply leaves the request open; a later turn answers it.
SELECT call('b', 'dgen.reply(''1'')', format('SELECT dgen.send_reply(%s, ''"from a later turn"'')', :open));
SELECT dgen.await_reply(:open, '0');
TRUNCATE turn;

-- ---- noreply ----
-- A call cannot wait for a reply that comes later, and is undone.
SELECT call('c', $$dgen.noreply()$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.noreply('{"n": 1}')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('puppet', 'c'), (SELECT count(*) FROM turn) AS turns;

-- ---- fail: the caller gets the error, nothing is retried, all is undone ----
SELECT call('c', $$dgen.fail('out of stock')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.fail('out of stock', 'P0042', 'Order more.')$$, $$INSERT INTO turn (message) VALUES ('"undone"')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.fail(NULL, NULL, NULL)$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.fail('no state: %s', 'no state')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT (SELECT count(*) FROM turn) AS turns, (SELECT count(*) FROM dgen.mailbox('puppet', 'c')) AS messages,
	(SELECT count(*) FROM dgen.dead_letters) AS dead_letters;

-- ---- retry ----
SELECT call('c', $$dgen.retry()$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.retry('1 min')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', $$dgen.retry('-1 min')$$);
\echo :LAST_ERROR_SQLSTATE

-- ---- RAISE: the handler's error is the caller's ----
SELECT call('c', NULL, $$DO 'BEGIN RAISE EXCEPTION USING MESSAGE = ''mine'', ERRCODE = ''P0043'', HINT = ''Do not.'', DETAIL = ''In full.''; END'$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('c', NULL, 'SELECT 1/0');
\echo :LAST_ERROR_SQLSTATE
-- A savepoint undoes a call, the caller goes on, and the actor is as before.
BEGIN;
SELECT call('d', $$dgen.reply('1', '{"kept": 1}')$$);
SAVEPOINT s;
SELECT call('d', $$dgen.reply('2', '{"kept": 2}')$$);
SELECT call('d', NULL, 'SELECT 1/0');
ROLLBACK TO s;
SELECT call('d', $$dgen.reply($2)$$);
COMMIT;
SELECT dgen.state('puppet', 'd');

-- ---- destroy ----
SELECT call('d', $$dgen.destroy()$$);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('puppet', 'd');
SELECT call('d', $$dgen.destroy('"gone"')$$);
SELECT dgen.state('puppet', 'd');
SELECT call('d', $$dgen.destroy(NULL)$$);
\echo :LAST_ERROR_SQLSTATE
-- Messages that wait start a new actor: initial state, version 0, and versions above the old ones.
SELECT call('e', $$dgen.reply('1', '{"life": 1}')$$);
SELECT version AS life1 FROM dgen.actor('puppet', 'e') \gset
TRUNCATE turn;
SELECT dgen.cast('puppet', 'e', '{"return": "dgen.destroy()"}') > 0 AS sent, dgen.cast('puppet', 'e', '{"return": "dgen.noreply()"}') > 0 AS sent;
SELECT call('e', $$dgen.reply($2, '{"life": 2}')$$);
SELECT state, (ctx).version = :life1 AS old, (ctx).version = 0 AS new FROM turn ORDER BY n;
SELECT state, version > :life1 AS higher FROM dgen.actor('puppet', 'e');
TRUNCATE turn;

-- ---- what is no outcome ----
SELECT call('f', $$NULL::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$('reply', NULL, '1', NULL, NULL, NULL, NULL)::dgen.outcome$$) AS made_by_hand;
SELECT call('f', $$('Reply', NULL, '1', NULL, NULL, NULL, NULL)::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$(NULL, '{}', '1', NULL, NULL, NULL, NULL)::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$('reply', '[1]', '1', NULL, NULL, NULL, NULL)::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$('reply', 'null', '1', NULL, NULL, NULL, NULL)::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$('fail', NULL, NULL, NULL, NULL, NULL, NULL)::dgen.outcome$$);
\echo :LAST_ERROR_SQLSTATE
-- A NULL state is an error, not an empty state.
SELECT call('f', $$dgen.reply('1', NULL)$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$dgen.noreply(NULL)$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$dgen.reply('1', '[]')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('f', $$dgen.noreply('1')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.state('puppet', 'f'), (SELECT count(*) FROM turn) AS turns;

-- A SQL function that returns no row returns NULL; a STRICT one is run all the same.
CREATE FUNCTION nothing(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ SELECT dgen.reply('1') WHERE false $$;
CREATE FUNCTION strict(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql STRICT AS $$ SELECT dgen.reply(message) $$;
SELECT dgen.create_actor_type('nothing', 'nothing'), dgen.create_actor_type('strict', 'strict');
SELECT dgen.call('nothing', 'a');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('strict', 'a');
-- A handler that is changed, dropped, made again.
CREATE OR REPLACE FUNCTION strict(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ SELECT dgen.reply('"changed"') $$;
SELECT dgen.call('strict', 'a');
DROP FUNCTION strict;
SELECT dgen.call('strict', 'a');
\echo :LAST_ERROR_SQLSTATE
CREATE FUNCTION strict(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ SELECT dgen.reply('"again"') $$;
SELECT dgen.call('strict', 'a');
SELECT dgen.alter_actor_type('strict', handler => 'nothing');
\set VERBOSITY sqlstate
SELECT dgen.call('strict', 'a');
\set VERBOSITY default

-- ---- SQL in a handler is part of the turn ----
SELECT call('g', $$dgen.reply('"asked"', '{"g": 1}')$$, $$SELECT dgen.cast('puppet', 'h', '{"return": "dgen.noreply(''{\"h\": 1}'')"}'),
	dgen.request('puppet', 'h', '{"return": "dgen.reply(''\"answer\"'')"}', reply_to => $1, correlation => 'corr'),
	dgen.request('puppet', 'h', '{"return": "dgen.noreply()"}', reply_to => $1, correlation => 'fails') AS fails$$);
SELECT kind, message ->> 'return' AS return, correlation FROM dgen.mailbox('puppet', 'h');
RESET ROLE;
SELECT r.reply_key, r.correlation, r.status, r.requester, t.name FROM dgen.request r JOIN dgen.actor_type t ON t.id = r.reply_type_id ORDER BY r.id;
SELECT id AS fails FROM dgen.request WHERE correlation = 'fails' \gset
SET ROLE regress_dgen_handler;
-- The replies come as messages of kind reply, the failed one with its error.
SELECT call('h', $$dgen.reply('1')$$);
SELECT dgen.fail_request(:fails, 'it broke', 'P0044');
SELECT kind, message, correlation, in_reply_to IS NOT NULL AS in_reply_to, in_reply_to = :fails AS to_fails, error, sqlstate, attempts FROM dgen.mailbox('puppet', 'g');
TRUNCATE turn;
SELECT dgen.call('puppet', 'g', '{"return": "dgen.reply($2)"}');
SELECT (ctx).kind, message, (ctx).correlation, (ctx).in_reply_to IS NOT NULL AS in_reply_to, (ctx).error, (ctx).sqlstate FROM turn ORDER BY n;
-- reply_to is the actor of the turn, and no other.
SELECT call('g', $$dgen.reply('1')$$, $$SELECT dgen.request('puppet', 'h', reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_type": "puppet", "actor_key": "other"}'))$$);
\echo :LAST_ERROR_SQLSTATE

-- ---- not in a handler: locks are re-entrant, and nothing there can be waited for ----
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.call('puppet', 'i')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.call('puppet', 'other')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.await_reply(1)$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.await_replies('{1}')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$CALL dgen.ask('puppet', 'other')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.claim()$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.attach('w', '{puppet}')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('1')$$, $$CALL dgen.wait('0')$$);
\echo :LAST_ERROR_SQLSTATE
-- A handler that catches the refusal goes on, and the next turn is not confused.
SELECT call('i', $$dgen.reply('"caught"')$$, $$DO 'BEGIN PERFORM dgen.call(''puppet'', ''other''); EXCEPTION WHEN SQLSTATE ''ZD030'' THEN NULL; END'$$);
SELECT call('i', $$dgen.reply('1')$$, $$SELECT dgen.call('puppet', 'other')$$);
\echo :LAST_ERROR_SQLSTATE
SELECT call('i', $$dgen.reply('"after"')$$);

-- ---- the environment: the owner's rights and search_path, in force in the turn only ----
RESET ROLE;
CREATE ROLE regress_dgen_caller;
SET ROLE regress_dgen_handler;
SELECT dgen.grant_send('puppet', 'regress_dgen_caller');
SET ROLE regress_dgen_caller;
SET search_path = pg_catalog;
SELECT dgen.call('puppet', 'j', $${"return": "dgen.reply(to_jsonb(format('%s in %s', current_user, current_setting('search_path'))))"}$$);
SELECT current_user, current_setting('search_path') AS search_path;
SELECT dgen.call('puppet', 'j', $${"do": "SET search_path = nowhere; SET work_mem = '1MB'", "return": "dgen.reply(to_jsonb(current_setting('search_path')))"}$$);
SELECT current_user, current_setting('search_path') AS search_path, current_setting('work_mem') AS work_mem;
SELECT dgen.call('puppet', 'j', '{"do": "SELECT 1/0"}');
SELECT current_user, current_setting('search_path') AS search_path;
SELECT dgen.call('puppet', 'j', '{"do": "SET ROLE postgres", "return": "dgen.reply(''1'')"}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SET search_path = regress_handlers, pg_temp;

-- ---- turn_timeout ----
SELECT dgen.alter_actor_type('puppet', turn_timeout => '10 ms');
SELECT call('k', $$dgen.reply('1')$$, 'SELECT pg_sleep(60)');
\echo :LAST_ERROR_SQLSTATE
-- Also for a handler that swallows the cancel, and then nothing is left of it.
SELECT call('k', $$dgen.reply('1')$$, $$DO 'BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END'$$);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.alter_actor_type('puppet', turn_timeout => '30 s');
SELECT call('k', $$dgen.reply('1')$$, 'SELECT pg_sleep(0.02)');
-- A statement_timeout of the caller is the caller's.
SET statement_timeout = '10 ms';
SELECT call('k', $$dgen.reply('1')$$, 'SELECT pg_sleep(60)');
\echo :LAST_ERROR_SQLSTATE
RESET statement_timeout;

SET ROLE regress_dgen_handler;
SELECT dgen.drop_actor_type('puppet', discard => true), dgen.drop_actor_type('nothing', discard => true), dgen.drop_actor_type('strict', discard => true);
RESET search_path;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA regress_handlers CASCADE;
DROP OWNED BY regress_dgen_handler, regress_dgen_caller;
DROP ROLE regress_dgen_handler, regress_dgen_caller;
