-- Does anything run in an idle database? pg_stat_activity tells when each worker last
-- did something. The safety-net look comes once in 30 s, for all workers together.
SELECT dgen.start_workers(8) AS workers \gset
SELECT pg_sleep(3) \g /dev/null
SELECT clock_timestamp() AS start \gset
SELECT pg_sleep(20) \g /dev/null
SELECT :workers AS workers,
	count(*) FILTER (WHERE state_change > :'start') AS "workers that ran something in 20 s",
	count(*) FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AS "snapshots held"
FROM pg_stat_activity WHERE backend_type = 'dgen worker';
SELECT dgen.stop_workers() \g /dev/null
