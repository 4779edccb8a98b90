# A server that has come to its limits: no room on the disk for tables, or for the log; no locks; no
# connections. Senders get its error, workers go on when there is room again; nothing is
# lost, and nobody is blamed (max_attempts is 2).
use strict;
use warnings;
use lib 'test/lib';
use Namespace 'mount -t tmpfs -o size=1m none /mnt';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

my $build = Programs::build();

my $node;
sub sql { return $node->safe_psql('postgres', $_[0]) }

# Also with a server that is on its way down.
sub succeeds {
	my ($query) = @_;
	return IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $query ], '<', \undef, '>', \my $out, '2>', \my $err);
}

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub server {
	my ($name, $extra, $settings) = @_;
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => $extra);
	$node->append_conf('postgresql.conf', qq{
		shared_preload_libraries = 'dgen'
		dgen.safety_net_interval = 86400
		max_worker_processes = 20
		restart_after_crash = on
		fsync = on
		$settings});
	$node->start;
	sql(q{CREATE EXTENSION dgen;
		CREATE TABLE turn (id bigint);
		CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO turn VALUES (ctx.message_id);
			RETURN dgen.reply(message, jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1, 'filling', COALESCE(message->>'filling', '')));
		END $$;
		SELECT dgen.create_actor_type('inside', 'work', max_attempts => 2, backoff => '1 ms', max_backoff => '100 ms');
		SELECT dgen.create_actor_type('counter', max_attempts => 2, backoff => '1 ms', max_backoff => '100 ms');});
}

sub start_worker {
	my ($name) = @_;
	my $worker = { err => '' };
	my $log = "$PostgreSQL::Test::Utils::log_path/limits_$name.log";
	$worker->{log} = $log;
	$worker->{run} = IPC::Run::start([ "$build/test/worker", $node->connstr('postgres') . " application_name=$name" ], '<', \undef, '2>', $log);
	becomes(q{SELECT count(*) FROM dgen.workers WHERE kind = 'external'}, 1, "worker $name works");
	return $worker;
}

sub end_worker {
	my ($worker) = @_;
	$worker->{run}->signal('TERM');
	ok($worker->{run}->finish, 'and ends well') or diag(slurp_file($worker->{log}));
}

sub nobody_is_blamed {
	my ($name) = @_;
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}) . ' ' . sql(q{SELECT count(*) FROM dgen.failed_attempt}), '0 0', "$name: and nobody is blamed");
}

# ---- a disk ----

my $made = 0;

sub disk {
	my ($size) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir_short();
	system_or_bail('mount', '-t', 'tmpfs', '-o', "size=$size,mode=0700", 'none', $path);
	return $path;
}

sub fill {
	my ($disk) = @_;
	open my $file, '>', "$disk/ballast" or die "$disk: $!";
	1 while syswrite $file, 'x' x 4096;
	return close $file;
}

sub test_disk {
	server('disk', [], '');
	my $disk = disk('64m');
	mkdir "$disk/space" or die $!;
	sql("CREATE TABLESPACE small LOCATION '$disk/space'");
	sql("ALTER TABLE dgen.$_ SET TABLESPACE small") for qw(message actor);
	sql("ALTER INDEX dgen.$_ SET TABLESPACE small") for qw(message_order actor_pkey);
	sql(q{SELECT dgen.start_workers(1)});
	my $worker = start_worker('disk');
	my $message = q{jsonb_build_object('filling', (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 200)))};
	sql(q{SELECT dgen.pause('inside'), dgen.pause('counter')});
	sql(qq{SELECT dgen.cast('inside', 'k' || i, $message), dgen.cast('counter', 'k' || i, $message) FROM generate_series(1, 200) i});
	fill($disk);
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT dgen.cast('counter', 'k', $message) FROM generate_series(1, 200)");
	like($error, qr/53100.*No space left on device/, 'disk: a sender gets the error of the server');
	my $from = -s $node->logfile;
	sql(q{SELECT dgen.resume('inside'), dgen.resume('counter')});
	until_true(sub {
		my @errors = substr(slurp_file($node->logfile), $from) =~ /No space left on device/g;
		return @errors > 3 && slurp_file($worker->{log}) =~ /No space left/;
	});
	like(slurp_file($worker->{log}), qr/did not commit.*No space left on device/, 'disk: workers run into it');
	unlink "$disk/ballast" or die $!;
	becomes(q{SELECT count(*) FROM dgen.message}, 0, 'disk: when there is room again they handle all');
	is(sql(q{SELECT count(*) || ' ' || sum((state->>'n')::int) FROM dgen.actors}), '400 400', 'disk: each message once');
	is(sql(q{SELECT count(*) FROM turn}), 200, 'disk: with what its turn wrote');
	nobody_is_blamed('disk');
	end_worker($worker);
	$node->stop;
}

# ---- the log's disk ----

sub test_log {
	my $disk = disk('48m');
	server('log', [ '-X', "$disk/wal", '--wal-segsize=1' ], "wal_keep_size = 1GB\nmax_wal_size = 1GB\ncheckpoint_timeout = 1h\ndgen.databases = 'postgres'\ndgen.worker_count = 2");
	my $worker = start_worker('log');
	fill($disk);
	my $acknowledged = 0;
	for (1 .. 100_000) {
		last unless succeeds(q{SELECT dgen.cast('inside', 'k' || i % 7), dgen.cast('counter', 'k' || i % 7) FROM generate_series(1, 100) i});
		$acknowledged += 100;
	}
	note("$acknowledged pairs of messages were acknowledged");
	like(slurp_file($node->logfile), qr/PANIC:.*No space left on device/, 'log: no room is the end of the server');
	unlink "$disk/ballast" or die $!;
	my $up = 0;
	for (1 .. 20) {
		# It has come back by itself, or recovery had no room either, and it has to be started.
		last if $up = succeeds('SELECT 1');
		last unless -e $node->data_dir . '/postmaster.pid';
		select undef, undef, undef, 0.5;
	}
	unless ($up) {
		$node->_update_pid(0);
		$node->start;
	}
	becomes(q{SELECT count(*) FROM dgen.message}, 0, 'log: when there is room again, all is handled');
	is(sql(q{SELECT count(*) - count(DISTINCT id) FROM turn}), 0, 'log: nothing twice');
	cmp_ok(sql(q{SELECT count(*) FROM turn}), '>=', $acknowledged, 'log: nothing that was acknowledged is lost');
	cmp_ok(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_type = 'counter'}), '>=', $acknowledged, 'log: outside neither');
	is(sql(q{SELECT count(*) FROM turn}), sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_type = 'counter'}), 'log: a send is there as a whole or not at all');
	nobody_is_blamed('log');
	end_worker($worker);
	$node->stop;
}

if ($Namespace::missing) {
	diag("SKIPPED: full disks, no file systems can be mounted here: $Namespace::missing");
	SKIP: { skip "full disks: $Namespace::missing", 1 }
}
else {
	test_disk();
	test_log();
}

# ---- locks ----

# Somebody has taken all that there are. (The table holds as many as max_locks_per_transaction says for
# each session, and some more.)
server('locks', [], "max_locks_per_transaction = 10\nmax_connections = 20\nautovacuum = off\ndgen.batch_actors = 10000");
sql(q{SELECT dgen.start_workers(1)});
my $worker = start_worker('locks');
my %session = (in => '', out => '');
$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$session{in}, '>', \$session{out}, '2>&1');
$session{in} = q{
	DO $$ BEGIN FOR i IN 1 .. 100000 LOOP PERFORM pg_advisory_lock(i); END LOOP; EXCEPTION WHEN out_of_memory THEN RAISE NOTICE 'all'; END $$;
	SELECT pg_advisory_unlock(i) FROM generate_series(1, 20) i; SELECT 'taken';
};
$session{run}->pump until $session{out} =~ /taken/;
sql(q{SELECT dgen.cast('inside', 'k' || i) FROM generate_series(1, 1000) i});
sql(q{SELECT dgen.cast('counter', 'k' || i) FROM generate_series(1, 1000) i});
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'locks: with a handful of locks left workers handle all');
is(sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors}), 2000, 'locks: each message once');
nobody_is_blamed('locks');
$session{in} = "\\q\n";
$session{run}->finish;

# ---- connections ----

my @sessions;
for (1 .. 40) {
	my %one = (in => "SELECT 'there';\n", out => '');
	$one{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$one{in}, '>', \$one{out}, '2>&1');
	$one{run}->pump until $one{out} =~ /there|too many/;
	push @sessions, \%one;
	last if $one{out} =~ /too many/;
}
like($sessions[-1]{out}, qr/too many clients/, 'connections: all are taken');
$sessions[0]{in} = "SELECT pg_terminate_backend(pid) FROM dgen.workers WHERE kind = 'external';\n";
$sessions[0]{run}->pump while length $sessions[0]{in};
# The session that has become free may go to the worker: then it is no use.
until_true(sub { slurp_file($worker->{log}) =~ /connecting again/ });
like(slurp_file($worker->{log}), qr/connecting again/, 'connections: a worker that has lost its own tries again');
$_->{run}->kill_kill(grace => 0) for @sessions;
is(sql(q{CALL dgen.ask('counter', 'after', timeout => '1 min')}), 1, 'connections: and works when there are some');
end_worker($worker);
$node->stop;
done_testing();
