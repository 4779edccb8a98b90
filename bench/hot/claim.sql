-- All messages are claimed and handled by one session, in batches of up to 100 actors and 1000 messages.
SELECT dgen.create_actor_type(:'name') \g /dev/null
SELECT dgen.cast_many(:'name',
	ARRAY(SELECT 'k' || (i % :actors) FROM generate_series(1, :messages) i),
	ARRAY(SELECT to_jsonb(i) FROM generate_series(1, :messages) i)) \g /dev/null
\c
SET dgen.batch_duration = 10000;
SELECT FROM dgen.attach('bench', ARRAY[:'name']) \g /dev/null
DO $$
DECLARE
	handled integer[];
	states  jsonb[];
BEGIN
	LOOP
		SELECT array_agg(n ORDER BY actor), array_agg(jsonb_build_object('n', n) ORDER BY actor)
		INTO handled, states
		FROM (SELECT actor, count(*)::integer AS n FROM dgen.claim(100, 1000) GROUP BY actor) AS batch;
		EXIT WHEN handled IS NULL;
		PERFORM dgen.commit_turns(handled, states);
		COMMIT;
	END LOOP;
END
$$;
SELECT pg_backend_pid();
