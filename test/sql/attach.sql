-- A session as a worker: attach, wait, detach, and every error of them.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
DROP ROLE IF EXISTS regress_dgen_worker;
RESET client_min_messages;

CREATE ROLE regress_dgen_worker;
SELECT dgen.create_actor_type('attach_a');
SELECT dgen.create_actor_type('attach_b');

-- Arguments
SELECT dgen.attach(NULL, '{attach_a}');
SELECT dgen.attach('', '{attach_a}');
SELECT dgen.attach(repeat('x', 64), '{attach_a}');
SELECT dgen.attach('w', NULL);
SELECT dgen.attach('w', '{}');
SELECT dgen.attach('w', '{attach_a,NULL}');
SELECT dgen.attach('w', '{attach_a,missing}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{attach_a}', '99.1.0');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.attach('w', '{attach_a}', 'new');
DO $$
DECLARE version text;
BEGIN
	FOREACH version IN ARRAY '{4294967296.1.0,"0.1.0 ",0.1.,0,.1,0.1.0.0,-0.1.0,0x0.1,""}'::text[] || repeat('ü', 1000) LOOP
		BEGIN
			PERFORM dgen.attach('w', '{attach_a}', version);
			RAISE NOTICE 'not refused: %', version;
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE NOTICE '%', SQLERRM;
		END;
	END LOOP;
END $$;
SELECT count(*) FROM dgen.worker WHERE pid = pg_backend_pid();

-- Nobody attached
CALL dgen.wait('1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.detach();

-- Attached; a type named twice counts once
SELECT worker_id > 0 AS id, extension_version IS NOT NULL AS version, cardinality(type_ids) AS types
FROM dgen.attach('first', '{attach_a,attach_b,attach_a}');
SELECT name, types, kind, client_addr IS NULL AS local, pid = pg_backend_pid() AS here, busy, turns FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT name, in_database, role = current_user::regrole AS mine, library_version FROM dgen.worker WHERE pid = pg_backend_pid();

-- Again: replaces; a rollback does not
SELECT worker_id > 0 AS id FROM dgen.attach('second', '{attach_b}');
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
BEGIN;
SELECT worker_id > 0 AS id FROM dgen.attach('third', '{attach_a}');
SAVEPOINT s;
SELECT dgen.detach();
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
ROLLBACK TO s;
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
ROLLBACK;
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT name FROM dgen.worker WHERE pid = pg_backend_pid();

-- A claim that says whose it is
BEGIN;
SELECT worker_id AS mine FROM dgen.attach('second', '{attach_b}') \gset
SELECT count(*) FROM dgen.claim(worker_id => :mine);
COMMIT;
\set VERBOSITY terse
DO $$ BEGIN PERFORM dgen.claim(worker_id => 0); EXCEPTION WHEN SQLSTATE 'ZD037' THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', 'N'); END $$;
\set VERBOSITY default
SELECT dgen.detach();
DO $$ BEGIN PERFORM dgen.claim(worker_id => 0); EXCEPTION WHEN SQLSTATE 'ZD037' THEN RAISE NOTICE '%', SQLERRM; END $$;
SELECT worker_id > 0 AS id FROM dgen.attach('second', '{attach_b}');

-- Waiting: there may be something as long as nobody looked
CALL dgen.wait('1 min');
CALL dgen.wait('-1 s');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
CALL dgen.wait('1 s');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
DO $$ DECLARE r boolean; BEGIN BEGIN CALL dgen.wait('1 s', r); EXCEPTION WHEN division_by_zero THEN NULL; END; END $$;
\echo :LAST_ERROR_SQLSTATE
DO 'BEGIN PERFORM dgen.claim(); END';
CALL dgen.wait('0');
CALL dgen.wait('10 ms');
SELECT dgen.cast('attach_b', 'k') > 0 AS sent;
CALL dgen.wait(NULL);

-- From PL/pgSQL
DO $$
DECLARE ready boolean;
BEGIN
	PERFORM dgen.claim();
	PERFORM dgen.commit_turns(ARRAY[1]);
	COMMIT;
	CALL dgen.wait('10 ms', ready);
	RAISE NOTICE 'ready: %', ready;
	PERFORM dgen.cast('attach_b', 'k');
	CALL dgen.wait('1 min', ready);
	RAISE NOTICE 'ready: %', ready;
END $$;

-- A wait in the end is a statement like any other
SELECT dgen.detach();
SELECT count(*) FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT count(*) FROM dgen.worker WHERE pid = pg_backend_pid();
CALL dgen.wait('1 s');

-- Privileges
GRANT USAGE ON SCHEMA dgen TO regress_dgen_worker;
SET ROLE regress_dgen_worker;
SELECT dgen.attach('w', '{attach_a}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.start_workers();
SELECT dgen.stop_workers();
RESET ROLE;
SELECT dgen.grant_work('attach_a', 'regress_dgen_worker');
SET ROLE regress_dgen_worker;
SELECT worker_id > 0 AS id FROM dgen.attach('w', '{attach_a}');
SELECT name FROM dgen._workers();
RESET ROLE;
SELECT name, types FROM dgen.workers WHERE pid = pg_backend_pid();
SELECT role FROM dgen.worker WHERE pid = pg_backend_pid();
SELECT dgen.detach();

SELECT dgen.start_workers(NULL);
SELECT dgen.start_workers(-1);
SELECT dgen.stop_workers();

SELECT dgen.revoke_work('attach_a', 'regress_dgen_worker');
SELECT dgen.drop_actor_type('attach_a');
SELECT dgen.drop_actor_type('attach_b', discard => true);
REVOKE ALL ON SCHEMA dgen FROM regress_dgen_worker;
DROP OWNED BY regress_dgen_worker;
DROP ROLE regress_dgen_worker;
