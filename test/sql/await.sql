-- What a statement takes twice, answers twice or need not do at all; and errors that say
-- what to do next and nothing else.
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_await;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_await;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_await;
CREATE SCHEMA regress_await AUTHORIZATION regress_dgen_await;
SET ROLE regress_dgen_await;
SET search_path = regress_await, pg_temp;
SELECT dgen.create_actor_type('oracle');

-- ---- one reply, awaited twice in one statement ----
-- Among several, equal ids are answered alike, in the order given.
SELECT dgen.request('oracle', 'a') AS r, dgen.request('oracle', 'a') AS other \gset
SELECT dgen.send_reply(:r, '1'), dgen.fail_request(:other, 'no', 'P0042');
SELECT request = :r AS is_r, reply, error, sqlstate FROM dgen.await_replies(ARRAY[:r, :other, :r, :other, :r]);
SELECT request = :r AS is_r, sqlstate FROM dgen.await_replies(ARRAY[:r, :r], '0');
SELECT count(*) FROM dgen.await_replies('{}');
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT request = :r AS is_r, sqlstate FROM dgen.await_replies(ARRAY[:r, :r], '0');
SELECT dgen.send_reply(:r, '2');
CALL dgen.await_any(ARRAY[:r, :r], '0', NULL) \gset
SELECT a ->> 'request' = :'r' AS is_r, a ->> 'reply' AS reply FROM json_array_elements(:'answers') AS a;
-- One after the other, the second one finds that it is gone. The error takes it all back.
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT dgen.send_reply(:r, '3');
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r), dgen.await_reply(:r);
SELECT dgen.await_reply(n) FROM unnest(ARRAY[:r, :r]::bigint[]) AS n;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT dgen.await_reply(:r), dgen.await_reply(:r);
ROLLBACK;
\set VERBOSITY default
SELECT dgen.await_reply(:r);
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT dgen.send_reply(:r, '4');
SELECT reply, (SELECT sqlstate FROM dgen.await_replies(ARRAY[:r])) FROM dgen.await_replies(ARRAY[:r]);
-- Collected and undone in a subtransaction, it can be collected in the same statement.
CREATE FUNCTION undone(r bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.await_reply(r);
	RAISE EXCEPTION 'never mind';
EXCEPTION WHEN raise_exception THEN
	RETURN dgen.await_reply(r);
END $$;
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT dgen.send_reply(:r, '5');
SELECT undone(:r);
-- A reply that is kept is there as often as it is asked for.
SELECT dgen.request('oracle', 'a', idempotency_key => 'k') AS r \gset
SELECT dgen.send_reply(:r, '6'), dgen.send_reply(:r, '7');
SELECT dgen.await_reply(:r), dgen.await_reply(:r), (SELECT count(reply) FROM dgen.await_replies(ARRAY[:r, :r]));

-- A key that a trigger removes at once can be neither taken nor found, and that is said.
RESET ROLE;
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
BEGIN;
CREATE TRIGGER nothing BEFORE INSERT ON dgen.idempotency_key FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
\set SHOW_CONTEXT never
SELECT dgen.cast('oracle', 'a', idempotency_key => 'never');
\set SHOW_CONTEXT errors
ROLLBACK;
SET ROLE regress_dgen_await;
SELECT dgen.delete_actor('oracle', 'a');

-- ---- dgen.call takes what the handler sends, as dgen.ask does ----
CREATE FUNCTION sends(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	sent boolean;
BEGIN
	CASE message ->> 'do'
		WHEN 'send' THEN PERFORM dgen.send_reply(ctx.message_id, message);
		WHEN 'fail' THEN PERFORM dgen.fail_request(ctx.message_id, 'out of stock', 'P0042');
		WHEN 'twice' THEN
			PERFORM dgen.send_reply(ctx.message_id, '"first"');
			sent := dgen.send_reply(ctx.message_id, '"second"');
			RAISE NOTICE 'second: %', sent;
			RETURN dgen.reply('"third"', '{"twice": true}');
		WHEN 'undo' THEN
			BEGIN
				PERFORM dgen.send_reply(ctx.message_id, '"undone"');
				RAISE EXCEPTION 'never mind';
			EXCEPTION WHEN raise_exception THEN
				NULL;
			END;
		WHEN 'redo' THEN
			BEGIN
				PERFORM dgen.send_reply(ctx.message_id, '"kept"');
			EXCEPTION WHEN raise_exception THEN
				NULL;
			END;
		ELSE NULL;
	END CASE;
	RETURN dgen.noreply(state || jsonb_build_object('last', message ->> 'do'));
END $$;
SELECT dgen.create_actor_type('sender', 'sends');
SELECT dgen.call('sender', 'a', '{"do": "send", "what": [1, 2]}');
SELECT dgen.call('sender', 'a', '{"do": "twice"}');
SELECT dgen.call('sender', 'a', '{"do": "redo"}');
SELECT dgen.state('sender', 'a');
\set VERBOSITY sqlstate
SELECT dgen.call('sender', 'a', '{"do": "fail"}');
SELECT dgen.call('sender', 'a', '{"do": "undo"}');
SELECT dgen.call('sender', 'a', '{"do": "nothing"}');
\set VERBOSITY default
-- What was said to a call that is over reaches nobody.
CREATE FUNCTION late(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
	SELECT dgen.reply(to_jsonb(ctx.message_id))
$$;
SELECT dgen.create_actor_type('late', 'late');
SELECT dgen.call('late', 'a') AS id \gset
SELECT dgen.send_reply(:id, '1');

-- ---- a commit that changes nothing ----
SELECT types FROM (SELECT type_ids IS NOT NULL AS types FROM dgen.attach('w', '{oracle}')) AS w;
SELECT dgen.cast('oracle', 'c', '1') > 0 AS sent;
BEGIN;
SELECT state, message FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[0], states => ARRAY['{}'::jsonb], delete_entries => ARRAY['["a"]'::jsonb], set_entries => ARRAY['{}'::jsonb]);
COMMIT;
BEGIN;
SELECT state, message FROM dgen.claim();
\set VERBOSITY terse
SELECT dgen.commit_turns(ARRAY[0], states => ARRAY['{"a": 1}'::jsonb]);
\set VERBOSITY default
ROLLBACK;
BEGIN;
SELECT state, message FROM dgen.claim();
SELECT dgen.commit_turns(ARRAY[1]);
COMMIT;
SELECT dgen.detach();

-- ---- errors say where the caller was, and not where in dgen's functions ----
SELECT dgen.cancel('oracle', 'a', NULL);
SELECT dgen.alter_actor_type('oracle', max_attempts => 0);
DO $$
BEGIN
	PERFORM dgen.redrive(NULL);
END $$;

RESET ROLE;
SELECT dgen.drop_actor_type(t, discard => true) FROM unnest('{oracle,sender,late}'::text[]) AS t;
SET client_min_messages = warning;
DROP SCHEMA regress_await CASCADE;
DROP OWNED BY regress_dgen_await;
DROP ROLE regress_dgen_await;
