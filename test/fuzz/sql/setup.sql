-- In each database: types of several owners, and a vault whose contents nobody may see who has no
-- privilege. What is in it has the word :MARKER in it.
CREATE EXTENSION dgen;
CREATE SCHEMA fuzz;
GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
GRANT CREATE ON SCHEMA fuzz TO fuzz_owner, fuzz_other, fuzz_keeper;
GRANT USAGE ON SCHEMA dgen TO fuzz_owner, fuzz_other, fuzz_keeper, fuzz_nobody;
GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO fuzz_owner, fuzz_other, fuzz_keeper;
GRANT EXECUTE ON FUNCTION dgen.start_workers TO fuzz_owner;

-- ---- how statements are run ----

CREATE TABLE fuzz.sink (value text);
GRANT INSERT, SELECT, DELETE ON fuzz.sink TO PUBLIC;

CREATE FUNCTION fuzz.run(statement text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; END $$;
CREATE FUNCTION fuzz.run_caught(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE 'fuzz caught % %', SQLSTATE, SQLERRM;
	RETURN SQLSTATE;
END $$;
-- Leaves it in the middle.
CREATE FUNCTION fuzz.run_one(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE statement LOOP RETURN r::text; END LOOP;
	RETURN NULL;
END $$;

CREATE FUNCTION fuzz.run_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE NEW.statement; RETURN NEW; END $$;
CREATE TABLE fuzz.before_row (statement text);
CREATE TABLE fuzz.after_row (statement text);
CREATE TABLE fuzz.at_commit (statement text);
GRANT INSERT ON fuzz.before_row, fuzz.after_row, fuzz.at_commit TO PUBLIC;
CREATE TRIGGER run BEFORE INSERT ON fuzz.before_row FOR EACH ROW EXECUTE FUNCTION fuzz.run_new();
CREATE TRIGGER run AFTER INSERT ON fuzz.after_row FOR EACH ROW EXECUTE FUNCTION fuzz.run_new();
CREATE CONSTRAINT TRIGGER run AFTER INSERT ON fuzz.at_commit DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION fuzz.run_new();

-- A condition that tells what it sees, cheap enough to be looked at first.
CREATE FUNCTION fuzz.tell(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE NOTICE 'told %', left(value, 300);
	RETURN true;
END $$;

-- ---- handlers ----

-- Anything at all in a turn: a statement, what becomes of its error, any outcome.
CREATE FUNCTION fuzz.play(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
DECLARE
	result dgen.outcome;
BEGIN
	IF message ? 'caught' THEN
		PERFORM fuzz.run_caught(message ->> 'caught');
	END IF;
	IF message ? 'run' THEN
		EXECUTE message ->> 'run';
	END IF;
	IF message ? 'outcome' THEN
		EXECUTE 'SELECT (o).* FROM (SELECT (' || (message ->> 'outcome') || ')::dgen.outcome AS o OFFSET 0) AS s' INTO result;
		RETURN result;
	END IF;
	RETURN dgen.reply(message, jsonb_build_object('n', COALESCE((state ->> 'n')::numeric, 0) + 1));
END $$;
CREATE FUNCTION fuzz.echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
	$$ SELECT dgen.reply(message, jsonb_build_object('last', ctx.message_id)) $$;
CREATE FUNCTION fuzz.keep_quiet(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
	$$ SELECT dgen.reply('null'::jsonb, state) $$;

-- Once each, whatever the rest does.
CREATE TABLE fuzz.handled (tag text NOT NULL, message_id bigint NOT NULL);
ALTER TABLE fuzz.handled OWNER TO fuzz_keeper;
CREATE FUNCTION fuzz.handle(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fuzz.handled VALUES (message ->> 'tag', ctx.message_id);
	RETURN dgen.noreply(jsonb_build_object('n', COALESCE((state ->> 'n')::bigint, 0) + 1));
END $$;

-- ---- types ----

SET SESSION AUTHORIZATION fuzz_owner;
CREATE FUNCTION fuzz.as_owner(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN EXECUTE statement; END $$;
SELECT dgen.create_actor_type('play', 'fuzz.play', max_attempts => 2, backoff => '1 ms', max_backoff => '2 ms',
	turn_timeout => '1 s', handle_actions => true, handle_dead_letters => true, lock_timeout => '1 s');
SELECT dgen.create_actor_type('echo', 'fuzz.echo', max_attempts => 2, backoff => '1 ms', max_backoff => '2 ms');
SELECT dgen.create_actor_type('few', 'fuzz.play', max_waiting => 3, max_concurrency => 1, max_rate => 200,
	max_attempts => 2, backoff => '1 ms', max_backoff => '2 ms', turn_timeout => '1 s');
SELECT dgen.create_actor_type('outside', max_attempts => 3, backoff => '1 ms', max_backoff => '2 ms',
	handle_actions => true, handle_dead_letters => true, lock_timeout => '1 s');
SELECT dgen.grant_send(t, 'fuzz_sender'), dgen.grant_read(t, 'fuzz_reader'), dgen.grant_work(t, 'fuzz_worker')
FROM unnest(ARRAY['play', 'echo', 'few', 'outside']) AS t;
-- What has a small id, which may be found by chance, is none of the ledger's.
SELECT count(dgen.cast('echo', 'first', 'null')) FROM generate_series(1, 20);

SET SESSION AUTHORIZATION fuzz_other;
CREATE FUNCTION fuzz.as_other(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN EXECUTE statement; END $$;
SELECT dgen.create_actor_type('theirs', 'fuzz.play', max_attempts => 2, backoff => '1 ms', max_backoff => '2 ms',
	turn_timeout => '1 s');
SELECT dgen.create_actor_type('theirs outside', max_attempts => 2, backoff => '1 ms', max_backoff => '2 ms');

SET SESSION AUTHORIZATION fuzz_keeper;
SELECT dgen.create_actor_type('vault', 'fuzz.echo', initial_state => '{"secret": ":MARKER"}', retention => '1 year');
SELECT dgen.create_actor_type('open vault', 'fuzz.keep_quiet', initial_state => '{"secret": ":MARKER"}', retention => '1 year');
SELECT dgen.create_actor_type('ledger', 'fuzz.handle', backoff => '1 ms', max_backoff => '10 ms', max_attempts => 1000);
SELECT dgen.grant_send('ledger', r::regrole)
FROM unnest(ARRAY['fuzz_owner', 'fuzz_other', 'fuzz_sender', 'fuzz_reader', 'fuzz_worker', 'fuzz_nobody']) AS r;
SELECT dgen.grant_read('vault', 'fuzz_reader'), dgen.grant_read('open vault', 'fuzz_reader'),
	dgen.grant_send('vault', 'fuzz_sender'), dgen.grant_send('open vault', 'fuzz_sender');
SELECT dgen.request('vault', 'asked', '{"secret": ":MARKER"}');
SELECT dgen.request('vault', 'refused', '{"secret": ":MARKER"}');
SELECT dgen.call('open vault', k, '{"secret": ":MARKER"}') FROM unnest(ARRAY['a', 'b', 'key of :MARKER']) AS k;
SELECT dgen.call('vault', k, '"make a state"') FROM unnest(ARRAY['a', 'b', 'key of :MARKER']) AS k;
RESET SESSION AUTHORIZATION;
SELECT dgen.fail_request(id, 'error of :MARKER', 'ZD777') FROM dgen.request WHERE actor_key = 'refused';
SELECT dgen.send_reply(id, '{"secret": ":MARKER"}') FROM dgen.request WHERE actor_key = 'asked';
SET SESSION AUTHORIZATION fuzz_keeper;
SELECT dgen.pause('vault');
SELECT dgen.cast('vault', k, '{"secret": ":MARKER"}', headers => '{"secret": ":MARKER"}', idempotency_key => 'key of :MARKER'),
	dgen.cast('vault', k, '{"secret": ":MARKER"}', delay => '1 year')
FROM unnest(ARRAY['a', 'b', 'key of :MARKER']) AS k;
SELECT dgen.pause('vault', 'key of :MARKER');
RESET SESSION AUTHORIZATION;

CREATE TABLE fuzz.vault_before AS
	SELECT t::text FROM dgen.actor_type t WHERE name IN ('vault', 'open vault', 'ledger')
	UNION ALL SELECT p::text FROM dgen.privilege p
		WHERE type_id IN (SELECT id FROM dgen.actor_type WHERE name IN ('vault', 'open vault', 'ledger'))
	UNION ALL SELECT a::text FROM dgen.actor a WHERE type_id = (SELECT id FROM dgen.actor_type WHERE name = 'vault');
