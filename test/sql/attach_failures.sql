-- A dgen.attach that fails leaves nothing behind, however often: no row, no lock, no memory, no
-- setting, and the session is what it was.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
CREATE ROLE regress_dgen_failing;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_failing;
RESET client_min_messages;
SELECT dgen.create_actor_type('failing');
SELECT dgen.create_actor_type('failing too');
SELECT dgen.grant_work('failing', 'regress_dgen_failing');

CREATE VIEW left_behind AS
	SELECT (SELECT count(*) FROM dgen.worker w WHERE w.pid = pg_backend_pid()) AS rows,
		(SELECT count(*) FROM dgen.workers w WHERE w.pid = pg_backend_pid()) AS workers,
		(SELECT count(*) FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory') AS locks,
		(SELECT count(*) FROM pg_backend_memory_contexts c WHERE c.name LIKE 'dgen worker%') AS contexts,
		(SELECT count(*) FROM pg_settings s WHERE s.source = 'session' AND s.name ~ 'timeout|keepalive') AS settings;

CREATE PROCEDURE fail(attach text) LANGUAGE plpgsql AS $$
DECLARE
	code text;
BEGIN
	FOR i IN 1 .. 200 LOOP
		BEGIN
			EXECUTE 'SELECT ' || attach;
			RAISE 'attached';
		EXCEPTION WHEN OTHERS THEN
			code := sqlstate;
		END;
		IF i % 2 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
	RAISE NOTICE '%: %', attach, code;
END $$;

SET SESSION AUTHORIZATION regress_dgen_failing;
CALL fail($$dgen.attach('w', ARRAY['failing', 'failing too'])$$);
RESET SESSION AUTHORIZATION;
CALL fail($$dgen.attach('w', ARRAY['failing', 'no such type'])$$);
CALL fail($$dgen.attach('w', ARRAY['failing', NULL])$$);
CALL fail($$dgen.attach(repeat('w', 64), ARRAY['failing'])$$);
CALL fail($$dgen.attach(NULL, ARRAY['failing'])$$);
CALL fail($$dgen.attach('w', ARRAY['failing'], '0.0.1')$$);
CALL fail($$dgen.attach('w', ARRAY['failing'], dead_letters => ARRAY['failing too'])$$);
CALL fail($$dgen.attach('w', ARRAY['failing'], actions => ARRAY['failing', NULL])$$);
SELECT * FROM left_behind;

-- One that is undone is no failure of its own, and leaves nothing either.
BEGIN;
SELECT count(*) FROM dgen.attach('w', ARRAY['failing']);
ROLLBACK;
SELECT * FROM left_behind;

-- Who is attached stays so.
SELECT count(*) FROM dgen.attach('w', ARRAY['failing']);
CALL fail($$dgen.attach('other', ARRAY['failing'], dead_letters => ARRAY['failing too'])$$);
SELECT rows, workers, locks, contexts FROM left_behind;
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT dgen.detach();

DROP VIEW left_behind;
DROP PROCEDURE fail;
SELECT dgen.drop_actor_type('failing', discard => true);
SELECT dgen.drop_actor_type('failing too', discard => true);
DROP ROLE regress_dgen_failing;
