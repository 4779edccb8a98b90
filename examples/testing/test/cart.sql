-- Tests of a handler with pgTAP. All of it happens in one transaction that is rolled back.
\set ECHO none
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
\set ON_ERROR_ROLLBACK on
\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS dgen;
\o /dev/null
\ir ../cart.sql
\o
INSERT INTO shop.product VALUES ('apple', 30), ('pear', 45);

SELECT plan(17);

-- ---- the handler alone: a function from context, state and message to an outcome ----

CREATE FUNCTION pg_temp.turn(state jsonb, message jsonb, context jsonb DEFAULT '{}') RETURNS dgen.outcome
LANGUAGE sql AS $$
	SELECT shop.handle_cart(
		jsonb_populate_record(NULL::dgen.context,
			'{"actor_type": "cart", "actor_key": "user-1", "kind": "call", "message_id": 1, "attempt": 1, "version": 0}' || context),
		state, message)
$$;

SELECT is(t.state, '{"items": {"apple": 2}}', 'add: the new state')
FROM pg_temp.turn('{"items": {}}', '{"add": "apple", "count": 2}') AS t;

SELECT is(t.reply, '{"apple": 3, "pear": 1}', 'add: the reply, with what was there before')
FROM pg_temp.turn('{"items": {"apple": 2, "pear": 1}}', '{"add": "apple"}') AS t;

SELECT is(t.state, '{"items": {"pear": 1}}', 'remove')
FROM pg_temp.turn('{"items": {"apple": 2, "pear": 1}}', '{"remove": "apple"}') AS t;

SELECT is(t.kind || ' ' || t.sqlstate, 'fail SHOP1', 'an unknown product fails for good')
FROM pg_temp.turn('{"items": {}}', '{"add": "bicycle"}') AS t;

SELECT is(t.kind || ' ' || t.hint, 'fail Add something first.', 'so does the checkout of an empty cart')
FROM pg_temp.turn('{"items": {}}', '{"checkout": true}') AS t;

SELECT throws_ok($$ SELECT pg_temp.turn('{}', '{"fly": true}') $$, 'P0001', 'a cart does not understand {"fly": true}',
	'anything else is an error, and tried again');

-- ---- the actor: real turns, with dgen.call instead of a worker ----

SELECT is(dgen.call('cart', 'user-42', '{"add": "apple", "count": 2}'), '{"apple": 2}', 'a new actor begins with the initial state');
SELECT is(dgen.call('cart', 'user-42', '{"add": "pear"}'), '{"pear": 1, "apple": 2}', 'the next turn sees what the one before left');
SELECT is(dgen.state('cart', 'user-42'), '{"items": {"pear": 1, "apple": 2}}', 'which is the state of the actor');
SELECT is((SELECT count(*) FROM dgen.mailbox('cart', 'user-42') WHERE status = 'delayed'), 1::bigint, 'it will be forgotten one day');

SELECT throws_ok($$ SELECT dgen.call('cart', 'user-42', '{"add": "bicycle"}') $$, 'SHOP1', 'there is no product "bicycle"',
	'the error of a turn is the error of the caller');
SELECT is(dgen.state('cart', 'user-42'), '{"items": {"pear": 1, "apple": 2}}', 'and changes nothing');

-- dgen.call handles what waits before it.
\o /dev/null
SELECT dgen.cast('cart', 'user-42', '{"remove": "pear"}');
\o
SELECT is(dgen.call('cart', 'user-42', '{"checkout": true}'), '60', 'checkout: the sum, after the message that was sent before');
SELECT results_eq('SELECT cart, items, cents FROM shop.purchase', $$ VALUES ('user-42', '{"apple": 2}'::jsonb, 60) $$,
	'checkout: the purchase');
SELECT is((SELECT message FROM dgen.mailbox('mailer', 'user-42')), '{"bought": {"apple": 2}, "cents": 60}', 'checkout: the mailer is told');
SELECT is(dgen.state('cart', 'user-42'), NULL, 'checkout: the actor is gone');
SELECT is(dgen.call('cart', 'user-42', '{"add": "pear"}'), '{"pear": 1}', 'and begins anew');

SELECT * FROM finish();
ROLLBACK;
