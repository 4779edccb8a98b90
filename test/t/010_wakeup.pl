# Workers that wait: what it costs, and that no message waits with them.
#
# The safety-net look is put off for a day, so a wakeup that got lost is a test that hangs.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node;

sub start_node {
	my ($name, @settings) = @_;
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', join "\n", 'max_worker_processes = 20',
		'max_prepared_transactions = 5', 'dgen.safety_net_interval = 86400', @settings, '');
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION dgen;
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
			LANGUAGE sql AS $$ SELECT dgen.reply(message, jsonb_build_object('n', coalesce((state->>'n')::int, 0) + 1)) $$;
		SELECT dgen.create_actor_type('counter', 'count_up');
		SELECT dgen.create_actor_type('external');
	});
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub handled {
	my ($key, $count, $name) = @_;
	ok($node->poll_query_until('postgres',
			"SELECT coalesce(dgen.state('counter', '$key')->>'n', '0') = '$count'"), $name);
}

# All workers asleep, nothing left to do.
sub all_idle {
	$node->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM pg_stat_activity
		WHERE backend_type = 'dgen worker' AND (state <> 'idle' OR wait_event_type IS NULL)})
		or die 'workers are not idle';
}

# A psql in the background.
sub session {
	my ($commands) = @_;
	my $session = { in => defined $commands ? "$commands\n" : q{}, out => '', err => '', told => 0 };
	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$session->{run}->pump if length $session->{in};
	return $session;
}

# Has it run the commands, and waits until they are done.
sub run_in {
	my ($session, $commands) = @_;
	my $n = ++$session->{told};
	$session->{in} .= "$commands\n\\echo done $n\n";
	$session->{run}->pump until $session->{out} =~ /done $n$/m;
}

# Kills the client; the server is left to find out.
sub end_session {
	my ($session) = @_;
	kill 'KILL', map { $_->{PID} } @{ $session->{run}{KIDS} };
	$session->{run}->finish;
}

sub waiting_workers {
	my ($name, $count) = @_;
	$node->poll_query_until('postgres', qq{
		SELECT count(*) = $count FROM pg_stat_activity JOIN dgen.workers USING (pid)
		WHERE name = '$name' AND wait_event_type = 'Extension'}) or die "no $count workers named $name wait";
}

my $claim_nothing = "DO 'BEGIN PERFORM dgen.claim(); END'";

sub test_idle {
	is(sql('SELECT dgen.start_workers(8)'), 8, 'eight workers run');
	sql("SELECT dgen.cast('counter', 'first')");
	handled('first', 1, 'a message is handled');
	all_idle();
	is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker'
		AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)}),
		0, 'idle workers are in no transaction and hold no snapshot');
	is(sql(q{SELECT count(*) FROM pg_locks JOIN dgen.workers USING (pid)}), 0, 'nor any lock');
}

sub test_stopped_worker {
	my @pids = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker'});
	for my $pid (@pids[ 0, 1 ]) {
		kill 'STOP', $pid or die "kill: $!";
	}
	for (1 .. 10) {
		sql("CALL dgen.ask('counter', 'stopped', '1', '20 s')");
	}
	pass('messages are handled while two workers are stopped');
	kill 'CONT', @pids[ 0, 1 ];
	sql("CALL dgen.ask('counter', 'stopped', '1', '20 s')");
	all_idle();
}

# H9: whoever holds an actor lets somebody know when it lets go.
sub test_held_actor {
	sql(q{BEGIN; SELECT dgen.call('counter', 'held'); SELECT dgen.cast('counter', 'held'); COMMIT});
	handled('held', 2, 'sent to an actor that the sender still holds');

	my $count = 2;
	for my $end ([ 'COMMIT', 2 ], [ 'ROLLBACK', 1 ], [ 'ROLLBACK TO s', 1 ]) {
		my ($ending, $turns) = @$end;
		my $holder = session();
		run_in($holder, "BEGIN; SAVEPOINT s; SELECT dgen.call('counter', 'held');");
		sql("SELECT dgen.cast('counter', 'held')");
		all_idle();
		run_in($holder, "$ending;");
		handled('held', $count += $turns, "an actor that is free after $ending");
		end_session($holder);
	}
	my $holder = session();
	run_in($holder, "BEGIN; SELECT dgen.call('counter', 'held');");
	sql("SELECT dgen.cast('counter', 'held')");
	all_idle();
	end_session($holder);
	handled('held', $count + 1, 'an actor whose owner was killed');
}

# A baton that is not taken goes to the next one.
sub test_batons {
	my @sessions = map { session(qq{
		SELECT dgen.attach('baton', '{external}');
		$claim_nothing;
		CALL dgen.wait('3 min');
		SELECT pg_sleep(180);}) } 1 .. 3;
	waiting_workers('baton', 3);
	sql("SELECT dgen.cast('external', 'k')");
	ok($node->poll_query_until('postgres', q{
			SELECT count(*) = 3 FROM pg_stat_activity JOIN dgen.workers USING (pid)
			WHERE name = 'baton' AND query LIKE '%pg_sleep%'}), 'sessions that do not claim lose their baton');
	end_session($_) for @sessions;
	sql("SELECT dgen.delete_actor('external', 'k')");
}

# What a batch leaves does not wait for its end while others are idle: each turn waits until eight of them run.
sub test_all_come {
	sql(q{
		CREATE FUNCTION meet(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(77);
			WHILE NOT EXISTS (SELECT FROM met) AND
				(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND objid = 77 AND classid = 0) < 8
			LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
			INSERT INTO met DEFAULT VALUES;
			RETURN dgen.noreply('{"n": 1}');
		END $$;
		CREATE TABLE met (n serial);
		SELECT dgen.alter_actor_type('counter', handler => 'meet')});
	$node->append_conf('postgresql.conf', 'dgen.batch_actors = 1');
	$node->reload;
	all_idle();
	sql(q{SELECT dgen.cast_many('counter', array_agg('meet-' || i), array_agg('1'::jsonb)) FROM generate_series(1, 8) i});
	handled("meet-$_", 1, "$_ of eight turns at once") for 1 .. 8;
	$node->append_conf('postgresql.conf', 'dgen.batch_actors = 256');
	$node->reload;
	sql(q{SELECT dgen.alter_actor_type('counter', handler => 'count_up'); DROP FUNCTION meet; DROP TABLE met});
}

# What a batch sends to one actor its own worker claims next: nobody else is called, unless it does not come.
sub test_own_baton {
	sql(q{
		CREATE SEQUENCE hop;
		CREATE PROCEDURE hop() LANGUAGE plpgsql AS $$
		DECLARE n bigint;
		BEGIN
			IF (SELECT count(*) FROM dgen.claim()) = 1 THEN
				n := nextval('hop');
				PERFORM dgen.commit_turns(ARRAY[1]) WHERE n >= 100;
				PERFORM dgen.commit_turns(ARRAY[1], send_types => ARRAY['external'], send_keys => ARRAY['hop-' || n],
					send_messages => ARRAY[to_jsonb(n)], send_actors => ARRAY[1]) WHERE n < 100;
			END IF;
			COMMIT;
		END $$;
		-- Takes its time to claim again, but less than 20 ms.
		CREATE PROCEDURE chain() LANGUAGE plpgsql AS $$
		BEGIN
			WHILE (SELECT last_value FROM hop) < 100 LOOP
				CALL hop();
				PERFORM pg_sleep(0.002);
			END LOOP;
		END $$;
		CREATE PROCEDURE come_when_called() LANGUAGE plpgsql AS $$
		DECLARE ready boolean;
		BEGIN
			LOOP
				CALL dgen.wait('3 min', ready);
				CALL hop();
				PERFORM pg_sleep(0.005);
			END LOOP;
		END $$;});
	my $worker = session("SELECT dgen.attach('worker', '{external}'); $claim_nothing;");
	my $other;
	# The worker has a batch, the other one waits; then the batch sends.
	my $begin = sub {
		sql(q{SELECT setval('hop', 1, false); SELECT dgen.cast('external', 'begin')});
		run_in($worker, 'BEGIN; SELECT count(*) FROM dgen.claim();');
		$other = session("SELECT dgen.attach('other', '{external}'); $claim_nothing; CALL come_when_called();");
		waiting_workers('other', 1);
		run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1], send_types => ARRAY['external'], send_keys => ARRAY['next'],
			send_messages => ARRAY['true'::jsonb], send_actors => ARRAY[1]); COMMIT;} . "\n$_[0]");
	};

	# If the worker is late once, the other one is rightly at it: then it is tried again.
	my $taken = 100;
	for (my $tries = 0; $taken >= 3 && $tries < 5; $tries++) {
		$begin->('CALL chain();');
		$taken = sql(q{SELECT turns FROM dgen.workers WHERE name = 'other'});
		end_session($other);
		sql(q{SELECT dgen.delete_actor('external', 'hop-99')});
	}
	cmp_ok($taken, '<', 3, "of a chain of 100 turns the other worker is not called to each that is not begun at once, but to $taken");

	$begin->('');
	ok($node->poll_query_until('postgres', 'SELECT last_value >= 100 FROM hop'), 'a worker that does not claim loses its own baton');
	end_session($_) for $worker, $other;
	sql(q{DROP PROCEDURE hop, chain, come_when_called; DROP SEQUENCE hop});
}

sub test_wait_ends {
	my $session = session(qq{
		SELECT dgen.attach('waiter', '{external}');
		$claim_nothing;
		CALL dgen.wait(NULL);
		SELECT 'alive', name FROM dgen.workers WHERE name = 'waiter';
		$claim_nothing;
		CALL dgen.wait('3 min');});
	waiting_workers('waiter', 1);
	is(sql(q{SELECT count(*) FROM pg_stat_activity JOIN dgen.workers USING (pid) WHERE name = 'waiter'
		AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL)}),
		0, 'a session in dgen.wait is in no transaction');
	sql(q{SELECT pg_cancel_backend(pid) FROM dgen.workers WHERE name = 'waiter'});
	$session->{run}->pump until $session->{out} =~ /alive\|waiter/;
	like($session->{err}, qr/canceling statement due to user request/, 'a wait can be cancelled, and the session goes on');
	waiting_workers('waiter', 1);
	end_session($session);
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM dgen.workers WHERE name = 'waiter'}),
		'the backend of a killed client ends');

	$session = session(qq{
		SELECT dgen.attach('waiter', '{external}');
		$claim_nothing;
		CALL dgen.wait(NULL);});
	waiting_workers('waiter', 1);
	is(sql(q{SELECT pg_terminate_backend(pid, 60000) FROM dgen.workers WHERE name = 'waiter'}), 't', 'a wait can be terminated');
	$session->{run}->finish;
}

# A worker that is busy when it dies leaves its messages to the next one.
sub test_dying_holder {
	sql(q{
		CREATE FUNCTION slow(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			IF ctx.attempt = 1 AND pg_try_advisory_lock_shared(42) THEN
				PERFORM pg_advisory_unlock_shared(42);
			ELSE
				PERFORM pg_sleep(180);
			END IF;
			RETURN dgen.noreply('{"n": 1}');
		END $$;
		SELECT dgen.alter_actor_type('counter', handler => 'slow');});
	my $gate = session();
	run_in($gate, 'SELECT pg_advisory_lock(42);');
	sql(q{SELECT dgen.cast('counter', 'orphan')});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.workers WHERE busy}), 'a worker is at it');
	my $pid = sql('SELECT pid FROM dgen.workers WHERE busy');
	run_in($gate, 'SELECT pg_advisory_unlock(42);');
	end_session($gate);
	sql("SELECT pg_terminate_backend($pid)");
	handled('orphan', 1, 'another worker takes over from one that was terminated');
	sql(q{SELECT dgen.alter_actor_type('counter', handler => 'count_up')});
}

# A worker of another type is always the one that has begun to wait last, and so is called to the alarm.
sub test_row_lock {
	sql(q{SELECT dgen.create_actor_type('elsewhere'); SELECT dgen.attach('first', '{external}'); SELECT dgen.cast('external', 'row', '1');
		BEGIN; SELECT FROM dgen.claim(); SELECT dgen.commit_turns(ARRAY[1], states => ARRAY['{"n": 1}'::jsonb]); COMMIT});
	my $operator = session();
	run_in($operator, q{BEGIN; SELECT FROM dgen.actor WHERE actor_key = 'row' FOR UPDATE;});
	sql(q{SELECT dgen.cast('external', 'row', '2')});
	my $other = session(q{SELECT dgen.attach('other', '{elsewhere}'); DO $$ DECLARE ready boolean;
		BEGIN LOOP PERFORM dgen.claim(); COMMIT; CALL dgen.wait('20 ms', ready); END LOOP; END $$;});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.workers WHERE name = 'other'}), 'a worker of another type waits');
	my $worker = session();
	run_in($worker, qq{SELECT 'attached' FROM dgen.attach('row lock', '{external}'); $claim_nothing;});
	run_in($worker, qq{CALL dgen.wait('3 min'); $claim_nothing;}) for 1 .. 4;
	run_in($operator, 'ROLLBACK;');
	until ($worker->{out} =~ /^has\|2$/m) {
		run_in($worker, q{CALL dgen.wait('3 min'); BEGIN; SELECT 'has', message FROM dgen.claim(); SELECT 'handled', dgen.commit_turns(ARRAY[1]); COMMIT;});
	}
	pass('an actor whose row was locked is handled when it is not, whoever was called to the alarm');
	end_session($_) for $operator, $worker, $other;
}

sub test_due {
	sql(q{SELECT dgen.cast('counter', 'due', delay => '100 ms')});
	handled('due', 1, 'a delayed message is moved when it is due');
	sql(q{BEGIN; SELECT dgen.cast('counter', 'due2', delay => '200 ms'); SAVEPOINT s; SELECT dgen.cast('counter', 'due2');
		ROLLBACK TO s; COMMIT; SELECT dgen.cast('counter', 'due2', delay => '50 ms');});
	handled('due2', 2, 'and an earlier one before it');
}

# H10: a session that has dgen's library asks for a look when it ends a prepared transaction; what no
# wakeup announces is found by the safety-net look.
sub test_safety_net {
	my ($preloaded) = @_;
	all_idle();
	sql(q{BEGIN; SELECT dgen.cast('counter', 'prepared'); SELECT dgen.cast('counter', 'prepared', delay => '1 ms');
		PREPARE TRANSACTION 'p'});
	all_idle();
	sql(q{COMMIT PREPARED 'p'});
	if ($preloaded) {
		handled('prepared', 2, 'messages of a prepared transaction are found when it has committed');
		sql(q{BEGIN; SELECT dgen.call('counter', 'prepared'); PREPARE TRANSACTION 'p'});
		sql(q{SELECT dgen.cast('counter', 'prepared')});
		all_idle();
		sql(q{ROLLBACK PREPARED 'p'});
		handled('prepared', 3, 'and those of an actor that one has held, when it is rolled back');
		return;
	}
	$node->append_conf('postgresql.conf', 'dgen.safety_net_interval = 1');
	$node->reload;
	handled('prepared', 2, 'messages of a prepared transaction are found');
}

# A claim finds nothing, and then, before the same worker has looked for locked parts, there is a message.
#
#     worker: claims ──> removes what has expired (is held up) ──────────> looks for parts ──> sleeps?
#     sender:                                     resumes the type
sub test_between_claim_and_look {
	my $in = sub { return $node->safe_psql('looks', $_[0]) };
	sql('CREATE DATABASE looks');
	$in->(q{
		CREATE EXTENSION dgen;
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
			LANGUAGE sql AS $$ SELECT dgen.noreply('{"n": 1}') $$;
		SELECT dgen.create_actor_type('counter', 'count_up'), dgen.pause('counter'), dgen.cast('counter', 'k');
		SELECT dgen.create_actor_type('external')});
	my $holder = $node->background_psql('looks');
	$holder->query('BEGIN; LOCK TABLE dgen.idempotency_key IN ACCESS EXCLUSIVE MODE');
	$in->('SELECT dgen.start_workers(1)');
	$node->poll_query_until('looks', q{SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = 'looks' AND backend_type = 'dgen worker' AND wait_event_type = 'Lock')}) or die 'it is not held up';
	$in->(q{SELECT dgen.resume('counter')});
	$in->("SELECT dgen.attach('taker', '{external}'); $claim_nothing"); # of another type; it takes the alarm along
	$holder->query('COMMIT');
	$holder->quit;
	ok($node->poll_query_until('looks', q{SELECT dgen.state('counter', 'k')->>'n' = '1'}),
		'a message that comes between a claim and the look for locked parts is claimed');
	$in->('SELECT dgen.stop_workers()');
}

for my $preload (0, 1) {
	note $preload ? 'preloaded' : 'not preloaded';
	start_node("wakeup$preload", $preload ? "shared_preload_libraries = 'dgen'" : ());
	test_idle();
	test_stopped_worker();
	test_held_actor();
	test_dying_holder();
	test_due();
	test_row_lock();
	test_batons();
	test_all_come();
	test_own_baton() if $preload;
	test_between_claim_and_look() if $preload;
	test_wait_ends();
	test_safety_net($preload);
	$node->stop('fast');
	unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
}

done_testing();
