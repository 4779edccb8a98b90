-- What a worker takes of its types, and leaves to others: messages, actions, locked parts.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;
SELECT dgen.create_actor_type('lane_a'), dgen.create_actor_type('lane_b'), dgen.create_actor_type('lane_c');
CREATE VIEW lane_worker AS SELECT types, messages, actions, locked FROM dgen.workers WHERE pid = pg_backend_pid();
-- A turn of the actor that stores an action, or locks it.
CREATE FUNCTION lane_act(type text, key text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.cast(type, key), dgen.attach('turn', ARRAY[type]);
	PERFORM FROM dgen.claim();
	RETURN dgen.commit_turns(ARRAY[1], send_types => ARRAY[type], send_keys => ARRAY[key], send_messages => ARRAY['1'::jsonb],
		send_actors => ARRAY[1], send_actions => ARRAY[true], send_correlations => ARRAY['act']);
END $$;
CREATE FUNCTION lane_lock(type text, key text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dgen.cast(type, key), dgen.attach('turn', ARRAY[type]);
	PERFORM FROM dgen.claim();
	RETURN dgen.commit_turns(ARRAY[1], locks => ARRAY[true]);
END $$;
CREATE FUNCTION lane_explain(type text, key text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(dgen.explain_actor(type, key), 'message \d+ since .*: attempt', 'message N since T: attempt');
$$;
-- What a caller is told whose request has no reply in time.
CREATE FUNCTION lane_await(request bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM dgen.await_reply(request, '1 ms');
EXCEPTION WHEN SQLSTATE 'ZD010' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END $$;

-- ---- the arguments ----
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', messages => '{lane_a}');
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', messages => '{}');
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', messages => '{lane_a,lane_c}');
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', messages => '{lane_a,NULL}');
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', locked => '{lane_c}');
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', locked => ARRAY[NULL]);
SELECT FROM dgen.attach('w', '{lane_a,lane_b}', actions => '{lane_b}', messages => '{lane_a}', locked => '{lane_b}');
SELECT count(*) FROM lane_worker;
SELECT worker_id > 0 AS attached, cardinality(type_ids) AS types FROM dgen.attach('w', '{lane_a,lane_b}');
SELECT * FROM lane_worker;
SELECT cardinality(type_ids) AS types FROM dgen.attach('w', '{lane_a,lane_b,lane_c}', actions => '{lane_c,lane_b}', messages => '{lane_b,lane_a,lane_a}', locked => '{lane_a}');
SELECT * FROM lane_worker;
SELECT cardinality(w.type_ids) AS types FROM dgen.worker w WHERE w.pid = pg_backend_pid();
SELECT cardinality(type_ids) AS types FROM dgen.attach('w', '{lane_c}', actions => '{lane_c}', messages => '{}', locked => '{}');
SELECT * FROM lane_worker;

-- ---- actions alone ----
SELECT lane_act('lane_c', 'k');
DO $$ BEGIN PERFORM dgen.cast('lane_c', 'k'), dgen.cast('lane_c', 'k'); END $$;
SELECT type_ids IS NOT NULL AS attached FROM dgen.attach('w', '{lane_c}', actions => '{lane_c}', messages => '{}');
SELECT lane_explain('lane_c', 'k');
BEGIN;
SELECT kind, correlation FROM dgen.claim();
SELECT dgen.commit_turns('{1}');
SELECT count(*) FROM dgen.claim(locked => true);
COMMIT;
SELECT kind, status FROM dgen.mailbox('lane_c', 'k');

-- ---- messages alone ----
SELECT lane_act('lane_b', 'k');
DO $$ BEGIN PERFORM dgen.cast('lane_b', 'k'); END $$;
SELECT type_ids IS NOT NULL AS attached FROM dgen.attach('w', '{lane_b}');
SELECT lane_explain('lane_b', 'k');
BEGIN;
SELECT kind FROM dgen.claim();
ROLLBACK;

-- ---- locked parts: who leaves them to others does not look, and so does not find that there is none ----
SELECT lane_lock('lane_a', 'k');
SELECT type_ids IS NOT NULL AS attached FROM dgen.attach('w', '{lane_a}', locked => '{}');
SELECT count(*) FROM dgen.claim(locked => true);
SELECT lane_explain('lane_a', 'k');
SELECT type_ids IS NOT NULL AS attached FROM dgen.attach('w', '{lane_a}');
SELECT lane_explain('lane_a', 'k');
SELECT kind, attempt FROM dgen.claim(locked => true);
BEGIN;
SELECT dgen.claim_locked();
SELECT dgen.commit_turns('{1}');
COMMIT;

-- ---- what callers are told ----
CREATE ROLE regress_dgen_lanes;
GRANT USAGE ON SCHEMA dgen TO regress_dgen_lanes;
SELECT dgen.grant_send('lane_c', 'regress_dgen_lanes');
SELECT type_ids IS NOT NULL AS attached FROM dgen.attach('w', '{lane_c}', actions => '{lane_c}', messages => '{}');
SELECT dgen.request('lane_c', 'k') AS request \gset
SELECT lane_await(:request);
SET ROLE regress_dgen_lanes;
SELECT dgen.request('lane_c', 'k') AS request \gset
SELECT lane_await(:request);
RESET ROLE;

SELECT dgen.detach();
SELECT dgen.revoke_send('lane_c', 'regress_dgen_lanes');
SELECT dgen.drop_actor_type(t, discard => true) FROM unnest('{lane_a,lane_b,lane_c}'::text[]) AS t;
DROP VIEW lane_worker;
DROP FUNCTION lane_act, lane_lock, lane_explain, lane_await;
REVOKE USAGE ON SCHEMA dgen FROM regress_dgen_lanes;
DROP ROLE regress_dgen_lanes;
