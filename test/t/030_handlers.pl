# Handlers in in-database workers, from the send to the reply: what they may decide, how they
# fail, what they cannot leave behind.
#
# The safety-net look is put off for a day: whatever is handled here was announced.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('handlers');

# Everything happens as the owner of the types, who is no superuser.
my @as_shop = (PGOPTIONS => '-c role=shop');

sub sql {
	local %ENV = (%ENV, @as_shop);
	return $node->safe_psql('postgres', $_[0]);
}

# SQLSTATE and message of a statement that fails; undef if it does not.
sub error_of {
	my ($sql) = @_;
	local %ENV = (%ENV, @as_shop);
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ /ERROR:  (\w{5}: .*(?:\nHINT: .*)?)/ ? $1 : undef;
}

sub becomes {
	my ($query, $expected, $name) = @_;
	local %ENV = (%ENV, @as_shop);
	ok($node->poll_query_until('postgres', $query, $expected), $name);
}

sub send_to {
	my ($key, %message) = @_;
	return sql(sprintf q{SELECT dgen.cast('player', '%s', '%s')}, $key, json(%message));
}

sub json {
	my (%members) = @_;
	return '{' . join(', ', map { qq("$_": "$members{$_}") } sort keys %members) . '}';
}

# What the actor has done so far, in order.
sub log_becomes {
	my ($key, $expected, $name) = @_;
	becomes("SELECT string_agg(e, ' ' ORDER BY n) FROM jsonb_array_elements_text(dgen.state('player', '$key')->'log')"
		. ' WITH ORDINALITY AS l(e, n)', $expected, $name);
}

# Nothing waits, so that what comes next is claimed in one batch once the type goes on.
sub in_one_batch {
	my ($send) = @_;
	becomes('SELECT count(*) FROM dgen.messages', '0', 'mailboxes are empty');
	sql(q{SELECT dgen.pause('player')});
	$send->();
	sql(q{SELECT dgen.resume('player')});
}

sub set_up {
	$node->init;
	$node->append_conf('postgresql.conf', q{
		shared_preload_libraries = 'dgen'
		dgen.safety_net_interval = 86400
		max_worker_processes = 20});
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION dgen;
		CREATE ROLE shop LOGIN;
		CREATE SCHEMA shop AUTHORIZATION shop;
		GRANT USAGE ON SCHEMA dgen TO shop;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO shop;
		GRANT pg_read_all_stats TO shop;
		ALTER ROLE shop SET search_path = shop;
		SET ROLE shop;
		SET search_path = shop;

		CREATE TABLE note (n serial, actor text, what text);
		CREATE TABLE switch (name text PRIMARY KEY);

		-- Does what the message says, and keeps a log of it in the state.
		CREATE FUNCTION play(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		DECLARE
			is_on boolean := EXISTS (SELECT FROM switch WHERE name = message->>'switch');
		BEGIN
			IF message->>'op' IS DISTINCT FROM 'get' THEN
				INSERT INTO note (actor, what) VALUES (ctx.actor_key, COALESCE(message->>'tag', ctx.kind));
			END IF;
			CASE COALESCE(message->>'op', 'log')
				WHEN 'log' THEN NULL;
				WHEN 'raise' THEN
					RAISE EXCEPTION 'attempt %', ctx.attempt USING ERRCODE = COALESCE(message->>'sqlstate', 'SH042'), HINT = 'as asked';
				WHEN 'raise while' THEN
					IF is_on THEN RAISE EXCEPTION 'broken'; END IF;
				WHEN 'retry while' THEN
					IF is_on THEN RETURN dgen.retry('1 ms'); END IF;
				WHEN 'fail' THEN
					RETURN dgen.fail('out of stock', message->>'sqlstate', 'Order less.');
				WHEN 'sleep' THEN
					PERFORM pg_sleep(180);
				WHEN 'stubborn' THEN
					LOOP
						BEGIN
							PERFORM pg_sleep(180);
						EXCEPTION WHEN query_canceled THEN
							NULL;
						END;
					END LOOP;
				WHEN 'get' THEN
					RETURN dgen.reply(state);
				WHEN 'null' THEN
					RETURN dgen.reply(NULL);
				WHEN 'later' THEN
					RETURN dgen.noreply(state || jsonb_build_object('asked', ctx.message_id));
				WHEN 'now' THEN
					RETURN dgen.reply(to_jsonb(dgen.send_reply((state->>'asked')::bigint, '"at last"')), state - 'asked');
				WHEN 'destroy' THEN
					RETURN dgen.destroy('"gone"');
				WHEN 'ask' THEN
					PERFORM dgen.request('player', message->>'whom', jsonb_build_object('op', message->>'what',
						'sqlstate', 'SH001'), reply_to => ctx, correlation => message->>'tag');
				WHEN 'none' THEN
					RETURN NULL;
				WHEN 'list' THEN
					RETURN dgen.noreply('[]');
				WHEN 'no state' THEN
					RETURN dgen.noreply(NULL::jsonb);
				WHEN 'wait' THEN
					PERFORM pg_advisory_xact_lock_shared(42);
			END CASE;
			IF ctx.kind = 'reply' THEN
				RETURN dgen.noreply(state || jsonb_build_object('reply', jsonb_build_object('message', message,
					'correlation', ctx.correlation, 'in_reply_to', ctx.in_reply_to, 'error', ctx.error, 'sqlstate', ctx.sqlstate)));
			END IF;
			RETURN dgen.reply(to_jsonb(ctx.attempt),
				state || jsonb_build_object('log', COALESCE(state->'log', '[]') || COALESCE(message->'tag', '"?"')));
		END $$;
		SELECT dgen.create_actor_type('player', 'play', max_attempts => 3, backoff => '1 ms', max_backoff => '10 ms');});
	is($node->safe_psql('postgres', 'SELECT dgen.start_workers(2)'), '2', 'two workers run');
}

# ---- casts and requests ----

sub test_casts {
	sql(q{SELECT dgen.cast('player', 'many' || i % 10, jsonb_build_object('tag', i::text)) FROM generate_series(0, 299) AS i});
	becomes('SELECT count(*) FROM dgen.messages', '0', 'all casts are handled');
	is(sql(q{SELECT count(*) FROM generate_series(0, 9) AS k,
		jsonb_array_elements_text(dgen.state('player', 'many' || k)->'log') WITH ORDINALITY AS l(tag, n)
		WHERE tag::int = (n - 1) * 10 + k}), '300', 'each once, in the order they were sent');
	is(sql(q{SELECT count(*) FROM note}), '300', 'with what the handler wrote itself');
}

sub test_requests {
	send_to('book', tag => 'a');
	my $request = sql(q{SELECT dgen.request('player', 'book', '{"op": "get"}')});
	is(sql("SELECT dgen.await_reply($request)->>'log'"), '["a"]', 'a reply comes to another session of the role');
	like(error_of("SELECT dgen.await_reply($request)"), qr/^ZD013/, 'once');
	is($node->safe_psql('postgres', q{CALL dgen.ask('player', 'book', '{"op": "get"}')}), '{"log": ["a"]}', 'dgen.ask');
	is(sql(q{CALL dgen.ask('player', 'book', '{"op": "null"}')}), 'null', 'a NULL reply is JSON null');
	my $many = sql(q{SELECT array_agg(dgen.request('player', 'book' || i, jsonb_build_object('op',
		CASE i WHEN 7 THEN 'fail' ELSE 'get' END, 'sqlstate', 'SH007'))) FROM generate_series(1, 20) AS i});
	is(sql("SELECT concat_ws(',', count(*), count(reply), count(DISTINCT request), min(error), min(sqlstate)) FROM dgen.await_replies('$many')"),
		'20,19,20,out of stock,SH007', 'replies and errors of twenty requests at once');
	sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});

	my $open = sql(q{SELECT dgen.request('player', 'book', '{"op": "later"}')});
	like(error_of("SELECT dgen.await_reply($open, '10 ms')"), qr/^ZD010/, 'no reply yet');
	is(sql(q{CALL dgen.ask('player', 'book', '{"op": "now"}')}), 'true', 'a later turn replies');
	is(sql("SELECT dgen.await_reply($open)"), '"at last"', 'to who asked before');
}

sub test_session_that_waits {
	my $session = $node->background_psql('postgres');
	$session->query_safe('SET ROLE shop');
	my $open = $session->query_safe(q{SELECT dgen.request('player', 'slow', '{"op": "later"}')});
	becomes(q{SELECT dgen.state('player', 'slow') ? 'asked'}, 't', 'the request is open');
	$session->query_until(qr/begin/, "\\echo begin\nSELECT dgen.await_reply($open, '3 min');\n");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE query LIKE 'SELECT dgen.await_reply%' AND wait_event_type = 'Extension'}) or die 'nobody waits';
	send_to('slow', op => 'now');
	is($session->query_safe('SELECT 1'), "\"at last\"\n1", 'a session that waits gets its reply');
	$session->quit;
}

# ---- failures ----

sub test_error {
	sql(q{SELECT dgen.alter_actor_type('player', backoff => '1 h', max_backoff => '2 h')});
	in_one_batch(sub {
		send_to('e1', tag => 'before');
		send_to('e2', tag => 'before');
		send_to('e2', op => 'raise while', switch => 'e', tag => 'bad');
		send_to('e2', tag => 'after');
		send_to('e3', tag => 'after');
		sql(q{INSERT INTO switch VALUES ('e')});
	});
	log_becomes('e1', 'before', 'an actor of the batch before the error');
	log_becomes('e3', 'after', 'and one after it');
	log_becomes('e2', 'before', 'and the turns of the same actor before it');
	becomes(q{SELECT string_agg(concat_ws(',', message->>'tag', status, attempts, last_error, last_sqlstate), ' ' ORDER BY seq)
		FROM dgen.mailbox('player', 'e2')}, 'bad,backing off,1,broken,P0001 after,waiting,0', 'the attempt is recorded');
	is(sql(q{SELECT not_before - now() > '29 min' AND not_before - now() < '1 h' FROM dgen.mailbox('player', 'e2') WHERE attempts = 1}),
		't', 'the next one is due after half to all of the backoff');
	is(sql(q{SELECT status FROM dgen.actor('player', 'e2')}), 'backing off', 'the actor backs off');
	is(sql(q{SELECT count(*) FROM note WHERE what = 'bad'}), '0', 'nothing is left of the turn that failed');
	like(error_of(q{SELECT dgen.call('player', 'e2')}), qr/^ZD022/, 'an inline call does not overtake');

	my $bad = sql(q{SELECT message_id FROM dgen.mailbox('player', 'e2') WHERE attempts = 1});
	sql("SELECT dgen.cancel('player', 'e2', $bad)");
	log_becomes('e2', 'before after', 'when the message is cancelled the actor goes on');
	sql(q{DELETE FROM switch; SELECT dgen.alter_actor_type('player', backoff => '1 ms', max_backoff => '10 ms')});
}

# A full disk is nobody's fault, so no attempt is counted; but others must not suffer from it.
sub test_disk_full {
	in_one_batch(sub { send_to('full', op => 'raise', sqlstate => '53100', tag => 'bad'); send_to("disk$_", tag => 'x') for 1 .. 5 });
	log_becomes("disk$_", 'x', 'other actors go on while one fills the disk') for 1 .. 5;
	becomes(q{SELECT concat_ws(',', attempts, last_sqlstate) FROM dgen.mailbox('player', 'full')}, '0,53100', 'which is no attempt');
	sql(q{SELECT dgen.alter_actor_type('player', backoff => '1 min', max_backoff => '1 min')});
	becomes(q{SELECT dgen.explain_actor('player', 'full') ~ 'because uncounted attempts of message \d+ failed, the last with error 53100'}, 't', 'and explain_actor says so');
	sql(q{SELECT dgen.alter_actor_type('player', backoff => '1 ms', max_backoff => '10 ms')});
	sql(q{SELECT dgen.cancel('player', 'full', message_id) FROM dgen.mailbox('player', 'full')});
}

# Turns that cannot deadlock one by one may do so in a batch, which keeps the locks of all.
sub test_deadlock {
	$node->safe_psql('postgres', q{
		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE hot AS SELECT i, 0 AS n FROM generate_series(1, 2) AS i;
		CREATE SEQUENCE first;
		CREATE FUNCTION bump(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			-- So that the turns are run one by one.
			IF message = '2' AND nextval('first') = 1 THEN RAISE EXCEPTION 'at first'; END IF;
			UPDATE hot SET n = n + 1 WHERE i = message::int;
			RETURN dgen.noreply();
		END $$;
		SELECT dgen.create_actor_type('bumper', 'bump', max_attempts => 1);
		SELECT dgen.pause('bumper');
		SELECT dgen.cast('bumper', 'k', '1'), dgen.cast('bumper', 'k', '2');});
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_safe(q{SET deadlock_timeout = '10 s'; BEGIN; UPDATE shop.hot SET n = n + 10 WHERE i = 2});
	sql(q{SELECT dgen.resume('bumper')});
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND wait_event_type = 'Lock'})
		or die 'the turn does not wait';
	$session->query(q{UPDATE shop.hot SET n = n + 10 WHERE i = 1});
	$session->query('COMMIT');
	$session->quit;
	becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_type = 'bumper'}, '0', 'a turn that ends in a deadlock is tried again');
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), '0', 'and is not to blame');
	is(sql(q{SELECT string_agg((n % 10)::text, ',') FROM shop.hot}), '1,1', 'both took effect');
}

sub test_order_after_error {
	sql(q{INSERT INTO switch VALUES ('o'); SELECT dgen.alter_actor_type('player', max_attempts => 1000000)});
	send_to('o', op => 'raise while', switch => 'o', tag => '1');
	send_to('o', tag => '2');
	becomes(q{SELECT max(attempts) > 2 FROM dgen.mailbox('player', 'o')}, 't', 'it is tried again and again');
	send_to('o', tag => '3');
	sql(q{DELETE FROM switch});
	log_becomes('o', '1 2 3', 'what failed and what came after it keep their order');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM dgen.failed_attempt'), '0', 'the attempts are forgotten');
	sql(q{SELECT dgen.alter_actor_type('player', max_attempts => 3)});
}

sub test_dead_letter {
	my $id = send_to('d', op => 'raise', tag => 'x');
	send_to('d', tag => 'next');
	log_becomes('d', 'next', 'the actor goes on after a message that died');
	is(sql(q{SELECT concat_ws(',', message_id, kind, message->>'tag', attempts, error, sqlstate, hint) FROM dgen.dead_letters WHERE actor_key = 'd'}),
		"$id,cast,x,3,attempt 3,SH042,as asked", 'a dead letter after max_attempts, with its last error');
	is(sql(q{SELECT count(*) FROM note WHERE actor = 'd'}), '1', 'nothing is left of its turns');

	is(sql("SELECT dgen.redrive($id)"), 't', 'it is redriven');
	becomes(q{SELECT concat_ws(',', message_id, attempts, error) FROM dgen.dead_letters WHERE actor_key = 'd'}, "$id,3,attempt 3",
		'with the same id, its attempts counted from the start');
	is(sql("SELECT dgen.discard($id)"), 't', 'discarded');

	sql(q{INSERT INTO switch VALUES ('d')});
	$id = send_to('d', op => 'raise while', switch => 'd', tag => 'once more');
	becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'd'}, '1', 'dead again');
	sql(q{DELETE FROM switch});
	is(sql("SELECT dgen.redrive($id)"), 't', 'redriven after the mistake was mended');
	log_becomes('d', 'next once more', 'it is handled');
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), '0', 'and is no dead letter any more');
}

# An actor that is told of its dead letters, by a turn like any other.
sub test_told {
	$node->safe_psql('postgres', q{
		SET ROLE shop;
		SET search_path = shop;
		CREATE FUNCTION mourn(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			IF ctx.kind <> 'dead_letter' OR message ? 'too sad' THEN
				RAISE EXCEPTION '% of %', ctx.kind, ctx.actor_key USING ERRCODE = 'SH043';
			END IF;
			INSERT INTO note (actor, what) VALUES (ctx.actor_key, 'mourned');
			RETURN dgen.noreply(jsonb_build_object('of', ctx.in_reply_to, 'error', ctx.error, 'sqlstate', ctx.sqlstate, 'was', message));
		END $$;
		SELECT dgen.create_actor_type('mourner', 'mourn', max_attempts => 2, backoff => '1 ms', max_backoff => '10 ms', handle_dead_letters => true);});
	my $id = sql(q{SELECT dgen.cast('mourner', 'm', '"old"')});
	becomes(q{SELECT dgen.state('mourner', 'm') - 'of'}, '{"was": "old", "error": "cast of m", "sqlstate": "SH043"}', 'an actor is told of its dead letter');
	is(sql(q{SELECT dgen.state('mourner', 'm')->>'of'}), $id, 'and which message it is');
	is(sql(q{SELECT string_agg(what, ' ') FROM note WHERE actor = 'm'}), 'mourned', 'once');
	is(sql(q{SELECT string_agg(concat_ws(',', message_id, kind, attempts), ' ') FROM dgen.dead_letters}), "$id,cast,2", 'the dead letter is kept');

	my $sad = sql(q{SELECT dgen.cast('mourner', 'sad', '{"too sad": true}')});
	becomes(q{SELECT string_agg(concat_ws(',', kind, attempts, error), ' ' ORDER BY message_id) FROM dgen.dead_letters WHERE actor_key = 'sad'},
		'cast,2,cast of sad dead_letter,2,dead_letter of sad', 'a notice that fails is a dead letter, too');
	is(sql(q{SELECT count(*) FROM dgen.messages}), '0', 'of which nobody is told');
	is(sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters}), '3', 'discarded');
}

sub test_failed_request {
	like(error_of(q{CALL dgen.ask('player', 'f', '{"op": "raise"}')}), qr/^SH042: attempt 3/, 'who asks gets the error of the last attempt');
	is(sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'f' AND kind = 'call'}), '1', 'and the request is a dead letter');
	my $request = sql(q{SELECT dgen.request('player', 'f', '{"op": "fail", "sqlstate": "SH001", "tag": "no"}')});
	like(error_of("SELECT dgen.await_reply($request)"), qr/^SH001: out of stock/, 'dgen.fail: the error and its SQLSTATE');
	like(error_of(q{CALL dgen.ask('player', 'f', '{"op": "fail", "sqlstate": "nonsense"}')}), qr/^ZD011: out of stock\nHINT:  Order less\./, 'with its hint, and ZD011 for what is no SQLSTATE');

	my $cast = send_to('f', op => 'fail', sqlstate => 'SH001', tag => 'cast');
	becomes("SELECT concat_ws(',', attempts, sqlstate, hint) FROM dgen.dead_letters WHERE message_id = $cast", '1,SH001,Order less.',
		'a cast that fails for good is a dead letter at once');
	is(sql(q{SELECT count(*) FROM note WHERE actor = 'f'}), '0', 'turns that fail for good are rolled back');
	is(sql(q{SELECT string_agg(kind, ',' ORDER BY kind) FROM dgen.dead_letters}), 'call,cast', 'a request that dgen.fail answered is none');
	is(sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters}), '2', 'discarded');
}

sub test_retry {
	sql(q{INSERT INTO switch VALUES ('r')});
	my $id = send_to('r', op => 'retry while', switch => 'r', tag => 'a');
	send_to('r', tag => 'b');
	becomes("SELECT count(*) FROM dgen.mailbox('player', 'r') WHERE message_id = $id AND not_before IS NOT NULL", '1', 'it is tried again');
	is(sql("SELECT attempts FROM dgen.mailbox('player', 'r') WHERE message_id = $id"), '0', 'and no attempt counted');
	sql(q{DELETE FROM switch});
	log_becomes('r', 'a b', 'dgen.retry keeps the order');
	is(sql(q{SELECT string_agg(what, ' ' ORDER BY n) FROM note WHERE actor = 'r'}), 'a b', 'and nothing of the turns before');
}

sub test_bad_outcomes {
	my %error = ('none' => qr/^ZD040: .*an invalid outcome/, 'list' => qr/^22023: .*must be a JSON object/, 'no state' => qr/^22004: .*must not be null/);
	for my $op (sort keys %error) {
		like(error_of(qq{CALL dgen.ask('player', 'outcome', '{"op": "$op"}')}), $error{$op}, "no outcome: $op");
	}
	is(sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters}), '3', 'discarded');
	is(sql(q{SELECT dgen.state('player', 'outcome') IS NULL}), 't', 'and no state');
}

# ---- time ----

sub test_timeout {
	sql(q{SELECT dgen.alter_actor_type('player', turn_timeout => '100 ms')});
	my $id = send_to('t', op => 'sleep', tag => 'zzz');
	send_to('t', tag => 'awake');
	log_becomes('t', 'awake', 'an actor goes on after a turn that took too long');
	is(sql("SELECT concat_ws(',', attempts, sqlstate) FROM dgen.dead_letters WHERE message_id = $id"), '3,ZD041', 'each was an attempt');
	is(sql(q{SELECT count(*) FROM note WHERE what = 'zzz'}), '0', 'and left nothing');
	sql("SELECT dgen.discard($id)");
}

# A handler that swallows its cancellation loses its process.
sub test_stubborn {
	my $before = sql(q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM dgen.workers});
	sql(q{SELECT dgen.alter_actor_type('player', max_attempts => 2)});
	my $id = send_to('s', op => 'stubborn', tag => 'zzz');
	send_to('s', tag => 'free');
	becomes("SELECT attempts FROM dgen.mailbox('player', 's') WHERE message_id = $id", '1', 'the attempt is recorded by another worker');
	is(sql(q{SELECT last_sqlstate FROM dgen.mailbox('player', 's') WHERE attempts = 1}), 'ZD041', 'as a timeout');
	is(sql(q{CALL dgen.ask('player', 'other', '{"tag": "x"}')}), '1', 'other actors go on');
	log_becomes('s', 'free', 'the actor goes on');
	is(sql("SELECT concat_ws(',', attempts, sqlstate) FROM dgen.dead_letters WHERE message_id = $id"), '2,ZD041', 'the message is a dead letter');
	becomes(q{SELECT count(*) FROM dgen.workers}, '2', 'the workers are back');
	isnt(sql(q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM dgen.workers}), $before, 'as new processes');
	sql("SELECT dgen.discard($id); SELECT dgen.alter_actor_type('player', turn_timeout => '1 min', max_attempts => 3)");
}

# ---- deferred constraints (H14) ----

sub test_deferred {
	$node->safe_psql('postgres', q{
		SET ROLE shop;
		SET search_path = shop;
		CREATE TABLE entry (id integer, v integer, CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED);
		CREATE TABLE seen (who text, who_connected text, path text);
		CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO shop.seen VALUES (current_user, session_user, current_setting('search_path'));
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER see AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see();
		CREATE FUNCTION enter(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO entry VALUES ((message->>'id')::int, 1);
			IF message ? 'again' THEN
				-- Only in order once the turn is over.
				INSERT INTO entry VALUES ((message->>'id')::int, 2);
				DELETE FROM entry WHERE id = (message->>'id')::int AND v = 1;
			END IF;
			RETURN dgen.noreply(jsonb_build_object('id', message->'id'));
		END $$;
		SELECT dgen.create_actor_type('entrant', 'enter', max_attempts => 1);
		SELECT dgen.pause('entrant');
		SELECT dgen.cast('entrant', 'one', '{"id": 1}');
		SELECT dgen.cast('entrant', 'two', '{"id": 1}');
		SELECT dgen.cast('entrant', 'three', '{"id": 3}');
		SELECT dgen.cast('entrant', 'four', '{"id": 4, "again": true}');
		SELECT dgen.cast('entrant', 'four', '{"id": 5}');
		SELECT dgen.resume('entrant');});
	becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_type = 'entrant'}, '0', 'all are handled');
	is(sql(q{SELECT concat_ws(',', count(*), min(sqlstate), min(attempts)) FROM dgen.dead_letters WHERE actor_type = 'entrant'}), '1,23505,1',
		'a deferred constraint that is violated fails that turn alone');
	is(sql(q{SELECT string_agg(concat(id, ':', v), ' ' ORDER BY id) FROM shop.entry}), '1:1 3:1 4:2 5:1', 'the other turns commit');
	is(sql(q{SELECT string_agg(DISTINCT concat_ws(',', who, who_connected), ' ') FROM shop.seen}), 'shop,shop', 'deferred triggers run as the owner of the type');
	is(sql(q{SELECT count(DISTINCT state->>'id') FROM dgen.actors WHERE actor_type = 'entrant'}), '3', 'states as well');
	is(sql(q{SELECT string_agg(DISTINCT path, ' ') FROM shop.seen}), 'shop, pg_temp', 'and in the environment of the handler');
	sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});
}

# ---- the environment ----

sub test_environment {
	$node->safe_psql('postgres', q{
		SELECT dgen.start_workers(1);
		SET ROLE shop;
		SET search_path = shop;
		CREATE FUNCTION environ() RETURNS jsonb LANGUAGE sql AS $$
			SELECT jsonb_build_object('path', current_setting('search_path'), 'work_mem', current_setting('work_mem'),
				'user', current_user, 'session', session_user, 'role', current_setting('role'), 'zone', current_setting('TimeZone'),
				'timeout', current_setting('statement_timeout'), 'isolation', current_setting('transaction_isolation')) $$;
		CREATE FUNCTION dirty(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			IF message ? 'do' THEN
				EXECUTE message->>'do';
			END IF;
			IF message ? 'raise' THEN
				RAISE EXCEPTION 'as asked';
			END IF;
			RETURN dgen.reply(shop.environ());
		END $$;
		SELECT dgen.create_actor_type('dirty', 'dirty', max_attempts => 1);});
	my $clean = sql(q{CALL dgen.ask('dirty', 'a', '{}')});
	like($clean, qr/"path": "shop, pg_temp"/, 'the search_path of the type');
	like($clean, qr/"user": "shop".*"session": "shop"/, 'the owner of the type');
	for my $do (q{SET search_path = pg_catalog, public}, q{SET LOCAL work_mem = '1 MB'}, q{SET work_mem = '2 MB'},
		q{SET TIME ZONE 'Asia/Tokyo'; SET statement_timeout = 77777}, q{SELECT set_config('search_path', 'public', true)}) {
		(my $quoted = $do) =~ s/'/''/g;
		isnt(sql("CALL dgen.ask('dirty', 'a', '{\"do\": \"$quoted\"}')"), $clean, "$do has an effect");
		is(sql(q{CALL dgen.ask('dirty', 'a', '{}')}), $clean, '... that does not last');
		sql("SELECT dgen.cast('dirty', 'a', '{\"do\": \"$quoted\", \"raise\": true}')");
		is(sql(q{CALL dgen.ask('dirty', 'a', '{}')}), $clean, '... nor when the turn fails');
		sql("SELECT dgen.pause('dirty'); SELECT dgen.cast('dirty', 'c', '{\"do\": \"$quoted\"}'); SELECT dgen.cast('dirty', 'a', '{\"do\": \"$quoted\"}')");
		my $request = sql(q{SELECT dgen.request('dirty', 'a', '{}')});
		sql(q{SELECT dgen.resume('dirty')});
		is(sql("SELECT dgen.await_reply($request)"), $clean, '... nor in the same batch');
	}
	for my $do ('SET ROLE pg_monitor', 'RESET ROLE', 'SET SESSION AUTHORIZATION shop') {
		like(error_of(qq{CALL dgen.ask('dirty', 'b', '{"do": "$do"}')}), qr/^42501/, "$do is refused");
		is(sql(q{CALL dgen.ask('dirty', 'b', '{}')}), $clean, '... and harmless');
	}
	for my $do ('COMMIT', 'ROLLBACK', 'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'PREPARE TRANSACTION \'\'p\'\'') {
		ok(error_of(qq{CALL dgen.ask('dirty', 'b', '{"do": "$do"}')}), "$do is refused");
		is(sql(q{CALL dgen.ask('dirty', 'b', '{}')}), $clean, '... and harmless');
	}
	for my $refused (q{PERFORM dgen.call('dirty', 'x')}, q{PERFORM dgen.await_reply(1)}, q{PERFORM dgen.attach('x', '{dirty}')},
		q{PERFORM dgen.claim()}, q{PERFORM dgen.detach()}, q{PERFORM dgen.drop_actor_type('dirty', true)}) {
		(my $quoted = "DO \$x\$BEGIN $refused; END\$x\$") =~ s/'/''/g;
		like(error_of(qq{CALL dgen.ask('dirty', 'b', '{"do": "$quoted"}')}), qr/^ZD030/, "$refused is refused inside a handler");
	}
	$node->safe_psql('postgres', 'SELECT dgen.start_workers(2)');
	sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});
}

# ---- actors that ask actors ----

sub test_reply_to {
	send_to('asker', op => 'ask', whom => 'answerer', what => 'get', tag => 'first');
	becomes(q{SELECT concat_ws(',', r->>'message', r->>'correlation', r->'in_reply_to' IS NOT NULL, r->>'error')
		FROM dgen.state('player', 'asker') AS s, LATERAL (SELECT s->'reply') AS l(r)}, '{},first,t', 'a reply comes as a message with its correlation');
	send_to('asker', op => 'ask', whom => 'answerer', what => 'fail', tag => 'second');
	becomes(q{SELECT concat_ws(',', r->>'message', r->>'correlation', r->>'error', r->>'sqlstate')
		FROM dgen.state('player', 'asker') AS s, LATERAL (SELECT s->'reply') AS l(r)}, 'second,out of stock,SH001', 'and so does an error');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM dgen.request WHERE reply_key IS NOT NULL}), '0', 'no request is left open');
	sql(q{SELECT count(dgen.discard(message_id)) FROM dgen.dead_letters});

	send_to('self', op => 'ask', whom => 'self', what => 'get', tag => 'me');
	becomes(q{SELECT dgen.state('player', 'self')->'reply'->>'correlation'}, 'me', 'an actor can ask itself');
}

# ---- order, delay, pause ----

sub test_delay {
	# In one transaction: by the time of another one the first might be due.
	my ($id) = split /\n/, sql(q{
		BEGIN;
		SELECT dgen.cast('player', 'later', '{"tag": "delayed"}', delay => '300 ms');
		SELECT dgen.cast('player', 'later', '{"tag": "at once"}');
		COMMIT;});
	log_becomes('later', 'at once delayed', 'a delayed message blocks nobody, and is handled with nobody sending');
	sql(q{SELECT dgen.cast('player', 'later', '{"tag": "past"}', not_before => now() - interval '1 h')});
	log_becomes('later', 'at once delayed past', 'the past is now');
	my $asked = sql(q{SELECT dgen.request('player', 'later', '{"op": "get"}', delay => '100 ms')});
	is(sql("SELECT dgen.await_reply($asked)->>'log'"), '["at once", "delayed", "past"]', 'a delayed request is answered under its id');
}

sub test_priority {
	sql(q{SELECT dgen.pause('player', 'p')});
	for my $sent ([ a => 0 ], [ b => -5 ], [ c => 7 ], [ d => 7 ], [ e => 0 ], [ f => 32767 ], [ g => -32768 ]) {
		sql(qq{SELECT dgen.cast('player', 'p', '{"tag": "$sent->[0]"}', priority => $sent->[1])});
	}
	sql(q{SELECT dgen.resume('player', 'p')});
	log_becomes('p', 'f c d a e b g', 'higher priorities first, each in the order sent');
}

sub test_pause {
	sql(q{SELECT dgen.pause('player', 'still')});
	send_to('still', tag => '1');
	is(sql(q{CALL dgen.ask('player', 'moving', '{"tag": "1"}')}), '1', 'other actors go on while one is paused');
	is(sql(q{SELECT status FROM dgen.mailbox('player', 'still')}), 'paused', 'its messages wait');
	sql(q{SELECT dgen.resume('player', 'still')});
	log_becomes('still', '1', 'until it is resumed');

	sql(q{SELECT dgen.pause('player')});
	send_to($_, tag => '2') for qw(still moving);
	is(sql(q{CALL dgen.ask('dirty', 'a', '{}')}) ne '', 1, 'other types go on while one is paused');
	is(sql(q{SELECT count(*) FROM dgen.messages WHERE status = 'paused'}), '2', 'its messages wait');
	sql(q{SELECT dgen.pause('player', 'still'); SELECT dgen.resume('player')});
	log_becomes('moving', '1 2', 'when the type is resumed its actors go on');
	is(sql(q{SELECT count(*) FROM dgen.mailbox('player', 'still')}), '1', 'but for those that are paused themselves');
	sql(q{SELECT dgen.resume('player', 'still')});
	log_becomes('still', '1 2', 'until they are resumed');

	my $gate = $node->background_psql('postgres');
	$gate->query_safe('SELECT pg_advisory_lock(42)');
	send_to('still', op => 'wait', tag => '3');
	send_to('still', tag => '4');
	becomes(q{SELECT count(*) FROM dgen.workers WHERE busy}, '1', 'a turn runs');
	sql(q{SELECT dgen.pause('player', 'still')});
	pass('to pause does not wait for it');
	$gate->query_safe('SELECT pg_advisory_unlock(42)');
	becomes(q{SELECT dgen.state('player', 'still')->'log' ? '3'}, 't', 'it finishes');
	sql(q{SELECT dgen.resume('player', 'still')});
	log_becomes('still', '1 2 3 4', 'and what follows is handled');
	$gate->quit;
}

sub test_destroy {
	sql(q{SELECT dgen.pause('player', 'x')});
	send_to('x', tag => 'old');
	my $request = sql(q{SELECT dgen.request('player', 'x', '{"op": "destroy"}')});
	send_to('x', tag => 'new');
	sql(q{SELECT dgen.resume('player', 'x')});
	is(sql("SELECT dgen.await_reply($request)"), '"gone"', 'who asked for it is answered');
	log_becomes('x', 'new', 'messages that wait start a new actor');
	sql(q{CALL dgen.ask('player', 'x', '{"op": "destroy"}')});
	is(sql(q{SELECT count(*) FROM dgen.actor('player', 'x')}), '0', 'no row is left');
}

set_up();
test_casts();
test_requests();
test_session_that_waits();
test_error();
test_disk_full();
test_deadlock();
test_order_after_error();
test_dead_letter();
test_told();
test_failed_request();
test_retry();
test_bad_outcomes();
test_timeout();
test_stubborn();
test_deferred();
test_environment();
test_reply_to();
test_delay();
test_priority();
test_pause();
test_destroy();

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
