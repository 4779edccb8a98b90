-- One message, one transaction.
SELECT dgen.create_actor_type(:'name') \g /dev/null
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
		PERFORM dgen.cast(name, 'k' || i % actors, '{"n": 1}');
		COMMIT;
	END LOOP;
END
$$;
SELECT pg_backend_pid();
