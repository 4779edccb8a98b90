-- What a reader sees of requests that he cannot be sent, or may not read; and their numbers,
-- once they were copied without the sequences.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
DELETE FROM dgen.request; -- what other tests have left of types that they dropped
CREATE ROLE regress_dgen_asked;
CREATE ROLE regress_dgen_asking;
CREATE SCHEMA regress_seen;
CREATE FUNCTION regress_seen.asks(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.request('oracle', U&'\20ac', reply_to => ctx, correlation => U&'secret \20ac', idempotency_key => 'k');
	RETURN dgen.reply('1');
END $$;
SELECT dgen.create_actor_type('oracle'), dgen.create_actor_type('asker', 'regress_seen.asks');
SELECT dgen.grant_read('oracle', 'regress_dgen_asked'), dgen.grant_read('asker', 'regress_dgen_asking');
RESET client_min_messages;
SELECT dgen.call('asker', U&'first \20ac'), dgen.call('asker', 'later');

-- ---- another encoding ----
SET client_encoding = 'LATIN1';
SELECT actor_key, asking_key, correlation FROM dgen.requests ORDER BY sent_at;
SELECT regexp_replace(dgen.explain_actor('asker', 'later'), ', since.*', '');
RESET client_encoding;

-- ---- another type ----
-- The correlation is what the asking actor has told itself.
SET ROLE regress_dgen_asked;
SELECT actor_type, status, asking_type, asking_key, correlation FROM dgen.requests ORDER BY sent_at;
SET ROLE regress_dgen_asking;
SELECT actor_type, status, asking_type, asking_key IS NOT NULL AS key, correlation IS NOT NULL AS correlation FROM dgen.requests ORDER BY sent_at;
RESET ROLE;

-- ---- numbers ----
-- A later asker has the highest one. It is in use while its request is open.
SELECT max(id) AS highest FROM dgen.request_asker \gset
SELECT last_value AS last FROM dgen.message_seq \gset
SELECT setval('dgen.message_seq', 1) AS behind;
SELECT dgen.adopt_database();
SELECT last_value >= :highest AS above FROM dgen.message_seq;
SELECT setval('dgen.message_seq', :last) > 1 AS back;

SET client_min_messages = warning;
SELECT dgen.drop_actor_type('asker', discard => true), dgen.drop_actor_type('oracle', discard => true);
DELETE FROM dgen.request;
DROP SCHEMA regress_seen CASCADE;
DROP OWNED BY regress_dgen_asked, regress_dgen_asking;
DROP ROLE regress_dgen_asked, regress_dgen_asking;
