-- A worker is the role that attached, and a batch is the role's that claimed it: whoever is in the
-- same session as another role, as the caller of a SECURITY DEFINER function is, uses neither.
\set SHOW_CONTEXT never
\pset null '(null)'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dgen;
RESET client_min_messages;

CREATE ROLE regress_dgen_worker;
CREATE ROLE regress_dgen_caller;
CREATE ROLE regress_dgen_member IN ROLE regress_dgen_worker;
CREATE SCHEMA regress_identity AUTHORIZATION regress_dgen_worker;
GRANT USAGE ON SCHEMA regress_identity TO PUBLIC;
SELECT dgen.create_actor_type('identity');
SELECT dgen.create_actor_type('sent_to');
SELECT dgen.grant_work('identity', 'regress_dgen_worker');
SELECT dgen.grant_send('sent_to', 'regress_dgen_caller');
SELECT dgen.cast('identity', 'k', '{"secret": 1}') IS NOT NULL AS sent;

SET ROLE regress_dgen_worker;
CREATE FUNCTION regress_identity.claim(locked boolean DEFAULT false) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
	SELECT dgen.attach('w', '{identity}');
	SELECT string_agg(kind, ' ') FROM dgen.claim(locked => $1);
$$;

-- Each statement in a subtransaction: what was claimed stays.
CREATE FUNCTION regress_identity.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SET ROLE regress_dgen_caller;
BEGIN;
SELECT regress_identity.claim();
SELECT regress_identity.try(s) FROM unnest(ARRAY[
	'SELECT dgen.batch_state(1)',
	$$SELECT dgen.commit_turns('{1}', states => ARRAY['{"by": "caller"}'::jsonb])$$,
	'SELECT dgen.receipt(1)',
	'SELECT dgen.settle(1, 1)',
	'SELECT dgen.detach()',
	$$SELECT dgen.request('sent_to', 'k', reply_to => (SELECT ROW('identity', 'k', 'cast', 1, 1, 0, now(), NULL, NULL, NULL, NULL, NULL, NULL)::dgen.context))$$]) AS s;
SELECT dgen.batch_state(1);
ROLLBACK;

-- Nor does the role that stays behind claim, or wait.
SELECT regress_identity.claim();
SELECT count(*) FROM dgen.claim();
CALL dgen.wait('0');
SELECT dgen.claim_locked();
RESET ROLE;

-- A batch is not another's because that one attaches.
SELECT dgen.grant_work('sent_to', 'regress_dgen_caller');
SET ROLE regress_dgen_caller;
BEGIN;
SELECT regress_identity.claim();
SELECT worker_id > 0 AS attached FROM dgen.attach('mine', '{sent_to}');
SELECT regress_identity.try('SELECT dgen.batch_state(1)');
SELECT regress_identity.try($$SELECT dgen.commit_turns('{1}')$$);
COMMIT;
SELECT count(*) AS of_mine FROM dgen.claim();
SELECT dgen.detach();
RESET ROLE;

-- Nor is a locked part.
SET ROLE regress_dgen_worker;
BEGIN;
SELECT regress_identity.claim();
SELECT dgen.commit_turns('{1}', locks => '{t}');
COMMIT;
SET ROLE regress_dgen_caller;
SELECT regress_identity.claim(true);
SELECT worker_id > 0 AS attached FROM dgen.attach('mine', '{sent_to}');
SELECT dgen.claim_locked();
SELECT dgen.detach();
RESET ROLE;

-- Whoever may act as the role may: its members, and superusers. So may the role once it is back.
SET ROLE regress_dgen_worker;
SELECT regress_identity.claim(true);
SET ROLE regress_dgen_member;
BEGIN;
SELECT dgen.claim_locked();
SET LOCAL ROLE regress_dgen_caller;
SELECT regress_identity.try($$SELECT dgen.commit_turns('{1}')$$);
SET LOCAL ROLE regress_dgen_member;
SELECT dgen.commit_turns('{1}', states => ARRAY['{"by": "member"}'::jsonb]);
COMMIT;
RESET ROLE;
SELECT dgen.state('identity', 'k');
SELECT dgen.detach();

SET client_min_messages = warning;
SELECT dgen.drop_actor_type('identity', discard => true), dgen.drop_actor_type('sent_to', discard => true);
DROP SCHEMA regress_identity CASCADE;
DROP OWNED BY regress_dgen_worker, regress_dgen_caller, regress_dgen_member;
DROP ROLE regress_dgen_worker, regress_dgen_caller, regress_dgen_member;
