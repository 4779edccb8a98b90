# Transactions that are prepared, and ended by another session: that one tells everybody whom a COMMIT
# would have told. And the session that prepared has nothing of the transaction in its hands any more.
#
# The safety-net look is put off for a day: what nobody tells is a test that hangs.
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
	$node->append_conf('postgresql.conf', join "\n", 'max_worker_processes = 20', 'max_prepared_transactions = 5', @settings, '');
	$node->start;
	sql(q{
		CREATE EXTENSION dgen;
		CREATE FUNCTION public.count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
			$$ SELECT dgen.reply('"counted"', jsonb_build_object('n', coalesce((state->>'n')::int, 0) + 1)) $$;
		CREATE FUNCTION public.count_down(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
			$$ SELECT dgen.reply('"counted down"') $$;
		CREATE ROLE first LOGIN;
		CREATE ROLE second LOGIN;
		CREATE ROLE third LOGIN;
		GRANT USAGE ON SCHEMA dgen TO first, second, third;
		GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO first, second, third;
		SET client_min_messages = error;
		CREATE FUNCTION make(name text, handler text) RETURNS void LANGUAGE sql AS
			$$ SELECT dgen.create_actor_type(name, handler) $$;
		ALTER FUNCTION count_up OWNER TO first;
		ALTER FUNCTION count_down OWNER TO first;
		SET ROLE first;
		SELECT make('counter', 'public.count_up');
		RESET ROLE;
		SELECT dgen.create_actor_type('external');
		SELECT dgen.create_actor_type('short', lock_timeout => '1 ms', backoff => '1 h', max_backoff => '1 h', max_attempts => 9);
	});
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub session {
	my $session = { in => '', out => '', err => '', told => 0 };
	$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $session;
}

# Has it run the commands, and returns what they printed, errors before rows.
sub run_in {
	my ($session, $commands) = @_;
	my $n = ++$session->{told};
	$session->{out} = $session->{err} = '';
	$session->{in} .= "$commands;\n\\warn done $n\n\\echo done $n\n";
	$session->{run}->pump until $session->{out} =~ /^done $n$/m && $session->{err} =~ /^done $n$/m;
	return $session->{err} =~ s/^done $n\n//mr . $session->{out} =~ s/^done $n\n//mr;
}

sub worker {
	my ($name, $type) = @_;
	my $worker = session();
	run_in($worker, "SELECT 1 FROM dgen.attach('$name', '{$type}')");
	return $worker;
}

sub claim_in {
	my ($worker, $arguments) = @_;
	my $out = run_in($worker, "BEGIN; SELECT actor_key, kind, attempt FROM dgen.claim($arguments);");
	chomp $out;
	return $out;
}

sub end_session {
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
}

# ---- what others are told of ----

# Waits for as long as it takes.
sub test_replies {
	my $request = sql(q{SELECT dgen.request('external', 'r')});
	my $later = sql(q{SELECT dgen.request('external', 'later')});
	my $worker = worker('replies', 'external');
	my @waiting = map { session() } 1, 2;

	$waiting[0]{in} = "SELECT dgen.await_reply($request, NULL);\n\\q\n";
	$waiting[1]{in} = "SELECT dgen.await_reply($later, NULL);\n\\q\n";
	$_->{run}->pump_nb for @waiting;
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 2 FROM pg_stat_activity WHERE query LIKE 'SELECT dgen.await_reply%' AND wait_event_type = 'Extension'})
		or die 'nobody waits';
	is(claim_in($worker, '1'), 'r|call|1', 'a request is claimed');
	run_in($worker, qq{SELECT dgen.commit_turns(ARRAY[1], reply_requests => ARRAY[$request], replies => ARRAY['"done"'::jsonb]); PREPARE TRANSACTION 'p'});
	sql(q{COMMIT PREPARED 'p'});
	$waiting[0]{run}->finish;
	is($waiting[0]{out}, qq{"done"\n}, 'who waits for a reply is told when it is there, with COMMIT PREPARED');
	sql(qq{BEGIN; SELECT dgen.cancel('external', 'later', $later); PREPARE TRANSACTION 'p'});
	sql(q{COMMIT PREPARED 'p'});
	$waiting[1]{run}->finish;
	like($waiting[1]{err}, qr/cancelled/, 'and when it has been cancelled');
	end_session($worker);
}

sub workers_of {
	my ($owner) = @_;
	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND usename = '$owner'";
}

sub in_prepared {
	my ($statements) = @_;
	sql("SET client_min_messages = error; BEGIN; $statements; PREPARE TRANSACTION 'p'");
	sql(q{COMMIT PREPARED 'p'});
}

sub test_types {
	is(sql('SELECT dgen.start_workers(1)'), 1, 'a worker runs');
	in_prepared(q{SET LOCAL ROLE first; SELECT make('another', 'public.count_up')});
	is(sql(q{CALL dgen.ask('another', 'a', timeout => '3 min')}), '"counted"', 'a type of an owner that has workers is served');
	in_prepared(q{SELECT dgen.alter_actor_type('another', handler => 'public.count_down')});
	is(sql(q{CALL dgen.ask('another', 'a', timeout => '3 min')}), '"counted down"', 'with the handler that it gets');
	is(sql(q{SET client_min_messages = error; SELECT dgen.alter_actor_type('another', handler => '')}), '', 'it has none');
	sql(q{SELECT dgen.cast('another', 'b')});
	in_prepared(q{SELECT dgen.alter_actor_type('another', handler => 'public.count_up')});
	becomes(q{SELECT dgen.state('another', 'b')->>'n'}, '1', 'and one that had none is served when it has one');

	is(sql(workers_of('second')), 0, 'another owner has no workers');
	in_prepared(q{ALTER FUNCTION count_down OWNER TO second; SET LOCAL ROLE second; SELECT make('new', 'public.count_down')});
	is(sql(q{CALL dgen.ask('new', 'a', timeout => '3 min')}), '"counted down"', 'with its first type they start');
	in_prepared(q{ALTER FUNCTION count_down OWNER TO third; SELECT dgen.set_owner('new', 'third')});
	becomes(workers_of('third'), '1', 'and those of the role that gets it');
	is(sql(q{CALL dgen.ask('new', 'a', timeout => '3 min')}), '"counted down"', 'which serve it');
}

sub test_types_by_look {
	is(sql('SELECT dgen.start_workers(1)'), 1, 'not preloaded: a worker runs');
	in_prepared(q{ALTER FUNCTION count_down OWNER TO second; SET LOCAL ROLE second; SELECT make('new', 'public.count_down')});
	becomes(workers_of('second'), '1', 'not preloaded: the safety-net look finds an owner without workers');
	is(sql(q{CALL dgen.ask('new', 'a', timeout => '3 min')}), '"counted down"', 'not preloaded: and they serve its type');
}

# A claim that is prepared has taken the alarm, and left other things to it.
#
#     a ──due──> claimed, prepared ─────────────────────────────> COMMIT PREPARED
#     b ─────────────────────────────due──> claimed, by the alarm
sub test_alarm {
	my $worker = worker('alarms', 'external');
	claim_in($worker, '');
	run_in($worker, 'COMMIT');
	sql(q{SELECT dgen.cast('external', 'a', delay => '1 ms'); SELECT dgen.cast('external', 'b', delay => '2 s')});
	run_in($worker, q{COMMIT; CALL dgen.wait('1 min')}) until claim_in($worker, '') eq 'a|cast|1';
	run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1]); PREPARE TRANSACTION 'p'});
	run_in($worker, q{COMMIT; CALL dgen.wait('10 min')}) until claim_in($worker, '') eq 'b|cast|1';
	pass('what is due later than what a prepared transaction moved is not forgotten');
	run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1]); COMMIT});
	sql(q{ROLLBACK PREPARED 'p'});
	run_in($worker, q{COMMIT; CALL dgen.wait('10 min')}) until claim_in($worker, '') eq 'a|cast|1';
	pass('and what it moved comes again when it is rolled back');
	run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1]); COMMIT});
	end_session($worker);
}

# ---- what the session has in hand ----

sub test_attach {
	my $session = session();
	my $refused = qr/^ERROR:  cannot PREPARE a transaction that has called dgen.attach or dgen.detach$/m;
	my $attach = q{SELECT 1 FROM dgen.attach('p', '{external}')};

	like(run_in($session, "BEGIN; $attach; PREPARE TRANSACTION 'p'"), $refused, 'a transaction that attaches is not prepared');
	like(run_in($session, 'SELECT dgen.claim()'), qr/not attached/, 'and the session is not attached');
	run_in($session, $attach);
	like(run_in($session, q{BEGIN; SELECT dgen.detach(); PREPARE TRANSACTION 'p'}), $refused, 'nor one that detaches');
	unlike(run_in($session, 'SELECT count(*) FROM dgen.claim()'), qr/ERROR/, 'and the session is attached');
	is(run_in($session, "BEGIN; SAVEPOINT s; $attach; ROLLBACK TO s; SELECT dgen.cast('external', 'n') IS NULL; PREPARE TRANSACTION 'p'"),
		"1\nf\n", 'one that has taken it back is');
	sql(q{ROLLBACK PREPARED 'p'});
	end_session($session);
}

sub busy { return sql(q{SELECT busy FROM dgen.workers WHERE name = 'batches'}) }

sub test_batch {
	my $worker = worker('batches', 'external');
	sql(q{SELECT dgen.cast('external', 'x')});
	is(claim_in($worker, ''), 'x|cast|1', 'a message is claimed');
	is(busy(), 't', 'which makes the worker busy');
	run_in($worker, 'ROLLBACK');
	is(busy(), 'f', 'until it is rolled back');
	claim_in($worker, '');
	run_in($worker, q{PREPARE TRANSACTION 'p'});
	is(busy(), 'f', 'or prepared');
	like(run_in($worker, 'SELECT dgen.commit_turns(ARRAY[1])'), qr/no batch is claimed/, 'the batch is over then');
	is(claim_in($worker, ''), '', 'its actor is still held');
	run_in($worker, 'COMMIT');
	sql(q{COMMIT PREPARED 'p'});
	is(claim_in($worker, ''), 'x|cast|1', 'and claimed again after COMMIT PREPARED');
	run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1], states => ARRAY['{"n": 1}'::jsonb]); COMMIT});
	end_session($worker);
}

# What it was given it has dropped, if it takes ROLLBACK PREPARED for a rollback.
sub test_held_states {
	my $worker = worker('states', 'external');
	my $claim = q{BEGIN; SELECT state FROM dgen.claim(cached => true)};

	sql(q{SELECT dgen.cast('external', 'x')});
	is(run_in($worker, "$claim; PREPARE TRANSACTION 'p'"), qq({"n": 1}\n), 'a client is given a state');
	sql(q{ROLLBACK PREPARED 'p'});
	is(run_in($worker, $claim), qq({"n": 1}\n), 'and again when the transaction was prepared and rolled back');
	run_in($worker, 'ROLLBACK');
	is(run_in($worker, "$claim; SELECT dgen.commit_turns(ARRAY[1]); COMMIT"), qq({"n": 1}\n1\n), 'or just rolled back');
	end_session($worker);
}

sub begin_part {
	my ($worker) = @_;
	my $part = claim_in($worker, 'locked => true');
	run_in($worker, 'COMMIT');
	return $part;
}

sub test_part {
	my ($worker, $other) = map { worker($_, 'external') } 'parts', 'other';
	my $end = q{BEGIN; SELECT dgen.claim_locked(); SELECT dgen.commit_turns(ARRAY[1]); PREPARE TRANSACTION 'p'};

	sql(q{SELECT dgen.cast('external', 'l')});
	claim_in($worker, '');
	run_in($worker, q{SELECT dgen.commit_turns(ARRAY[1], locks => '{t}'); COMMIT});
	is(begin_part($worker), 'l|locked|1', 'a locked part is begun');
	run_in($worker, $end);
	is(claim_in($worker, 'locked => true'), '', 'who has ended it in a prepared transaction may claim');
	run_in($worker, 'COMMIT');
	is(begin_part($other), '', 'and nobody begins it meanwhile');
	sql(q{ROLLBACK PREPARED 'p'});
	like(begin_part($other), qr/^l\|locked\|\d$/, 'it is begun again when that is rolled back');
	run_in($other, $end);
	sql(q{COMMIT PREPARED 'p'});
	is(sql(q{SELECT count(*) FROM dgen.messages WHERE actor_key = 'l'}), 0, 'and is over when that commits');
	sql(q{SELECT dgen.cast('external', 'l')});
	is(claim_in($other, 'locked => true'), 'l|cast|1', 'then the actor goes on, in the same session, too');
	run_in($other, 'SELECT dgen.commit_turns(ARRAY[1]); COMMIT');
	end_session($_) for $worker, $other;
}

# ---- attempts whose time is over ----

# The holder goes on with a part for longer than it may. The other's claim, in a transaction, finds that.
sub expire_in {
	my ($holder, $other, $begin) = @_;

	sql(q{SELECT dgen.cast('short', 's')});
	claim_in($holder, '');
	run_in($holder, q{SELECT dgen.commit_turns(ARRAY[1], locks => '{t}'); COMMIT});
	is(begin_part($holder), 's|locked|1', 'a part is begun');
	run_in($other, "COMMIT; BEGIN; $begin SELECT count(*) FROM dgen.claim()")
		until run_in($other, q{SELECT count(*) FROM dgen.locked WHERE last_sqlstate IS NOT NULL}) eq "1\n";
	return;
}

sub goes_on {
	my ($holder, $name) = @_;
	is(run_in($holder, 'BEGIN; SELECT dgen.claim_locked(); SELECT dgen.commit_turns(ARRAY[1]); COMMIT') =~ /ERROR|FATAL|lost/, '', $name);
	sql(q{SELECT dgen.delete_actor('short', 's')});
	return;
}

# Its session is ended when that is so, and not before.
sub test_expired {
	my ($holder, $other) = map { worker($_, 'short') } 'holder', 'expirer';

	expire_in($holder, $other, 'SAVEPOINT s;');
	run_in($other, 'ROLLBACK TO s; COMMIT');
	goes_on($holder, 'an attempt goes on when the subtransaction that has ended it is rolled back');
	expire_in($holder, $other, '');
	run_in($other, q{PREPARE TRANSACTION 'p'});
	sql(q{ROLLBACK PREPARED 'p'});
	goes_on($holder, 'and when the prepared transaction is');
	expire_in($holder, $other, '');
	run_in($other, q{PREPARE TRANSACTION 'p'});
	is(sql(q{SELECT count(*) FROM dgen.workers WHERE name = 'holder'}), 1, 'its session goes on while that is prepared');
	sql(q{COMMIT PREPARED 'p'});
	becomes(q{SELECT count(*) FROM dgen.workers WHERE name = 'holder'}, 0, 'and is ended by COMMIT PREPARED');
	$holder->{run}->kill_kill;
	end_session($other);
}

start_node('preloaded', q{shared_preload_libraries = 'dgen'}, 'dgen.safety_net_interval = 86400');
test_attach();
test_batch();
test_held_states();
test_part();
test_expired();
test_alarm();
test_replies();
test_types();
$node->stop;

start_node('not_preloaded', 'dgen.safety_net_interval = 1');
test_attach();
test_types_by_look();
$node->stop;

done_testing();
