-- Tables, indexes and types of dgen's that somebody has changed: a clear error that says what was
-- changed, and a hint that leads back. In a database of its own, since columns that were dropped
-- stay there for ever.
SET client_min_messages = warning;
CREATE DATABASE schema_changes;
\c schema_changes
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
SET default_table_access_method = other;
CREATE EXTENSION dgen;
RESET default_table_access_method;
-- None of dgen's tables is of the other one.
SELECT relname FROM pg_class WHERE relnamespace = 'dgen'::regnamespace AND relam = (SELECT oid FROM pg_am WHERE amname = 'other');
CREATE FUNCTION echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE plpgsql AS $$ BEGIN RETURN dgen.reply(message, jsonb_build_object('last', message, 'token', ctx.token)); END $$;
SELECT dgen.create_actor_type('echo', 'echo');
SELECT dgen.create_actor_type('external');

-- What it is told, and what it says once the hint was followed: all that touches the tables.
CREATE PROCEDURE try(change text, back text, statement text DEFAULT $$SELECT dgen.call('echo', 'k', '1')$$)
LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE change;
	BEGIN
		EXECUTE statement;
		RAISE NOTICE 'not refused';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
		RAISE NOTICE '% %', SQLSTATE, SQLERRM USING HINT = hint;
	END;
	EXECUTE back;
	EXECUTE statement;
END $$;
SET client_min_messages = notice;

-- Columns that were added, and dropped again.
CALL try('ALTER TABLE dgen.message ADD x integer', 'ALTER TABLE dgen.message DROP COLUMN x', $$SELECT dgen.cast('echo', 'k')$$);
CALL try('ALTER TABLE dgen.message ADD x text NOT NULL DEFAULT ''d''', 'ALTER TABLE dgen.message DROP COLUMN x');
CALL try('ALTER TABLE dgen.actor ADD x integer DEFAULT 7', 'ALTER TABLE dgen.actor DROP COLUMN x');
CALL try('ALTER TABLE dgen.request ADD x integer', 'ALTER TABLE dgen.request DROP COLUMN x', $$SELECT dgen.request('external', 'k')$$);
CALL try('ALTER TABLE dgen.idempotency_key ADD "X y" integer', 'ALTER TABLE dgen.idempotency_key DROP COLUMN "X y"',
	$$SELECT dgen.cast('external', 'k', idempotency_key => 'once')$$);
CALL try('ALTER TABLE dgen.delayed_message ADD x integer', 'ALTER TABLE dgen.delayed_message DROP COLUMN x',
	$$SELECT dgen.cast('external', 'k', delay => '1 day')$$);
CALL try('ALTER TABLE dgen.actor_type ADD x integer', 'ALTER TABLE dgen.actor_type DROP COLUMN x');

-- A session looks once whether the database is adopted.
ALTER TABLE dgen.adoption ADD x integer;
\c -
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT dgen.call('echo', 'k', '1');
ALTER TABLE dgen.adoption DROP COLUMN x;
SELECT dgen.call('echo', 'k', '1');

-- The same columns are behind all that is read and written from now on.
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{message,actor,request,locked,failed_attempt,dead_letter,delayed_message,idempotency_key,worker,receipt,actor_type,privilege,paused,adoption}'::text[] LOOP
		FOR i IN 1..20 LOOP
			EXECUTE format('ALTER TABLE dgen.%I ADD x integer DEFAULT 3', t);
			EXECUTE format('ALTER TABLE dgen.%I DROP COLUMN x', t);
		END LOOP;
	END LOOP;
END $$;
SELECT dgen.call('echo', 'k', '{"a": 2}'), dgen.state('echo', 'k');
SELECT dgen.cast('echo', 'k', '3') > 0 AS sent;
SELECT count(dgen.cast_many('echo', ARRAY['k', 'k'], ARRAY['4', '5']::jsonb[]));
SELECT dgen.call('echo', 'k', '6');
SELECT dgen.request('external', 'k', '7') AS request \gset
SELECT dgen.send_reply(:request, '8'), dgen.await_reply(:request);
SELECT worker_id > 0 AS attached FROM dgen.attach('worker', ARRAY['external']);
BEGIN;
SELECT actor_key, message FROM dgen.claim();
SELECT dgen.receipt(1);
ROLLBACK;
SELECT dgen.detach();
SELECT * FROM dgen.message WHERE false;
SELECT actor_key, version > 0 AS versioned, state FROM dgen.actor;

-- Types, names, NOT NULL.
CALL try('ALTER TABLE dgen.message RENAME seq TO number', 'ALTER TABLE dgen.message RENAME COLUMN number TO seq');
CALL try('ALTER TABLE dgen.request ALTER hint TYPE varchar(10)', 'ALTER TABLE dgen.request ALTER COLUMN hint TYPE text', $$SELECT dgen.request('external', 'k')$$);
CALL try('ALTER TABLE dgen.request ALTER hint TYPE text COLLATE "C"', 'ALTER TABLE dgen.request ALTER COLUMN hint TYPE text', $$SELECT dgen.request('external', 'k')$$);
CALL try('ALTER TABLE dgen.failed_attempt ALTER attempts DROP NOT NULL', 'ALTER TABLE dgen.failed_attempt ALTER COLUMN attempts SET NOT NULL');
CALL try('ALTER TABLE dgen.dead_letter ALTER hint SET NOT NULL', 'ALTER TABLE dgen.dead_letter ALTER COLUMN hint DROP NOT NULL', $$SELECT dgen.stats()$$);
CALL try('ALTER TABLE dgen.message ALTER seq ADD GENERATED ALWAYS AS IDENTITY', 'ALTER TABLE dgen.message ALTER COLUMN seq DROP IDENTITY');

-- Another kind of table.
CALL try('ALTER TABLE dgen.message SET UNLOGGED', 'ALTER TABLE dgen.message SET LOGGED');
CALL try('ALTER TABLE dgen.message SET ACCESS METHOD other', 'ALTER TABLE dgen.message SET ACCESS METHOD heap');
CALL try('ALTER TABLE dgen.failed_attempt RENAME TO attempts; CREATE VIEW dgen.failed_attempt AS SELECT * FROM dgen.attempts',
	'DROP VIEW dgen.failed_attempt; ALTER TABLE dgen.attempts RENAME TO failed_attempt');
CALL try('ALTER TABLE dgen.message ENABLE ROW LEVEL SECURITY', 'ALTER TABLE dgen.message DISABLE ROW LEVEL SECURITY');
CALL try('CREATE RULE quiet AS ON INSERT TO dgen.message DO INSTEAD NOTHING', 'DROP RULE quiet ON dgen.message');
CALL try('CREATE TABLE more () INHERITS (dgen.message)', 'DROP TABLE more');
CALL try('ALTER TABLE dgen.paused RENAME TO resting', 'ALTER TABLE dgen.resting RENAME TO paused');

-- Indexes.
CALL try('DROP INDEX dgen.message_order', 'CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq)');
CALL try('ALTER TABLE dgen.actor DROP CONSTRAINT actor_pkey', 'ALTER TABLE dgen.actor ADD CONSTRAINT actor_pkey PRIMARY KEY (type_id, mailbox, actor_key)');
CREATE PROCEDURE try_order(definition text) LANGUAGE plpgsql AS $$ BEGIN
	CALL try('DROP INDEX dgen.message_order; ' || definition,
		'DROP INDEX dgen.message_order; CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq)');
END $$;
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority, seq)');
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, seq, priority DESC)');
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq) WHERE kind = ''c''');
CALL try_order('CREATE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq)');
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq, kind)');
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, (seq + 1))');
CALL try_order('CREATE INDEX message_order ON dgen.message USING brin (type_id, mailbox, priority, seq)');
CALL try_order('CREATE UNIQUE INDEX message_order ON dgen.delayed_message (type_id, mailbox, priority DESC, seq)');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dgen.message_order'::regclass;
SELECT dgen.call('echo', 'k', '1');
REINDEX INDEX dgen.message_order;
SELECT dgen.call('echo', 'k', '1');
-- One with more columns that are no keys will do.
DROP INDEX dgen.message_order;
CREATE UNIQUE INDEX message_order ON dgen.message (type_id, mailbox, priority DESC, seq) INCLUDE (kind);
SELECT dgen.call('echo', 'k', '1');

-- An index under another name.
CALL try('ALTER INDEX dgen.message_order RENAME TO "Order"', 'ALTER INDEX dgen."Order" RENAME TO message_order');
CALL try('ALTER INDEX dgen.actor_pkey RENAME TO pkey', 'ALTER INDEX dgen.pkey RENAME TO actor_pkey');

-- Sequences that would keep numbers for a session, count down or begin anew.
CALL try('ALTER SEQUENCE dgen.message_seq CACHE 50', 'ALTER SEQUENCE dgen.message_seq CACHE 1', $$SELECT dgen.cast('echo', 'k')$$);
CALL try('ALTER SEQUENCE dgen.message_seq INCREMENT -1', 'ALTER SEQUENCE dgen.message_seq INCREMENT 1', $$SELECT dgen.cast_many('echo', '{k}', '{1}')$$);
CALL try('ALTER SEQUENCE dgen.message_seq CYCLE', 'ALTER SEQUENCE dgen.message_seq NO CYCLE', $$SELECT dgen.request('echo', 'k')$$);
CALL try('ALTER SEQUENCE dgen.message_seq CACHE 2', 'ALTER SEQUENCE dgen.message_seq CACHE 1', $$SELECT dgen._next_message() > 0$$);
CALL try('ALTER SEQUENCE dgen.version_seq CACHE 2', 'ALTER SEQUENCE dgen.version_seq CACHE 1');
CALL try('ALTER SEQUENCE dgen.worker_id_seq CACHE 2', 'ALTER SEQUENCE dgen.worker_id_seq CACHE 1', $$SELECT dgen.attach('w', '{external}')$$);
ALTER SEQUENCE dgen.message_seq INCREMENT 10;
SELECT dgen.cast('echo', 'k') > 0 AS sent;
ALTER SEQUENCE dgen.message_seq INCREMENT 1;

-- Types that handlers get and return.
CALL try('ALTER TYPE dgen.outcome ADD ATTRIBUTE x text', 'ALTER TYPE dgen.outcome DROP ATTRIBUTE x');
CALL try('ALTER TYPE dgen.context ADD ATTRIBUTE x text', 'ALTER TYPE dgen.context DROP ATTRIBUTE x');
CALL try('ALTER TYPE dgen.outcome ADD ATTRIBUTE x text', 'ALTER TYPE dgen.outcome DROP ATTRIBUTE x', $$SELECT dgen.fail('no')$$);
CALL try('ALTER TYPE dgen.outcome RENAME ATTRIBUTE hint TO tip', 'ALTER TYPE dgen.outcome RENAME ATTRIBUTE tip TO hint');
SELECT dgen.fail('no', 'SH001', 'Ask again.');
SELECT dgen.call('echo', 'k', '9'), dgen.state('echo', 'k');

-- The schema, which ALTER EXTENSION would not change.
\c -
ALTER SCHEMA dgen RENAME TO "Other";
SELECT "Other".state('echo', 'k');
SELECT "Other".request('external', 'k');
ALTER SCHEMA "Other" RENAME TO dgen;
SELECT dgen.state('echo', 'k');

-- A column that is lost stays lost.
ALTER TABLE dgen.request DROP COLUMN hint;
SELECT dgen.request('external', 'k');
ALTER TABLE dgen.request ADD hint text;
SELECT dgen.request('external', 'k');
ALTER TYPE dgen.context DROP ATTRIBUTE token;
SELECT dgen.call('echo', 'k');

\c contrib_regression
DROP DATABASE schema_changes WITH (FORCE);
