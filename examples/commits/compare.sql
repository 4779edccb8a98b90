-- Compares the states of the C service's actors with those of the PL/pgSQL handlers,
-- row by row. Fails (psql exits with 3) when an actor is missing on one side or differs
-- in anything.
\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE TEMPORARY TABLE compared AS
SELECT type, key, plpgsql.state AS plpgsql, c.state AS c,
       plpgsql.state IS NOT DISTINCT FROM c.state AS equal
FROM (SELECT actor_type AS type, actor_key AS key, state
      FROM dgen.actors WHERE actor_type IN ('file', 'author')) AS plpgsql
FULL JOIN (SELECT left(actor_type, -2) AS type, actor_key AS key, state
           FROM dgen.actors WHERE actor_type IN ('file_c', 'author_c')) AS c USING (type, key);

SELECT count(*) FILTER (WHERE NOT equal) > 0 AS different,
       to_char(count(*) FILTER (WHERE type = 'file'), 'FM999,999,999,999') AS files,
       to_char(count(*) FILTER (WHERE type = 'author'), 'FM999,999,999,999') AS authors
FROM compared \gset

\if :different
	SELECT type, key, left(plpgsql::text, 200) AS "PL/pgSQL", left(c::text, 200) AS "C"
	FROM compared WHERE NOT equal
	ORDER BY type DESC, key LIMIT 20;

	DO $$
	BEGIN
		RAISE EXCEPTION '% actors of the C service differ from those in PL/pgSQL',
			(SELECT count(*) FROM compared WHERE NOT equal)
			USING DETAIL = 'The table above shows up to 20 of them.';
	END $$;
\endif

DROP TABLE compared;
\echo compared :files files and :authors authors, row by row: C service and PL/pgSQL handlers came to equal states
