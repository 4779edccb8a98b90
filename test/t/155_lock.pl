# Locked parts: what becomes of them when their workers die, stop, take too long or are told
# off, in both lanes. The external worker is test/lib/locker.c.
#
# The safety-net look is put off for a day.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build_checked();

my $node = PostgreSQL::Test::Cluster->new('lock');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE TABLE trace (n bigserial, what text);
	CREATE TABLE gate (open bool);
	CREATE SEQUENCE let_go;
	CREATE FUNCTION handle(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF ctx.kind = 'locked' THEN
			PERFORM set_config('application_name', format('runs %s attempt %s token %s', ctx.actor_key, ctx.attempt, ctx.token), true);
			IF message->>'what' = 'hang' AND ctx.attempt < COALESCE((message->>'until')::int, 1000) THEN
				INSERT INTO trace (what) VALUES ('never');
				PERFORM pg_sleep(600);
			END IF;
			WHILE message->>'what' = 'wait' AND NOT EXISTS (SELECT FROM gate) LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
			IF message->>'what' = 'let go' THEN
				PERFORM nextval('let_go'), pg_advisory_unlock_all();
			END IF;
			WHILE message->>'what' = 'let go' AND NOT EXISTS (SELECT FROM gate) LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
			INSERT INTO trace (what) VALUES (format('attempt %s token %s', ctx.attempt, ctx.token));
			RETURN dgen.reply('"locked part done"', state - 'locking' || '{"runs": 1}');
		ELSIF message ? 'lock' THEN
			RETURN dgen.lock(state || '{"locking": true}');
		END IF;
		IF message ? 'let go' THEN
			PERFORM pg_advisory_lock(1), pg_advisory_unlock_all();
		END IF;
		state := state || jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1);
		RETURN dgen.reply(state->'n', state);
	END $$;
	CREATE ROLE app LOGIN;
	GRANT USAGE ON SCHEMA dgen TO app;
	GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO app;
	GRANT ALL ON trace, trace_n_seq, gate, let_go TO app;
	SET ROLE app;
	SELECT dgen.create_actor_type('inside', 'handle', locked_priority => 5, max_attempts => 3, backoff => '10 ms',
		max_backoff => '20 ms');});

# A caller that waits for its answer meanwhile.
sub call {
	my ($type, $key, $message) = @_;
	my %call = (out => '', err => '');
	$call{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
		'-c', "CALL dgen.ask('$type', '$key', '$message', timeout => '3 min')" ], '>', \$call{out}, '2>', \$call{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%call;
}

sub answer {
	my ($call) = @_;
	$call->{run}->finish;
	return $call->{out} ne '' ? $call->{out} =~ s/\n//r : $call->{err} =~ s/.*ERROR:  (.*?)\n.*/$1/sr;
}

my %log;

sub start_worker {
	my ($name) = @_;
	$log{$name} = "$PostgreSQL::Test::Utils::log_path/lock_$name.log";
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', $log{$name};
		exec @Programs::run, "$build/test/locker", $node->connstr('postgres'), $name;
		die;
	}
	becomes("SELECT count(*) FROM dgen.workers WHERE name = '$name'", 1, "worker $name is there");
	return $pid;
}

sub end_worker {
	my ($pid, $signal) = @_;
	kill $signal // 'TERM', $pid;
	waitpid $pid, 0;
	return $?;
}

# The worker that runs the actor's locked part for the nth time.
sub runs {
	my ($type, $key, $attempt) = @_;
	my $query = "SELECT k.worker FROM dgen.locked k JOIN dgen.actor_type t ON t.id = k.type_id
		WHERE t.name = '$type' AND k.actor_key = '$key' AND k.attempt = $attempt AND isfinite(k.expires_at)";
	$node->poll_query_until('postgres', "SELECT EXISTS ($query)") or die "attempt $attempt does not begin";
	return sql($query);
}

sub holder {
	my ($type, $key) = @_;
	return sql("SELECT h.process FROM dgen.locked k JOIN dgen.actor_type t ON t.id = k.type_id,
		dgen._part_holder(k.fence) h WHERE t.name = '$type' AND k.actor_key = '$key'");
}

sub tokens {
	my ($key) = @_;
	my $logs = join '', map { slurp_file($_) } values %log;
	my %tokens = map { $_ => 1 } $logs =~ /locked "$key" attempt \d+ token (\S+)/g;
	return scalar keys %tokens;
}

# ---- external workers ----

my %pid = map { $_ => start_worker($_) } 'one', 'two';

# The other one is kept for messages.
my $call = call('locker', 'a', '{"lock": true, "what": "hang", "until": 2}');
my $first = runs('locker', 'a', 1);
sql(q{SELECT dgen.cast('locker', 'b')});
becomes(q{SELECT dgen.state('locker', 'b')->>'n'}, 1, 'other actors go on while one is locked');
my $later = call('locker', 'c', '{"lock": true}');
becomes(q{SELECT status FROM dgen.actor('locker', 'c')}, 'locked', 'another one is locked');
sql(q{SELECT dgen.cast('locker', 'b')});
becomes(q{SELECT dgen.state('locker', 'b')->>'n'}, 2, 'and its locked part does not take the last worker');
sql(q{SELECT dgen.cast('locker', 'a', '{"normal": true}'), dgen.cast('locker', 'a', '{"urgent": true}', priority => 5)});
becomes(q{SELECT dgen.state('locker', 'a')->>'n'}, 1, 'a locked actor handles what is urgent');
is(sql(q{SELECT message->>'normal' FROM dgen.mailbox('locker', 'a') WHERE status = 'waiting'}), 'true', 'and nothing else');
like(sql(q{SELECT dgen.explain_actor('locker', 'a')}), qr/has been locked by message \d+ since .*: attempt 1 is run by process \d+ \(worker $first\)/,
	'who asks is told');

is(sql('SELECT xact_start IS NULL AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = ' . holder('locker', 'a')), 't',
	'its session is in no transaction, and holds no snapshot');
end_worker($pid{$first}, 'KILL');
is(answer($call), '"locked part done"', 'the worker is killed, and the caller gets its answer');
my ($second) = grep { $_ ne $first } keys %pid;
like(slurp_file($log{$second}), qr/locked "a" attempt 2/, 'from the other one, in the second attempt');
is(tokens('a'), 1, 'with the same token');
is(answer($later), '"locked part done"', 'and the other locked part is run, too');
becomes(q{SELECT state FROM dgen.actor('locker', 'a')}, '{"n": 2, "runs": 1}', 'no change is lost, and the actor goes on');

# A session that an operator ends charges nobody.
$pid{$first} = start_worker($first);
$call = call('locker', 'd', '{"lock": true, "what": "hang", "until": 4}');
$second = runs('locker', 'd', 1);
sql("SELECT pg_terminate_backend(" . holder('locker', 'd') . ")");
my $again = runs('locker', 'd', 2);
is(sql(q{SELECT failed FROM dgen.locked WHERE actor_key = 'd'}), 0, 'an attempt whose session was ended by an operator does not count');
end_worker($pid{$second}, 'KILL'); # it is still in its callback
$pid{$second} = start_worker($second);
end_worker($pid{$again}, 'KILL');
runs('locker', 'd', 3);
is(sql(q{SELECT failed FROM dgen.locked WHERE actor_key = 'd'}), 1, 'one whose worker was killed does');
$pid{$again} = start_worker($again);
end_worker($pid{$second}, 'KILL');
is(answer($call), '"locked part done"', 'the fourth attempt answers');

# ---- an operator ----

$pid{$second} = start_worker($second);
$call = call('locker', 'u', '{"lock": true, "sleep_ms": 1500}');
$first = runs('locker', 'u', 1);
is(sql(q{SELECT dgen.cancel('locker', 'u', message_id) FROM dgen.mailbox('locker', 'u')}), 'f', 'the message that locked cannot be cancelled');
is(sql(q{SELECT dgen.unlock('locker', 'u')}), 't', 'an operator unlocks');
is(answer($call), 'the lock was ended with dgen.unlock', 'the caller is told');
is(sql(q{SELECT sqlstate FROM dgen.dead_letters WHERE actor_key = 'u'}), 'ZD046', 'and there is a dead letter');
sql(q{SELECT dgen.cast('locker', 'u')});
becomes(q{SELECT state FROM dgen.actor('locker', 'u')}, '{"n": 1, "locking": true}', 'the actor goes on');
ok($node->poll_query_until('postgres', q{SELECT bool_and(NOT busy) FROM dgen.workers}), 'the locked part ends');
like(slurp_file($log{$first}), qr/warning: the result of a locked part of "u" is discarded: this session no longer has a locked part/, 'in vain');
is(sql(q{SELECT state FROM dgen.actor('locker', 'u')}), '{"n": 1, "locking": true}', 'and nothing of it is kept');
is(sql(q{SELECT dgen.unlock('locker', 'u')}), 'f', 'there is nothing more to unlock');
is(sql(q{SELECT dgen.redrive(message_id) FROM dgen.dead_letters WHERE actor_key = 'u'}), 't', 'sent again');
becomes(q{SELECT state FROM dgen.actor('locker', 'u')}, '{"n": 1, "runs": 1}', 'it locks again');

# ---- too long ----

sql(q{SELECT dgen.alter_actor_type('locker', lock_timeout => '700 ms')});
$call = call('locker', 'z', '{"lock": true, "what": "hang", "until": 2}');
$first = runs('locker', 'z', 1);
kill 'STOP', $pid{$first};
is(answer($call), '"locked part done"', 'a worker is stopped until lock_timeout is over, and another one answers');
($second) = grep { $_ ne $first } keys %pid;
like(slurp_file($log{$second}), qr/locked "z" attempt 2/, 'in the second attempt');
kill 'CONT', $pid{$first};
end_worker($pid{$first}, 'KILL');
$pid{$first} = start_worker($first);

$call = call('locker', 'y', '{"lock": true, "sleep_ms": 2500, "until": 2}');
$first = runs('locker', 'y', 1);
kill 'STOP', $pid{$first};
becomes(q{SELECT attempts >= 1 FROM dgen.mailbox('locker', 'y')}, 't', 'what takes too long is a failed attempt');
is(sql(q{SELECT last_sqlstate FROM dgen.mailbox('locker', 'y') WHERE status = 'locked'}), 'ZD045', 'which says so');
sql(q{SELECT dgen.alter_actor_type('locker', lock_timeout => '10 min')});
kill 'CONT', $pid{$first};
is(answer($call), '"locked part done"', 'a later one has the time');
becomes(q{SELECT state->>'runs' FROM dgen.actor('locker', 'y')}, 1, 'who was stopped has committed nothing');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 AND bool_and(NOT busy) FROM dgen.workers}), 'and works again');
like(slurp_file($log{$first}), qr/warning: .*(terminat|closed|connection)/, 'after a lost connection');

# ---- leaving ----

$call = call('locker', 's', '{"lock": true, "sleep_ms": 1000}');
$first = runs('locker', 's', 1);
is(end_worker($pid{$first}), 0, 'a worker that is stopped in a locked part');
is(answer($call), '"locked part done"', 'ends it, and commits');
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'no lock is left');
delete $pid{$first};
end_worker($_) for values %pid;

# ---- a crash of the server ----

%pid = (three => start_worker('three'));
$call = call('locker', 'crash', '{"lock": true, "what": "hang", "until": 2}');
runs('locker', 'crash', 1);
$node->stop('immediate');
end_worker($pid{three}, 'KILL');
eval { $call->{run}->finish };
$node->start;
is(sql(q{SELECT status FROM dgen.actor('locker', 'crash')}), 'locked', 'after a crash the actor is locked');
$pid{four} = start_worker('four');
becomes(q{SELECT state FROM dgen.actor('locker', 'crash')}, '{"runs": 1}', 'and its locked part is run again');
is(tokens('crash'), 1, 'with the same token');
end_worker($pid{four});

# ---- workers in the database ----

sql(q{SELECT dgen.start_workers(2)});
$call = call('inside', 'a', '{"lock": true, "what": "hang", "until": 2}');
runs('inside', 'a', 1);
becomes(q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'runs a attempt 1 %'}, 1, 'a handler runs');
sql(q{SELECT dgen.cast('inside', 'a', '{"urgent": true}', priority => 5), dgen.cast('inside', 'a'), dgen.cast('inside', 'b')});
becomes(q{SELECT dgen.state('inside', 'a')->>'n'}, 1, 'what is urgent is handled meanwhile');
becomes(q{SELECT dgen.state('inside', 'b')->>'n'}, 1, 'and other actors');
is($node->psql('postgres', q{SELECT dgen.call('inside', 'a')}), 3, 'but no call');
sql("SELECT pg_terminate_backend(" . holder('inside', 'a') . ")");
is(answer($call), '"locked part done"', 'its process is ended, and another one answers');
like(sql(q{SELECT string_agg(what, ',') FROM trace}), qr/^attempt 2 token \S+$/, 'in the second attempt, the first has written nothing');
becomes(q{SELECT state FROM dgen.actor('inside', 'a')}, '{"n": 2, "runs": 1}', 'no change is lost');

$call = call('inside', 'm', '{"lock": true, "what": "wait"}');
runs('inside', 'm', 1);
sql(q{SELECT dgen.cast('inside', 'm', '{"urgent": true}', priority => 5)});
becomes(q{SELECT state FROM dgen.actor('inside', 'm')}, '{"n": 1, "locking": true}', 'while a handler runs another turn changes the state');
sql(q{INSERT INTO gate VALUES (true)});
is(answer($call), '"locked part done"', 'the handler ends');
is(sql(q{SELECT state FROM dgen.actor('inside', 'm')}), '{"n": 1, "runs": 1}', 'and changes what it has changed');

sql(q{SELECT dgen.alter_actor_type('inside', lock_timeout => '300 ms')});
$call = call('inside', 'l', '{"lock": true, "what": "hang"}');
like(answer($call), qr/locked part of actor type "inside" took longer than its lock_timeout of 300 ms/, 'a handler that takes too long is cancelled');
is(sql(q{SELECT attempts || ' ' || sqlstate FROM dgen.dead_letters WHERE actor_key = 'l'}), '3 ZD045', 'and after max_attempts a dead letter');
sql(q{SELECT dgen.alter_actor_type('inside', lock_timeout => '10 min')});

# A handler that lets go of the session's locks: nobody else begins meanwhile, and the attempt has failed.
sql(q{DELETE FROM gate});
$call = call('inside', 'g', '{"lock": true, "what": "let go"}');
becomes(q{SELECT last_value || ' ' || is_called FROM let_go}, '1 true', 'a locked part lets go of all advisory locks of its session');
ok(holder('inside', 'g'), 'and has its lock all the same');
sql(q{SELECT dgen._wake(id) FROM dgen.actor_type WHERE name = 'inside'});
sql(q{INSERT INTO gate VALUES (true)});
like(answer($call), qr/^the locked part released the session's advisory locks/, 'its caller is told in the end');
is(sql(q{SELECT attempts || ' ' || sqlstate || ' ' || hint FROM dgen.dead_letters WHERE actor_key = 'g'}) . ' ' . sql(q{SELECT last_value FROM let_go}),
	'3 ZD049 Release single locks with pg_advisory_unlock, not all of them with pg_advisory_unlock_all or DISCARD ALL. 3', 'each attempt was counted');
is(answer(call('inside', 'h', '{"let go": true}')), 1, 'a turn that lets go of them has its actor all the same');

$call = call('inside', 'u', '{"lock": true, "what": "hang", "until": 2}');
runs('inside', 'u', 1);
is(sql(q{SELECT dgen.delete_actor('inside', 'u')}), 't', 'a locked actor is deleted');
is(answer($call) =~ /cancelled/, 1, 'its caller is told');
is(sql(q{SELECT count(*) FROM dgen.locked}), 0, 'and nothing of it is left');
sql(q{SELECT dgen.stop_workers()});
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'no lock is left');

$node->stop;
done_testing();
