# The extension is dropped and created again, by hand and by pg_restore --clean, while workers of both
# lanes and a caller are connected. Its ids and versions come again; nobody takes them for the former ones.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();
my $dir   = PostgreSQL::Test::Utils::tempdir();

# Who is to learn something is told: nobody looks by itself.
my $node = PostgreSQL::Test::Cluster->new('created_anew');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\ndgen.safety_net_interval = 86400\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

my $state_of = sub { return qq{SELECT version || '|' || (state->>'n') FROM dgen.actors WHERE actor_key = '$_[0]'} };

# A psql that goes on in the background, with what it has printed.
sub background {
	my %psql = (out => '');
	my @statements = map { ('-c', $_) } @_;
	$psql{handle} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), @statements ],
		'<', \undef, '>', \$psql{out}, '2>&1', IPC::Run::timeout(2 * $PostgreSQL::Test::Utils::timeout_default));
	return \%psql;
}

sub sleeps {
	becomes(qq{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL dgen.$_[0]%' AND state = 'active'
		AND wait_event_type = 'Extension'}, 1, "$_[0] sleeps");
}

my $log = "$PostgreSQL::Test::Utils::log_path/created_anew_worker.log";
my $pid = fork // die;
if (!$pid) {
	open STDERR, '>>', $log;
	$node->poll_query_until('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'dgen'}, 1) or die;
	exec @Programs::run, "$build/test/worker", $node->connstr('postgres') . ' application_name=worker';
	die;
}

my $handler = q{CREATE FUNCTION up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$
	SELECT dgen.noreply(jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1, 'type', ctx.actor_type)) $$;};
my $external = q{SELECT count(*) FROM dgen.workers WHERE kind = 'external' AND types @> '{counter}'};

# ---- pg_restore --clean, into the database that the dump is of ----

sql("CREATE EXTENSION dgen; $handler SELECT dgen.create_actor_type('inside', 'up')");
sql('SELECT dgen.start_workers(1)');
becomes($external, 1, 'a worker of libdgen is attached');
sql(q{SELECT dgen.cast('inside', 'in')});
becomes($state_of->('in'), '1|1', 'one in the database runs a turn');
sql(q{SELECT dgen.cast('counter', 'k')});
becomes($state_of->('k'), '2|1', 'and that of libdgen');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", $node->connstr('postgres') ], 'a backup is made');
sql(q{SELECT dgen.cast('counter', 'k')});
becomes($state_of->('k'), '3|2', 'then another one, and keeps the state');

# The worker's process is stopped, so that another one uses the version of that state.
kill 'STOP', $pid;
command_ok([ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr('postgres'), "$dir/dump" ], 'the backup is restored');
sql('SELECT dgen.adopt_database()');
is(sql($state_of->('k')), '2|1', 'with what it has');
my $other = background(q{SELECT FROM dgen.attach('other', '{counter}')}, q{SELECT dgen.cast('counter', 'k') > 0},
	'BEGIN', 'SELECT version, state FROM dgen.claim()', q{SELECT dgen.commit_turns('{1}', ARRAY['{"n": 100}'::jsonb])}, 'COMMIT',
	'SELECT dgen.detach()');
$other->{handle}->finish;
becomes($state_of->('k'), '3|100', 'another worker runs a turn') or diag($other->{out});
kill 'CONT', $pid;
sql(q{SELECT dgen.cast('counter', 'k')});
becomes($state_of->('k'), '4|101', 'the worker does not take the state that it held for this one');
becomes($external, 1, 'and has attached again');
sql(q{SELECT dgen.cast('inside', 'in')});
becomes($state_of->('in'), '5|2', 'the one in the database goes on');
is(sql('SELECT count(*) = count(DISTINCT id) FROM dgen.workers'), 't', 'each has an id of its own');

# ---- by hand ----

kill 'TERM', $pid;
waitpid $pid, 0;
sql(q{SELECT dgen.create_actor_type('nobody'), dgen.create_actor_type('late')});
my $caller = background(q{CALL dgen.ask('nobody', 'k', timeout => NULL)});
sleeps('ask');
my $worker = background(q{SELECT FROM dgen.attach('sleeper', '{late}')}, 'SELECT message FROM dgen.claim()', 'CALL dgen.wait(NULL)',
	'SELECT message FROM dgen.claim()');
sleeps('wait');
sql('DROP EXTENSION dgen CASCADE; CREATE EXTENSION dgen');
$caller->{handle}->finish;
like($caller->{out}, qr/request \d+ does not exist/, 'who waits for a reply is told');

# Its id is not that of the sleeper's type.
sql("$handler SELECT dgen.create_actor_type('first', 'up')");
$worker->{handle}->finish;
like($worker->{out}, qr/^t\n.*this session is attached to was dropped/ms, 'and a worker that sleeps');
sql(q{SELECT dgen.create_actor_type('inside', 'up'), dgen.cast('first', 'f'), dgen.cast('inside', 'i')});
becomes(q{SELECT string_agg(actor_type || (state->>'type') || (state->>'n'), ' ' ORDER BY 1) FROM dgen.actors}, 'firstfirst1 insideinside1',
	'workers in the database go on with the new types');
is(sql('SELECT count(*) = count(DISTINCT id) FROM dgen.workers'), 't', 'each with an id of its own');

# A session has an attempt of a locked part, and ends. In between its fence, and what it belongs to, came again.
sql('CREATE TABLE gate ()');
my $anew = q{DROP EXTENSION dgen CASCADE; CREATE EXTENSION dgen; SELECT dgen.create_actor_type('parts', max_attempts => 9)};
my @begin_part = (q{SELECT FROM dgen.attach('part', '{parts}')}, q{SELECT dgen.cast('parts', 'p')}, 'BEGIN',
	'SELECT FROM dgen.claim()', q{SELECT dgen.commit_turns('{1}', locks => '{t}')}, 'COMMIT', 'SELECT FROM dgen.claim(locked => true)',
	'SELECT FROM pg_advisory_unlock_all()');
my $attempt = q{SELECT type_id || ' ' || mailbox || ' ' || fence || ' ' || failed FROM dgen.locked WHERE expires_at < 'infinity'};
sql($anew);
my $until_gate = 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$';
my $former = background(@begin_part, $until_gate);
becomes("SELECT count(*) FROM ($attempt) a", 1, 'an attempt of a part has begun');
my $former_attempt = sql($attempt);
my $waiting = q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %gate%' AND wait_event = 'PgSleep'};
$node->poll_query_until('postgres', $waiting, 1) or die;
sql($anew);
# Of two workers one is kept for messages.
my $spare = background(q{SELECT FROM dgen.attach('spare', '{parts}')}, $until_gate);
$node->poll_query_until('postgres', $waiting, 2) or die;
background(@begin_part, 'SELECT dgen.detach()')->{handle}->finish;
is(sql($attempt), $former_attempt, 'and one of the extension that was created anew, with the same fence');
sql('INSERT INTO gate DEFAULT VALUES');
$_->{handle}->finish for $former, $spare;
sql(q{SELECT FROM dgen.attach('next', '{parts}'); SELECT FROM dgen.claim()});
is(sql('SELECT failed FROM dgen.locked'), 0, 'the end of the former one is not counted for it');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');

done_testing();
