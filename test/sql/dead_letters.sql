-- Dead letters as messages: what an actor is told when a message of its dies. This session
-- is the worker, and the attempts fail as it says; dgen.call runs what then waits.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
SET dgen.batch_duration = '1 min';   -- batches as large as they may be, however slow the machine
CREATE ROLE regress_dgen_letters;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_letters;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_letters;
CREATE SCHEMA regress_letters AUTHORIZATION regress_dgen_letters;
SET ROLE regress_dgen_letters;
SET search_path = regress_letters, pg_temp;
CREATE TABLE turn (n bigint GENERATED ALWAYS AS IDENTITY, ctx dgen.context, message jsonb);
CREATE FUNCTION note(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql
AS $$
BEGIN
	INSERT INTO turn (ctx, message) VALUES (ctx, message);
	RETURN dgen.reply('"noted"', state || jsonb_build_object(ctx.kind, message));
END
$$;
SELECT dgen.create_actor_type('told', 'note', max_attempts => 2, backoff => '0', max_backoff => '0', handle_dead_letters => true);
SELECT dgen.create_actor_type('untold', 'note', max_attempts => 2, backoff => '0', max_backoff => '0');
SELECT actor_type, handle_dead_letters FROM dgen.actor_types WHERE actor_type LIKE '%told' ORDER BY 1;
-- One batch: the first message of every actor fails.
CREATE FUNCTION pg_temp.fail(outcome text DEFAULT 'error', error text DEFAULT 'no luck', code text DEFAULT 'SH001') RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	actors integer;
BEGIN
	SELECT max(actor) INTO actors FROM dgen.claim();
	IF actors > 0 THEN
		PERFORM dgen.commit_turns(array_fill(0, ARRAY[actors]), errors => array_fill(error, ARRAY[actors]),
			sqlstates => array_fill(code, ARRAY[actors]), outcomes => array_fill(outcome, ARRAY[actors]));
	END IF;
	RETURN actors;
END
$$;
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{told,untold}');

-- ---- a message that fails for good ----
SELECT dgen.cast('told', 'a', '{"n": 1}', priority => 3, headers => '{"trace": "a1"}') AS dead \gset
SELECT dgen.cast('told', 'a', '{"n": 2}', priority => 3) IS NOT NULL AS behind;
SELECT pg_temp.fail();
SELECT kind, attempts FROM dgen.mailbox('told', 'a');
SELECT pg_temp.fail();
-- The dead letter is kept, and the actor is told behind what waits already.
SELECT kind, message, attempts, error, sqlstate FROM dgen.dead_letters WHERE message_id = :dead;
SELECT kind, message, priority, attempts, in_reply_to = :dead AS about, message_id > :dead AS own_id, headers, correlation, error, sqlstate FROM dgen.mailbox('told', 'a');
SELECT dgen.call('told', 'a', '"go on"');
SELECT (ctx).kind, (ctx).attempt, (ctx).headers, (ctx).in_reply_to = :dead AS about, (ctx).error, (ctx).sqlstate, message FROM turn ORDER BY n;
SELECT dgen.state('told', 'a');
SELECT count(*) FROM dgen.dead_letters WHERE message_id = :dead;
TRUNCATE turn;

-- ---- dgen.fail of a cast; not that of a request, whose caller is told ----
SELECT dgen.cast('told', 'b', '"cast"') AS dead, dgen.request('told', 'c', '"ask"') AS asked \gset
SELECT pg_temp.fail('fail', 'never', 'SH002');
SELECT actor_key, kind, message, in_reply_to = :dead AS about, error, sqlstate FROM dgen.messages WHERE actor_type = 'told' ORDER BY 1;
SELECT error, sqlstate FROM dgen.await_replies(ARRAY[:asked], '0');
-- Without an error in words there is one all the same.
SELECT dgen.call('told', 'b');
SELECT dgen.cast('told', 'b') IS NOT NULL AS sent;
SELECT dgen.commit_turns(ARRAY[0], outcomes => '{fail}') FROM dgen.claim();
SELECT kind, error, sqlstate FROM dgen.mailbox('told', 'b');
SELECT dgen.call('told', 'b');
-- A request that ran out of attempts is a dead letter, and both are told.
SELECT dgen.request('told', 'c', '"ask"', correlation => 'mine') AS asked \gset
SELECT pg_temp.fail();
SELECT pg_temp.fail();
SELECT kind, message, in_reply_to = :asked AS about, error FROM dgen.mailbox('told', 'c');
SELECT error, sqlstate FROM dgen.await_replies(ARRAY[:asked], '0');
SELECT dgen.call('told', 'c');
TRUNCATE turn;
SELECT dgen.discard(message_id) FROM dgen.dead_letters WHERE actor_type = 'told';

-- ---- a notice that dies ----
SELECT dgen.cast('told', 'd', '"first"') AS dead \gset
SELECT pg_temp.fail('fail', 'first error', 'SH001');
SELECT pg_temp.fail('error', 'second error', 'SH002');
SELECT pg_temp.fail('error', 'second error', 'SH002');
-- is a dead letter of which nobody is told: no loop.
SELECT kind, message, attempts, in_reply_to = :dead AS about, error, sqlstate FROM dgen.dead_letters WHERE actor_key = 'd' ORDER BY message_id;
SELECT count(*) FROM dgen.mailbox('told', 'd');
-- Sent again, it tells what it told.
SELECT dgen.redrive(message_id) FROM dgen.dead_letters WHERE actor_key = 'd' AND kind = 'dead_letter';
SELECT dgen.call('told', 'd');
SELECT (ctx).kind, (ctx).in_reply_to = :dead AS about, (ctx).error, (ctx).sqlstate, message FROM turn ORDER BY n;
TRUNCATE turn;

-- ---- redrive and discard of the message ----
-- Redriven, it is handled as if it had never died, and the notice that waits stays.
SELECT dgen.cast('told', 'e', '"again"') AS dead \gset
SELECT pg_temp.fail('fail');
SELECT dgen.redrive(:dead);
SELECT kind, message_id = :dead AS itself, in_reply_to = :dead AS about FROM dgen.mailbox('told', 'e');
SELECT dgen.call('told', 'e');
-- One that dies again is told of again, and discarded it still is.
SELECT dgen.cast('told', 'e', '"dies twice"') AS dead \gset
SELECT pg_temp.fail('fail', 'once');
SELECT dgen.call('told', 'e');
SELECT dgen.redrive(:dead);
SELECT pg_temp.fail('fail', 'twice');
SELECT dgen.discard(:dead);
SELECT kind, in_reply_to = :dead AS about, error FROM dgen.mailbox('told', 'e');
-- A notice can be cancelled, and goes with its actor.
SELECT dgen.cancel('told', 'e', message_id) FROM dgen.mailbox('told', 'e');
SELECT dgen.cast('told', 'e', '"to go"') IS NOT NULL AS sent;
SELECT pg_temp.fail('fail');
SELECT dgen.delete_actor('told', 'e');
SELECT count(*) FROM dgen.mailbox('told', 'e');
TRUNCATE turn;

-- ---- what is rolled back has told nobody ----
SELECT dgen.cast('told', 'f', '"stays"') IS NOT NULL AS sent;
BEGIN;
SELECT pg_temp.fail('fail');
SELECT kind FROM dgen.mailbox('told', 'f');
ROLLBACK;
SELECT kind FROM dgen.mailbox('told', 'f');
SELECT dgen.call('told', 'f');
TRUNCATE turn;

-- ---- a reply that dies keeps its correlation ----
CREATE FUNCTION ask(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql
AS $$
BEGIN
	IF ctx.kind = 'call' THEN
		PERFORM dgen.request('untold', 'g', reply_to => ctx, correlation => 'question');
		RETURN dgen.reply('"asked"');
	END IF;
	INSERT INTO turn (ctx, message) VALUES (ctx, message);
	RETURN dgen.noreply();
END
$$;
SELECT dgen.create_actor_type('asking', 'ask', handle_dead_letters => true);
SELECT dgen.call('asking', 'a');
SELECT dgen.commit_turns('{1}', reply_requests => ARRAY[message_id], replies => '{42}') FROM dgen.claim();
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{asking}');
SELECT pg_temp.fail('fail');
SELECT dgen.call('asking', 'a');
SELECT (ctx).kind, (ctx).correlation, (ctx).error, message FROM turn ORDER BY n;
TRUNCATE turn;
SELECT worker_id > 0 AS attached FROM dgen.attach('regress', '{told,untold}');

-- ---- a handler that does not know the kind never sees it ----
SELECT dgen.cast('untold', 'a', '1') IS NOT NULL AS sent;
SELECT pg_temp.fail('fail');
SELECT count(*) FROM dgen.mailbox('untold', 'a');
SELECT kind FROM dgen.dead_letters WHERE actor_type = 'untold';
SELECT dgen.alter_actor_type('untold', handle_dead_letters => true);
SELECT dgen.cast('untold', 'a', '2') IS NOT NULL AS sent;
SELECT pg_temp.fail('fail');
SELECT kind FROM dgen.mailbox('untold', 'a');
-- Those that wait when it is turned off are dropped.
SELECT dgen.alter_actor_type('untold', handle_dead_letters => false);
SELECT dgen.call('untold', 'a', '3');
SELECT (ctx).kind, message FROM turn ORDER BY n;
SELECT count(*) FROM dgen.mailbox('untold', 'a');
SELECT dgen.create_actor_type('bad', 'note', handle_dead_letters => NULL);
RESET ROLE;

-- ---- an external type: its workers say so ----
SELECT dgen.create_actor_type('outside');
CREATE ROLE regress_dgen_letters_worker;
SELECT dgen.grant_work('outside', 'regress_dgen_letters_worker'), dgen.grant_read('outside', 'regress_dgen_letters_worker');
SET ROLE regress_dgen_letters_worker;
SELECT worker_id > 0 AS attached FROM dgen.attach('silent', '{outside}');
SELECT handle_dead_letters FROM dgen.actor_types;
SELECT worker_id > 0 AS attached FROM dgen.attach('knowing', '{outside}', dead_letters => '{outside}');
SELECT handle_dead_letters FROM dgen.actor_types;
-- It is not a matter of who is attached when a message dies, nor of defining the type again.
SELECT worker_id > 0 AS attached FROM dgen.attach('silent', '{outside}');
RESET ROLE;
SELECT dgen.create_actor_type('outside', max_attempts => 1, replace => true);
SELECT handle_dead_letters FROM dgen.actor_types WHERE actor_type = 'outside';
SELECT dgen.cast('outside', 'a', '"dies"') AS dead \gset
SELECT pg_temp.fail();
SELECT in_reply_to = :dead AS about, kind, error FROM dgen.claim();
SELECT dgen.alter_actor_type('outside', handle_dead_letters => false);
SELECT handle_dead_letters FROM dgen.actor_types WHERE actor_type = 'outside';
-- Errors: what is no type of the worker's; an in-database type says it itself.
SELECT dgen.attach('w', '{outside}', dead_letters => '{told}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{outside}', dead_letters => '{outside,NULL}');
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{untold}', dead_letters => '{untold}');
SELECT handle_dead_letters FROM dgen.actor_types WHERE actor_type = 'untold';
BEGIN;
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{outside}', dead_letters => '{outside}');
ROLLBACK;
SELECT handle_dead_letters FROM dgen.actor_types WHERE actor_type = 'outside';
SELECT dgen.detach();

SELECT dgen.drop_actor_type(t, discard => true) FROM unnest('{told,untold,asking,outside}'::text[]) AS t;
SET client_min_messages = warning;
DROP SCHEMA regress_letters CASCADE;
DROP OWNED BY regress_dgen_letters;
DROP ROLE regress_dgen_letters, regress_dgen_letters_worker;
