# A worker's process that is stopped while it has a batch, and goes on when others have taken over:
# it cannot commit any more. The server waits for it for the turn_timeout of its batch and 5 s.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();

my $node = PostgreSQL::Test::Cluster->new('stopped');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql(q{CREATE EXTENSION dgen; SELECT dgen.create_actor_type('counter', turn_timeout => '1 ms')});

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub start_worker {
	my ($name) = @_;
	my %worker = (log => "$PostgreSQL::Test::Utils::log_path/stopped_$name.log");
	$worker{run} = IPC::Run::start([ "$build/test/worker", $node->connstr('postgres') . " application_name=$name" ], '<', \undef, '2>', $worker{log});
	becomes("SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE application_name = '$name' AND wait_event_type = 'Extension'",
		1, "$name waits");
	return \%worker;
}

# It is tried again when the stop came too late.
my $sent = 0;
my $stopped = start_worker('stopped');
my $holds = q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid)
	WHERE busy AND application_name = 'stopped' AND state = 'idle in transaction'};
for (1 .. 100) {
	sql(q{SELECT dgen.cast('counter', k, '{"sleep_ms": 300, "after": "done"}') FROM unnest('{a,b,a}'::text[]) AS k});
	$sent += 3;
	$node->poll_query_until('postgres', $holds, 1) or die "the worker claims nothing\n";
	$stopped->{run}->signal('STOP');
	last if sql($holds) == 1;
	$stopped->{run}->signal('CONT');
}
is(sql($holds), 1, 'a worker is stopped with a batch');

my $heir = start_worker('heir');
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'others take over, with the server waiting for it no longer');
like(slurp_file($node->logfile), qr/terminating connection due to idle-in-transaction timeout/, 'as its session was ended');
$stopped->{run}->signal('CONT');
becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'it goes on, and comes back');
like(slurp_file($stopped->{log}), qr/connecting again/, 'after it has noticed');
is(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors}), $sent, 'each message once');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}) + sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, 'and none is blamed');
for ($stopped, $heir) {
	$_->{run}->signal('TERM');
	ok($_->{run}->finish, 'it ends well') or diag(slurp_file($_->{log}));
}
my $after = join '', map { slurp_file($_->{log}) } $stopped, $heir;
my @after = $after =~ /^after the commit/mg;
is(@after, $sent, 'what is to be done after the commit is done once for each');
$node->stop;
done_testing();
