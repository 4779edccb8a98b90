# In-database workers: started, stopped, restarted, and sent away when their database goes.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node;
my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker'};

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

sub runs {
	my ($count, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT ($workers) = $count"), $name);
}

# Nothing is about to be restarted either: not after more than the second that takes.
sub nothing_comes_back {
	my ($name) = @_;
	$node->safe_psql('postgres', 'SELECT pg_sleep(1.5)');
	is(sql($workers), 0, $name);
}

sub make_database {
	my ($database) = @_;
	sql("CREATE DATABASE $database") if $database ne 'postgres';
	sql(q{
		CREATE EXTENSION dgen;
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
			LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(session_user::text), '{}') $$;
		SELECT dgen.create_actor_type('counter', 'count_up')}, $database);
}

sub logged {
	my ($pattern) = @_;
	return scalar(() = slurp_file($node->logfile) =~ /$pattern/g);
}

# ---- not preloaded ----

$node = PostgreSQL::Test::Cluster->new('plain');
$node->init;
$node->append_conf('postgresql.conf', "max_worker_processes = 5\ndgen.safety_net_interval = 1\nrestart_after_crash = on\n");
$node->start;

sql('CREATE EXTENSION dgen');
my ($out, $err);
$node->psql('postgres', 'SELECT dgen.start_workers(2)', stdout => \$out, stderr => \$err);
is($out, 0, 'no type has a handler: no workers');
like($err, qr/NOTICE:  no actor type has a handler yet/, 'and a notice');

sql(q{
	CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(session_user::text), '{}') $$;
	SELECT dgen.create_actor_type('counter', 'count_up');});
runs(2, 'they start once there is one');
is(sql(q{SELECT name, types, kind FROM dgen.workers ORDER BY name}),
	"dgen worker 1|{counter}|in-database\ndgen worker 2|{counter}|in-database", 'dgen.workers shows them');

# The statement that makes a type finds no workers wanted, start_workers finds no type:
#     create_actor_type ── start_workers ── COMMIT ── the workers start
sql('CREATE DATABASE late');
sql('CREATE EXTENSION dgen; CREATE FUNCTION h(dgen.context, jsonb, jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$ SELECT dgen.noreply() $$',
	'late');
my $maker = $node->background_psql('late');
$maker->query_safe(q{BEGIN; SET client_min_messages = error; SELECT dgen.create_actor_type('late', 'h')});
is(sql('SET client_min_messages = warning; SELECT dgen.start_workers(1)', 'late'), 0, 'a type that is not committed gets no workers');
$maker->query_safe('COMMIT');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND datname = 'late'"),
	'and has them once it is');
$maker->quit;

# The statement that makes a type finds a worker without types, which ends before the commit:
#     create_actor_type ── the worker ends ── COMMIT ── another one starts
my $late = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dgen worker' AND datname = 'late'";
sql(q{SELECT dgen.alter_actor_type('late', handler => '')}, 'late');
$maker = $node->background_psql('late');
$maker->query_safe(q{BEGIN; SET client_min_messages = error; SELECT dgen.create_actor_type('later', 'h')});
is(sql($late), 1, 'a worker without types is there during the statement');
ok($node->poll_query_until('postgres', "SELECT ($late) = 0"), 'and ends before the commit');
$maker->query_safe('COMMIT');
ok($node->poll_query_until('postgres', "SELECT ($late) = 1"), 'which starts another one');

# The same when only some of them have ended: one has no types for longer, because it was restarted later.
is(sql('SELECT dgen.start_workers(2)', 'late'), 2, 'two workers');
sql(q{SELECT dgen.alter_actor_type('later', handler => '')}, 'late');
sql("SELECT pg_terminate_backend(pid) FROM dgen.workers WHERE name = 'dgen worker 2'", 'late');
ok($node->poll_query_until('postgres', "SELECT ($late AND application_name = 'dgen worker 1') = 0"), 'one ends for lack of types');
sql(q{SET client_min_messages = error; SELECT dgen.alter_actor_type('later', handler => 'h')}, 'late');
ok($node->poll_query_until('postgres', "SELECT ($late) = 2"), 'and comes back with the types');
$maker->quit;
sql('SELECT dgen.stop_workers()', 'late');
sql('DROP DATABASE late');

is(sql('SELECT dgen.start_workers(3)'), 3, 'more');
is(sql('SELECT dgen.start_workers(1)'), 1, 'fewer');
is(sql($workers), 1, 'at once');
$node->psql('postgres', 'SELECT dgen.start_workers(5)', stdout => \$out, stderr => \$err);
like($err, qr/WARNING:  4 of 5 workers are running.*max_worker_processes/s, 'too few max_worker_processes');
is($out, 4, 'the number that run is returned');
is(sql('SELECT dgen.stop_workers()'), 4, 'stop_workers says how many ran');
is(sql($workers), 0, 'and they are gone');
is(sql('SELECT dgen.stop_workers()'), 0, 'none is left to stop');
is(sql('SELECT dgen.start_workers()'), 1, 'one by default');
is($node->psql('postgres', 'SELECT dgen.start_workers(-1)'), 3, 'a negative count is an error');

my $pid = sql('SELECT pid FROM dgen.workers');
sql("SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM dgen.workers WHERE pid <> $pid"),
	'a terminated worker is restarted');

# One worker per owner of types, connected as that owner.
sql(q{
	CREATE ROLE app LOGIN;
	GRANT USAGE ON SCHEMA dgen TO app;
	GRANT CREATE ON SCHEMA public TO app;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dgen TO app;});
sql(q{
	SET SESSION AUTHORIZATION app;
	CREATE FUNCTION app_handler(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE sql AS $$ SELECT dgen.reply(to_jsonb(session_user::text)) $$;
	SELECT dgen.create_actor_type('app', 'app_handler');});
runs(2, 'a new owner gets workers of its own');
is(sql(q{CALL dgen.ask('app', 'k', timeout => '20 s')}), '"app"', 'which are connected as the owner');
is(sql(q{CALL dgen.ask('counter', 'k', timeout => '20 s')}), '"' . getpwuid($<) . '"', 'each for its own types');
sql(q{SELECT dgen.drop_actor_type('app', discard => true)});
runs(1, 'workers without types end');

SKIP: {
	skip 'a role that may not log in can have workers', 2 if $node->pg_version >= 17;
	sql(q{ALTER ROLE app NOLOGIN});
	sql(q{SET SESSION AUTHORIZATION app; SELECT dgen.create_actor_type('app', 'app_handler');});
	$node->psql('postgres', 'SELECT dgen.start_workers(1)', stdout => \$out, stderr => \$err);
	like($err, qr/WARNING:  could not start workers for the actor types of role "app"/, 'an owner that may not log in');
	is($out, 1, 'the others have theirs');
	sql(q{SELECT dgen.drop_actor_type('app', discard => true)});
}

# An owner that may not connect: said, and its workers come once it may.
sql(q{ALTER ROLE app LOGIN; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
	SET SESSION AUTHORIZATION app;
	SELECT dgen.create_actor_type('app', 'app_handler')});
$node->psql('postgres', 'SELECT dgen.start_workers(1)', stdout => \$out, stderr => \$err);
like($err, qr/WARNING:  workers for the actor types of role "app" cannot connect to database "postgres".*HINT:  Run GRANT CONNECT ON DATABASE postgres TO app/s,
	'an owner that may not connect');
sql(q{SELECT dgen.cast('app', 'k')});
like(sql(q{SELECT dgen.explain_actor('app', 'k')}), qr/cannot connect to this database.*GRANT CONNECT ON DATABASE postgres TO app/, 'and why its actors wait');
sql(q{GRANT CONNECT ON DATABASE postgres TO app});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM dgen.message'), 'they come as soon as it may');
sql(q{GRANT CONNECT ON DATABASE postgres TO PUBLIC; SELECT dgen.drop_actor_type('app', discard => true)});
runs(1, 'and end with its types');

# A handler that runs is interrupted when its worker is stopped; its message stays.
sql(q{
	CREATE FUNCTION slow(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
		LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(180); RETURN dgen.noreply(); END $$;
	SELECT dgen.create_actor_type('slow', 'slow', turn_timeout => '10 min');
	SELECT dgen.cast('slow', 'k');});
$node->poll_query_until('postgres', 'SELECT busy FROM dgen.workers');
is(sql('SELECT dgen.stop_workers()'), 1, 'a worker is stopped in a turn');
is(sql('SELECT count(*) FROM dgen.message'), 1, 'and the message stays');
nothing_comes_back('the stopped worker is not restarted');
sql(q{SELECT dgen.drop_actor_type('slow', discard => true)});

# The extension goes: nothing is in its way, and the workers end.
sql('SELECT dgen.start_workers(2)');
sql(q{SELECT dgen.cast('counter', 'k')});
sql('DROP EXTENSION dgen CASCADE');
runs(0, 'workers end when the extension is dropped');
nothing_comes_back('and are not restarted');
sql('CREATE EXTENSION dgen');
sql('DROP EXTENSION dgen CASCADE; DROP FUNCTION IF EXISTS count_up');

make_database('other');
is(sql('SELECT dgen.start_workers(2)', 'other'), 2, 'workers in another database');
is($node->psql('postgres', 'DROP DATABASE other', stderr => \$err), 3, 'without preload they are in the way of DROP DATABASE');
sql('DROP DATABASE other WITH (FORCE)');
runs(0, 'FORCE terminates them');
sql('SELECT pg_sleep(3)');
cmp_ok(logged(qr/FATAL:  database \d+ does not exist/), '<=', 2, 'they do not try again and again to connect');
is(sql($workers), 0, 'and are gone for good');

# A crash of the server: its workers come back.
make_database('postgres');
is(sql('SELECT dgen.start_workers(2)'), 2, 'two workers');
$pid = sql('SELECT min(pid) FROM dgen.workers');
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
runs(2, 'after a crash both are there again');
is(sql(q{CALL dgen.ask('counter', 'k', timeout => '20 s')}), '"' . getpwuid($<) . '"', 'and work');
sql('SELECT pg_terminate_backend(pid) FROM dgen.workers');
$node->poll_query_until('postgres', "SELECT min(pid) <> $pid FROM dgen.workers");
runs(2, 'also after another end');
is(sql('SELECT dgen.stop_workers()'), 2, 'and can be stopped');
nothing_comes_back('for good');
sql('SELECT dgen.start_workers(2)');
$node->stop('fast');
$node->start;
is(sql($workers), 0, 'a restart of the server ends them');
$node->stop('fast');

# ---- preloaded ----

$node = PostgreSQL::Test::Cluster->new('preloaded');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.databases = 'app, "Not yet", postgres'
	dgen.worker_count = 2
	max_worker_processes = 20
	dgen.safety_net_interval = 1
});
$node->start;
is(sql($workers), 0, 'no database has dgen yet');
make_database('app');
runs(2, 'workers start by themselves once there is something for them to do');
$node->stop('fast');
$node->start;
runs(2, 'and with the server');
is(logged(qr/database "Not yet" of dgen.databases does not exist/), 2, 'a missing database is logged once per start');

is(sql('SELECT dgen.stop_workers()', 'app'), 2, 'they can be stopped');
$node->reload;
nothing_comes_back('and stay so until they are wanted again');
sql('SELECT dgen.start_workers(1)', 'app');

sql('ALTER DATABASE app RENAME TO app2');
runs(1, 'they make way for a database to be renamed, and come back');
is(sql('SELECT count(*) FROM dgen.workers', 'app2'), 1, 'in the renamed one');
sql('CREATE DATABASE copy TEMPLATE app2');
runs(1, 'or used as a template');
is($node->psql('app2', 'DROP DATABASE app2'), 3, 'a DROP DATABASE that fails');
runs(1, 'leaves them at work');
sql('DROP DATABASE app2');
is(sql($workers), 0, 'a database can be dropped while its workers run');

make_database('postgres');
runs(2, 'another database of the list');
$node->append_conf('postgresql.conf', 'dgen.worker_count = 3');
$node->reload;
runs(3, 'a changed count is taken over at reload');
$node->append_conf('postgresql.conf', "dgen.databases = 'app'");
$node->reload;
runs(0, 'and so is a shorter list');
$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|FATAL:  cannot/, 'nothing crashed');

done_testing();
