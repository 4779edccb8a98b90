-- Triggers and constraints that somebody has added to dgen's tables: what dgen writes fires and
-- heeds them, in every way that it writes, as if SQL had done it.
SET client_min_messages = warning;
CREATE DATABASE triggers;
\c triggers
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = error;
CREATE EXTENSION dgen;
CREATE FUNCTION answer(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
LANGUAGE plpgsql AS $$
BEGIN
	CASE message->>'op'
		WHEN 'fail' THEN RETURN dgen.fail('no');
		WHEN 'destroy' THEN RETURN dgen.destroy('"gone"');
		WHEN 'lock' THEN RETURN CASE ctx.kind WHEN 'locked' THEN dgen.noreply() ELSE dgen.lock() END;
		WHEN 'later' THEN RETURN dgen.noreply();
		ELSE RETURN dgen.reply(message, jsonb_build_object('last', message));
	END CASE;
END $$;
SELECT dgen.create_actor_type('inside', 'answer');
SELECT dgen.create_actor_type('outside');
RESET client_min_messages;

-- Who did what to which table, and with which search_path; row by row.
CREATE TABLE log (n serial, line text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.log (line) VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_TABLE_NAME, TG_LEVEL,
		CASE WHEN current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN 'as its owner' ELSE current_user END,
		current_setting('search_path')));
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION taken() RETURNS TABLE (line text, times bigint) LANGUAGE sql AS $$
	WITH noted AS (DELETE FROM public.log RETURNING n, line)
	SELECT line, count(*) FROM noted GROUP BY line ORDER BY min(n)
$$;
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY '{message,actor,request,locked,failed_attempt,dead_letter,delayed_message,idempotency_key,worker,receipt}'::text[] LOOP
		EXECUTE format('CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON dgen.%I FOR EACH ROW EXECUTE FUNCTION note()', t);
	END LOOP;
END $$;

-- A sender's own search_path has no say in what its triggers call.
CREATE ROLE trig_sender;
SELECT dgen.grant_send('inside', 'trig_sender'), dgen.grant_send('outside', 'trig_sender');
SET search_path = pg_catalog, public;
SET ROLE trig_sender;
SELECT dgen.cast('inside', 'a') > 0 AS sent;
SELECT current_setting('search_path') AS afterwards, current_user;
RESET ROLE;
RESET search_path;
SELECT * FROM taken();

-- Sent together, later, once.
SELECT count(dgen.cast_many('inside', ARRAY['a', 'b', 'c'], ARRAY['1', '2', '3']::jsonb[]));
SELECT * FROM taken();
SELECT dgen.cast('outside', 'a', delay => '1 day') > 0 AS sent;
SELECT dgen.cast('outside', 'a', idempotency_key => 'once') = dgen.cast('outside', 'a', idempotency_key => 'once') AS same;
SELECT dgen.send_many(ARRAY['outside', 'outside'], ARRAY['x', 'y'], ARRAY['1', '2']::jsonb[], idempotency_keys => ARRAY['p', 'q']) IS NOT NULL AS sent;
SELECT * FROM taken();

-- Turns: the row of the actor is inserted, updated, deleted.
SELECT dgen.call('inside', 'a', '2');
SELECT dgen.call('inside', 'a', '3');
SELECT dgen.call('inside', 'a', '{"op": "destroy"}');
SELECT * FROM taken();
SELECT count(*) FROM dgen.actor WHERE actor_key = 'a';

-- Requests.
SELECT dgen.request('outside', 'r') AS request \gset
SELECT dgen.send_reply(:request, '1');
SELECT dgen.await_reply(:request);
SELECT * FROM taken();

-- A client's batch, its receipt, and what fails.
SELECT worker_id > 0 AS attached FROM dgen.attach('worker', ARRAY['outside']);
SELECT * FROM taken();
BEGIN;
SELECT count(*) FROM dgen.claim();
SELECT dgen.receipt(1);
SELECT dgen.commit_turns(ARRAY[1, 1, 1, 1]) IS NOT NULL AS committed;
COMMIT;
SELECT * FROM taken();
SELECT dgen.detach();
SELECT * FROM taken();
SELECT count(*) FROM dgen.messages WHERE actor_type = 'outside' AND status <> 'delayed';

-- The row that a statement updates is the one at its place: a second answer finds none.
SELECT dgen.request('outside', 'r') AS request \gset
SELECT dgen.send_reply(:request, '1'), dgen.send_reply(:request, '2');
SELECT dgen.await_reply(:request);
SELECT line, times FROM taken() WHERE line LIKE '%request%';

-- Roles of replication, and triggers that are disabled.
ALTER TABLE dgen.message DISABLE TRIGGER note;
SELECT dgen.cast('inside', 'b') > 0 AS sent;
SELECT * FROM taken();
ALTER TABLE dgen.message ENABLE TRIGGER note;
SET session_replication_role = replica;
SELECT dgen.cast('inside', 'b') > 0 AS sent;
SELECT * FROM taken();
ALTER TABLE dgen.message ENABLE ALWAYS TRIGGER note;
SELECT dgen.cast('inside', 'b') > 0 AS sent;
SELECT * FROM taken();
RESET session_replication_role;
DROP TRIGGER note ON dgen.message;
DROP TRIGGER note ON dgen.actor;
SELECT dgen.call('inside', 'b', '4');
SELECT * FROM taken();

-- For each statement: one for each row.
CREATE TRIGGER note AFTER INSERT ON dgen.message FOR EACH STATEMENT EXECUTE FUNCTION note();
SELECT count(dgen.cast_many('inside', ARRAY['a', 'b'], ARRAY['1', '2']::jsonb[]));
SELECT line, times FROM taken();
DROP TRIGGER note ON dgen.message;

-- A trigger that has something else written, or nothing, is refused; one that raises is heard.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_ARGV[0] = 'nothing' THEN RETURN NULL; END IF;
	IF TG_ARGV[0] = 'raise' THEN RAISE EXCEPTION 'not on my watch' USING ERRCODE = 'MW001'; END IF;
	NEW.message := '"other"';
	RETURN NEW;
END $$;
CREATE TRIGGER meddle BEFORE INSERT ON dgen.message FOR EACH ROW EXECUTE FUNCTION meddle('change');
SELECT dgen.cast('inside', 'k', '1');
DROP TRIGGER meddle ON dgen.message;
CREATE TRIGGER meddle BEFORE INSERT OR DELETE ON dgen.message FOR EACH ROW EXECUTE FUNCTION meddle('nothing');
SELECT dgen.cast('inside', 'k', '1');
SELECT dgen.call('inside', 'b', '1');
DROP TRIGGER meddle ON dgen.message;
CREATE TRIGGER meddle BEFORE UPDATE ON dgen.actor FOR EACH ROW EXECUTE FUNCTION meddle('raise');
SELECT dgen.call('inside', 'b', '5');
DROP TRIGGER meddle ON dgen.actor;
SELECT dgen.call('inside', 'b', '5');

-- Constraints.
ALTER TABLE dgen.actor ADD CONSTRAINT small CHECK (length(actor_key) < 3);
\set VERBOSITY terse
SELECT dgen.call('inside', 'long', '1');
SELECT dgen.call('inside', 'ok', '1');
CREATE TABLE profile (type_id integer, mailbox bigint, actor_key text COLLATE "C",
	FOREIGN KEY (type_id, mailbox, actor_key) REFERENCES dgen.actor);
INSERT INTO profile SELECT type_id, mailbox, actor_key FROM dgen.actor WHERE actor_key = 'ok';
SELECT dgen.call('inside', 'ok', '{"op": "destroy"}');
DROP TABLE profile;
SELECT dgen.call('inside', 'ok', '{"op": "destroy"}');
ALTER TABLE dgen.message ADD CONSTRAINT one_sender EXCLUDE USING btree (correlation WITH =);
ALTER TABLE dgen.message ADD CONSTRAINT one_error UNIQUE (error) DEFERRABLE INITIALLY DEFERRED;
SELECT dgen.cast('inside', 'ok', '1') > 0 AS sent;
SELECT dgen.call('inside', 'ok', '1');

-- Nor has a sender's search_path a say in what a CHECK or an index calls, where dgen writes with its own rights.
CREATE FUNCTION tell(key text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'search_path % for %', current_setting('search_path'), key;
	RETURN key;
END $$;
DROP TRIGGER note ON dgen.delayed_message;
DROP TRIGGER note ON dgen.idempotency_key;
DROP TRIGGER note ON dgen.receipt;
ALTER TABLE dgen.delayed_message ADD CHECK (tell(actor_key) <> '');
SET search_path = pg_catalog, public;
SELECT dgen.cast('inside', 'check', delay => '1 day') > 0 AS sent;
TRUNCATE dgen.idempotency_key;
CREATE INDEX told ON dgen.idempotency_key (tell(actor_key));
SELECT dgen.cast('inside', 'index', idempotency_key => 'told') > 0 AS sent;
DROP INDEX dgen.told;
TRUNCATE dgen.idempotency_key;
CREATE INDEX told ON dgen.idempotency_key (message_id) WHERE tell(actor_key) = 'part';
SELECT dgen.cast('inside', 'part', idempotency_key => 'told') > 0 AS sent;
DROP INDEX dgen.told;
SELECT dgen.cast('inside', 'part', idempotency_key => 'untold') > 0 AS sent, current_setting('search_path') AS afterwards;
CREATE FUNCTION compare(a text, b text) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'search_path % compares with %', current_setting('search_path'), b;
	RETURN bttextcmp(a, b);
END $$;
CREATE OPERATOR CLASS told FOR TYPE text USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
	FUNCTION 1 compare(text, text);
TRUNCATE dgen.idempotency_key;
CREATE INDEX told ON dgen.idempotency_key (actor_key told);
SELECT dgen.cast('inside', 'one', idempotency_key => 'class') > 0 AS sent;
SELECT dgen.cast('inside', 'two', idempotency_key => 'class') > 0 AS sent, current_setting('search_path') AS afterwards;
DROP INDEX dgen.told;
RESET search_path;

-- What this transaction has removed, in a subtransaction and with a lock from before, it does not lock anew.
CREATE TRIGGER note AFTER DELETE ON dgen.message FOR EACH ROW EXECUTE FUNCTION note();
SELECT FROM dgen.attach('worker', ARRAY['outside']);
BEGIN;
SELECT count(*) FROM dgen.claim() LIMIT 1;
SELECT count(*) > 0 AS locked FROM (SELECT FROM dgen.message FOR KEY SHARE) AS m;
SAVEPOINT s;
DELETE FROM dgen.message;
SELECT dgen.commit_turns(ARRAY[1]);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT dgen.detach();
DROP TRIGGER note ON dgen.message;

-- A read-only transaction writes nothing, whichever way.
BEGIN READ ONLY;
SELECT dgen.send_reply(:request, '1');
ROLLBACK;

\c contrib_regression
DROP DATABASE triggers WITH (FORCE);
DROP ROLE trig_sender;
