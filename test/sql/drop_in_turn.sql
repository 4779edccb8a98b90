-- A type is not dropped while a turn of it is under way in this very session: at its end the turn
-- would write the state of an actor whose type is gone.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_dropper;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_dropper;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_dropper;
CREATE SCHEMA regress_drop AUTHORIZATION regress_dgen_dropper;
-- Of the tables themselves.
CREATE FUNCTION pg_temp.strays() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
	SELECT count(*) FROM dgen.actor a WHERE NOT EXISTS (SELECT FROM dgen.actor_type t WHERE t.id = a.type_id)
$$;
SET ROLE regress_dgen_dropper;
SET search_path = regress_drop, pg_temp;
CREATE FUNCTION obey(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql
AS $$
BEGIN
	EXECUTE message ->> 'do';
	RETURN dgen.reply('"done"', state || '{"turns": 1}');
END
$$;
SELECT dgen.create_actor_type('dropped', 'obey');
SELECT dgen.create_actor_type('neighbour', 'obey');
SELECT dgen.create_actor_type('claimed');

-- In a turn of its own, in dgen.call: with messages before it, and without.
SELECT dgen.call('dropped', 'a', '{"do": "SELECT dgen.drop_actor_type(''dropped'', true)"}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('dropped', 'a', '{"do": "SELECT"}') IS NOT NULL AS sent;
SELECT dgen.call('dropped', 'a', '{"do": "SELECT dgen.drop_actor_type(''dropped'')"}');
\echo :LAST_ERROR_SQLSTATE
-- A handler that catches it goes on.
SELECT dgen.call('dropped', 'a', jsonb_build_object('do',
	$$DO 'BEGIN PERFORM dgen.drop_actor_type(''dropped'', true); EXCEPTION WHEN SQLSTATE ''ZD030'' THEN NULL; END'$$));
SELECT dgen.state('dropped', 'a');
-- By DROP OWNED, which does the same.
SELECT dgen.call('dropped', 'a', '{"do": "DROP OWNED BY regress_dgen_dropper CASCADE"}');
\echo :LAST_ERROR_SQLSTATE
-- Another type may go.
SELECT dgen.call('dropped', 'a', '{"do": "SELECT dgen.drop_actor_type(''neighbour'')"}');
SELECT dgen.actor_type_exists('neighbour');

-- While its actors are claimed, until dgen.commit_turns.
SELECT dgen.cast('claimed', 'k', '1') IS NOT NULL AS sent;
SELECT worker_id > 0 AS attached FROM dgen.attach('dropper', '{claimed}');
BEGIN;
SELECT actor_key FROM dgen.claim();
SAVEPOINT s;
SELECT dgen.drop_actor_type('claimed', true);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT dgen.commit_turns('{1}', states => ARRAY['{"n": 1}'::jsonb]);
SELECT dgen.drop_actor_type('claimed', true);
COMMIT;
SELECT dgen.detach();

-- After the turn, in the same transaction.
BEGIN;
SELECT dgen.call('dropped', 'b', '{"do": "SELECT"}');
SELECT dgen.drop_actor_type('dropped', true);
COMMIT;
SELECT pg_temp.strays();

DROP FUNCTION obey;
RESET ROLE;
DROP SCHEMA regress_drop;
DROP OWNED BY regress_dgen_dropper;
DROP ROLE regress_dgen_dropper;
