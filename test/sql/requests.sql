-- Requests, replies, and what can become of them.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_ask;
CREATE ROLE regress_dgen_stranger;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_ask;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_ask;
SET ROLE regress_dgen_ask;
SELECT dgen.create_actor_type('oracle');
SELECT dgen.grant_send('oracle', 'regress_dgen_stranger');

-- A reply is returned once.
SELECT dgen.request('oracle', 'a', '"who?"') AS r \gset
SELECT dgen.send_reply(:r, '{"answer": 42}');
SELECT dgen.await_reply(:r);
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
\set VERBOSITY default
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT dgen.send_reply(:r, NULL);
SELECT dgen.await_reply(:r, NULL) AS json_null;
-- Only an open request is answered.
SELECT dgen.request('oracle', 'a') AS r \gset
SELECT dgen.send_reply(:r, '1') AS first, dgen.send_reply(:r, '2') AS second, dgen.fail_request(:r, 'no') AS third;
SELECT dgen.await_reply(:r);
SELECT dgen.send_reply(:r, '3') AS collected, dgen.send_reply(-1, '3') AS unknown, dgen.fail_request(9007199254740991, 'no') AS unknown;
-- The message of a request that is answered from outside still waits for its turn.
SELECT count(*) FROM dgen.mailbox('oracle', 'a');

-- With an idempotency key the reply can be asked for again.
SELECT dgen.request('oracle', 'b', idempotency_key => 'k') AS r \gset
SELECT dgen.request('oracle', 'b', idempotency_key => 'k') = :r AS same;
SELECT dgen.send_reply(:r, '"kept"');
SELECT dgen.await_reply(:r) AS first, dgen.await_reply(:r) AS second;
SELECT dgen.request('oracle', 'b', idempotency_key => 'k') = :r AS same;
SELECT dgen.await_reply(:r) AS third;

-- A failure is raised as it was, with its SQLSTATE if it is one.
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT dgen.fail_request(:r, 'out of stock', 'P0042');
SELECT dgen.await_reply(:r);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT dgen.fail_request(:r, 'plain');
SELECT dgen.await_reply(:r);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT dgen.fail_request(:r, 'with percent signs: %s %n %m', NULL);
SELECT dgen.await_reply(:r);
\echo :LAST_ERROR_SQLSTATE
CREATE TEMP TABLE odd AS SELECT dgen.request('oracle', 'c') AS id, given
FROM unnest(ARRAY['', 'abcde', '1234', '00000', '01000', '02000', 'ZZZZZZ', 'e-mai', 'ZD999']) AS given;
SELECT count(*) FROM odd WHERE dgen.fail_request(id, 'odd', given);
SELECT o.given, a.sqlstate AS raised FROM odd o, dgen.await_replies(ARRAY[o.id], '0') AS a ORDER BY o.given COLLATE "C";
-- The answer is marked as such, whatever its SQLSTATE is; what the server says of a request is not.
CREATE FUNCTION pg_temp.await(request bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    schema_name text;
    type_name text;
BEGIN
    RETURN dgen.await_reply(request, '0');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS schema_name = SCHEMA_NAME, type_name = PG_DATATYPE_NAME;
    RETURN format('%s %s.%s', SQLSTATE, schema_name, type_name);
END $$;
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT pg_temp.await(:r) AS not_yet;
SELECT dgen.fail_request(:r, 'no', 'ZD013');
SELECT pg_temp.await(:r) AS failed, pg_temp.await(-1) AS unknown;
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT dgen.cancel('oracle', 'c', :r);
SELECT pg_temp.await(:r) AS cancelled;
-- An error takes back that it was collected: it can be read again, for the retention.
SELECT dgen.request('oracle', 'c') AS r \gset
SELECT dgen.fail_request(:r, 'again');
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
SELECT dgen.await_reply(:r);
\set VERBOSITY default

-- Not in time: the request goes on.
SELECT dgen.request('oracle', 'd') AS r \gset
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r, '0');
SELECT dgen.await_reply(:r, '1 ms');
-- Why, it is told who has waited.
CREATE FUNCTION pg_temp.detail(request bigint, timeout interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM dgen.await_reply(request, timeout);
EXCEPTION WHEN SQLSTATE 'ZD010' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END $$;
SELECT pg_temp.detail(:r, '0') AS zero, pg_temp.detail(:r, '1 us') LIKE 'Actor "d" of type "oracle" waits%' AS waited;
\set VERBOSITY default
SELECT dgen.send_reply(:r, '"late"');
SELECT dgen.await_reply(:r, '0');

-- Cancelled, by dgen.cancel and with its actor.
SELECT dgen.request('oracle', 'e') AS r \gset
SELECT dgen.cancel('oracle', 'e', :r);
SELECT dgen.send_reply(:r, '1');
SELECT dgen.await_reply(:r);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
SELECT dgen.request('oracle', 'e', delay => '1 day') AS r \gset
SELECT dgen.delete_actor('oracle', 'e');
SELECT dgen.await_reply(:r);

-- Unknown, rolled back, in this same transaction.
SELECT dgen.await_reply(-1);
BEGIN;
SELECT dgen.request('oracle', 'f') AS r \gset
SAVEPOINT s;
SELECT dgen.await_reply(:r);
ROLLBACK TO s;
SELECT dgen.request('oracle', 'f') AS r2 \gset
RELEASE s;
SELECT dgen.await_reply(:r2);
ROLLBACK;
SELECT dgen.await_reply(:r);
\set VERBOSITY default
BEGIN;
SELECT dgen.request('oracle', 'f') AS r \gset
-- Answered in the same transaction it can be collected in it.
SELECT dgen.send_reply(:r, '"at once"');
SELECT dgen.await_reply(:r);
COMMIT;
-- Nor in this same statement.
\set VERBOSITY sqlstate
SELECT dgen.await_reply(dgen.request('oracle', 'o'));
\set VERBOSITY default
SELECT regexp_replace(a.error, '\d+', 'N') AS error, a.sqlstate FROM dgen.await_replies(ARRAY[dgen.request('oracle', 'o')]) AS a;
SELECT dgen.send_reply(r, '"at once"'), dgen.await_reply(r, '0') FROM (SELECT dgen.request('oracle', 'o') AS r OFFSET 0) AS s;

-- Not yours: who asked, a member of that role and superusers read the reply; who
-- works for the type answers.
SELECT dgen.request('oracle', 'g') AS r \gset
SELECT dgen.send_reply(:r, '"secret"');
SET ROLE regress_dgen_stranger;
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r);
SELECT dgen.request('oracle', 'g') AS mine \gset
SELECT dgen.send_reply(:mine, '1');
SELECT dgen.fail_request(:mine, 'no');
\set VERBOSITY default
SET ROLE regress_dgen_ask;
SELECT dgen.send_reply(:mine, '"yours"');
SET ROLE regress_dgen_stranger;
SELECT dgen.await_reply(:mine);
RESET ROLE;
GRANT regress_dgen_ask TO regress_dgen_stranger;
SET ROLE regress_dgen_stranger;
SELECT dgen.await_reply(:r);
RESET ROLE;
REVOKE regress_dgen_ask FROM regress_dgen_stranger;
SET ROLE regress_dgen_ask;

-- Rolled back, the reply is still there; an isolation level hides no reply.
SELECT dgen.request('oracle', 'h') AS r \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM dgen.mailbox('oracle', 'h');
SELECT dgen.send_reply(:r, '"again"');
SELECT dgen.await_reply(:r);
ROLLBACK;
\set VERBOSITY sqlstate
SELECT dgen.await_reply(:r, '0');
\set VERBOSITY default
SELECT dgen.send_reply(:r, '"again"');
BEGIN;
SELECT dgen.await_reply(:r);
ROLLBACK;
SELECT dgen.await_reply(:r);

-- Arguments.
SELECT dgen.await_reply(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.await_reply(1, '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.send_reply(NULL, '1');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.fail_request(NULL, 'no');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.fail_request(1, NULL);
\echo :LAST_ERROR_SQLSTATE

-- ---- await_replies: a row for each, in the order of the array ----
SELECT dgen.request('oracle', 'i') AS replied \gset
SELECT dgen.request('oracle', 'i') AS failed \gset
SELECT dgen.request('oracle', 'i') AS pending \gset
SELECT dgen.request('oracle', 'j') AS cancelled \gset
SELECT dgen.send_reply(:replied, '{"n": 1}'), dgen.fail_request(:failed, 'broken', 'P0001'), dgen.cancel('oracle', 'j', :cancelled);
SET ROLE regress_dgen_stranger;
SELECT dgen.request('oracle', 'i') AS strangers \gset
SET ROLE regress_dgen_ask;
SELECT CASE a.request WHEN :replied THEN 'replied' WHEN :failed THEN 'failed' WHEN :pending THEN 'pending'
	WHEN :cancelled THEN 'cancelled' WHEN :strangers THEN 'stranger''s' ELSE 'unknown' END AS which,
	a.reply, regexp_replace(a.error, '\d+', 'N') AS error, a.sqlstate
FROM dgen.await_replies(ARRAY[:replied, -1, :failed, :pending, :cancelled, :strangers], '10 ms') WITH ORDINALITY AS a (request, reply, error, sqlstate, n)
ORDER BY n;
-- What was collected is gone, what was not is there.
SELECT a.reply, regexp_replace(a.error, '\d+', 'N') AS error, a.sqlstate FROM dgen.await_replies(ARRAY[:replied, :pending], '0') AS a;
SELECT * FROM dgen.await_replies('{}');
SELECT * FROM dgen.await_replies(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.await_replies('{1,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dgen.await_replies('{}', '-1 s');
\echo :LAST_ERROR_SQLSTATE
-- More than a session can register one by one.
SELECT array_agg(dgen.request('oracle', 'k')) AS many FROM generate_series(1, 100) \gset
SELECT count(*) FROM unnest(:'many'::bigint[]) AS r WHERE dgen.send_reply(r, to_jsonb(r));
SELECT count(*), bool_and(a.reply = to_jsonb(a.request)) AS right FROM dgen.await_replies(:'many') AS a;

-- ---- ask ----
-- Nobody answers: the request goes on.
\set VERBOSITY sqlstate
CALL dgen.ask('oracle', 'l', '"anybody?"', timeout => '1 ms');
\set VERBOSITY default
SELECT kind, message FROM dgen.mailbox('oracle', 'l');
-- Where it cannot commit it refuses, and sends nothing.
BEGIN;
CALL dgen.ask('oracle', 'm');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
DO $$
DECLARE
	reply jsonb;
BEGIN
	BEGIN
		CALL dgen.ask('oracle', 'm', reply => reply);
	EXCEPTION WHEN active_sql_transaction THEN
		RAISE INFO 'refused: %', SQLERRM;
	END;
END
$$;
CREATE FUNCTION pg_temp.ask() RETURNS void LANGUAGE plpgsql 
AS $$
DECLARE
	reply jsonb;
BEGIN
	CALL dgen.ask('oracle', 'm', reply => reply);
END
$$;
SELECT pg_temp.ask();
\echo :LAST_ERROR_SQLSTATE
CALL dgen.ask('missing', 'm');
\echo :LAST_ERROR_SQLSTATE
CALL dgen.ask('oracle', '');
\echo :LAST_ERROR_SQLSTATE
CALL dgen.ask('oracle', 'm', NULL);
\echo :LAST_ERROR_SQLSTATE
CALL dgen.ask('oracle', 'm', timeout => '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM dgen.mailbox('oracle', 'm');
-- In a DO block that is a statement of its own it can commit, but not where an
-- exception is caught.
DO $$
DECLARE
	reply jsonb;
BEGIN
	CALL dgen.ask('oracle', 'n', '"do"', '1 ms', reply);
EXCEPTION WHEN others THEN
	RAISE INFO '%', SQLSTATE;
END
$$;
\set VERBOSITY sqlstate
DO $$
DECLARE
	reply jsonb;
BEGIN
	CALL dgen.ask('oracle', 'n', '"do"', '1 ms', reply);
END
$$;
\set VERBOSITY default
SELECT message FROM dgen.mailbox('oracle', 'n');

DROP FUNCTION pg_temp.ask;
DROP TABLE odd;
SELECT dgen.drop_actor_type('oracle', discard => true);
RESET ROLE;
SELECT status, count(*) > 0 AS some FROM dgen.request GROUP BY status;
DROP OWNED BY regress_dgen_ask, regress_dgen_stranger;
DROP ROLE regress_dgen_ask, regress_dgen_stranger;
