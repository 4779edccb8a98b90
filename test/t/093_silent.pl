# A turn that never ends: its worker says nothing more, and the server ends the session. After some such
# sessions it is a failed attempt, and in the end a dead letter. Nobody is blamed for what an operator, a
# shutdown or a crash of the server ends.
#
# The workers are psql sessions. dgen.claim has the server wait for turn_timeout and 5 s; most of them make that
# shorter after the claim. The safety-net look is put off for a day.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

my $build = Programs::build_checked();
my $node = PostgreSQL::Test::Cluster->new('silent');
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

my $policy = q{max_attempts => 2, backoff => '0', max_backoff => '0', turn_timeout => '1 ms', handle_actions => true};
sql(qq{CREATE EXTENSION dgen; SELECT dgen.create_actor_type('job', $policy), dgen.create_actor_type('other')});

# ---- workers ----

# What it answers.
sub say_to {
	my ($worker, $statements) = @_;
	my $asked = ++$worker->{asked};
	$worker->{in} .= "$statements;\n\\echo said $asked\n";
	$worker->{run}->pump until $worker->{out} =~ s/\A(.*)^said $asked\n//ms;
	return $1;
}

# A worker with a batch, or a locked part; if there is none it has committed.
sub claim {
	my $worker = { in => '', out => '' };
	$worker->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$worker->{in}, '>', \$worker->{out}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	($worker->{pid}) = say_to($worker, q{SET dgen.batch_duration = '1 min';
		SELECT pg_backend_pid() FROM dgen.attach('w', '{job,other}', NULL, NULL, '{job}')}) =~ /(\d+)/;
	my $rows = say_to($worker, q{BEGIN; SELECT actor, kind, message #>> '{}', attempt FROM dgen.claim(locked => true)});
	for (split /\n/, $rows) {
		my ($actor, $kind, $message, $attempt) = split /\|/;
		push @{ $worker->{messages} }, $message;
		$worker->{handled}[ $actor - 1 ]++;
		$worker->{kind} = $kind;
		$worker->{attempt} = $attempt;
	}
	say_to($worker, 'COMMIT') unless $rows;
	return $worker;
}

# One that has something: what has failed is due with a later claim.
sub work {
	for (1 .. 1000) {
		my $worker = claim();
		return $worker if $worker->{kind};
		commit($worker);
	}
	die "there is nothing to do\n";
}

sub has {
	my ($worker, $message) = @_;
	return scalar grep { $_ eq $message } @{ $worker->{messages} || [] };
}

sub is_over {
	my ($worker) = @_;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker->{pid}") or die;
}

# Its client does not matter any more.
sub gone {
	my ($worker) = @_;
	is_over($worker);
	$worker->{run}->kill_kill(grace => 0);
}

# It says nothing more, until the server has ended its session.
my $soon = q{SET LOCAL idle_in_transaction_session_timeout = '10 ms'};

sub silent {
	my ($worker, $timeout) = @_;
	say_to($worker, $timeout // $soon);
	gone($worker);
}

sub terminated {
	my ($worker) = @_;
	sql("SELECT pg_terminate_backend($worker->{pid})");
	gone($worker);
}

sub commit {
	my ($worker, $options) = @_;
	my $handled = join ',', @{ $worker->{handled} || [] };
	say_to($worker, "SELECT dgen.commit_turns('{$handled}'" . ($options // '') . '); COMMIT') if $handled;
	$worker->{in} .= "\\q\n";
	$worker->{run}->finish;
}

# Claims until the mailboxes are empty; whoever has a message of that kind ends as told. Returns how many messages those had.
sub handle_all {
	my ($message, $ends) = @_;
	my @ended;
	for (1 .. 100) {
		last if sql(q{SELECT (SELECT count(*) FROM dgen.message) + (SELECT count(*) FROM dgen.locked)}) == 0;
		my $worker = claim();
		if (has($worker, $message)) {
			push @ended, scalar @{ $worker->{messages} };
			$ends->($worker);
		}
		else { commit($worker) }
	}
	return @ended;
}

# Of the dead letters, which are discarded.
sub dead {
	my $dead = sql(q{SELECT message #>> '{}', attempts, sqlstate FROM dgen.dead_letters});
	sql(q{SELECT dgen.discard(message_id) FROM dgen.dead_letters});
	return $dead;
}

# ---- a turn that never ends ----

sql(q{SELECT count(dgen.cast('job', 'job-' || i)) FROM generate_series(1, 20) i});
sql(q{SELECT dgen.cast('job', 'job-7', '"hangs"'), dgen.cast('job', 'job-7', '"behind"')});
my $worker = claim();
is(@{ $worker->{messages} }, 22, 'a batch with a turn that never ends');
is(say_to($worker, 'SHOW idle_in_transaction_session_timeout'), "5001ms\n", 'has turn_timeout and 5 s');
silent($worker, 'SELECT');
like(slurp_file($node->logfile), qr/terminating connection due to idle-in-transaction timeout/, 'then the server ends its session');
my @sizes = handle_all('hangs', \&silent);
cmp_ok(shift @sizes, '<=', 16, 'its messages come again in small batches');
is_deeply(\@sizes, [ 1, 1 ], 'and at last alone, as often as there are attempts');
is(sql(q{SELECT error FROM dgen.dead_letters}), 'the worker was silent for too long in the turn, and the server ended its session',
	'then it is a dead letter, which says why');
is(dead(), 'hangs|2|ZD041', 'as a turn that took too long');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'nobody else has a failed attempt, and what was behind it is handled');

# Each claim records an attempt of one, and is rolled back with the other's.
sql(q{SELECT dgen.cast('job', k, '"hangs"') FROM unnest('{a,b,c}'::text[]) AS k});
handle_all('hangs', \&silent);
is(dead(), "hangs|2|ZD041\n" x 2 . 'hangs|2|ZD041', 'several of them do not keep each other from being counted');

# ---- other ends of a session that are due to its turn ----

sub in_statement {
	sql(q{SELECT dgen.cast('job', 'asleep', '"asleep"')});
	for (1 .. 10) {
		last if sql(q{SELECT count(*) FROM dgen.dead_letter}) > 0;
		my $sleeper = claim();
		commit($sleeper), next unless has($sleeper, q{asleep});
		$sleeper->{in} .= "\\echo begun\nSELECT repeat('x', 10000), pg_sleep(0.01) FROM generate_series(1, 1000000);\n";
		$sleeper->{run}->pump until $sleeper->{out} =~ /begun/;
		$node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $sleeper->{pid}") or die;
		$sleeper->{run}->kill_kill(grace => 0);
		is_over($sleeper);
	}
	return dead();
}
is(in_statement(), 'asleep|2|ZD042', 'a client that is gone while its session runs a statement');
like(slurp_file($node->logfile), qr/connection to client lost/, 'which notices that');

SKIP: {
	skip 'transaction_timeout is there from PostgreSQL 17 on', 1 if sql('SHOW server_version_num') < 170000;
	sql(q{SELECT dgen.cast('job', 'long', '"long"')});
	handle_all('long', sub { silent($_[0], q{SET LOCAL transaction_timeout = '10 ms'}) });
	is(dead(), 'long|2|ZD042', 'transaction_timeout');
}

# ---- nobody is blamed for what others end ----

sub innocent {
	my ($name) = @_;
	my $heir = work();
	is(join('|', $heir->{kind}, $heir->{attempt}), 'cast|1', "$name: no attempt is counted");
	return $heir;
}

sql(q{SELECT dgen.cast('job', 'innocent', '"innocent"')});
terminated(work()) for 1 .. 5;
$worker = innocent('an operator ends its session again and again');
$node->stop('fast');
$node->start;
gone($worker);
$worker = innocent('a fast shutdown');
$node->stop('immediate');
$node->start;
gone($worker);
commit(innocent('a crash of the server'));

# ---- an action, which may have had its effect ----

sub act {
	sql(q{SELECT dgen.cast('job', 'actor', '"act"')});
	commit(work(), q{, send_types => '{job}', send_keys => '{actor}', send_messages => ARRAY['"act"']::jsonb[],
		send_actors => '{1}', send_correlations => '{charge}', send_actions => '{t}'});
}

act();
terminated(work()) for 1 .. 3;
$worker = work();
is(join('|', $worker->{kind}, $worker->{attempt}), 'action|1', 'an operator ends the session of an action: no attempt is counted');
silent($worker);
$worker = work();
is(join('|', $worker->{kind}, $worker->{attempt}), 'action|2', 'an action that never ends is counted at once');
silent($worker);
handle_all('act', \&silent);
is(dead(), 'act|2|ZD041', 'and is a dead letter in the end');

# ---- a locked part ----

sub lock_actor {
	sql(q{SELECT dgen.cast('job', 'locked', '"part"')});
	commit(work(), q{, locks => ARRAY[true]});
}

sub part {
	my ($attempt, $name) = @_;
	my $runner = work();
	is(join('|', $runner->{kind}, $runner->{attempt}), "locked|$attempt", $name);
	return $runner;
}

lock_actor();
$worker = part(1, 'a locked part');
is(say_to($worker, 'SHOW idle_in_transaction_session_timeout'), "5001ms\n", 'is not waited for either before it has begun');
silent($worker);
$worker = part(1, 'and none was');
say_to($worker, 'COMMIT');
terminated($worker);
is(sql(q{SELECT failed FROM dgen.locked}), 0, 'an operator ends its session: no attempt is counted');
$worker = part(2, 'it is run again');
say_to($worker, 'COMMIT');
silent($worker, q{SET idle_session_timeout = '10 ms'});
$worker = part(3, 'a timeout ends its session');
say_to($worker, 'COMMIT');
is(sql(q{SELECT failed FROM dgen.locked}), 1, 'that is a failed attempt');
say_to($worker, 'BEGIN; SELECT dgen.claim_locked()');
silent($worker);
handle_all('part', sub { die "it is run again\n" });
is(dead(), 'part|2|ZD041', 'and so is one that never ends what it has run');

# ---- libdgen, with the processes of a supervisor ----

my $supervisor = IPC::Run::start([ @Programs::run, "$build/test/supervisor", '-t', '1000', '-r', '200', $node->connstr('postgres') ],
	'<', \undef, '2>', "$PostgreSQL::Test::Utils::log_path/silent_supervisor.log");
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'a supervised worker');
sql(q{SELECT dgen.alter_actor_type('task', max_attempts => 1)});
sql(q{SELECT dgen.cast('task', 'a', '{"do": "silent"}'), dgen.cast('task', 'a', '{"do": "behind"}')});
becomes(q{SELECT message->>'do', attempts, sqlstate FROM dgen.dead_letters}, 'silent|1|ZD041',
	'whose callback never returns: the server ends its session before the supervisor its process');
becomes(q{SELECT dgen.state('task', 'a')->>'n'}, 1, 'the actor goes on');
$supervisor->signal('TERM');
ok($supervisor->finish, 'it ends well');

$node->stop;
done_testing();
