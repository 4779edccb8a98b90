# A worker process is killed while it has a batch: another one handles the messages at once,
# each exactly once. Every timeout is set to hours, so that nothing that waited for one would end.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();
my $patience = $PostgreSQL::Test::Utils::timeout_default;

my $node = PostgreSQL::Test::Cluster->new('takeover');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	idle_in_transaction_session_timeout = 0});
$node->start;
sql(q{CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('slow', backoff => '5 h', max_backoff => '5 h', turn_timeout => '5 h');
	SELECT dgen.create_actor_type('counter', backoff => '5 h', max_backoff => '5 h', turn_timeout => '5 h');});

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub start_worker {
	my ($name) = @_;
	my $worker = { name => $name, err => '' };
	$worker->{run} = IPC::Run::start([ "$build/test/worker", $node->connstr('postgres') . " application_name=$name" ],
		'<', \undef, '2>', \$worker->{err});
	becomes("SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE application_name = '$name' AND wait_event_type = 'Extension'",
		1, "$name waits");
	return $worker;
}

sub kill_worker {
	my ($worker) = @_;
	$worker->{run}->signal('KILL');
	$worker->{run}->finish;
}

# Stops the worker in a turn, with a batch. It is tried again when that came too late.
my $sent = 0;
my $holds = q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid)
	WHERE busy AND application_name = 'victim' AND state = 'idle in transaction'};

sub stop_in_batch {
	my ($victim) = @_;
	for (1 .. $patience) {
		sql(q{BEGIN;
			SELECT dgen.cast('counter', 'a', '{"sleep_ms": 500}');
			SELECT dgen.cast('counter', k) FROM unnest('{a,b,c,a,b,c}'::text[]) AS k;
			COMMIT});
		$sent += 7;
		$node->poll_query_until('postgres', "SELECT ($holds) = 1 OR NOT EXISTS (SELECT FROM dgen.message)")
			or die "the worker claims nothing\n";
		$victim->{run}->signal('STOP');
		return if sql($holds) == 1;
		$victim->{run}->signal('CONT');
	}
	die "the worker was never stopped with a batch\n";
}

my $victim = start_worker('victim');
for my $round (1 .. 5) {
	stop_in_batch($victim);
	my $heir = start_worker('heir');
	cmp_ok(sql(q{SELECT count(*) FROM dgen.message}), '>', 0, "$round: what a worker has no other one gets");
	kill_worker($victim);
	becomes(q{SELECT count(*) FROM dgen.message}, 0, "$round: when it is killed another one handles it");
	is(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors}), $sent, "$round: each message once");
	is(sql(q{SELECT count(*) FROM dgen.failed_attempt}) + sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, "$round: none is blamed");
	$heir->{run}->signal('TERM');
	ok($heir->{run}->finish, "$round: it ends well") or diag($heir->{err});
	$victim = start_worker('victim');
}
kill_worker($victim);
$node->stop;
done_testing();
