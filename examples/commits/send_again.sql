-- Sends every event that was loaded once more, to the actors of the C service, in
-- transactions of 1000.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;

CREATE OR REPLACE PROCEDURE commits.send_again()
LANGUAGE plpgsql AS $$
DECLARE
	chunk record;
BEGIN
	FOR chunk IN
		SELECT array_agg(repo || '/' || file ORDER BY line) AS keys,
		       array_agg(jsonb_build_object('ts', ts, 'author', author,
		           'added', added, 'deleted', deleted) ORDER BY line) AS messages
		FROM (SELECT *, (row_number() OVER (ORDER BY line) - 1) / 1000 AS number
		      FROM commits.event) AS numbered
		GROUP BY number ORDER BY number
	LOOP
		PERFORM dgen.cast_many('file_c', chunk.keys, chunk.messages);
		COMMIT;
	END LOOP;
END
$$;

CALL commits.send_again();
