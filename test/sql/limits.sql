-- Limits of a type: max_waiting, max_concurrency, max_rate. Races: test/specs/iso_waiting.spec,
-- iso_concurrency.spec; many workers: test/t/180_limits.pl.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_limits;
CREATE SCHEMA regress_limits AUTHORIZATION regress_dgen_limits;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_limits;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_limits;
SET ROLE regress_dgen_limits;
SET search_path = regress_limits;

-- ---- max_waiting ----

SELECT dgen.create_actor_type('full', max_waiting => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('full', max_waiting => 3);
SELECT dgen.create_actor_type('free', max_waiting => 0);
SELECT actor_type, max_waiting FROM dgen.actor_types WHERE owner = current_user::regrole ORDER BY 1;

-- As many as may; others have room of their own. What one command sends counts.
SELECT count(dgen.cast('full', 'a', '1')) FROM generate_series(1, 3);
SELECT dgen.cast('full', 'a', '1');
\echo :LAST_ERROR_SQLSTATE
SELECT count(dgen.cast('full', 'b', '1')) FROM generate_series(1, 4);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM dgen.mailbox('full', 'b');
SELECT count(dgen.cast('free', 'a', '1')) FROM generate_series(1, 10);

-- Every way to send; nothing is sent.
SELECT dgen.request('full', 'a');
\echo :LAST_ERROR_SQLSTATE
CALL dgen.ask('full', 'a', '1', '0', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('full', ARRAY['c', 'a', 'd'], ARRAY['1', '2', '3']::jsonb[]);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('full', ARRAY['c', 'c', 'd', 'c', 'c'], ARRAY['1', '2', '3', '4', '5']::jsonb[]);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('full', ARRAY['c', 'd', 'c', 'd', 'c', 'd'], ARRAY['1', '2', '3', '4', '5', '6']::jsonb[]);
SELECT dgen.cast_many('full', array_agg('e' || n % 70), array_agg(to_jsonb(n))) FROM generate_series(1, 210) n;
SELECT dgen.cast_many('full', array_agg('f' || n % 70), array_agg(to_jsonb(n))) FROM generate_series(1, 211) n;
-- A bad one fails alone, and its neighbours are sent.
SELECT element, id > 0 AS sent, sqlstate, hint IS NOT NULL AS has_hint
FROM dgen.send_many('{full,full,full,free,full,full}', '{g,a,g,a,g,g}', '{1,2,3,4,5,6}'::jsonb[]) ORDER BY 1;
SELECT actor_key, count(*), max(message::text) FROM dgen.messages WHERE actor_type = 'full' AND actor_key < 'e' OR actor_key = 'g' GROUP BY 1 ORDER BY 1;

-- A key that was used before gets its message, however full the mailbox is.
SELECT dgen.cast('full', 'once', '1', idempotency_key => 'k') AS first \gset
SELECT count(dgen.cast('full', 'once', '1')) FROM generate_series(1, 2);
SELECT dgen.cast('full', 'once', '1', idempotency_key => 'k') = :first AS same;
SELECT dgen.cast_many('full', '{once}', '{1}', '{k}');
SELECT id = :first AS same, sqlstate FROM dgen.send_many('{full}', '{once}', '{1}', idempotency_keys => '{k}');
SELECT dgen.cast('full', 'once', '1', idempotency_key => 'other');
\echo :LAST_ERROR_SQLSTATE

-- Messages for later have room of their own, as large.
SELECT count(dgen.cast('full', 'a', '1', delay => '1 day')) FROM generate_series(1, 3);
SELECT dgen.cast('full', 'a', '1', delay => '1 day');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('full', 'a', '1', delay => '0');
\echo :LAST_ERROR_SQLSTATE

-- A mailbox that is emptied has room again: also within the transaction, and whatever its isolation level.
SELECT count(dgen.cancel('full', 'a', message_id)) FROM dgen.mailbox('full', 'a') WHERE status = 'waiting';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(dgen.cast('full', 'a', '2')) FROM generate_series(1, 3);
SAVEPOINT s;
SELECT dgen.cast('full', 'a', '2');
ROLLBACK TO s;
COMMIT;

-- A reply is never refused, and a redriven message neither. They count.
CREATE FUNCTION asks(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	IF ctx.kind = 'reply' THEN RETURN dgen.noreply(state || '{"replied": true}'); END IF;
	PERFORM dgen.request('asked', 'x', 'null', reply_to => ctx);
	RETURN dgen.reply('1', state || '{"asked": true}');
END $$;
CREATE FUNCTION sends(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	IF message ->> 'catch' = 'true' THEN
		BEGIN
			PERFORM dgen.cast('full', 'a', '1');
		EXCEPTION WHEN SQLSTATE 'ZD006' THEN
			RETURN dgen.reply('"full"');
		END;
	END IF;
	PERFORM dgen.cast('full', 'a', '1');
	RETURN dgen.reply('"sent"');
END $$;
SELECT dgen.create_actor_type('asks', 'asks', max_waiting => 1);
SELECT dgen.create_actor_type('asked');
SELECT dgen.create_actor_type('sends', 'sends');
SELECT dgen.call('asks', 'x');
SELECT dgen.cast('asks', 'x', '1') > 0 AS sent;
SELECT dgen.send_reply(message_id, '1') FROM dgen.mailbox('asked', 'x');
SELECT kind FROM dgen.mailbox('asks', 'x');
SELECT dgen.explain_actor('asks', 'x') LIKE '%(2 messages in its mailbox, and max_waiting of its type is 1).';
SELECT dgen.cast('asks', 'x', '1');
\echo :LAST_ERROR_SQLSTATE
-- A call that runs at once waits in no mailbox.
SELECT dgen.call('sends', 'x', '{"catch": true}');
SELECT dgen.call('sends', 'x', '{}');
\echo :LAST_ERROR_SQLSTATE
-- A turn of an external worker that sends to a full actor is refused, with what it did.
SELECT dgen.cast('asked', 'y', '1') > 0 AS sent;
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{asked}');
BEGIN;
SELECT actor, actor_key FROM dgen.claim();
SELECT dgen.commit_turns(handled => '{1,1}', send_types => '{free,full}', send_keys => '{a,a}', send_messages => '{1,1}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- A dead letter finds room.
SELECT dgen.create_actor_type('dies', max_waiting => 1);
SELECT dgen.cast('dies', 'x', '1') AS dies \gset
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{dies}');
BEGIN;
SELECT actor, actor_key FROM dgen.claim();
SELECT dgen.commit_turns(handled => '{0}', outcomes => '{fail}', errors => '{no}');
COMMIT;
SELECT dgen.cast('dies', 'x', '2') > 0 AS sent;
SELECT dgen.redrive(:dies);
SELECT message FROM dgen.mailbox('dies', 'x');
SELECT dgen.detach();

-- Altering: what is there stays; NULL keeps the limit, 0 takes it away.
SELECT dgen.alter_actor_type('full', max_waiting => 2);
SELECT dgen.cast('full', 'd', '1');
SELECT dgen.alter_actor_type('full', max_attempts => 3);
SELECT max_waiting FROM dgen.actor_types WHERE actor_type = 'full';
SELECT dgen.alter_actor_type('full', max_waiting => -5);
SELECT dgen.alter_actor_type('full', max_waiting => 0);
SELECT max_waiting FROM dgen.actor_types WHERE actor_type = 'full';
SELECT count(dgen.cast('full', 'd', '1')) FROM generate_series(1, 100);

-- ---- max_concurrency ----

SELECT dgen.create_actor_type('few', max_concurrency => -1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('few', max_concurrency => 2);
SELECT dgen.create_actor_type('few', max_concurrency => 3, replace => true);
SELECT max_waiting, max_concurrency FROM dgen.actor_types WHERE actor_type = 'few';
SELECT dgen.cast_many('few', array_agg('k' || n), array_agg(to_jsonb(n))) FROM generate_series(1, 10) n;
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{few}');
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT bool_or(dgen.explain_actor('few', 'k' || n) LIKE '%waits, because workers already handle 3 actors of its type, and max_concurrency is 3 (1 message in its mailbox).')
FROM generate_series(1, 10) n;
ROLLBACK;
SELECT dgen.detach();
SELECT dgen.alter_actor_type('few', max_concurrency => 0);
SELECT max_concurrency FROM dgen.actor_types WHERE actor_type = 'few';

-- ---- max_rate ----

SELECT dgen.create_actor_type('slow', max_rate => -0.1);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.create_actor_type('slow', max_rate => 'NaN');
SELECT dgen.create_actor_type('slow', max_rate => 'Infinity');
-- One turn in a day: what is taken comes back in no test.
SELECT dgen.create_actor_type('slow', max_rate => 1 / 86400.0, max_attempts => 2, backoff => '0', max_backoff => '0');
SELECT dgen.create_actor_type('swift');
SELECT max_rate * 86400 AS a_day FROM dgen.actor_types WHERE actor_type = 'slow';
SELECT dgen.cast_many('slow', '{a,b,a,b}', '{1,1,2,2}');
SELECT dgen.cast_many('swift', '{a,b}', '{1,1}');
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{slow,swift}');
CREATE FUNCTION claims(OUT actor_type text, OUT messages bigint) RETURNS SETOF record LANGUAGE sql
	AS $$ SELECT actor_type, count(*) FROM dgen.claim() GROUP BY 1 ORDER BY 1 $$;
-- The first turn is there; other types do not care.
BEGIN;
SELECT * FROM claims();
-- What is not run is given back.
SELECT dgen.commit_turns(handled => (SELECT array_agg(0) FROM generate_series(1, 3)));
COMMIT;
BEGIN;
SELECT * FROM claims();
SELECT dgen.commit_turns(handled => (SELECT array_agg(1) FROM generate_series(1, 3)));
COMMIT;
SELECT count(*) FROM dgen.messages WHERE actor_type = 'slow';
SELECT * FROM claims();
SELECT bool_and(dgen.explain_actor('slow', k) LIKE '%waits, because its type has reached max_rate, which is 1.1574% per second (_ message% in its mailbox).')
FROM unnest('{a,b}'::text[]) k;
CALL dgen.wait('1 ms');
-- Replacing or altering the type wakes who waits.
SELECT dgen.alter_actor_type('slow', max_rate => 100);
CALL dgen.wait('10 s');
SELECT dgen.alter_actor_type('slow', max_rate => 1 / 86400.0);
-- A failed attempt is a turn. So is one that was rolled back: it may have run.
SELECT dgen.create_actor_type('fails', max_rate => 1 / 86400.0, backoff => '0', max_backoff => '0');
SELECT dgen.create_actor_type('rolled', max_rate => 1 / 86400.0);
SELECT dgen.cast_many('fails', '{a,b}', '{1,1}'), dgen.cast_many('rolled', '{a,b}', '{1,1}');
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{fails}');
BEGIN;
SELECT * FROM claims();
SELECT dgen.commit_turns(handled => '{0}', errors => '{no}');
COMMIT;
SELECT * FROM claims();
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{rolled}');
BEGIN;
SELECT * FROM claims();
ROLLBACK;
SELECT * FROM claims();
-- An actor that cannot be handled takes no turn.
SELECT dgen.alter_actor_type('rolled', max_rate => 0);
SELECT dgen.create_actor_type('paused', max_rate => 1 / 86400.0);
SELECT dgen.cast('paused', k, '1') > 0 AS sent, dgen.pause('paused', k) FROM unnest('{a,b,c}'::text[]) k;
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{paused}');
SELECT * FROM claims();
SELECT dgen.resume('paused', 'b');
SELECT * FROM claims();
SELECT worker_id > 0 AS attached FROM dgen.attach('w', '{slow}');
-- Without the limit all go.
SELECT dgen.alter_actor_type('slow', max_rate => 0);
SELECT max_rate FROM dgen.actor_types WHERE actor_type = 'slow';
BEGIN;
SELECT * FROM claims();
ROLLBACK;
SELECT dgen.detach();

SELECT dgen.drop_actor_type(t, discard => true) FROM unnest('{full,free,asks,asked,sends,dies,few,slow,swift,fails,rolled,paused}'::text[]) t;
RESET ROLE;
RESET search_path;
DROP SCHEMA regress_limits CASCADE;
DROP OWNED BY regress_dgen_limits;
DROP ROLE regress_dgen_limits;
