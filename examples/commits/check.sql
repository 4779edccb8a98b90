-- Compares the state of every actor with what plain SQL makes of commits.event. Fails
-- (psql exits with 3) when an actor is missing, is too much or differs in anything.
\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE TEMPORARY TABLE difference AS
WITH event AS (
	SELECT repo || '/' || file AS file, author, ts, added, deleted FROM commits.event
), pair AS (
	SELECT file, author, count(*) AS changes,
	       row_number() OVER (PARTITION BY author ORDER BY count(*) DESC, file COLLATE "C") AS place
	FROM event GROUP BY file, author
), file AS (
	SELECT file, count(*) AS changes, sum(added) AS added, sum(deleted) AS deleted
	FROM event GROUP BY file
), author AS (
	SELECT author, count(*) AS changes, sum(added) AS added, sum(deleted) AS deleted,
	       min(ts) AS first, max(ts) AS last
	FROM event GROUP BY author
), by_author AS (
	SELECT file, jsonb_object_agg(author, changes) AS counts FROM pair GROUP BY file
), top AS (
	SELECT author, jsonb_agg(jsonb_build_object('file', file, 'changes', changes) ORDER BY place) AS files
	FROM pair WHERE place <= 3 GROUP BY author
), expected AS (
	SELECT 'file' AS type, file AS key, jsonb_build_object(
		'changes', changes, 'added', added, 'deleted', deleted, 'by', counts) AS state
	FROM file JOIN by_author USING (file)
	UNION ALL
	SELECT 'author', author, jsonb_build_object(
		'changes', changes, 'added', added, 'deleted', deleted,
		'first', first, 'last', last, 'top', files)
	FROM author JOIN top USING (author)
), actual AS (
	SELECT actor_type AS type, actor_key AS key, state
	FROM dgen.actors WHERE actor_type IN ('file', 'author')
)
SELECT type, key, expected.state AS expected, actual.state AS actual
FROM expected FULL JOIN actual USING (type, key)
WHERE expected.state IS DISTINCT FROM actual.state;

SELECT EXISTS (SELECT FROM difference) AS different,
       to_char(count(DISTINCT repo || '/' || file), 'FM999,999,999,999') AS files,
       to_char(count(DISTINCT author), 'FM999,999,999,999') AS authors
FROM commits.event \gset

\if :different
	SELECT type, key, member, left(e.value::text, 60) AS expected, left(a.value::text, 60) AS actual
	FROM difference,
	     LATERAL (SELECT jsonb_object_keys(expected) UNION SELECT jsonb_object_keys(actual)
	              UNION SELECT 'whole state' WHERE expected IS NULL OR actual IS NULL) AS m(member),
	     LATERAL (SELECT CASE member WHEN 'whole state' THEN expected ELSE expected -> member END) AS e(value),
	     LATERAL (SELECT CASE member WHEN 'whole state' THEN actual ELSE actual -> member END) AS a(value)
	WHERE e.value IS DISTINCT FROM a.value
	  AND (member = 'whole state' OR (expected IS NOT NULL AND actual IS NOT NULL))
	ORDER BY type DESC, key, member LIMIT 20;

	DO $$
	DECLARE
		waiting bigint := (SELECT count(*) FROM dgen.messages WHERE actor_type IN ('file', 'author'));
	BEGIN
		RAISE EXCEPTION '% actors differ from the sums of the input', (SELECT count(*) FROM difference)
			USING DETAIL = 'The table above shows what differs, up to 20 rows of it.',
			HINT = CASE WHEN waiting > 0
			            THEN format('%s messages are not handled yet; check again when they are.', waiting)
			            ELSE 'No message waits: these are the final states.' END;
	END $$;
\endif

DROP TABLE difference;
\echo checked :files files and :authors authors: all totals equal the sums of the input
