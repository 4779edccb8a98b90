-- All messages in one statement.
SELECT dgen.create_actor_type(:'name') \g /dev/null
\c
SELECT dgen.cast_many(:'name',
	ARRAY(SELECT 'k' || (i % :actors) FROM generate_series(1, :messages) i),
	ARRAY(SELECT to_jsonb(i) FROM generate_series(1, :messages) i)) \g /dev/null
SELECT pg_backend_pid();
