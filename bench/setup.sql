-- Actor types for the benchmarks: a counter in PL/pgSQL, and one for outside workers.
CREATE EXTENSION IF NOT EXISTS dgen;
SET client_min_messages = error;

CREATE OR REPLACE FUNCTION bench_counter(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
LANGUAGE plpgsql AS $$
DECLARE
	n bigint := coalesce((state->>'n')::bigint, 0) + 1;
BEGIN
	RETURN dgen.reply(to_jsonb(n), jsonb_build_object('n', n));
END
$$;
SELECT dgen.create_actor_type('bench_counter', 'bench_counter', replace => true);
SELECT dgen.create_actor_type('bench_external', replace => true);
RESET client_min_messages;
