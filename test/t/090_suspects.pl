# A message that takes its worker's process along gets the blame for it, and no other one does, nor
# any when somebody kills a healthy worker.
#
# The workers are psql sessions that claim, and are killed or commit. The safety-net look is put off
# for a day.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('suspects');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q{
	CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('job', max_attempts => 2, backoff => '1 ms', max_backoff => '1 ms');
	SELECT dgen.create_actor_type('other');});

# A worker that has claimed; its batch is a list of messages.
sub claim {
	my ($types) = @_;
	my $worker = { in => '', out => '' };
	$worker->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$worker->{in}, '>', \$worker->{out}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$worker->{in} = "SET dgen.batch_duration = '1 min'; SELECT 'attached' FROM dgen.attach('w', '{$types}');\n"
		. "BEGIN; SELECT 'row', actor, message #>> '{}' FROM dgen.claim(); SELECT 'pid', pg_backend_pid();\n";
	$worker->{run}->pump until $worker->{out} =~ /^pid\|(\d+)$/m;
	$worker->{pid} = $1;
	for ($worker->{out} =~ /^row\|(.*)$/mg) {
		my ($actor, $message) = split /\|/;
		push @{ $worker->{batch} }, $message;
		$worker->{handled}[ $actor - 1 ]++;
	}
	$worker->{batch} ||= [];
	return $worker;
}

# Its process dies, and its session with it.
sub crash {
	my ($worker) = @_;
	$worker->{run}->kill_kill(grace => 0);
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker->{pid}") or die;
}

sub commit {
	my ($worker) = @_;
	my $handled = join ',', @{ $worker->{handled} || [] };
	$worker->{in} .= @{ $worker->{batch} } ? "SELECT dgen.commit_turns('{$handled}'); COMMIT;\n\\q\n" : "COMMIT;\n\\q\n";
	$worker->{run}->finish;
}

sub waiting { return sql(q{SELECT count(*) FROM dgen.message}) }

# Handles all; a batch with a message that says so kills its worker. Returns the sizes of those batches.
sub handle_all {
	my @crashed;
	for (1 .. 1000) {
		last if waiting() == 0;
		my $worker = claim('job,other');
		if (grep { $_ eq 'poison' } @{ $worker->{batch} }) {
			push @crashed, scalar @{ $worker->{batch} };
			crash($worker);
		}
		else { commit($worker) }
	}
	return @crashed;
}

sub send_jobs { sql("SELECT count(dgen.cast('job', 'job-' || i)) FROM generate_series(1, 100) i") }

# ---- a healthy worker is killed ----

send_jobs();
my $worker = claim('job');
is(@{ $worker->{batch} }, 100, 'a worker has a batch of many actors');
crash($worker);
is_deeply([ handle_all() ], [], 'it is killed: others handle the batch');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'and nobody has a failed attempt');
send_jobs();
$worker = claim('job');
is(@{ $worker->{batch} }, 100, 'they are suspects no more');
commit($worker);

# ---- one of them is the reason ----

send_jobs();
sql(q{SELECT dgen.cast('job', 'job-50', '"poison"'), dgen.cast('job', 'job-50', '"behind"')});
my @crashed = handle_all();
is($crashed[0], 102, 'a batch with a message that kills its worker');
cmp_ok($crashed[1], '<=', 16, 'its messages come again in small batches');
is_deeply([ @crashed[ 2 .. $#crashed ] ], [ 1, 1 ], 'and at last alone, as often as there are attempts');
is(sql(q{SELECT message #>> '{}', attempts, sqlstate FROM dgen.dead_letter}), 'poison|2|ZD042', 'then it is a dead letter');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'nobody else has a failed attempt');
send_jobs();
sql(q{SELECT dgen.cast('job', 'job-50')});
$worker = claim('job');
is(@{ $worker->{batch} }, 101, 'its actor and the others are suspects no more');
commit($worker);

# ---- suspects do not wait for ever ----

send_jobs();
crash(claim('job'));
my ($normal, $suspects) = (0, 0);
for (1 .. 20) {
	sql(q{SELECT count(dgen.cast('other', 'other-' || i, '"other"')) FROM generate_series(1, 50) i});
	$worker = claim('job,other');
	my %messages = map { $_ => 1 } @{ $worker->{batch} };
	is(keys %messages, 1, 'suspects are kept apart') if keys %messages > 1;
	$messages{other} ? $normal++ : $suspects++;
	commit($worker);
}
cmp_ok($normal, '>', 2, 'others go on while there are suspects');
cmp_ok($suspects, '>', 2, 'and suspects while there are others');

# ---- somebody else has the actor when the attempt is to be recorded ----

sql(q{SELECT dgen.cast('job', 'held', '"poison"')});
crash(claim('job')) for 1 .. 2;
$worker = claim('job');
my $other = { in => "BEGIN;\nSELECT 'reset', dgen.reset('job', 'held');\n", out => '' };
$other->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$other->{in}, '>', \$other->{out}, '2>&1',
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$other->{run}->pump while length $other->{in};
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'}) or die;
crash($worker);
$other->{run}->pump until $other->{out} =~ /reset/;
commit(claim('job'));
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'while somebody else has the actor no attempt is recorded');
$other->{in} .= "ROLLBACK;\n\\q\n";
$other->{run}->finish;
commit(claim('job'));
is(sql(q{SELECT attempts FROM dgen.failed_attempt}), '1', 'and it is not forgotten');
handle_all();

# ---- a requester is told ----

my $request = sql(q{SELECT dgen.request('job', 'asked', '"poison"')});
handle_all();
my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT dgen.await_reply($request)");
like($error, qr/ZD042.*session ended during the turn.*\nHINT: .*worker.s log and the server log/, 'the caller of a request that dies so gets the error');

# ---- and so is the actor, where its type wants that ----

sql(q{SELECT dgen.alter_actor_type('job', handle_dead_letters => true)});
my $dead = sql(q{SELECT dgen.cast('job', 'told', '"poison"')});
for (1 .. 10) {
	last if sql(q{SELECT count(*) FROM dgen.message WHERE kind = 'd'}) > 0;
	$worker = claim('job,other');
	grep({ $_ eq 'poison' } @{ $worker->{batch} }) ? crash($worker) : commit($worker);
}
is(sql(q{SELECT concat_ws('|', kind, actor_key, in_reply_to, message #>> '{}', sqlstate) FROM dgen.messages}), "dead_letter|told|$dead|poison|ZD042",
	'an actor is told of a message that took its worker along');

$node->stop;
done_testing();
