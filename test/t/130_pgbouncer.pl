# Through pgbouncer. In transaction mode sending works, and a worker notices that its session
# is not its own, having done nothing twice; in session mode everything works.
use strict;
use warnings;
use lib 'test/lib';
use Cwd 'getcwd';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

$SIG{QUIT} = 'DEFAULT'; # which ends the pool: under nohup it would be ignored

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
die "no pgbouncer: scripts/setup installs it\n" unless $pgbouncer;

my $build = Programs::build();
my $dgen  = $ENV{DGEN_PROGRAM} // getcwd() . '/worker/build/dgen';
my $patience = $PostgreSQL::Test::Utils::timeout_default;

my $node = PostgreSQL::Test::Cluster->new('pooled');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\ndgen.safety_net_interval = 86400\n");
$node->start;
sql('CREATE EXTENSION dgen');

my %pool = map { $_ => start_pool($_) } qw(transaction session);
sending('transaction');
sending('session');
transaction_mode();
session_mode();
end_pool($_) for values %pool;
$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

# ---- the pools ----

# In transaction mode there are two sessions of the server for all.
sub start_pool {
	my ($mode) = @_;
	my $pool = { dir => PostgreSQL::Test::Utils::tempdir_short(), port => $node->port, err => '' };
	my $file = "$pool->{dir}/pgbouncer.ini";
	append_to_file("$pool->{dir}/users", sprintf qq("%s" ""\n), sql('SELECT current_user'));
	append_to_file($file, <<"INI");
[databases]
* = host=@{[ $node->host ]} port=@{[ $node->port ]}
[pgbouncer]
pool_mode = $mode
default_pool_size = @{[ $mode eq 'transaction' ? 2 : 20 ]}
listen_port = $pool->{port}
unix_socket_dir = $pool->{dir}
auth_type = trust
auth_file = $pool->{dir}/users
query_wait_timeout = 0
admin_users = @{[ sql('SELECT current_user') ]}
INI
	$pool->{conninfo} = "host=$pool->{dir} port=$pool->{port} dbname=postgres";
	run_pool($pool);
	return $pool;
}

sub run_pool {
	my ($pool) = @_;
	$pool->{run} = IPC::Run::start([ $pgbouncer, '-q', "$pool->{dir}/pgbouncer.ini" ], '<', \undef, '>', \$pool->{err}, '2>&1');
	until_true(sub { IPC::Run::run([ 'psql', '-Xqc', '', $pool->{conninfo} ], '2>', \my $error) })
		or die "pgbouncer does not start: $pool->{err}\n";
}

sub end_pool {
	my ($pool) = @_;
	$pool->{run}->signal('QUIT'); # at once: from 1.23 on it waits for its clients after a TERM
	$pool->{run}->finish;
}

# The environment that lets a program go through that pool.
sub through {
	my ($mode) = @_;
	return (PGHOST => $pool{$mode}{dir}, PGPORT => $pool{$mode}{port}, PGDATABASE => 'postgres');
}

# ---- processes ----

sub start_worker {
	my ($conninfo) = @_;
	my $worker = { err => '' };
	$worker->{run} = IPC::Run::start([ "$build/test/worker", $conninfo ], '<', \undef, '2>', \$worker->{err},
		IPC::Run::timeout($patience));
	return $worker;
}

sub stop_worker {
	my ($worker) = @_;
	$worker->{run}->signal('TERM');
	ok($worker->{run}->finish, 'SIGTERM ends it well') or diag($worker->{err});
}

# A client with a transaction open, which keeps one of the pool's sessions.
sub hold {
	my ($mode) = @_;
	my $holder = { in => "BEGIN;\nSELECT 'holds ' || pg_backend_pid();\n", out => '' };
	$holder->{run} = IPC::Run::start([ 'psql', '-XAtq', $pool{$mode}{conninfo} ], '<', \$holder->{in}, '>', \$holder->{out},
		IPC::Run::timeout($patience));
	$holder->{run}->pump while length $holder->{in};
	return $holder;
}

sub holds {
	my ($holder) = @_;
	$holder->{run}->pump until $holder->{out} =~ /holds (\d+)\n/;
	return $1;
}

sub let_go {
	my ($holder) = @_;
	$holder->{in} .= "COMMIT;\n\\q\n";
	$holder->{run}->finish;
}

# Until so many clients wait for a session.
sub waiting {
	my ($mode, $count) = @_;
	until_true(sub {
		IPC::Run::run([ 'psql', '-XAtqF', ' ', '-c', 'SHOW POOLS', $pool{$mode}{conninfo} =~ s/dbname=\w+/dbname=pgbouncer/r ],
			'>', \my $pools);
		return $pools =~ /^postgres \S+ \d+ $count /m;
	}) or die "$count clients do not wait\n";
}

# ---- sending ----

sub sending {
	my ($mode) = @_;
	sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
	my $worker = start_worker($node->connstr('postgres'));
	becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'a worker with a connection of its own');

	my $output = '';
	my $ok = IPC::Run::run([ "$build/test/client", "$pool{$mode}{conninfo} application_name=client" ], '>', \$output);
	ok($ok, "$mode mode: libdgen's client through the pool");
	/^(not )?ok - (.*)/ ? ok(!$1, "$mode mode: client: $2") : diag($_) for split /\n/, $output;

	local %ENV = (%ENV, through($mode));
	command_like([ $dgen, 'call', 'counter', $mode ], qr/^1$/, "$mode mode: dgen call");
	command_ok([ $dgen, 'cast', 'counter', $mode ], "$mode mode: dgen cast");
	is($node->safe_psql('postgres', "SELECT dgen.cast('counter', '$mode') > 0"), 't', "$mode mode: dgen.cast in psql");
	becomes("SELECT dgen.state('counter', '$mode')->>'n'", 3, "$mode mode: all is handled");
	command_like([ $dgen, 'state', 'counter', $mode ], qr/"n": *3/, "$mode mode: dgen state");
	stop_worker($worker);
}

# ---- a worker in transaction mode ----

# Money moves between accounts, each of which begins with 1000.
sub transfers {
	sql(q{SELECT dgen.cast('account', 'a' || i % 97, jsonb_build_object('to', 'a' || i * 7 % 97, 'amount', i % 10))
		FROM generate_series(0, 9700) i});
}

sub settle {
	my ($name) = @_;
	becomes(q{SELECT count(*) FROM dgen.message WHERE kind <> 't'}, 0, "$name: all messages are handled");
	is(sql(q{SELECT count(*), sum((state->>'balance')::int) FROM dgen.actors WHERE actor_type = 'account'}),
		'97|97000', "$name: no money is lost or made");
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}) + sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0,
		"$name: nothing failed");
}

# The worker attaches in one session, which goes to somebody else at once, and claims in the other.
sub lose_session {
	my ($name) = @_;
	my @holders = (hold('transaction'), hold('transaction'));
	holds($_) for @holders;
	my $worker = start_worker($pool{transaction}{conninfo});
	waiting('transaction', 1);
	my $next = hold('transaction');
	waiting('transaction', 2);
	let_go($holders[1]);
	holds($next);
	is(sql(q{SELECT count(*) FROM dgen.workers}), 1, "$name: a worker attaches in a session that somebody else has then");
	let_go($holders[0]);
	ok(!$worker->{run}->finish, 'it ends');
	like($worker->{err}, qr/\(the session is shared with others\).*Connect to PostgreSQL directly, or through a connection pooler in session mode\./,
		'and says why, and what to do');
	unlike($worker->{err}, qr/connecting again/, 'it does not try again');
	let_go($next);
	return $worker;
}

sub transaction_mode {
	transfers();
	my $worker = lose_session('first');
	like($worker->{err}, qr/worker \d+ is not attached to this session.*ZD037/, 'the claim was refused');

	# What workers leave behind is there until the pool closes the session.
	becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'the session is attached still');
	sql(q{SELECT dgen.detach()});
	sql(q{SELECT pg_terminate_backend(pid, 60000) FROM dgen.workers});
	lose_session('second');
	sql(q{SELECT pg_terminate_backend(pid, 60000) FROM dgen.workers});

	is(sql(q{SELECT count(*) FROM dgen.actors WHERE actor_type = 'account'}), 0, 'nothing was handled');
	$worker = start_worker($node->connstr('postgres'));
	settle('a worker with a connection of its own');
	stop_worker($worker);
}

# ---- workers in session mode ----

sub session_mode {
	my @workers = map { start_worker($pool{session}{conninfo}) } 1 .. 2;
	becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'session mode: two workers');
	transfers();
	settle('session mode');

	transfers();
	$workers[0]{run}->signal('KILL');
	$workers[0]{run}->finish;
	settle('session mode: a worker is killed');
	becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'session mode: it is no worker any more, whatever the pool does with its session');

	transfers();
	sql(q{SELECT pg_terminate_backend(pid) FROM dgen.workers});
	settle('session mode: a session is terminated');

	transfers();
	end_pool($pool{session});
	run_pool($pool{session});
	settle('session mode: the pool is restarted');
	is(sql(q{SELECT count(*) FROM dgen.workers}), 1, 'session mode: the worker has come back');
	stop_worker($workers[1]);
	becomes(q{SELECT count(*) FROM dgen.workers}, 0, 'session mode: the worker that was stopped is none any more');
	idle();
	locked_part();
}

# Workers that wait for work, which nothing wakes.
sub idle {
	for my $signal (qw(TERM KILL)) {
		my $worker = start_worker($pool{session}{conninfo});
		becomes(q{SELECT count(*) FROM dgen.workers w JOIN pg_stat_activity a USING (pid) WHERE a.query LIKE 'CALL dgen.wait%' AND a.state = 'active'}, 1,
			'session mode: a worker waits');
		$worker->{run}->signal($signal);
		$worker->{run}->finish;
		becomes(q{SELECT count(*) FROM dgen.workers}, 0, "session mode: after a SIG$signal its session is no worker's");
		becomes(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.wait%' AND state = 'active'}, 0, 'session mode: and waits no more');
	}
}

# The pool resets the session of a worker that is killed in a locked part, which another one runs again.
sub locked_part {
	my %worker;
	for my $name (qw(one two three)) {
		$worker{$name} = { err => '' };
		$worker{$name}{run} = IPC::Run::start([ "$build/test/locker", $pool{session}{conninfo}, $name ], '<', \undef, '2>', \$worker{$name}{err},
			IPC::Run::timeout($patience));
		becomes("SELECT count(*) FROM dgen.workers WHERE name = '$name'", 1, "session mode: worker $name is there");
	}
	sql(q{SELECT dgen.cast('locker', 'a', '{"lock": true, "what": "hang", "until": 2}')});
	becomes(q{SELECT count(*) FROM dgen.locked WHERE attempt = 1 AND isfinite(expires_at)}, 1, 'session mode: a locked part runs');
	my $holder = sql(q{SELECT worker FROM dgen.locked});
	$worker{$holder}{run}->signal('KILL');
	$worker{$holder}{run}->finish;
	becomes(q{SELECT count(*) FROM dgen.locked}, 0, 'session mode: another worker runs it again, and ends it');
	is(sql(q{SELECT state FROM dgen.actor('locker', 'a')}), '{"runs": 1}', 'session mode: as if it had run once');
	becomes(qq{SELECT count(*) FROM dgen.workers WHERE name = '$holder'}, 0, 'session mode: the one that was killed is no worker any more');
	delete $worker{$holder};
	stop_worker($_) for values %worker;
}
