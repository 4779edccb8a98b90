-- Claim and commit driven from SQL in one session, without a handler: each batch sets
-- each actor's state once.
SELECT dgen.cast_many('bench_external',
	ARRAY(SELECT 'k' || (i % :actors) FROM generate_series(1, :messages) i),
	ARRAY(SELECT to_jsonb(i) FROM generate_series(1, :messages) i)) AS sent \gset
VACUUM ANALYZE dgen.message;
CHECKPOINT;
SELECT worker_id FROM dgen.attach('bench', ARRAY['bench_external']) \gset
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
