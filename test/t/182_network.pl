# Hosts that vanish: nobody closes a socket, nobody answers. The server ends the sessions of
# workers that are gone and others take over; a worker whose server is gone connects to
# another one. TCP finds out, with the settings of libdgen and of dgen.attach: in 35 s.
# Left to itself it would take hours, and turn_timeout here is five hours, too.
#
#     servers: first 10.77.0.1 ──┐
#                                router ── 10.79.0.2, 10.79.1.2: worker
#              other 10.77.1.1 ──┘
#
# Each of the three is a network namespace. The link between "first" and the router is taken down
# on the router's side, which has no other way then, and says nothing to anybody.
use strict;
use warnings;
use lib 'test/lib';
use Namespace 'ip link set dev lo up && ip link add dgen0 type veth peer name dgen1 && unshare --net true';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Time::HiRes 'time';

if ($Namespace::missing) {
	diag("SKIPPED: hosts that vanish, no network namespaces here: $Namespace::missing");
	plan skip_all => "no network namespaces here: $Namespace::missing";
}

my $build = Programs::build();

# ---- the network ----

my (@namespaces, @pipes);
END { local $?; kill 'KILL', @namespaces; waitpid $_, 0 for @namespaces }

# A process that keeps it.
sub namespace {
	my $pid = open(my $pipe, '-|', 'unshare', '--net', 'sh', '-c', 'echo; exec sleep 3600') or die "unshare: $!";
	push @namespaces, $pid;
	push @pipes, $pipe;
	readline($pipe) // die "no namespace\n";
	return $pid;
}

my ($router, $far) = (namespace(), namespace());
sub at { my ($pid, @command) = @_; return ($pid ? ("nsenter", "--net=/proc/$pid/ns/net") : (), @command) }
sub ip { my ($pid, @arguments) = @_; system_or_bail(at($pid, 'ip', map { split ' ' } @arguments)) }

ip(0, 'link set dev lo up');
for (['a', 0], ['b', 1]) {
	my ($name, $n) = @$_;
	ip(0, "link add v$name type veth peer name m$name netns $router");
	ip(0, "addr add 10.77.$n.1/24 dev v$name");
	ip(0, "link set dev v$name up");
	ip($router, "addr add 10.77.$n.2/24 dev m$name");
	ip($router, "link set dev m$name up");
}
ip($router, "link add mw type veth peer name vw netns $far");
ip($far, 'link set dev lo up');
ip($_->[0], "link set dev $_->[1] up") for [$router, 'mw'], [$far, 'vw'];
for my $n (0, 1) {
	ip($router, "addr add 10.79.$n.1/24 dev mw");
	ip($far, "addr add 10.79.$n.2/24 dev vw");
	ip($far, "route add 10.77.$n.0/24 via 10.79.$n.1 src 10.79.$n.2");
	ip(0, "route add 10.79.$n.0/24 via 10.77.$n.2");
}
ip($router, 'route add blackhole 10.77.0.0/24 metric 1000');
system_or_bail(at($router, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'));

# ---- servers and workers ----

sub server {
	my ($name, $address) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', qq{
		shared_preload_libraries = 'dgen'
		dgen.safety_net_interval = 86400
		idle_in_transaction_session_timeout = 0
		log_line_prefix = '%m [%p] %a '
		listen_addresses = '$address'});
	$node->append_conf('pg_hba.conf', 'host all all 10.79.0.0/16 trust');
	$node->start;
	$node->safe_psql('postgres', q{CREATE EXTENSION dgen;
		SELECT dgen.create_actor_type('counter', backoff => '5 h', max_backoff => '5 h', turn_timeout => '5 h')});
	return $node;
}
my $first = server('first', '10.77.0.1');
my $other = server('other', '10.77.1.1');

sub becomes {
	my ($node, $query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag($node->safe_psql('postgres', $query));
}

my $waits = q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE application_name = '%s' AND wait_event_type = 'Extension'};
my $works = q{SELECT count(*) FROM dgen.workers JOIN pg_stat_activity USING (pid) WHERE application_name = '%s' AND busy AND state = 'idle in transaction'};

sub start_worker {
	my ($name, $pid, @conninfo) = @_;
	my $worker = { name => $name, err => '' };
	$worker->{run} = IPC::Run::start([ at($pid, "$build/test/worker", "@conninfo application_name=$name") ], '<', \undef, '2>', \$worker->{err});
	becomes($first, sprintf($waits, $name), 1, "$name waits");
	return $worker;
}

sub end_worker {
	my ($worker) = @_;
	$worker->{run}->signal('TERM');
	ok($worker->{run}->finish, "$worker->{name} ends well") or diag($worker->{err});
}

my $user = getpwuid $<;
my @first = ('host=10.77.0.1', 'port=' . $first->port, "user=$user dbname=postgres");
my @both  = ('host=10.77.0.1,10.77.1.1', 'port=' . $first->port . ',' . $other->port, "user=$user dbname=postgres");

# ---- what is set ----

sub settings {
	my ($options) = @_;
	local $ENV{PGOPTIONS} = $options;
	my $out = '';
	IPC::Run::run([ at($far, 'psql', '-XAtq', '-d', "@first", '-c', q{DO $$ BEGIN PERFORM dgen.attach('a', '{counter}'); END $$},
		'-c', q{SELECT string_agg(current_setting('tcp_' || name), ' ') FROM unnest('{keepalives_idle,keepalives_interval,keepalives_count,user_timeout}'::text[]) AS name}) ],
		'>', \$out);
	return $out =~ s/\n//r;
}
is(settings(''), '20 5 3 30000', 'dgen.attach makes the server look whether the host is there');
is(settings('-c tcp_keepalives_idle=7 -c tcp_user_timeout=1234'), '7 5 3 1234', 'but leaves settings of the session');

# ---- the link goes down ----

# It is stopped in a turn. That is tried again when the stop came too late.
my $sent = 0;
my $busy = start_worker('busy', $far, @first);

sub stop_in_batch {
	for (1 .. 100) {
		$first->safe_psql('postgres', q{SELECT dgen.cast('counter', 'held', '{"sleep_ms": 500}')});
		$sent++;
		$first->poll_query_until('postgres', sprintf($works, 'busy'), 1) or die "the worker claims nothing\n";
		$busy->{run}->signal('STOP');
		return if $first->safe_psql('postgres', sprintf($works, 'busy')) == 1;
		$busy->{run}->signal('CONT');
	}
	die "the worker was never stopped with a batch\n";
}
stop_in_batch();
my $heir = start_worker('heir', 0, $first->connstr('postgres'));
my $idle = start_worker('idle', $far, @both);
is($first->safe_psql('postgres', sprintf($works, 'busy')), 1, 'a worker has a batch, others are idle');

ip($router, 'link set dev ma down');
my $down = time;
$busy->{run}->signal('CONT'); # its commit goes nowhere
$first->safe_psql('postgres', q{SELECT dgen.cast('counter', 'k' || i) FROM generate_series(1, 20) i});
$sent += 20;
becomes($first, q{SELECT count(*) FROM dgen.message}, 0, 'when the link is down the one whose host is still there handles all');
note(sprintf 'after %.1f s', time - $down);
becomes($first, q{SELECT string_agg(application_name, ' ') FROM dgen.workers JOIN pg_stat_activity USING (pid)}, 'heir',
	'the sessions of the others are ended');
note(sprintf 'after %.1f s', time - $down);
like(slurp_file($first->logfile), qr/ busy LOG:  could not receive data from client: Connection timed out/, 'by TCP');
is($first->safe_psql('postgres', q{SELECT sum((state->>'n')::int) FROM dgen.actors}), $sent, 'each message has one turn');
is($first->safe_psql('postgres', q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'and none is blamed');

becomes($other, q{SELECT count(*) FROM dgen.workers}, 1, 'a worker that knows another server works there');
note(sprintf 'after %.1f s', time - $down);
$other->safe_psql('postgres', q{CALL dgen.ask('counter', 'k', timeout => '1 min')});

# ---- and up again ----

ip($router, 'link set dev ma up');
becomes($first, sprintf($waits, 'busy'), 1, 'when the link is up again the other one comes back');
end_worker($heir);
like($first->safe_psql('postgres', q{CALL dgen.ask('counter', 'held', timeout => '1 min')}), qr/^\d+$/, 'and works');
is($first->safe_psql('postgres', q{SELECT sum((state->>'n')::int) FROM dgen.actors}), $sent + 1, 'what it did meanwhile was not committed');
end_worker($_) for $busy, $idle;
like($busy->{err}, qr/connection was lost in a commit.*\n.*connecting again/, 'its log says that it was away');
$_->stop for $first, $other;
done_testing();
