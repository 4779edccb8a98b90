-- Whoever asked is told how its request ended, and whoever asks with the same idempotency key
-- gets what the first one gets. (Several at the same time: test/specs/iso_askers.spec.)
\set SHOW_CONTEXT never
\pset null '(null)'
SET datestyle = 'ISO';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
DELETE FROM dgen.request; -- what other tests have left of types that they dropped
RESET client_min_messages;
CREATE ROLE regress_dgen_asked;
CREATE ROLE regress_dgen_other;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_asked;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_asked;
CREATE SCHEMA regress_askers AUTHORIZATION regress_dgen_asked;
SET ROLE regress_dgen_asked;
SET search_path = regress_askers, pg_temp;

-- Asks whom it is told, and notes each reply.
CREATE FUNCTION asks(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	IF ctx.kind = 'reply' THEN
		RETURN dgen.noreply(state || jsonb_build_object(ctx.correlation,
			COALESCE(state -> ctx.correlation, '[]') || jsonb_build_array(COALESCE(to_jsonb(ctx.sqlstate || ' ' || ctx.error), message))));
	END IF;
	PERFORM dgen.request('oracle', message ->> 'whom', message, reply_to => ctx, correlation => message ->> 'as',
		idempotency_key => message ->> 'once', delay => (message ->> 'delay')::interval);
	RETURN dgen.reply('"asked"');
END $$;
SELECT dgen.create_actor_type('oracle'), dgen.create_actor_type('asker', 'asks'), dgen.create_actor_type('bystander', 'asks');
SELECT dgen.grant_send('oracle', 'regress_dgen_other');
-- The state, once what waits for the actor is handled. (The call itself asks nobody.)
CREATE FUNCTION told(key text, type text DEFAULT 'asker') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.call(type, key, '{"whom": "nobody", "as": "nobody", "once": "nobody"}');
	RETURN dgen.state(type, key) - 'nobody';
END $$;
CREATE FUNCTION ask(key text, whom text, once text DEFAULT NULL, type text DEFAULT 'asker', delay interval DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	SELECT dgen.call(type, key, jsonb_build_object('whom', whom, 'as', whom, 'once', once, 'delay', delay))
$$;
CREATE FUNCTION message_of(key text) RETURNS bigint LANGUAGE sql AS $$ SELECT message_id FROM dgen.mailbox('oracle', key) ORDER BY message_id LIMIT 1 $$;

-- ---- cancelled, deleted, dropped ----
SELECT ask('a', whom) FROM unnest('{cancelled,deleted,delayed,answered,dropped}'::text[]) AS whom;
SELECT ask('a', 'later', delay => '1 day');
SELECT dgen.cancel('oracle', 'cancelled', message_of('cancelled')), dgen.cancel('oracle', 'later', message_of('later')),
	dgen.delete_actor('oracle', 'deleted'), dgen.send_reply(message_of('answered'), '42'), dgen.cancel('oracle', 'answered', message_of('answered'));
SELECT jsonb_pretty(told('a'));
-- It is seen for whom an actor waits: by who may read the type of either.
SELECT actor_type, actor_key, status, role, asking_type, asking_key, correlation, deadline - sent_at AS kept
FROM dgen.requests WHERE status = 'pending' AND actor_key <> 'nobody' ORDER BY id;
SELECT regexp_replace(dgen.explain_actor('asker', 'a'), '\d\d\d\d-[^ ]* [^ ]*|(?<=request )\d+', '...', 'g');
RESET ROLE;
SELECT dgen.grant_read('oracle', 'regress_dgen_other');
SET ROLE regress_dgen_other;
SELECT actor_type, actor_key, asking_type, asking_key FROM dgen.requests WHERE status = 'pending' AND actor_key = 'dropped';
RESET ROLE;
SELECT dgen.revoke_read('oracle', 'regress_dgen_other'), dgen.grant_read('asker', 'regress_dgen_other');
SET ROLE regress_dgen_other;
SELECT actor_type, actor_key, asking_type, asking_key FROM dgen.requests WHERE status = 'pending' AND actor_key = 'dropped';
RESET ROLE;
SELECT dgen.revoke_read('asker', 'regress_dgen_other'), dgen.grant_read('bystander', 'regress_dgen_other');
SET ROLE regress_dgen_other;
SELECT count(*) FROM dgen.requests;
RESET ROLE;
SELECT dgen.revoke_read('bystander', 'regress_dgen_other');
SET ROLE regress_dgen_asked;

-- An actor that is gone waits for nobody; what it asked is handled.
SELECT ask('gone', 'of the gone'), ask('stays', 'of the gone', 'k'), ask('gone', 'of the gone', 'k');
SELECT dgen.delete_actor('asker', 'gone');
SELECT asking_key, count(*) FROM dgen.requests WHERE actor_key = 'of the gone' GROUP BY 1;
SELECT count(*) FROM dgen.mailbox('oracle', 'of the gone');

-- ---- the same key again ----
-- Another actor of the same type, of another type, the same once more, and a client: while it is pending, ...
SELECT ask('b', 'pending', 'k'), ask('c', 'pending', 'k'), ask('c', 'pending', 'k'), ask('b', 'pending', 'k', 'bystander');
SELECT dgen.request('oracle', 'pending', idempotency_key => 'k') = message_of('pending') AS same, message_of('pending') AS r \gset
SELECT count(*) FROM dgen.mailbox('oracle', 'pending');
SELECT asking_type, asking_key, correlation FROM dgen.requests WHERE actor_key = 'pending' ORDER BY 1, 2;
SELECT regexp_replace(dgen.explain_actor('asker', 'c'), '\d\d\d\d-[^ ]* [^ ]*|(?<=request )\d+', '...', 'g');
SELECT dgen.send_reply(:r, '"once"');
SELECT told('b'), told('c'), told('b', 'bystander'), dgen.await_reply(:r);
-- ... and afterwards.
SELECT ask('d', 'pending', 'k'), ask('b', 'pending', 'k');
SELECT told('d'), told('b'), dgen.await_reply(:r);
SELECT dgen.send_reply(:r, '"twice"');
-- The first one is a client.
SELECT dgen.request('oracle', 'by a client', idempotency_key => 'k') AS r \gset
SELECT ask('e', 'by a client', 'k');
SELECT dgen.fail_request(:r, 'no', 'P0042');
SELECT ask('f', 'by a client', 'k');
SELECT told('e'), told('f');
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
\set VERBOSITY default
-- Cancelled, with the actor that was asked.
SELECT ask('g', 'cancelled twice', 'k'), ask('h', 'cancelled twice', 'k');
SELECT dgen.cancel('oracle', 'cancelled twice', message_of('cancelled twice'));
SELECT ask('i', 'cancelled twice', 'k');
SELECT told('g'), told('h'), told('i');
SELECT ask('g', 'deleted twice', 'k'), ask('h', 'deleted twice', 'k');
SELECT dgen.delete_actor('oracle', 'deleted twice');
SELECT told('g') -> 'deleted twice', told('h') -> 'deleted twice';
-- A failure is kept, told once, and taken back by a redrive for whoever asks later.
SELECT dgen.attach('w', '{oracle}') IS NOT NULL AS attached;
SELECT count(dgen.pause('oracle', k)) FROM unnest('{of the gone,pending,by a client,dropped,delayed,nobody}'::text[]) AS k;
SELECT ask('j', 'dies', 'k'), dgen.request('oracle', 'dies', idempotency_key => 'k') AS r \gset
SELECT dgen.alter_actor_type('oracle', max_attempts => 1);
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{broken}', sqlstates => '{P0001}', outcomes => '{error}');
COMMIT;
SELECT told('j');
SELECT dgen.redrive(:r);
SELECT ask('k', 'dies', 'k');
SELECT dgen.send_reply(:r, '"after all"');
SELECT told('j'), told('k'), dgen.await_reply(:r);
-- Of one statement: the first one opens it.
SELECT count(DISTINCT id), count(error) FROM dgen.send_many('{oracle,oracle,oracle}', '{many,many,many}', ARRAY['1', '2', '3']::jsonb[], '{t,t,f}', idempotency_keys => '{k,k,k}');
SELECT s.error IS NULL AS sent, s.sqlstate FROM dgen.send_many('{oracle,oracle}', '{mixed,mixed}', ARRAY['1', '2']::jsonb[], '{f,t}', idempotency_keys => '{k,k}') AS s;
SELECT count(dgen.pause('oracle', k)) FROM unnest('{many,mixed,dies}'::text[]) AS k;
SELECT dgen.cast('oracle', 'worker', 'null') > 0 AS sent;
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{1}', send_types => '{oracle,oracle,oracle}', send_keys => '{by a worker,by a worker,by a worker}', send_messages => ARRAY['1', '2', '3']::jsonb[],
	send_actors => '{1,1,NULL}', send_requests => '{t,t,f}', send_correlations => '{x,y,NULL}', send_idempotency_keys => '{k,k,k}');
COMMIT;
SELECT dgen.send_reply(message_of('by a worker'), '1');
SELECT correlation FROM dgen.mailbox('oracle', 'worker') ORDER BY 1;
SELECT dgen.detach();

-- A key that a cast has used has no reply.
SELECT dgen.cast('oracle', 'cast', idempotency_key => 'k') AS id \gset
\set VERBOSITY sqlstate
SELECT dgen.request('oracle', 'cast', idempotency_key => 'k');
SELECT ask('l', 'cast', 'k');
\set VERBOSITY default
-- For a cast the message of a request is as good as its own.
SELECT dgen.request('oracle', 'cast', idempotency_key => 'request') = dgen.cast('oracle', 'cast', idempotency_key => 'request') AS same;
-- Nor does another role get what was answered to the first one.
SELECT dgen.request('oracle', 'role', idempotency_key => 'k') AS r \gset
RESET ROLE;
SET ROLE regress_dgen_other;
SELECT dgen.request('oracle', 'role', idempotency_key => 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('oracle', 'role', idempotency_key => 'k') = :r AS same;
RESET ROLE;
GRANT regress_dgen_asked TO regress_dgen_other;
SET ROLE regress_dgen_other;
SELECT dgen.request('oracle', 'role', idempotency_key => 'k') = :r AS same;
RESET ROLE;
REVOKE regress_dgen_asked FROM regress_dgen_other;

-- ---- never answered ----
SET ROLE regress_dgen_asked;
SELECT ask('m', 'late'), ask('m', 'late once', 'k'), ask('n', 'late once', 'k'), ask('m', 'delayed', delay => '2 days'), ask('m', 'in time'),
	dgen.request('oracle', 'late') AS r \gset
RESET ROLE;
UPDATE dgen.request SET sent_at = sent_at - interval '1 day' WHERE actor_key IN ('late', 'late once', 'delayed');
SELECT dgen._maintain(1000) >= 3 AS ended;
SELECT actor_key, status FROM dgen.requests WHERE actor_key IN ('late', 'late once', 'delayed', 'in time') ORDER BY 1;
SET ROLE regress_dgen_asked;
SELECT jsonb_pretty(told('m')), told('n') = told('m') - 'late' AS alike;
SELECT dgen.await_reply(:r);
\echo :LAST_ERROR_SQLSTATE
-- Its message is handled all the same.
SELECT count(*) FROM dgen.mailbox('oracle', 'late');
-- A delayed one is late when it is due for so long.
RESET ROLE;
UPDATE dgen.request SET due_at = now() - interval '1 day' WHERE actor_key = 'delayed';
SELECT dgen._end_late_requests(0, 9007199254740991, 1), dgen._end_late_requests(0, 9007199254740991, 1);

-- ---- dropped with its type ----
SET ROLE regress_dgen_asked;
SELECT dgen.request('oracle', 'client') AS r \gset
SELECT ask('o', 'dropped', 'k'), ask('p', 'dropped', 'k');
SELECT dgen.drop_actor_type('bystander', discard => true);
SELECT dgen.drop_actor_type('oracle', discard => true);
SELECT told('o'), told('p');
\echo :LAST_ERROR_SQLSTATE
SELECT kind, actor_key, correlation, sqlstate FROM dgen.messages WHERE actor_key IN ('o', 'p') ORDER BY 1, 2;
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
\set VERBOSITY default
SELECT dgen.send_reply(:r, '1');
-- What a type asks goes with it; what it is told as well.
SELECT dgen.create_actor_type('oracle');
SELECT ask('q', 'left', 'k'), ask('q', 'left'), ask('r', 'left', 'k');
SELECT dgen.drop_actor_type('asker', discard => true);
SELECT status, asking_type, count(*) FROM dgen.requests GROUP BY 1, 2;
SELECT dgen.send_reply(id, '1') FROM dgen.requests;
SELECT dgen.drop_actor_type('oracle', discard => true);

RESET ROLE;
SELECT count(*) FROM dgen.request_asker;
SELECT status, count(*) > 0 AS some FROM dgen.request GROUP BY 1;
DELETE FROM dgen.request;
SET client_min_messages = warning;
DROP SCHEMA regress_askers CASCADE;
DROP OWNED BY regress_dgen_asked, regress_dgen_other;
DROP ROLE regress_dgen_asked, regress_dgen_other;
