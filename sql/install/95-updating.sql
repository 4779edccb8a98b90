-- ALTER EXTENSION dgen UPDATE. Every upgrade script sql/dgen--OLD--NEW.sql begins with
--
--     SELECT dgen._begin_update('OLD', 'NEW');
--
-- in the version of this function that OLD has. Statements of C functions know tables by
-- the position of their columns, so the library and the SQL must fit: they do when major and
-- minor version are equal. A patch release changes neither a table nor the layout of shared memory.

CREATE FUNCTION dgen._check_update(to_version text) RETURNS boolean
	LANGUAGE c STRICT
	AS 'MODULE_PATHNAME', 'dgen_check_update';
COMMENT ON FUNCTION dgen._check_update(text) IS
'raises ZD038 unless this session''s library is that version or a later one; makes all sessions check the version again. True if dgen is preloaded';

-- While the locks are held, no session is in the middle of an operation. dgen.message is locked
-- first, because batches and senders lock that table first. A waiting worker would wait in the shared
-- memory of the old library: clients' workers connect again, and in-database workers restart.
CREATE FUNCTION dgen._begin_update(from_version text, to_version text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	preloaded boolean := dgen._check_update(to_version);
BEGIN
	IF (string_to_array(from_version, '.'))[1:2] = (string_to_array(to_version, '.'))[1:2] THEN
		RETURN;
	END IF;
	LOCK TABLE dgen.message, dgen.delayed_message, dgen.idempotency_key, dgen.request, dgen.actor,
		dgen.dead_letter, dgen.failed_attempt, dgen.paused, dgen.worker, dgen.actor_type, dgen.privilege,
		dgen.adoption IN ACCESS EXCLUSIVE MODE;
	IF NOT preloaded THEN
		PERFORM pg_terminate_backend(a.pid)
		FROM pg_stat_activity a
		WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
			AND (a.backend_type = 'dgen worker'
				OR EXISTS (SELECT FROM dgen.worker w WHERE w.pid = a.pid AND w.backend_start = a.backend_start));
	END IF;
END
$$;
COMMENT ON FUNCTION dgen._begin_update(text, text) IS
'begins an upgrade script: checks the library, and locks out all work if the minor version changes';

REVOKE ALL ON FUNCTION dgen._check_update(text), dgen._begin_update(text, text) FROM PUBLIC;

CREATE FUNCTION dgen._forget_former() RETURNS void
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'dgen_forget_former';
COMMENT ON FUNCTION dgen._forget_former() IS
'for CREATE EXTENSION: shared memory forgets what it knows of an extension that was dropped in this database, whose ids are used again';
REVOKE ALL ON FUNCTION dgen._forget_former() FROM PUBLIC;
SELECT dgen._forget_former();
