# In-database workers that find no process, because others have all of them: they start as soon as
# there is one, whoever asked for them; and a standby starts none.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node;

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

sub make_database {
	my ($database) = @_;
	sql("CREATE DATABASE $database");
	sql(q{CREATE EXTENSION dgen;
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
			LANGUAGE sql AS $$ SELECT dgen.reply('true', '{}') $$;
		SELECT dgen.create_actor_type('counter', 'count_up')}, $database);
}

sub running { return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND datname = '$_[0]'" }

sub runs {
	my ($database, $count, $name) = @_;
	ok($node->poll_query_until('postgres', 'SELECT (' . running($database) . ") = $count"), $name);
}

sub start {
	my ($name, $settings) = @_;
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => $name eq 'primary');
	# The server's own launcher would take one more.
	$node->append_conf('postgresql.conf', "max_logical_replication_workers = 0\ndgen.safety_net_interval = 86400\n$settings");
	$node->start;
}

sub start_workers {
	my ($count, $database) = @_;
	my ($out, $err);
	$node->psql($database, "SELECT dgen.start_workers($count)", stdout => \$out, stderr => \$err);
	return ($out, $err);
}

# ---- not preloaded: no launcher ----

start('plain', "max_worker_processes = 4\n");
make_database($_) for qw(a b);

my ($out, $err) = start_workers(2147483647, 'a');
like($err, qr/ERROR:  number of workers must be at most 4, not 2147483647/, 'more than the server can have');
like($err, qr/HINT:  Start fewer workers, or raise max_worker_processes/, 'with a hint');

is(sql('SELECT dgen.start_workers(3)', 'a'), 3, 'most of the processes are taken');
($out, $err) = start_workers(2, 'b');
is($out, 1, 'one is left');
like($err, qr/WARNING:  1 of 2 workers are running.*start as soon as one is free/s, 'and the other one starts by itself later');
sql('SELECT dgen.start_workers(2)', 'a');
runs('b', 2, 'as soon as there is a process, by those that run');

sql('SELECT dgen.stop_workers()', 'b');
sql('SELECT dgen.start_workers(4)', 'a');
my $waits = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('b'), '-c', 'SELECT dgen.start_workers(1)' ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT dgen.start_workers(1)%' AND datname = 'b'}),
	'where none is left');
sql('SELECT dgen.stop_workers()', 'a');
$waits->finish;
is($out, "1\n", 'it is waited for');

sql('SELECT dgen.stop_workers()', 'b');
sql('SELECT dgen.start_workers(4)', 'a');
($out, $err) = start_workers(1, 'b');
like($err, qr/0 of 1 worker is running/, 'but not for ever');
sql('SELECT dgen.stop_workers()', 'a');
is(sql(running('b')), 0, 'when nobody comes past');
sql(q{SELECT dgen.cast('counter', 'k')}, 'b');
ok($node->poll_query_until('b', 'SELECT count(*) = 0 FROM dgen.message'), 'a commit that sends starts it');
$node->stop;

# ---- preloaded: as many processes as databases, and one for the launcher ----

start('many', "shared_preload_libraries = 'dgen'\ndgen.worker_count = 1\nmax_worker_processes = 7\ndgen.databases = 'd1, d2, d3, d4, d5, d6'\n");
make_database("d$_") for 1 .. 6;
$node->restart;
runs("d$_", 1, "database $_ of 6 has its worker") for 1 .. 6;

# ---- statements for which nobody may be connected: they make room, and come back ----

sql('CREATE DATABASE copy TEMPLATE d1');
runs('d1', 1, 'they come back to a database that was copied');
sql('DROP DATABASE copy; CREATE DATABASE copy TEMPLATE d1', 'd1');
runs('d1', 1, 'also when the session was connected to it');
sql('ALTER DATABASE d1 SET TABLESPACE pg_default');
runs('d1', 1, 'and to one that was moved');
sql('CREATE ROLE creator LOGIN CREATEDB; CREATE ROLE other LOGIN;');
my $before = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND datname = 'd1'});
isnt($node->psql('postgres', 'SET ROLE creator; CREATE DATABASE no TEMPLATE d1'), 0, 'who may not copy it');
isnt($node->psql('postgres', 'SET ROLE other; DROP DATABASE d1'), 0, 'nor drop it');
is(sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND datname = 'd1'}), $before, 'sends nobody away');

# A client stays connected to it, so the statement waits, and its session is ended.
my $client = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('d1'), '-c', 'SELECT pg_sleep(600)' ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'}), 'somebody is connected');
my $copies = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CREATE DATABASE never TEMPLATE d1' ],
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
runs('d1', 0, 'the worker has gone');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE never%'});
$copies->finish;
runs('d1', 1, 'and comes back when the session of the statement is ended');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'});
$client->finish;

# template1 is what is copied when no template is named.
sql('DROP DATABASE d6');
$node->safe_psql('template1', q{CREATE EXTENSION dgen;
	CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE sql AS $$ SELECT dgen.reply('true', '{}') $$;
	SELECT dgen.create_actor_type('counter', 'count_up');
	SELECT dgen.start_workers(1)});
runs('template1', 1, 'template1 has a worker');
sql('CREATE DATABASE from_template1');
runs('template1', 1, 'and databases are created all the same');
$node->stop;

# ---- settings that are changed while the server runs ----

start('settings', "shared_preload_libraries = 'dgen'\ndgen.worker_count = 2\nmax_worker_processes = 6\ndgen.databases = 'd1'\n");
make_database('d1');
runs('d1', 2, 'as many as the settings say');

sub set {
	my ($name, $value) = @_;
	sql("ALTER SYSTEM SET $name = $value");
	$node->reload;
}

set('dgen.worker_count', 100);
runs('d1', 5, 'more than the server can have: as many as it can');
set('dgen.worker_count', 2);
runs('d1', 2, 'fewer again, though no process is free for a starter');
set('dgen.worker_count', 3);
runs('d1', 3, 'and one more');

$node->append_conf('postgresql.auto.conf', "dgen.databases = 'd1,,d2'");
my $logged = -s $node->logfile;
$node->reload;
ok($node->poll_query_until('postgres', qq{SELECT pg_read_file('@{[$node->logfile]}', $logged, 100000) LIKE '%invalid value for parameter "dgen.databases"%'}), 'what is no list of databases is refused');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/DETAIL:  The value must be a list of database names, separated by commas/, 'with the reason');
set('dgen.worker_count', 4);
runs('d1', 4, 'and the old one stays in force');
$node->stop;

# ---- a standby ----

start('primary', "shared_preload_libraries = 'dgen'\nmax_worker_processes = 7\n");
make_database('app');
$node->backup('base');
my $primary = $node;
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $lsn = $primary->lsn('write');
$primary->wait_for_catchup($standby, 'replay', $lsn);
$node = $standby;
($out, $err) = start_workers(2, 'app');
like($err, qr/ERROR:  dgen.start_workers cannot run on a standby\n.*HINT:  Connect to the primary/s, 'a standby starts none');
is(sql('SELECT count(*) FROM dgen.messages', 'app'), 0, 'it can be read');
$standby->promote;
sql(q{SELECT dgen.cast('counter', 'k')}, 'app');
is(sql(running('app')), 0, 'nor at its promotion');
is(sql('SELECT dgen.start_workers(1)', 'app'), 1, 'only when it is asked for');
$standby->stop;
$primary->stop;
done_testing();
