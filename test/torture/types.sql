-- The application under torture: its tables, and the actor types. "inside" is handled in the
-- database; test/lib/torture_worker.c does the same for "rows" and "plain".
CREATE EXTENSION dgen;
CREATE ROLE torture LOGIN;
CREATE SCHEMA torture AUTHORIZATION torture;
GRANT USAGE ON SCHEMA dgen TO torture;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO torture;
SET ROLE torture;
SET search_path = torture;

-- What each turn did, written in its transaction, and what a reply told: JSON, or the SQLSTATE of an error.
-- There is no key: what happens twice is to be seen.
CREATE TABLE turn (actor_type text, actor_key text, tag text, kind text, n bigint, id bigint, h bigint, told text,
    at timestamptz DEFAULT clock_timestamp());
CREATE TABLE mended (since timestamptz);

CREATE FUNCTION play(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
    tag text := COALESCE(ctx.correlation || '<', message ->> 'tag', '?');
    n bigint := COALESCE((state ->> 'n')::bigint, 0) + 1;
    h bigint := (COALESCE((state ->> 'h')::bigint, 7) * 31 + ctx.message_id) % 1000003;
    sum bigint := COALESCE((state ->> 'sum')::bigint, 0) + COALESCE((message ->> 'take')::bigint, 0)
        - COALESCE((message #>> '{move,amount}')::bigint, 0);
BEGIN
    IF message ? 'lock' AND ctx.kind IN ('cast', 'call') THEN
        RETURN dgen.lock();
    END IF;
    INSERT INTO turn VALUES (ctx.actor_type, ctx.actor_key, tag, ctx.kind, n, ctx.message_id, h,
        CASE ctx.kind WHEN 'reply' THEN COALESCE(ctx.sqlstate, message::text) ELSE '' END);
    state := state || jsonb_build_object('n', n, 'h', h);
    IF ctx.kind = 'reply' THEN
        RETURN dgen.noreply(state);
    END IF;
    IF message ? 'sleep_ms' THEN
        PERFORM pg_sleep((message ->> 'sleep_ms')::float / 1000);
    END IF;
    IF message ? 'move' THEN
        PERFORM dgen.request(message #>> '{move,type}', message #>> '{move,key}',
            jsonb_build_object('tag', tag || '>', 'take', message #> '{move,amount}'),
            reply_to => ctx, correlation => tag);
    END IF;
    IF message ? 'ask' THEN
        PERFORM dgen.request(message #>> '{ask,type}', message #>> '{ask,key}',
            jsonb_build_object('tag', message #> '{ask,tag}'), reply_to => ctx, correlation => tag,
            idempotency_key => message #>> '{ask,once}', delay => (message #>> '{ask,delay_ms}')::int * interval '1 ms');
    END IF;
    IF message ? 'raise' AND NOT EXISTS (SELECT FROM mended) THEN
        RAISE EXCEPTION 'not mended yet' USING ERRCODE = 'TO042';
    END IF;
    RETURN dgen.reply(jsonb_build_object('n', n, 'h', h, 'id', ctx.message_id),
        state || jsonb_build_object('sum', sum));
END $$;

SELECT dgen.create_actor_type('inside', 'play', max_attempts => 3, backoff => '1 ms', max_backoff => '5 ms', turn_timeout => '10 s', lock_timeout => '10 s');
SELECT dgen.create_actor_type('rows', max_attempts => 3, backoff => '1 ms', max_backoff => '5 ms', turn_timeout => '500 ms');
SELECT dgen.create_actor_type('plain', max_attempts => 3, backoff => '1 ms', max_backoff => '5 ms', turn_timeout => '500 ms', lock_timeout => '2 s');
