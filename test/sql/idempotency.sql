-- Idempotency keys within one session; races are in test/specs/iso_idempotency.spec.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
CREATE ROLE regress_dgen_once;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_once;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO regress_dgen_once;
SET ROLE regress_dgen_once;
SELECT dgen.create_actor_type('once'), dgen.create_actor_type('other');

-- The second send is none, and returns the first one's id.
SELECT dgen.cast('once', 'a', '1', idempotency_key => 'k') AS first \gset
SELECT dgen.cast('once', 'a', '2', idempotency_key => 'k') = :first AS same;
SELECT message FROM dgen.mailbox('once', 'a');
-- Also in the same statement and transaction, and across kinds of sends.
SELECT count(DISTINCT dgen.cast('once', 'b', to_jsonb(i), idempotency_key => 'k')) AS ids FROM generate_series(1, 5) AS i;
BEGIN;
SELECT dgen.cast('once', 'c', '1', idempotency_key => 'k') AS id \gset
SELECT dgen.cast('once', 'c', '2', idempotency_key => 'k', delay => '1 day') = :id AS same;
COMMIT;
SELECT dgen.cast('once', 'd', '1', delay => '1 day', idempotency_key => 'k') AS id \gset
SELECT dgen.cast('once', 'd', '2', idempotency_key => 'k') = :id AS same;
SELECT actor_key, message, status FROM dgen.messages WHERE actor_key IN ('b', 'c', 'd') ORDER BY actor_key, message_id;

-- It belongs to the actor: another type, key or idempotency key is another.
SELECT dgen.cast('other', 'a', idempotency_key => 'k') <> :first AS other_type,
	dgen.cast('once', 'A', idempotency_key => 'k') <> :first AS other_key,
	dgen.cast('once', 'a', idempotency_key => 'K') <> :first AS other_case,
	dgen.cast('once', 'a', idempotency_key => 'k ') <> :first AS with_space,
	dgen.cast('once', 'a') <> :first AS without;

-- ROLLBACK frees it, and so does a savepoint's.
BEGIN;
SELECT dgen.cast('once', 'e', '1', idempotency_key => 'k') AS gone \gset
ROLLBACK;
SELECT dgen.cast('once', 'e', '2', idempotency_key => 'k') > :gone AS sent;
BEGIN;
SAVEPOINT s;
SELECT dgen.cast('once', 'f', '1', idempotency_key => 'k') AS gone \gset
ROLLBACK TO s;
SELECT dgen.cast('once', 'f', '2', idempotency_key => 'k') > :gone AS sent;
COMMIT;
SELECT actor_key, message FROM dgen.messages WHERE actor_key IN ('e', 'f') ORDER BY 1;

-- It outlives its message: handled, cancelled.
SELECT dgen.cancel('once', 'a', :first);
SELECT dgen.cast('once', 'a', idempotency_key => 'k') = :first AS same;
-- delete_actor leaves no trace, not even this one.
SELECT dgen.delete_actor('once', 'a');
SELECT dgen.cast('once', 'a', idempotency_key => 'k') > :first AS sent;

-- It ends with the retention of its type.
RESET ROLE;
SELECT t.name, k.expires_at - m.sent_at BETWEEN '23:59:00' AND '24:01:00' AS a_day
FROM dgen.idempotency_key k JOIN dgen.actor_type t ON t.id = k.type_id JOIN dgen.message m ON m.seq = k.message_id
WHERE k.actor_key = 'b';
UPDATE dgen.idempotency_key SET expires_at = now() + '1 min' WHERE actor_key = 'b';
SET ROLE regress_dgen_once;
SELECT dgen.cast('once', 'b', '6', idempotency_key => 'k') AS id \gset
SELECT message FROM dgen.mailbox('once', 'b');
RESET ROLE;
UPDATE dgen.idempotency_key SET expires_at = clock_timestamp() WHERE actor_key = 'b';
SET ROLE regress_dgen_once;
SELECT dgen.cast('once', 'b', '7', idempotency_key => 'k') > :id AS sent;
-- From then on it is the new message's.
SELECT dgen.cast('once', 'b', '8', idempotency_key => 'k') > :id AS sent_again;
SELECT message FROM dgen.mailbox('once', 'b');
SELECT dgen.alter_actor_type('once', retention => '1 ms');
SELECT dgen.cast('once', 'g', '1', idempotency_key => 'k') AS id \gset
RESET ROLE;
DO $$
DECLARE
	deadline timestamptz := clock_timestamp() + '30 s';
BEGIN
	WHILE (SELECT expires_at >= clock_timestamp() FROM dgen.idempotency_key WHERE actor_key = 'g') AND clock_timestamp() < deadline LOOP
		NULL;
	END LOOP;
END
$$;
SET ROLE regress_dgen_once;
SELECT dgen.cast('once', 'g', '2', idempotency_key => 'k') > :id AS sent;
-- cast_many: those that were used before are passed over, whether by cast, by an import
-- that ran before, or in the same array, where the first one counts.
SET ROLE regress_dgen_once;
SELECT dgen.alter_actor_type('once', retention => '1 day');
SELECT dgen.cast('once', 'm', '0', idempotency_key => 'cast') > 0 AS sent;
SELECT dgen.cast_many('once', '{m,m,n,m,m,n,m}', '{1,2,3,4,5,6,7}', '{cast,x,x,x,NULL,y,NULL}') AS sent;
SELECT actor_key, message FROM dgen.messages WHERE actor_key IN ('m', 'n') ORDER BY message_id;
SELECT dgen.cast_many('once', '{m,m,n,m,m,n}', '{1,2,3,4,5,6}', '{cast,x,x,x,z,y}') AS sent;
SELECT dgen.cast('once', 'm', '8', idempotency_key => 'x') = message_id AS same FROM dgen.mailbox('once', 'm') WHERE message = '2';
SELECT actor_key, message FROM dgen.messages WHERE actor_key IN ('m', 'n') ORDER BY message_id;
-- NULL for all: as without.
SELECT dgen.cast_many('once', '{m}', '{1}', NULL) AS sent, dgen.cast_many('once', '{m}', '{1}', '{NULL}') AS sent, dgen.cast_many('once', '{}', '{}', '{}') AS sent;
-- More than it writes at once, and some of them before: in the order of the arrays.
SELECT dgen.cast_many('once', array_agg('o'::text), array_agg(to_jsonb(i) ORDER BY i), array_agg('import ' || i ORDER BY i)) AS sent
FROM generate_series(1, 350) AS i WHERE i % 7 = 0;
SELECT dgen.cast_many('once', array_agg('o'::text), array_agg(to_jsonb(i) ORDER BY i), array_agg('import ' || i ORDER BY i)) AS sent
FROM generate_series(1, 350) AS i;
SELECT count(*), count(DISTINCT message) AS messages, bool_and(n <= 50 OR message = to_jsonb(n - 50 + (n - 51) / 6)) AS in_order
FROM (SELECT message, row_number() OVER (ORDER BY message_id) AS n FROM dgen.mailbox('once', 'o')) AS m;
-- Rolled back, they are free; those that are over are, too.
BEGIN;
SELECT dgen.cast_many('once', '{p,p}', '{1,2}', '{a,b}') AS sent;
SELECT dgen.cast_many('once', '{p,p}', '{1,3}', '{a,c}') AS sent;
SAVEPOINT s;
SELECT dgen.cast_many('once', '{p}', '{4}', '{d}') AS sent;
ROLLBACK TO s;
SELECT dgen.cast_many('once', '{p,p}', '{3,4}', '{c,d}') AS sent;
ROLLBACK;
SELECT dgen.cast_many('once', '{p,p}', '{1,2}', '{a,b}') AS sent;
RESET ROLE;
UPDATE dgen.idempotency_key SET expires_at = '-infinity' WHERE actor_key = 'p' AND idempotency_key = 'a';
SET ROLE regress_dgen_once;
SELECT dgen.cast_many('once', '{p,p,p}', '{5,6,7}', '{a,b,c}') AS sent;
SELECT message FROM dgen.mailbox('once', 'p');
SELECT count(*) AS before FROM dgen.messages WHERE actor_type = 'once' \gset
SELECT dgen.cast_many('once', '{q,q}', '{1,2}', '{a}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('once', '{q}', '{1}', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('once', '{q,q}', '{1,2}', '{a,""}');
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('once', '{q,q}', '{1,2}', ARRAY['a', repeat('i', 513)]);
\echo :LAST_ERROR_SQLSTATE
SELECT dgen.cast_many('once', '{q,""}', '{1,2}', '{a,b}');
SELECT dgen.cast_many('once', '{q,q}', '{1,2}', ARRAY[repeat('i', 512), 'b']) AS sent;
SELECT count(*) - :before AS sent FROM dgen.messages WHERE actor_type = 'once';
RESET ROLE;

-- What has expired is cleared away.
RESET ROLE;
UPDATE dgen.idempotency_key SET expires_at = '-infinity' WHERE actor_key IN ('b', 'g');
SELECT count(*) AS before FROM dgen.idempotency_key WHERE actor_key IN ('b', 'c', 'g');
SELECT dgen._maintain(1000) >= 2 AS removed;
SELECT actor_key FROM dgen.idempotency_key WHERE actor_key IN ('b', 'c', 'g');
-- A type's keys go with it.
SET ROLE regress_dgen_once;
SELECT dgen.drop_actor_type('once', discard => true), dgen.drop_actor_type('other', discard => true);
RESET ROLE;
SELECT count(*) FROM dgen.idempotency_key;

-- A sender needs no right on any table, and the role is afterwards what it was.
CREATE ROLE regress_dgen_sender;
SET ROLE regress_dgen_once;
SELECT dgen.create_actor_type('once');
SELECT dgen.grant_send('once', 'regress_dgen_sender');
SET ROLE regress_dgen_sender;
SELECT dgen.cast('once', 'a', idempotency_key => 'k') = dgen.cast('once', 'a', idempotency_key => 'k') AS same, current_user;
SELECT count(*) FROM dgen.idempotency_key;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT dgen.drop_actor_type('once', discard => true);
DROP OWNED BY regress_dgen_once, regress_dgen_sender;
DROP ROLE regress_dgen_once, regress_dgen_sender;
