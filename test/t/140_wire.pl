# What a turn sends and receives: on a state that the worker has had before, what the turn is
# about, whatever the size of the state. The bytes are counted by a relay between worker and
# server.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Relay;
use Test::More;

my $build = Programs::build();

# Bytes of a turn that are not the state: statements, a row of the claim, the entry that changes.
my $little = 2000;
my $entries = 1000;
my $size = 100_000;

my $node = PostgreSQL::Test::Cluster->new('wire');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\ndgen.safety_net_interval = 86400\n");
$node->start;
sql('CREATE EXTENSION dgen');
sql(qq{SELECT dgen.create_actor_type('counter', initial_state => jsonb_object_agg('entry' || i, repeat('x', $size / $entries)))
	FROM generate_series(1, $entries) AS i});

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $counts = "$dir/counts";
my $relay = start_relay();

my $worker = start_worker();
my ($sent, $received) = turn('large');
cmp_ok($received, '>', $size, 'the first turn receives the state');
cmp_ok($sent, '<', $little, 'and sends what it changes') or diag("$sent bytes");
for my $n (2 .. 6) {
	($sent, $received) = turn('large');
	note("turn $n: $sent bytes sent, $received received");
	cmp_ok($received, '<', $little, "turn $n receives its message");
	cmp_ok($sent, '<', $little, "turn $n sends what it changes");
}
is(sql(q{SELECT dgen.state('counter', 'large')->>'n'}), 6, 'each turn has counted');
sql(q{SELECT dgen.reset('counter', 'large')});
($sent, $received) = turn('large');
cmp_ok($received, '>', $size, 'a state that was reset is received again');
is(sql(q{SELECT dgen.state('counter', 'large')->>'n'}), 1, 'and is what the turn works on');
stop($worker);

# The same without room for states: this is what the counting would see.
$worker = start_worker(0, 1000);
turn('large');
($sent, $received) = turn('large');
cmp_ok($received, '>', $size, 'a worker without a cache receives the state at each turn');
cmp_ok($sent, '<', $little, 'and sends what it changes');
stop($worker);

$relay->stop;
$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]) }

# ---- the worker ----

sub start_worker {
	my (@arguments) = @_;
	my $process = { err => '' };
	$process->{run} = IPC::Run::start([ "$build/test/worker", "host=$dir port=" . $node->port . ' dbname=postgres', @arguments ],
		'<', \undef, '2>', \$process->{err});
	wait_until_idle();
	return $process;
}

sub stop {
	my ($process) = @_;
	$process->{run}->signal('TERM');
	ok($process->{run}->finish, 'the worker ends well') or diag($process->{err});
}

sub wait_until_idle {
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 AND NOT EXISTS (SELECT FROM dgen.message) FROM dgen.workers
		JOIN pg_stat_activity USING (pid) WHERE query LIKE 'CALL dgen.wait%' AND wait_event_type = 'Extension'})
		or die "the worker does not wait\n";
}

# Bytes sent and received by the worker for one message.
sub turn {
	my ($key) = @_;
	my @before = read_counts();
	sql("SELECT dgen.cast('counter', '$key', '{}')");
	wait_until_idle();
	my @after = read_counts();
	return ($after[0] - $before[0], $after[1] - $before[1]);
}

# ---- the relay ----

# Numbers of fixed width, which are written in one go.
sub read_counts { return map { $_ + 0 } split ' ', slurp_file($counts) }

# Counted before they go on, so that whoever sees what they do sees them counted.
sub start_relay {
	append_to_file($counts, sprintf "%020d %020d\n", 0, 0);
	open my $file, '+<', $counts or die "$counts: $!";
	my @count = (0, 0);
	return Relay->start($dir, $node, sub {
		my ($to_server, $bytes) = @_;
		$count[ $to_server ? 0 : 1 ] += length $bytes;
		sysseek $file, 0, 0;
		return syswrite $file, sprintf "%020d %020d\n", @count;
	});
}
