-- A handler in SQL whose body is one expression is evaluated in the place of a call: it has the
-- rights and the search_path of its type all the same, and what it is made of can change.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_expression;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_expression;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type, dgen.alter_actor_type TO regress_dgen_expression;
CREATE SCHEMA regress_expression AUTHORIZATION regress_dgen_expression;
CREATE SCHEMA regress_elsewhere AUTHORIZATION regress_dgen_expression;
SET ROLE regress_dgen_expression;
SET search_path = regress_expression;
CREATE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * n; END $$;
CREATE FUNCTION regress_elsewhere.twice(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN -2 * n; END $$;
CREATE FUNCTION add(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
	SELECT dgen.reply(
		jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0) + twice(message::bigint), 'kind', (ctx).kind,
			'key', (ctx).actor_key, 'user', current_user),
		jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0) + twice(message::bigint))) $$;
SELECT dgen.create_actor_type('adder', 'add');
SELECT dgen.call('adder', 'a', '1');
SELECT dgen.call('adder', 'a', '10');
SELECT dgen.call('adder', 'b', '100');
SELECT dgen.state('adder', 'a'), dgen.state('adder', 'b');

-- An error is the turn's, and leaves the handler as it was.
SELECT dgen.call('adder', 'a', '"one"');
SELECT dgen.call('adder', 'a', '1')->'sum' AS sum;

-- Its function changes, what that calls changes, and where it is looked for.
CREATE OR REPLACE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 200 * n; END $$;
SELECT dgen.call('adder', 'a', '1')->'sum' AS sum;
SET search_path = regress_elsewhere, regress_expression;
SELECT dgen.alter_actor_type('adder', handler => 'add');
SELECT dgen.call('adder', 'a', '1')->'sum' AS sum;
CREATE OR REPLACE FUNCTION regress_expression.add(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
	SELECT CASE WHEN message = 'null' THEN NULL ELSE dgen.noreply(state || jsonb_build_object('last', message)) END $$;
SELECT dgen.call('adder', 'a', 'null');
\echo :LAST_ERROR_SQLSTATE
CREATE OR REPLACE FUNCTION regress_expression.add(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
	SELECT dgen.reply(twice(1)::text::jsonb) $$;
SELECT dgen.call('adder', 'a', '7');

-- Rights are the owner's, when it runs.
RESET ROLE;
REVOKE EXECUTE ON FUNCTION regress_elsewhere.twice(bigint) FROM PUBLIC, regress_dgen_expression;
SELECT dgen.call('adder', 'a', '7');
\echo :LAST_ERROR_SQLSTATE
GRANT EXECUTE ON FUNCTION regress_elsewhere.twice(bigint) TO regress_dgen_expression;
SELECT dgen.call('adder', 'a', '7');

SET client_min_messages = warning;
SELECT dgen.drop_actor_type('adder', discard => true);
RESET search_path;
DROP SCHEMA regress_expression, regress_elsewhere CASCADE;
DROP OWNED BY regress_dgen_expression;
DROP ROLE regress_dgen_expression;
