-- Indexes that somebody has added to dgen's tables are kept up to date: on expressions,
-- partial ones, unique ones, and those of whole blocks.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
CREATE FUNCTION set_email(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS $$ SELECT dgen.reply('true', jsonb_build_object('email', message)) $$;
SELECT dgen.create_actor_type('indexed', 'set_email');
SELECT id AS indexed FROM dgen.actor_type WHERE name = 'indexed' \gset

CREATE UNIQUE INDEX actor_email ON dgen.actor ((state->>'email')) WHERE actor_key <> 'free';
CREATE INDEX actor_block ON dgen.actor USING brin (updated_at);
CREATE INDEX message_urgent ON dgen.message ((message->>'urgent')) WHERE message ? 'urgent';
CREATE INDEX request_open ON dgen.request (actor_key) WHERE status = 'p';

-- What the indexes have, and what the tables have.
CREATE FUNCTION pg_temp.found(statement text) RETURNS TABLE (by_index bigint, by_table bigint)
LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE statement INTO by_index;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_bitmapscan = off;
	SET LOCAL enable_indexonlyscan = off;
	EXECUTE statement INTO by_table;
	RETURN NEXT;
END $$;

-- Actors: inserted, updated where they are (HOT) and elsewhere.
SELECT dgen.call('indexed', 'a', '"a@example.com"');
SELECT dgen.call('indexed', 'b', '"b@example.com"');
SELECT dgen.call('indexed', 'b', '"b@example.org"');
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.actor WHERE state->>'email' = 'b@example.com' AND actor_key <> 'free'$$);
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.actor WHERE state->>'email' = 'b@example.org' AND actor_key <> 'free'$$);
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.actor WHERE updated_at > now() - interval '1 hour'$$);

-- A turn that would break what a unique index says is undone, whether the actor is new or not.
SELECT dgen.call('indexed', 'b', '"a@example.com"');
SELECT dgen.call('indexed', 'c', '"a@example.com"');
SELECT dgen.call('indexed', 'free', '"a@example.com"');
SELECT actor_key, state->>'email' AS email FROM dgen.actor WHERE type_id = :indexed ORDER BY 1;

-- Messages: one by one, and many at once.
SELECT dgen.cast('indexed', 'd', '{"urgent": "1"}') > 0 AS sent;
SELECT dgen.cast_many('indexed', array_agg('d' || i), array_agg(jsonb_build_object(CASE i % 2 WHEN 0 THEN 'urgent' ELSE 'slow' END, '2'))) FROM generate_series(1, 1000) i;
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.message WHERE message->>'urgent' = '1' AND message ? 'urgent'$$);
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.message WHERE message->>'urgent' = '2' AND message ? 'urgent'$$);

-- Requests: a reply takes them out of a partial index.
SELECT dgen.request('indexed', 'e', '"e@example.com"') AS request \gset
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.request WHERE status = 'p' AND actor_key = 'e'$$);
SELECT dgen.send_reply(:request, 'true');
SELECT * FROM pg_temp.found($$SELECT count(*) FROM dgen.request WHERE status = 'p' AND actor_key = 'e'$$);

DROP INDEX dgen.actor_email, dgen.actor_block, dgen.message_urgent, dgen.request_open;
SELECT dgen.drop_actor_type('indexed', discard => true);
DROP FUNCTION set_email;
