-- Sending: cast, cast_many and request with every argument, limit and error.
\encoding UTF8
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_send;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_send;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_send;
SET ROLE regress_dgen_send;
SELECT dgen.create_actor_type('thing');

-- ---- cast ----

-- Its result is an id: above those before it, and below 2^53.
SELECT dgen.cast('thing', 'first') AS first \gset
SELECT dgen.cast('thing', 'first') AS second \gset
SELECT :first > 0 AS positive, :second > :first AS higher, :second < 2 ^ 53 AS fits_json;
SELECT message_id = :first AS is_first, kind, status, message, priority, attempts, not_before, last_error, headers,
	correlation, in_reply_to, sent_at BETWEEN now() - interval '1 hour' AND clock_timestamp() AS just_now
FROM dgen.mailbox('thing', 'first');
SELECT dgen.cast('thing', 'all', '{"n": 1}', NULL, now() + '1 day', 7, 'i', '{"trace": "a1"}') AS id \gset
SELECT message_id = :id AS is_it, kind, status, message, priority, headers, not_before - sent_at > '23 h' AS later
FROM dgen.mailbox('thing', 'all');
SELECT dgen.cast(headers => '{}', priority => NULL, message => '[1, "two", null]', actor_key => 'named', actor_type => 'thing') > 0 AS sent;
SELECT message, priority, headers FROM dgen.mailbox('thing', 'named');

-- Order: priority, then sending.
SELECT dgen.cast('thing', 'order', to_jsonb(n), priority => p) > 0 AS sent
FROM (VALUES (1, 0), (2, -32768), (3, 32767), (4, 0), (5, -1), (6, 1), (7, 32767), (8, NULL)) AS v (n, p);
SELECT message, priority FROM dgen.mailbox('thing', 'order');
-- Other actors of the same type, and keys that look alike, are others.
SELECT dgen.cast('thing', k, to_jsonb(k)) > 0 AS sent FROM unnest(ARRAY['k', 'K', 'k ', ' k', 'é', U&'e\0301', '日本語', '🛒']) AS k;
SELECT k, (SELECT jsonb_agg(message) FROM dgen.mailbox('thing', k)) AS messages
FROM unnest(ARRAY['k', 'K', 'k ', ' k', 'é', U&'e\0301', '日本語', '🛒']) AS k;

-- Payloads: any JSON but NULL.
SELECT dgen.cast('thing', 'payload', m) > 0 AS sent
FROM unnest(ARRAY['null', 'true', '0', '1.50', '""', '[]', '{}', '{"ключ": "значение 🛒", "": "\u0001"}']::jsonb[]) AS m;
SELECT message FROM dgen.mailbox('thing', 'payload');

-- A delayed message waits apart; what is due at once does not.
SELECT dgen.cast('thing', 'delay', '1', delay => '1 day') > 0 AS sent, dgen.cast('thing', 'delay', '2', delay => '0') > 0 AS sent,
	dgen.cast('thing', 'delay', '3', not_before => now() - interval '1 day') > 0 AS sent,
	dgen.cast('thing', 'delay', '4', not_before => '-infinity') > 0 AS sent,
	dgen.cast('thing', 'delay', '5', not_before => 'infinity') > 0 AS sent,
	dgen.cast('thing', 'delay', '6', delay => NULL, not_before => NULL) > 0 AS sent,
	dgen.cast('thing', 'delay', '7', delay => '1 month -1 day') > 0 AS sent;
SELECT message, status, not_before > now() AS later FROM dgen.mailbox('thing', 'delay');

-- ROLLBACK sends nothing, nor does a savepoint that is rolled back.
BEGIN;
SELECT dgen.cast('thing', 'rollback', '1') > 0 AS sent, dgen.cast('thing', 'rollback', '1', delay => '1 h') > 0 AS sent,
	dgen.cast_many('thing', '{rollback}', '{1}') AS sent, dgen.request('thing', 'rollback', '1') > 0 AS sent;
ROLLBACK;
BEGIN;
SELECT dgen.cast('thing', 'rollback', '2') > 0 AS sent;
SAVEPOINT s;
SELECT dgen.cast('thing', 'rollback', '3') > 0 AS sent, dgen.request('thing', 'rollback', '4') > 0 AS sent;
ROLLBACK TO s;
SELECT dgen.cast('thing', 'rollback', '5') > 0 AS sent;
COMMIT;
SELECT message FROM dgen.mailbox('thing', 'rollback');

-- From PL/pgSQL, with the sender's own idea of names and operators.
CREATE FUNCTION pg_temp.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.eq, LEFTARG = text, RIGHTARG = text);
SET search_path = pg_temp, pg_catalog;
DO $$
BEGIN
	FOR i IN 1..3 LOOP
		PERFORM dgen.cast('thing', 'loop', to_jsonb(i), idempotency_key => i::text);
	END LOOP;
END
$$;
RESET search_path;
SELECT message FROM dgen.mailbox('thing', 'loop');
DROP OPERATOR pg_temp.= (text, text);
DROP FUNCTION pg_temp.eq;

-- The bounds: 512 bytes of key, 128 of type name, 512 of idempotency key.
SELECT dgen.create_actor_type(repeat('t', 128));
SELECT dgen.cast(repeat('t', 128), repeat('k', 512), idempotency_key => repeat('i', 512)) > 0 AS sent;
SELECT dgen.cast(repeat('t', 128), repeat('€', 170)) > 0 AS sent;
SELECT octet_length(actor_type) AS type, octet_length(actor_key) AS key FROM dgen.messages WHERE actor_type LIKE 'tt%' ORDER BY 2;
SELECT dgen.drop_actor_type(repeat('t', 128), discard => true);

-- Errors; nothing is sent.
SELECT count(*) AS before FROM dgen.messages WHERE actor_type = 'thing' \gset
SELECT dgen.cast('missing', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('Thing', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast(NULL, 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', repeat('k', 513));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', repeat('€', 171));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', repeat('k', 1000000));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', delay => '-1 us');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', delay => '1 day -1 month');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', delay => '0', not_before => now());
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', delay => '300000 years');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', priority => 32768);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', priority => -32769);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', idempotency_key => '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', idempotency_key => repeat('i', 513));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', headers => '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast('thing', 'k', headers => 'null');
\echo :LAST_ERROR_SQLSTATE
BEGIN READ ONLY;
SELECT dgen.cast('thing', 'k');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT count(*) - :before AS sent FROM dgen.messages WHERE actor_type = 'thing';

-- ---- cast_many ----

SELECT dgen.cast_many('thing', ARRAY['m1', 'm2', 'm1'], ARRAY['1', '2', '3']::jsonb[]);
SELECT actor_key, message, kind, priority FROM dgen.messages WHERE actor_key IN ('m1', 'm2') ORDER BY actor_key, seq;
SELECT dgen.cast_many('thing', '{}', '{}');
-- More than it writes at once, in order; ids are the order.
SELECT dgen.cast_many('thing', array_agg('many'::text), array_agg(to_jsonb(i) ORDER BY i)) FROM generate_series(1, 250) AS i;
SELECT count(*), bool_and(message = to_jsonb(row_number)) AS in_order
FROM (SELECT message, row_number() OVER (ORDER BY message_id) FROM dgen.mailbox('thing', 'many')) AS m;
SELECT count(*) AS before FROM dgen.messages WHERE actor_type = 'thing' \gset
SELECT dgen.cast_many('missing', '{k}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many(NULL, '{k}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', NULL, '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{k}', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{k,l}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{}', '{1}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{k,NULL}', '{1,2}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{k,l}', '{1,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', '{k,""}', '{1,2}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('thing', ARRAY['k', repeat('k', 513)], '{1,2}');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) - :before AS sent FROM dgen.messages WHERE actor_type = 'thing';

-- ---- request ----

-- The same as cast, and a row that keeps the reply.
SELECT dgen.request('thing', 'r', '{"n": 1}', NULL, NULL, 3, NULL, '{"trace": "a1"}', NULL, 'order 7') AS id \gset
SELECT message_id = :id AS is_it, kind, message, priority, headers, correlation FROM dgen.mailbox('thing', 'r');
SELECT dgen.request('thing', 'r', delay => '1 day') > 0 AS sent;
SELECT kind, status FROM dgen.mailbox('thing', 'r');
RESET ROLE;
SELECT actor_key, status, keep, correlation, requester, reply_key, replied_at FROM dgen.request
WHERE id = :id AND mailbox = dgen.mailbox_of('r');
SET ROLE regress_dgen_send;
-- Errors are those of cast; reply_to belongs into handlers.
SELECT dgen.request('missing', 'r');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', '');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', delay => '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', priority => 40000);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', headers => '1');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_type": "thing", "actor_key": "r"}'));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_key": "r"}'));
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.request('thing', 'r', reply_to => jsonb_populate_record(NULL::dgen.context, '{"actor_type": "missing", "actor_key": "r"}'));
\echo :LAST_ERROR_SQLSTATE

-- ---- a large message ----

-- 5 MB that do not compress: out of line in every table they pass.
CREATE TEMP TABLE large AS
SELECT jsonb_build_object('large', string_agg(md5(i::text), '' ORDER BY i)) AS message FROM generate_series(1, 160000) AS i;
SELECT pg_column_size(message) > 4000000 AS large FROM large;
SELECT dgen.create_actor_type('large', max_attempts => 1);
SELECT dgen.cast('large', 'cast', message, headers => message) > 0 AS sent FROM large;
SELECT dgen.cast_many('large', ARRAY['many', 'many', 'many'], ARRAY[message, '1', message]) FROM large;
SELECT dgen.request('large', 'request', message) > 0 AS sent FROM large;
SELECT dgen.cast('large', 'delay', message, delay => '1 ms') > 0 AS sent FROM large;
SELECT m.actor_key, count(*), bool_and(m.message = large.message) AS same, bool_and(m.headers = large.message) AS same_headers
FROM dgen.messages m, large WHERE m.actor_type = 'large' AND m.message <> '1' GROUP BY m.actor_key ORDER BY m.actor_key;

-- A claim takes them, one by one when the batch is full of bytes, the delayed one when it is due.
SELECT worker_id > 0 AS attached FROM dgen.attach('large', '{large}');
CREATE TEMP TABLE claimed (key text, same boolean, n bigint GENERATED ALWAYS AS IDENTITY);
CREATE PROCEDURE pg_temp.claim_all() LANGUAGE plpgsql
AS $$
DECLARE
	wanted   integer := 6;
	row      record;
	handled  integer;
	deadline timestamptz := clock_timestamp() + '30 s';
BEGIN
	WHILE wanted > 0 AND clock_timestamp() < deadline LOOP
		handled := 0;
		FOR row IN SELECT c.actor_key, c.message = '1' OR c.message = large.message AS same FROM dgen.claim(1, 1) c, large LOOP
			INSERT INTO claimed VALUES (row.actor_key, row.same);
			handled := handled + 1;
		END LOOP;
		IF handled > 0 THEN
			PERFORM dgen.commit_turns(ARRAY[1]);
		END IF;
		COMMIT;
		wanted := wanted - handled;
	END LOOP;
END
$$;
CALL pg_temp.claim_all();
SELECT key, count(*), bool_and(same) AS same FROM claimed GROUP BY key ORDER BY key;

-- As a dead letter, as a state and as a reply.

SELECT dgen.request('large', 'dead', message, headers => message) AS dead FROM large \gset
BEGIN;
SELECT actor_key FROM dgen.claim();
SELECT dgen.commit_turns('{0}', errors => '{no}');
COMMIT;
SELECT l.message = large.message AS same, l.headers = large.message AS same_headers FROM dgen.dead_letters l, large WHERE l.message_id = :dead;
SELECT dgen.redrive(:dead);
SELECT m.message = large.message AS same, m.headers = large.message AS same_headers FROM dgen.mailbox('large', 'dead') m, large;
BEGIN;
SELECT actor_key, attempt, message = (SELECT message FROM large) AS same FROM dgen.claim();
SELECT dgen.commit_turns('{1}', states => ARRAY[message], reply_requests => ARRAY[:dead], replies => ARRAY[message],
	send_types => '{large}', send_keys => '{next}', send_messages => ARRAY[message]) FROM large;
COMMIT;
SELECT dgen.state('large', 'dead') = message AS same, dgen.await_reply(:dead, '0') = message AS same_reply FROM large;
SELECT m.message = large.message AS same FROM dgen.mailbox('large', 'next') m, large;
-- A state that large is read, changed in one entry, and read again.
SELECT dgen.delete_actor('large', 'next'), dgen.cast('large', 'dead') > 0 AS sent;
BEGIN;
SELECT actor_key, state = (SELECT message FROM large) AS same FROM dgen.claim();
SELECT dgen.commit_turns('{1}', set_entries => '{"{\"more\": 1}"}');
COMMIT;
SELECT dgen.state('large', 'dead') = message || '{"more": 1}' AS same FROM large;
SELECT dgen.detach();

SELECT dgen.drop_actor_type('large', discard => true), dgen.drop_actor_type('thing', discard => true);
DROP TABLE large, claimed;
RESET ROLE;
DROP OWNED BY regress_dgen_send;
DROP ROLE regress_dgen_send;
