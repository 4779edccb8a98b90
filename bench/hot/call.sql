-- One call, handled in the caller's session, one transaction.
CREATE FUNCTION bench_reply(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	RETURN dgen.reply(message, state);
END
$$;
SELECT dgen.create_actor_type(:'name', handler => 'bench_reply') \g /dev/null
\c
SET bench.name = :'name';
SET bench.actors = :actors;
SET bench.messages = :messages;
DO $$
DECLARE
	name   text    := current_setting('bench.name');
	actors integer := current_setting('bench.actors');
BEGIN
	FOR i IN 1 .. current_setting('bench.messages')::integer LOOP
		PERFORM dgen.call(name, 'k' || i % actors, '{"n": 1}');
		COMMIT;
	END LOOP;
END
$$;
SELECT pg_backend_pid();
