-- In-database workers drain what waits; run after `SELECT dgen.stop_workers()`.
SELECT dgen.stop_workers() AS stopped \gset
SELECT dgen.cast_many('bench_counter',
	ARRAY(SELECT 'k' || (i % :actors) FROM generate_series(1, :messages) i),
	ARRAY(SELECT '{}'::jsonb FROM generate_series(1, :messages) i)) AS sent \gset
VACUUM ANALYZE dgen.message;
CHECKPOINT;
SELECT clock_timestamp() AS start, pg_current_wal_lsn() AS wal \gset
SELECT dgen.start_workers(:workers) AS workers \gset
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM dgen.message) LOOP
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
SELECT :workers AS workers, :actors AS actors, :messages AS messages,
	round(:messages / extract(epoch FROM clock_timestamp() - :'start')) AS "messages/s",
	round((pg_current_wal_lsn() - :'wal') / :messages) AS "WAL bytes/message";
