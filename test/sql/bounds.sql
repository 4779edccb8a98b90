-- Numbers and times at the ends of what there is: each is taken, or refused with an error; none
-- becomes a time in the past, and no view fails over what was stored.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_bounds;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_bounds;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_bounds;
CREATE SCHEMA regress_bounds AUTHORIZATION regress_dgen_bounds;
SET ROLE regress_dgen_bounds;
SET search_path = regress_bounds, pg_temp;

-- What a statement comes to: its SQLSTATE, and nothing of what is different in each run.
CREATE FUNCTION outcome_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws('; ', sqlstate, sqlerrm, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE TABLE hostile (n integer GENERATED ALWAYS AS IDENTITY, value text);
INSERT INTO hostile (value) VALUES ('0'), ('1 us'), ('100 years'), ('36525 days'), ('3155760000000 ms'), ('1 mon -30 days'),
	('36525 days 1 us'), ('101 years'), ('290000 years'), ('293000 years'), ('200000 years'),
	('178000000 years'), ('2147483647 days'), ('2147483647 hours'),
	('100000 years -36000000 days'), ('-100000 years 36000001 days'),
	('-1 us'), ('-100 years'), ('-178000000 years'), ('-2147483648 days');

-- ---- delays of messages ----

SELECT dgen.create_actor_type('outside');
SELECT value, outcome_of(format('SELECT dgen.cast(''outside'', ''k'', delay => %L)', value)) FROM hostile ORDER BY n;
SELECT actor_key, count(*), min(not_before) >= now() - interval '1 min' AS not_past FROM dgen.messages WHERE actor_type = 'outside' GROUP BY 1;
SELECT value, outcome_of(format('SELECT dgen.request(''outside'', ''k'', delay => %L)', value)) FROM hostile WHERE n IN (1, 3, 8, 12, 15, 17) ORDER BY n;
SELECT ms, id > 0 AS sent, sqlstate, error, hint
FROM unnest(ARRAY[0, 3155760000000, 3155760000001, 9223372036854775807, -1, -9223372036854775808]) ms,
	dgen.send_many(ARRAY['outside'], ARRAY['k'], ARRAY['1']::jsonb[], delays_ms => ARRAY[ms]);
-- Any time is one that a message can wait for.
SELECT at, outcome_of(format('SELECT dgen.cast(''outside'', ''at'', not_before => %L)', at))
FROM unnest(ARRAY['infinity', '-infinity', '294276-12-31 23:59:59.999999 UTC', '4714-11-24 00:00:00 UTC BC', '2000-01-01 00:00 UTC']) at;
SELECT count(*), count(not_before::text) > 0 AS shown FROM dgen.messages WHERE actor_type = 'outside' AND actor_key = 'at';
SELECT dgen.explain_actor('outside', 'at') IS NOT NULL AS explained;

-- ---- timeouts ----

SELECT value, outcome_of(format('SELECT * FROM dgen.await_replies(''{}'', %L)', value)) FROM hostile ORDER BY n;
SELECT value, outcome_of(format('SELECT dgen.await_reply(0, %L)', value)) FROM hostile WHERE n IN (3, 8, 12, 15, 17) ORDER BY n;
CALL dgen.ask('outside', 'k', timeout => '178000000 years');
CALL dgen.wait('290000 years');

-- ---- the policy of a type ----

SELECT p, value, outcome_of(format('SELECT dgen.create_actor_type(''policy'', %s => %L)', p, value))
FROM unnest(ARRAY['max_backoff', 'turn_timeout', 'retention', 'lock_timeout']) p, hostile WHERE n > 5 ORDER BY p, n;
SELECT outcome_of($$SELECT dgen.alter_actor_type('outside', retention => '100000 years -36000000 days')$$);
SELECT outcome_of($$SELECT dgen.alter_actor_type('outside', retention => '100 years', backoff => '1 year', max_backoff => '1 year')$$);

-- ---- what handlers return ----

CREATE FUNCTION again(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	outcome dgen.outcome;
BEGIN
	IF message ? 'made' THEN
		outcome := dgen.retry();
		outcome.delay := message ->> 'made';
		RETURN outcome;
	END IF;
	RETURN dgen.retry((message ->> 'delay')::interval);
END $$;
SELECT dgen.create_actor_type('again', 'again');
SELECT value, outcome_of(format('SELECT dgen.call(''again'', ''k'', jsonb_build_object(''delay'', %L::text))', value)) FROM hostile ORDER BY n;
SELECT value, outcome_of(format('SELECT dgen.call(''again'', ''k'', jsonb_build_object(''made'', %L::text))', value)) FROM hostile ORDER BY n;
SELECT value, outcome_of(format('SELECT dgen.call(''again'', ''k'', timeout => %L)', value)) FROM hostile ORDER BY n;

-- ---- what workers report ----

CREATE FUNCTION retry_with(delay interval) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM dgen.claim();
	RETURN outcome_of(format('SELECT dgen.commit_turns(ARRAY[0], outcomes => ARRAY[''retry''], delays => ARRAY[%L::interval])', delay));
END $$;
-- A request that is due at the end of the calendar has a deadline all the same.
SELECT dgen.request('outside', 'late', not_before => '294276-12-31') > 0 AS requested;
SELECT count(*) FROM dgen.requests WHERE actor_key = 'late' AND deadline > now();

SELECT dgen.drop_actor_type('outside', discard => true);
SELECT dgen.create_actor_type('outside');
SELECT dgen.cast('outside', 'k') > 0 AS sent;
SELECT count(*) FROM dgen.attach('bounds', ARRAY['outside']);
\set ECHO none
SELECT format('BEGIN; SELECT %L AS value, retry_with(%L) AS outcome; ROLLBACK;', value, value) FROM hostile WHERE n < 20 ORDER BY n
\gexec
\set ECHO all
BEGIN;
SELECT retry_with('100 years');
COMMIT;
SELECT status, not_before > now() + interval '99 years' AS far FROM dgen.messages WHERE actor_type = 'outside';

-- The time that turns took is what a worker says.
SELECT dgen.cast('outside', 'other') > 0 AS sent FROM generate_series(1, 6);
BEGIN;
SELECT count(*) > 0 AS claimed FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[1], run_us => -9223372036854775808);
COMMIT;
BEGIN;
SELECT count(*) > 0 AS claimed FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[1], run_us => 9223372036854775807);
COMMIT;
BEGIN;
SELECT count(*) > 0 AS claimed FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[-2147483648]);
ROLLBACK;
BEGIN;
SELECT count(*) > 0 AS claimed FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[2147483647]);
ROLLBACK;
SELECT dgen.detach();

SELECT dgen.drop_actor_type('outside', discard => true);
SELECT dgen.drop_actor_type('again', discard => true);
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA regress_bounds CASCADE;
DROP OWNED BY regress_dgen_bounds;
DROP ROLE regress_dgen_bounds;
