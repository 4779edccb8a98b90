-- How many transactions does an idle database see? The one that asks is not counted;
-- autovacuum is kept out of it by the short time.
SELECT dgen.start_workers(8) AS workers \gset
SELECT pg_sleep(2) \g /dev/null
SELECT sum(xact_commit + xact_rollback) AS before FROM pg_stat_database WHERE datname = current_database() \gset
SELECT pg_sleep(20) \g /dev/null
SELECT :workers AS workers, sum(xact_commit + xact_rollback) - :before - 2 AS "transactions in 20 s",
	(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND backend_xmin IS NOT NULL) AS "snapshots held"
FROM pg_stat_database WHERE datname = current_database();
SELECT dgen.stop_workers() \g /dev/null
