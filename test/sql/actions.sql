-- Actions: what turns store to be done after their commit. The turns are inline calls; this
-- session is the worker that takes the actions. (In-database workers and libdgen: test/t.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
-- Of the tables themselves.
CREATE FUNCTION pg_temp.rows(name text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM dgen.%I', name) INTO n;
	RETURN n;
END
$$;
CREATE ROLE regress_dgen_actions;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_actions;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_actions;
CREATE SCHEMA regress_actions AUTHORIZATION regress_dgen_actions;
SET ROLE regress_dgen_actions;
SET search_path = regress_actions, pg_temp;
CREATE TABLE turn (n bigint GENERATED ALWAYS AS IDENTITY, ctx dgen.context, state jsonb, message jsonb);
-- A call does what message.do says; all else is noted.
CREATE FUNCTION obey(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql
AS $$
DECLARE
	id bigint;
BEGIN
	IF ctx.kind <> 'call' THEN
		INSERT INTO turn (ctx, state, message) VALUES (ctx, state, message);
		RETURN dgen.noreply(state || jsonb_build_object(ctx.kind, message));
	END IF;
	IF message ? 'do' THEN
		EXECUTE message ->> 'do' INTO id USING ctx;
	END IF;
	RETURN dgen.reply(to_jsonb(id), state || '{"called": true}');
END
$$;
SELECT dgen.create_actor_type('shop', 'obey', initial_state => '{"open": true}', max_attempts => 2, backoff => '0', max_backoff => '0',
	handle_actions => true, handle_dead_letters => true);
SELECT dgen.create_actor_type('idle', 'obey');
SELECT actor_type, handle_actions FROM dgen.actor_types WHERE actor_type IN ('shop', 'idle') ORDER BY 1;
CREATE FUNCTION act(key text, do_ text) RETURNS bigint LANGUAGE sql AS $$ SELECT dgen.call('shop', key, jsonb_build_object('do', do_))::bigint $$;
SELECT worker_id > 0 AS attached, cardinality(type_ids) AS types FROM dgen.attach('regress', '{shop}', actions => '{shop}');

-- ---- stored with the turn ----
SELECT act('a', $$SELECT dgen.act('charge', '{"amount": 10}', headers => '{"trace": "a1"}')$$) AS action \gset
SELECT kind, correlation, message, headers, status, attempts, message_id = :action AS its_id FROM dgen.mailbox('shop', 'a');
SELECT actor_type, waiting, actions FROM dgen.stats() WHERE actor_type = 'shop';
SELECT dgen.explain_actor('shop', 'a');
-- Not with a turn that fails, nor in a transaction that is rolled back.
SELECT act('a', $$SELECT dgen.act('never') / 0$$);
BEGIN;
SELECT act('a', $$SELECT dgen.act('never')$$) > 0 AS stored;
ROLLBACK;
SELECT count(*) FROM dgen.mailbox('shop', 'a');

-- ---- handled: alone, without state, beside the actor's messages ----
SELECT act('a', $$SELECT dgen.act('mail')$$) AS second \gset
SELECT dgen.cast('shop', 'a', '"behind"') IS NOT NULL AS sent;
-- One batch: what it was; and its reply, or error.
CREATE FUNCTION pg_temp.work(reply jsonb DEFAULT NULL, error text DEFAULT NULL, outcome text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	batch record;
BEGIN
	SELECT count(*) AS n, max(actor) AS actors, string_agg(concat_ws(' ', kind, correlation, 'of', actor_key, 'attempt', attempt, 'version', version, message, state), '; ') AS what,
		array_agg(message_id) AS ids INTO batch FROM dgen.claim();
	RETURN NEXT COALESCE(batch.what, 'nothing');
	IF batch.n = 0 THEN
		RETURN;
	END IF;
	IF error IS NULL AND outcome IS NULL THEN
		PERFORM dgen.commit_turns(array_fill(1, ARRAY[batch.actors]), reply_requests => CASE WHEN reply IS NOT NULL THEN batch.ids END,
			replies => CASE WHEN reply IS NOT NULL THEN array_fill(reply, ARRAY[batch.n::integer]) END);
	ELSE
		PERFORM dgen.commit_turns(array_fill(0, ARRAY[batch.actors]), errors => array_fill(error, ARRAY[batch.actors]), outcomes => array_fill(outcome, ARRAY[batch.actors]));
	END IF;
END
$$;
-- Those of one actor are batches of their own, and the actor's messages as well; the state is not theirs.
CREATE TABLE batches AS SELECT * FROM pg_temp.work();
INSERT INTO batches SELECT * FROM pg_temp.work();
INSERT INTO batches SELECT * FROM pg_temp.work();
SELECT regexp_replace(work, 'version [1-9]\d*', 'version 1') FROM batches ORDER BY work COLLATE "C";
SELECT count(*) FROM dgen.mailbox('shop', 'a');
SELECT count(*) FROM dgen.actors WHERE actor_type = 'shop';
DROP TABLE batches;

-- ---- a reply comes to the actor ----
SELECT act('b', $$SELECT dgen.act('charge', '10')$$) AS action \gset
SELECT * FROM pg_temp.work('{"receipt": 7}');
SELECT kind, correlation, message, in_reply_to = :action AS to_it, error FROM dgen.mailbox('shop', 'b');
SELECT dgen.call('shop', 'b');
SELECT (ctx).kind, (ctx).correlation, (ctx).in_reply_to = :action AS to_it, message FROM turn ORDER BY n;
SELECT dgen.state('shop', 'b');
TRUNCATE turn;
-- An error as the reply is one that commits.
SELECT act('b', $$SELECT dgen.act('charge', '10')$$) AS action \gset
SELECT dgen.commit_turns('{1}', reply_requests => ARRAY[message_id], reply_errors => '{declined}', reply_sqlstates => '{SH001}') FROM dgen.claim();
SELECT kind, correlation, message, error, sqlstate FROM dgen.mailbox('shop', 'b');
SELECT pg_temp.rows('request');
SELECT dgen.call('shop', 'b');
TRUNCATE turn;

-- ---- attempts ----
SELECT act('c', $$SELECT dgen.act('charge', '10')$$) AS action \gset
SELECT * FROM pg_temp.work(error => 'no answer');
SELECT kind, attempts, last_error, message_id = :action AS same_id FROM dgen.mailbox('shop', 'c');
SELECT dgen.explain_actor('shop', 'c');
-- What backs off keeps neither the actor nor its other actions waiting.
SELECT dgen.alter_actor_type('shop', backoff => '1 h', max_backoff => '1 h', max_attempts => 3);
SELECT * FROM pg_temp.work(error => 'no answer again');
SELECT status, attempts FROM dgen.mailbox('shop', 'c');
SELECT act('c', $$SELECT dgen.act('mail')$$) > 0 AS acted;
SELECT dgen.cast('shop', 'c') IS NOT NULL AS sent;
CREATE TABLE batches AS SELECT * FROM pg_temp.work();
INSERT INTO batches SELECT * FROM pg_temp.work();
SELECT regexp_replace(work, 'version [1-9]\d*', 'version 1') FROM batches ORDER BY work COLLATE "C";
DROP TABLE batches;
SELECT kind, correlation, status FROM dgen.mailbox('shop', 'c');
SELECT dgen.cancel('shop', 'c', :action), dgen.cancel('shop', 'c', :action) AS again;
SELECT count(*) FROM dgen.mailbox('shop', 'c');
SELECT pg_temp.rows('failed_attempt');
SELECT dgen.alter_actor_type('shop', backoff => '0', max_backoff => '0', max_attempts => 2);

-- ---- a dead letter ----
SELECT act('d', $$SELECT dgen.act('charge', '10')$$) AS action \gset
SELECT * FROM pg_temp.work(error => 'no answer');
SELECT * FROM pg_temp.work(error => 'still none');
SELECT message_id = :action AS its_id, actor_key, kind, correlation, message, attempts, error, mailbox = dgen.mailbox_of('d') AS found FROM dgen.dead_letters WHERE actor_type = 'shop';
-- of which its actor is told;
SELECT kind, correlation, in_reply_to = :action AS about, error FROM dgen.mailbox('shop', 'd');
SELECT dgen.call('shop', 'd');
-- redriven it is the action that it was.
SELECT dgen.redrive(:action), dgen.redrive(:action) AS again;
SELECT kind, correlation, attempts, message_id = :action AS same_id, mailbox <> dgen.mailbox_of('d') AS apart FROM dgen.mailbox('shop', 'd');
SELECT * FROM pg_temp.work('"done"');
SELECT kind, in_reply_to = :action AS to_it FROM dgen.mailbox('shop', 'd');
SELECT dgen.call('shop', 'd');
-- fail is final, retry counts nothing.
SELECT act('d', $$SELECT dgen.act('charge', '10')$$) AS action \gset
SELECT * FROM pg_temp.work(error => 'later', outcome => 'retry');
SELECT * FROM pg_temp.work(error => 'never', outcome => 'fail');
SELECT attempts, error FROM dgen.dead_letters WHERE message_id = :action;
SELECT dgen.discard(:action);
SELECT dgen.call('shop', 'd');
TRUNCATE turn;

-- ---- delayed ----
SELECT act('e', $$SELECT dgen.act('remind', delay => '1 day')$$) AS action \gset
SELECT kind, status FROM dgen.mailbox('shop', 'e');
SELECT * FROM pg_temp.work();
SELECT dgen.cancel('shop', 'e', :action);
SELECT act('e', $$SELECT dgen.act('remind', delay => '1 ms')$$) AS action \gset
SELECT pg_sleep(0.01);
SELECT * FROM pg_temp.work();

-- ---- paused ----
SELECT act('f', $$SELECT dgen.act('charge')$$) > 0 AS acted;
SELECT dgen.pause('shop', 'f');
SELECT status FROM dgen.mailbox('shop', 'f');
SELECT * FROM pg_temp.work();
SELECT dgen.resume('shop', 'f');
SELECT dgen.pause('shop');
SELECT status FROM dgen.mailbox('shop', 'f');
SELECT * FROM pg_temp.work();
SELECT dgen.resume('shop');
SELECT * FROM pg_temp.work();

-- ---- reset keeps them, destroy as well; delete_actor leaves nothing ----
SELECT act('g', $$SELECT dgen.act('one')$$) > 0 AS acted, act('g', $$SELECT dgen.act('two', delay => '1 day')$$) > 0 AS acted;
SELECT act('h', $$SELECT dgen.act('one')$$) > 0 AS acted;
SELECT dgen.reset('shop', 'g');
SELECT count(*) FROM dgen.mailbox('shop', 'g');
SELECT * FROM pg_temp.work(error => 'no');
SELECT dgen.delete_actor('shop', 'g'), dgen.delete_actor('shop', 'g') AS again;
SELECT dgen.delete_actor('shop', 'h');
SELECT pg_temp.rows('message');
SELECT pg_temp.rows('delayed_message');
SELECT pg_temp.rows('failed_attempt');
SELECT dgen.delete_actor('shop', 'none');

-- ---- inside of an action ----
-- It may act and ask; the answer is the actor's. This one has a handler of its own: run by hand.
SELECT act('i', $$SELECT dgen.act('first')$$) AS action \gset
SELECT dgen.commit_turns('{1}', send_types => '{shop,shop,idle}', send_keys => '{i,other,k}', send_messages => '{1,2,3}', send_actors => '{1,1,1}',
	send_actions => '{true,NULL,NULL}', send_requests => '{NULL,NULL,true}', send_correlations => '{second,NULL,asked}') FROM dgen.claim();
SELECT actor_type, actor_key, kind, correlation, message FROM dgen.messages WHERE actor_type IN ('shop', 'idle') ORDER BY message;
RESET ROLE;
SELECT t.name, r.reply_key, r.correlation FROM dgen.request r JOIN dgen.actor_type t ON t.id = r.reply_type_id;
SET ROLE regress_dgen_actions;
SELECT dgen.delete_actor('shop', 'i'), dgen.delete_actor('shop', 'other'), dgen.delete_actor('idle', 'k');

-- ---- errors ----
SELECT dgen.act('outside');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.call('idle', 'a', '{"do": "SELECT dgen.act(''x'')"}');
\echo :LAST_ERROR_SQLSTATE
SELECT act('j', $$SELECT dgen.act(NULL)$$);
\echo :LAST_ERROR_SQLSTATE
SELECT act('j', $$SELECT dgen.act('')$$);
SELECT act('j', format('SELECT dgen.act(%L)', repeat('x', 129)));
SELECT act('j', $$SELECT dgen.act('x', NULL)$$);
SELECT act('j', $$SELECT dgen.act('x', headers => '1')$$);
SELECT act('j', $$SELECT dgen.act('x', delay => '-1 s')$$);
SELECT count(*) FROM dgen.mailbox('shop', 'j');
SELECT dgen.create_actor_type('bad', 'obey', handle_actions => NULL);
SELECT dgen.attach('w', '{shop}', actions => '{idle}');
-- A function with the rights of somebody who may not send.
RESET ROLE;
CREATE ROLE regress_dgen_actions_other;
CREATE FUNCTION regress_actions.trojan() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT dgen.act('trojan') $$;
GRANT USAGE ON SCHEMA dgen, regress_actions TO regress_dgen_actions_other;
GRANT CREATE ON SCHEMA regress_actions TO regress_dgen_actions_other;
ALTER FUNCTION regress_actions.trojan() OWNER TO regress_dgen_actions_other;
SET ROLE regress_dgen_actions;
SELECT act('j', 'SELECT trojan()');
-- It has no state; and what is wrong with sends.
SELECT act('k', $$SELECT dgen.act('x')$$) > 0 AS acted;
SELECT dgen.commit_turns('{1}', ARRAY['{"a": 1}']::jsonb[]) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', set_entries => ARRAY['{"a": 1}']::jsonb[]) FROM dgen.claim();
SELECT dgen.commit_turns('{1}', destroyed => '{true}') FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{shop}', send_keys => '{i}', send_messages => '{1}', send_actors => '{2}', send_actions => '{true}') FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{shop}', send_keys => '{i}', send_messages => '{1}', send_actors => '{1}', send_actions => '{true}') FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{shop}', send_keys => '{i}', send_messages => '{1}', send_actors => '{1}', send_actions => '{true}',
	send_correlations => '{y}', send_requests => '{true}') FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{shop}', send_keys => '{i}', send_messages => '{1}', send_actors => '{1}', send_actions => '{true}',
	send_correlations => '{y}', send_priorities => '{1}') FROM dgen.claim();
SELECT * FROM pg_temp.work();

-- ---- who may: what an actor sends to itself needs no privilege to send ----
RESET ROLE;
CREATE ROLE regress_dgen_actions_worker;
SET ROLE regress_dgen_actions;
SELECT dgen.grant_work('shop', 'regress_dgen_actions_worker');
SELECT dgen.cast('shop', 'l') IS NOT NULL AS sent;
RESET search_path;
SET ROLE regress_dgen_actions_worker;
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{shop}', actions => '{shop}');
SELECT dgen.commit_turns('{1}', send_types => '{shop}', send_keys => '{l}', send_messages => '{1}', send_actors => '{1}', send_actions => '{true}',
	send_correlations => '{y}') FROM dgen.claim();
SELECT kind, actor_type, actor_key, correlation FROM dgen.claim();
RESET ROLE;

-- ---- a worker that does not take actions, a type that handles none any more ----
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{shop}');
SELECT count(*) FROM dgen.claim();
SELECT dgen.alter_actor_type('shop', handle_actions => false);
SELECT dgen.explain_actor('shop', 'l');
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{shop}', actions => '{shop}');
SELECT count(*) FROM dgen.claim();
SELECT dgen.detach();

-- ---- dropping the type ----
SELECT dgen.drop_actor_type('shop');
SELECT dgen.drop_actor_type('shop', discard => true), dgen.drop_actor_type('idle', discard => true);
SELECT pg_temp.rows('message');
SET client_min_messages = warning;
DROP SCHEMA regress_actions CASCADE;
DROP OWNED BY regress_dgen_actions, regress_dgen_actions_other;
DROP ROLE regress_dgen_actions, regress_dgen_actions_other, regress_dgen_actions_worker;
