-- Claim and commit driven from SQL in one session, without a handler: each batch sets
-- each actor's state once. psql -v actors=N -v messages=N
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
SELECT dgen.create_actor_type('bench_claim') \g /dev/null
SELECT dgen.cast_many('bench_claim',
	ARRAY(SELECT 'k' || (i % :actors) FROM generate_series(1, :messages) i),
	ARRAY(SELECT to_jsonb(i) FROM generate_series(1, :messages) i)) AS sent \gset
VACUUM ANALYZE dgen.message;
CHECKPOINT;
SELECT worker_id FROM dgen.attach('bench', ARRAY['bench_claim']) \gset
SELECT clock_timestamp() AS start, pg_current_wal_lsn() AS wal \gset
DO $$
DECLARE
	handled integer[];
	states  jsonb[];
BEGIN
	LOOP
		SELECT array_agg(n ORDER BY actor), array_agg(jsonb_build_object('n', n) ORDER BY actor)
		INTO handled, states
		FROM (SELECT actor, count(*)::integer AS n FROM dgen.claim() GROUP BY actor) AS batch;
		EXIT WHEN handled IS NULL;
		PERFORM dgen.commit_turns(handled, states);
		COMMIT;
	END LOOP;
END
$$;
SELECT :actors AS actors, :messages AS messages, round(:messages / extract(epoch FROM clock_timestamp() - :'start')) AS "messages/s",
	round((pg_current_wal_lsn() - :'wal') / :messages) AS "WAL bytes/message";
SELECT dgen.detach() \g /dev/null
SELECT dgen.drop_actor_type('bench_claim', discard => true) \g /dev/null
