# libdgen against a server: the programs of test/lib, driven by SQL where that says more.
use strict;
use warnings;
use lib 'test/lib';
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

my $build = Programs::build_checked();
my $patience = 60;

my $node = PostgreSQL::Test::Cluster->new('libdgen');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nmax_connections = 50\nfsync = on\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub conninfo { my ($name) = @_; return $node->connstr('postgres') . " application_name=$name" }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

# A worker process; its log is a file.
sub start_worker {
	my ($name, @arguments) = @_;
	my %worker = (log => "$PostgreSQL::Test::Utils::log_path/libdgen_$name.log");
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', $worker{log};
		exec @Programs::run, "$build/test/worker", conninfo($name), @arguments;
		die;
	}
	$worker{pid} = $pid;
	return \%worker;
}

sub end_worker {
	my ($worker, $signal) = @_;
	kill $signal // 'TERM', $worker->{pid};
	waitpid $worker->{pid}, 0;
	return $?;
}

sub logged { my ($worker, $pattern) = @_; return slurp_file($worker->{log}) =~ $pattern }

# What the server has logged behind an offset.
sub since { return substr slurp_file($node->logfile), $_[0] }
my $complaint = qr/ERROR|FATAL|connection to client lost|could not (send|receive)/;

sub ask {
	my ($type, $key, $message) = @_;
	my ($out, $err);
	$message //= 'null';
	$node->psql('postgres', "CALL dgen.ask('$type', '$key', '$message', timeout => '$patience s')",
		stdout => \$out, stderr => \$err);
	return $err =~ /ERROR:  (\S+: )?(.*)/ ? "ERROR: $2" : $out;
}

# Runs a program that prints TAP, and takes its lines for its own.
sub program {
	my ($name, @command) = @_;
	my $output = '';
	@command = (@Programs::run, "$build/test/$name") unless @command;
	note("test/lib/$name.c");
	IPC::Run::run([@command, conninfo($name)], '>', \$output, IPC::Run::timeout(300));
	is($?, 0, "$name ends well");
	for (split /\n/, $output) {
		/^(not )?ok - (.*)/ ? ok(!$1, "$name: $2") : diag($_);
	}
}

# ---- parts ----

program('parts');

# ---- a turn ----

my $start = -s $node->logfile;
my $worker = start_worker('turns');

becomes(q{SELECT count(*) FROM dgen.actor_type}, 7, 'types that do not exist are created');
unlike(since($start), $complaint, 'and the log has no word of it');
is(sql(q{SELECT max_attempts, backoff FROM dgen.actor_type WHERE name = 'sender'}), '2|00:00:00.02', 'with their policy');
is(ask('counter', 'a'), 1, 'a call is answered');
is(ask('counter', 'a'), 2, 'by an actor that remembers');
sql(q{SELECT dgen.cast('counter', 'k' || i % 10) FROM generate_series(1, 1000) i});
becomes(q{SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_key LIKE 'k%'}, 1000, 'casts are handled');
is(sql(q{SELECT sum((state->>'inits')::int) FROM dgen.actors WHERE actor_key LIKE 'k%'}), 10, 'each actor is initialized once');

is(ask('counter', 'a', '{"fail": true}'), 'ERROR: as you wish', 'a turn that fails tells its caller');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, 'and leaves no dead letter');
is(sql(q{SELECT dgen.state('counter', 'a')->>'n'}), 2, 'and it changed nothing');
is(ask('counter', 'a'), 3, 'the actor goes on');

sql(q{SELECT dgen.cast('counter', 'bad', '{"error": true}')});
sql(q{SELECT dgen.cast('counter', 'bad')});
becomes(q{SELECT attempts FROM dgen.dead_letters WHERE actor_key = 'bad'}, 10, 'an attempt that fails is repeated');
becomes(q{SELECT dgen.state('counter', 'bad')->>'n'}, 1, 'before the next message is handled');

is(ask('counter', 'raise', '{"raise": true}'), 'ERROR: not today', 'an attempt that fails with a text is repeated');
is(sql(q{SELECT concat_ws('|', attempts, error, sqlstate) FROM dgen.dead_letters WHERE actor_key = 'raise'}), '10|not today|P0001',
	'and its dead letter has the text');
is(ask('counter', 'refuser', '{"fail_request": true}'), 'ERROR: counted, but no', 'a call may fail');
is(sql(q{SELECT dgen.state('counter', 'refuser')->>'n'}), 1, 'in a turn that commits');
is(sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'refuser'}), 0, 'which is nothing for an operator');

my $until = time + 2;
is(ask('counter', 'r', qq({"retry_until": $until})), 1, 'a turn that wants to be tried again');
ok(time >= $until, 'is');
is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), 0, 'without a failed attempt');

sql(q{SELECT dgen.cast('slow', 's', '{"sleep_ms": 5600}')});
is(ask('slow', 's'), 1, 'a turn that takes so long that the server ends the session');
is(sql(q{SELECT sqlstate FROM dgen.dead_letters WHERE actor_type = 'slow'}), 'ZD041', 'is a failed attempt');
ok(logged($worker, qr/idle-in-transaction timeout; connecting again/), 'and the worker connects again');

is(ask('counter', 'a', '{"destroy": true}'), 4, 'a turn that destroys its actor replies');
is(sql(q{SELECT dgen.state('counter', 'a') IS NULL}), 't', 'and the state is gone');
is(ask('counter', 'a'), 1, 'the next message begins anew');
is(sql(q{SELECT dgen.state('counter', 'a')->>'inits'}), 1, 'with init');
sql(q{SELECT dgen.cast_many('counter', array_fill('d'::text, ARRAY[9]),
	(SELECT array_agg(CASE i % 3 WHEN 0 THEN '{"destroy": true}' ELSE '{}' END::jsonb) FROM generate_series(1, 9) i))});
is(ask('counter', 'd'), 1, 'also when all of it waits in one mailbox');

# ---- dead letters ----

is(sql(q{SELECT string_agg(actor_type, ',') FROM dgen.actor_types WHERE handle_dead_letters}), 'mourner', 'a callback for dead letters makes them come');
my $dead = sql(q{SELECT dgen.cast('mourner', 'm', '{"n": 1}')});
becomes(q{SELECT dgen.state('mourner', 'm') - 'of'}, '{"was": {"n": 1}, "kind": "dead_letter", "error": "too much", "sqlstate": "P0043"}',
	'an actor is told of its dead letter');
is(sql(q{SELECT dgen.state('mourner', 'm')->>'of'}), $dead, 'and which message it is');
sql(q{SELECT dgen.cast('mourner', 's', '{"too_sad": true}')});
becomes(q{SELECT string_agg(kind, ' ' ORDER BY message_id) FROM dgen.dead_letters WHERE actor_type = 'mourner' AND actor_key = 's'}, 'cast dead_letter',
	'a callback that fails makes another dead letter');
is(sql(q{SELECT count(*) FROM dgen.message}), 0, 'of which nobody is told');
sql(q{UPDATE dgen.actor_type SET handle_dead_letters = true WHERE name = 'counter'; SELECT dgen.cast('counter', 'unheard', '{"error": true}')});
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'unheard'}, 1, 'without a callback');
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'what tells of a dead letter is dropped');
is(sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'unheard'}), 1, 'and is no failure');

# ---- what turns send ----

is(ask('asker', 'x'), 1, 'a request of an actor is answered to it, and it answers its caller later');
is(sql(q{SELECT state->>'correlation' FROM dgen.actor('asker', 'x')}), 'corr', 'with the correlation');
sql(q{SELECT dgen.cast('asker', 'y', '{"fail": true}')});
becomes(q{SELECT concat(state->>'error', ' ', state->>'sqlstate') FROM dgen.actor('asker', 'y')}, 'as you wish ZD4XX',
	'a request that fails is told so');

is(ask('asker', 'z', '{"fail": true}'), 'ERROR: as you wish', 'and fails the call that an earlier turn left open');
is(sql(q{SELECT dgen.state('asker', 'z')->>'error'}), 'as you wish', 'in a turn that commits');

sql(q{SELECT dgen.cast('sender', 's', '{"delay_ms": 86400000, "key": "later"}', headers => '{"trace": 7}')});
becomes(q{SELECT status FROM dgen.mailbox('counter', 'later')}, 'delayed', 'a delayed message waits');
sql(q{SELECT dgen.cast('sender', 's', '{"delay_ms": 100, "key": "soon", "priority": 5}')});
becomes(q{SELECT dgen.state('counter', 'soon')->>'n'}, 1, 'until it is due');
sql(q{SELECT dgen.cast('sender', 's', '{"once": "it", "key": "once"}') FROM generate_series(1, 3)});
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'messages with one idempotency key');
is(sql(q{SELECT dgen.state('counter', 'once')->>'n'}), 1, 'are one');

sql(q{BEGIN; SELECT dgen.cast('sender', 'none' || i, '{"type": "nosuch"}') FROM generate_series(1, 3) i;
	SELECT dgen.cast('sender', 'good' || i, '{"key": "good"}') FROM generate_series(1, 50) i; COMMIT});
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'sender'}, 3, 'what cannot be committed fails');
becomes(q{SELECT dgen.state('counter', 'good')->>'n'}, 50, 'alone, not with the rest of its batch');
like(sql(q{SELECT DISTINCT error FROM dgen.dead_letters WHERE actor_type = 'sender'}), qr/"nosuch" does not exist/, 'with its error');

# ---- the application's own tables ----

sql(q{CREATE TABLE item (n int PRIMARY KEY CHECK (n > 0));
	CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)});

sub write_rows {
	my ($type, @messages) = @_;
	sql(join '', 'BEGIN;', (map { my ($key, $message) = @$_;
		"SELECT dgen.cast('writer', '$key', '$message');" } @messages), 'COMMIT');
}
write_rows('writer', map { ["w$_", qq({"sql": "INSERT INTO item VALUES (@{[$_ % 10 ? $_ : -$_]})"})] } 1 .. 100);
becomes(q{SELECT count(*) FROM item}, 90, 'a hundred turns write rows');
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'writer'}, 10, 'those that violate a constraint fail');
like(sql(q{SELECT error FROM dgen.dead_letters WHERE actor_key = 'w10'}), qr/violates check constraint/, 'with the error');
is(sql(q{SELECT count(*) FROM dgen.actors WHERE actor_type = 'writer'}), 90, 'and have no state');

write_rows('writer', ['i', '{"sql": "INSERT INTO item VALUES (1)", "misdeed": "ignore"}']);
becomes(q{SELECT error FROM dgen.dead_letters WHERE actor_key = 'i'} =~ s/error/count(*)/r, 1, 'an error that is ignored');
write_rows('writer', ['e', '{"sql": "SELECT 1/0", "misdeed": "raise"}'],
	['p', q({"sql": "DO $$ BEGIN RAISE 'not so' USING ERRCODE = 'P0042', HINT = 'Do otherwise.'; END $$", "misdeed": "raise"}) =~ s/'/''/gr],
	['f', '{"sql": "SELECT 1/0", "misdeed": "further"}']);
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key IN ('e', 'p', 'f')}, 3, 'statements that fail');
is(sql(q{SELECT concat_ws('|', error, sqlstate, hint) FROM dgen.dead_letters WHERE actor_key = 'e'}), 'division by zero|22012',
	'are recorded by dgen_turn_raise_result');
is(sql(q{SELECT concat_ws('|', error, sqlstate, hint) FROM dgen.dead_letters WHERE actor_key = 'p'}), 'not so|P0042|Do otherwise.',
	'with SQLSTATE and hint');
like(sql(q{SELECT concat_ws('|', error, hint) FROM dgen.dead_letters WHERE actor_key = 'f'}), qr/returned -7 .*aborted.*\|Return dgen_turn_raise_result/,
	'without it the hint names it');
write_rows('writer', map { ["l$_", qq({"sql": "INSERT INTO late VALUES (@{[$_ == 7 ? 8 : $_]})"})] } 1 .. 20);
becomes(q{SELECT count(*) FROM late}, 19, 'a constraint that is checked at COMMIT');
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key IN ('l7', 'l8')}, 1, 'fails one turn alone');
like(sql(q{SELECT error FROM dgen.dead_letters WHERE actor_key IN ('l7', 'l8')}), qr/duplicate key/, 'with its error');

sql(q{CREATE TABLE guarded (n int);
	CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '42501'; END $$;
	CREATE CONSTRAINT TRIGGER guard AFTER INSERT ON guarded DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION guard()});
write_rows('writer', map { ["g$_", '{"sql": "INSERT INTO guarded VALUES (1)"}'] } 1 .. 20);
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key LIKE 'g%' AND actor_type = 'writer'}, 20,
	'commits that fail one after the other for lack of a privilege');
is(sql(q{SELECT count(*) FROM dgen.workers}), 1, 'do not end the worker');

for my $misdeed ('commit', 'rollback', 'begin again', 'pipeline', 'pending') {
	sql(q{DELETE FROM item});
	write_rows('writer', ["m $misdeed", qq({"sql": "INSERT INTO item VALUES (1) ON CONFLICT DO NOTHING", "misdeed": "$misdeed"})]);
	becomes(qq{SELECT dgen.state('writer', 'm $misdeed')->>'n'}, 1, "a callback that does '$misdeed' gets a failed attempt");
	ok(logged($worker, qr/the callback .* on the turn's connection/), 'and an error that says so');
}
write_rows('writer', ['k', '{"sql": "SELECT 1", "misdeed": "ended by another"}']);
becomes(q{SELECT dgen.state('writer', 'k')->>'attempt'}, 1, 'a session that another one ends is no failed attempt of the callback');
is(sql(q{SELECT count(*) FROM dgen.workers}), 1, 'the worker is there');
is(end_worker($worker), 0, 'SIGTERM ends it well');
is(sql(q{SELECT count(*) FROM dgen.workers}), 0, 'and it is gone');

# ---- coming and going ----

sub sleeps {
	my ($name) = @_;
	becomes(qq{SELECT query LIKE 'CALL dgen.wait%' AND wait_event_type = 'Extension' FROM pg_stat_activity
		WHERE application_name = '$name'}, 't', "worker $name waits");
}

sub is_gone {
	my ($name) = @_;
	becomes(qq{SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name'}, 0, "worker $name is gone");
	is(sql(q{SELECT count(*) FROM dgen.workers}), 0, 'and not shown any more');
}

sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
my $abandoned = q{SELECT sessions_abandoned FROM pg_stat_database WHERE datname = 'postgres'};
my $before = sql($abandoned);
$start = -s $node->logfile;
my @several = map { start_worker("several$_") } 1 .. 4;
sleeps("several$_") for 1 .. 4;
is(end_worker($_), 0, 'an idle worker is stopped') for @several;
is_gone("several$_") for 1 .. 4;
unlike(since($start), $complaint, 'several workers that create the same types come and go without a word in the log');
is(sql($abandoned), $before, 'and abandon no session');

$worker = start_worker('killed');
sleeps('killed');
end_worker($worker, 'KILL');
is_gone('killed');
is(sql($abandoned), $before + 1, 'a worker that is killed does');

# ---- small programs ----

sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
$worker = start_worker('client');
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'another worker');
program('client');
end_worker($worker);
sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
program('stopping');
program('memory');
sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});

# ---- threads ----

if (!@Programs::run) {
	my $threads = Programs::build_with('thread');

	# ThreadSanitizer cannot run where addresses are more random than it expects.
	IPC::Run::run(["$threads/bench/takeover"], '>&', \my $usage);
	my @tsan = $usage =~ /unexpected memory mapping/ ? ('setarch', '-R') : ();
	program('stopping', @tsan, "$threads/test/stopping");
	sql(q{SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
}

# ---- what cannot be mended ----

sub refusal {
	my ($arguments, $pattern, $name) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([@Programs::run, "$build/test/worker", $arguments], '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	isnt($?, 0, "$name ends the worker");
	like($err, $pattern, 'and says why');
}
sql(q{CREATE ROLE nobody LOGIN; CREATE ROLE passer LOGIN; GRANT USAGE ON SCHEMA dgen TO passer;
	SELECT dgen.drop_actor_type(name, discard => true) FROM dgen.actor_type});
refusal($node->connstr('template1'), qr/extension dgen is not installed in database "template1".*CREATE EXTENSION/, 'a missing extension');
refusal($node->connstr('nowhere'), qr/"nowhere" does not exist.*3D000/, 'a missing database');
refusal($node->connstr('postgres') . ' user=nonesuch', qr/role "nonesuch" does not exist.*28000/, 'a wrong role');
refusal($node->connstr('postgres') . ' user=nobody', qr/permission denied.*42501 GRANT USAGE ON SCHEMA dgen/, 'a missing privilege');
refusal($node->connstr('postgres') . ' user=passer', qr/permission denied.*42501 Create the type in SQL.*dgen\.grant_work.*dgen\.create_actor_type/,
	'a type that is missing, and may not be created,');
refusal('nonsense=1', qr/invalid connection option "nonsense"/, 'a wrong connection string');

# What an update of the extension, or of the server's library, mends is waited for.
sub waits {
	my ($break, $pattern, $mend, $name) = @_;
	sql($break);
	append_to_file("$PostgreSQL::Test::Utils::log_path/libdgen_updating.log", '');
	$worker = start_worker('updating');
	ok(until_true(sub { logged($worker, $pattern) }), "$name is waited for") or diag(slurp_file($worker->{log}));
	sql($mend);
	becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'until it is mended');
	end_worker($worker);
}
waits(q{UPDATE pg_extension SET extversion = '7.7.7' WHERE extname = 'dgen'}, qr/has version 0\.1\.0, but 7\.7\.7 is needed; connecting again/,
	q{UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'dgen'}, 'a library of the server that is too old');
waits(q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'dgen'}, qr/version 0\.0\.9 in this database, .* 0\.1\.0; connecting again/,
	q{UPDATE pg_extension SET extversion = '0.1.0' WHERE extname = 'dgen'}, 'an extension that was not updated');
waits(q{ALTER FUNCTION dgen.actor_type_exists(text) RENAME TO hidden}, qr/not one for libdgen 0\.1\.0: .*actor_type_exists.*; connecting again/,
	q{ALTER FUNCTION dgen.hidden(text) RENAME TO actor_type_exists}, 'a function that the extension lacks');

# ---- settings ----

# Long enough that a slow library comes to override them.
{
	my @settings = qw(statement_timeout=1000 idle_session_timeout=1000 default_transaction_read_only=on
		default_transaction_isolation=serializable lock_timeout=1000 idle_in_transaction_session_timeout=1000);
	push @settings, 'transaction_timeout=1000' if $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } @settings;
	$worker = start_worker('settings');
	becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'settings that hurt a worker are overridden');
	becomes(q{SELECT clock_timestamp() - state_change > '1.3 s' FROM pg_stat_activity WHERE application_name = 'settings'}, 't', 'and it waits');
	delete $ENV{PGOPTIONS};
	is(ask('counter', 'settings'), 1, 'for longer than they allow');
	is(ask('counter', 'settings', '{"sleep_ms": 1300}'), 2, 'and in a turn');
	end_worker($worker);
	ok(!logged($worker, qr/connecting again|timeout/), 'its session was never ended') or diag(slurp_file($worker->{log}));
}

# ---- hosts ----

# One that accepts and stays silent, before one that serves.
my $silent_dir = PostgreSQL::Test::Utils::tempdir_short();
my $silent = IO::Socket::UNIX->new(Listen => 5, Local => "$silent_dir/.s.PGSQL." . $node->port) or die;
$worker = do {
	local $ENV{PGCONNECT_TIMEOUT} = 1;
	no warnings 'redefine';
	local *conninfo = sub { return "host=$silent_dir," . $node->host . ' port=' . $node->port . ' dbname=postgres' };
	start_worker('hosts');
};
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'a silent host is given up for the next');
end_worker($worker);
ok(logged($worker, qr/no answer from the server/), 'after its time');
close $silent;

# ---- under load ----

# Accounts that send each other money: however it is interrupted, none is lost or made.
sub transfers {
	my ($count) = @_;
	return qq{SELECT dgen.cast('account', 'a' || i % 97, jsonb_build_object('to', 'a' || i * 7 % 97, 'amount', i % 10))
		FROM generate_series(1, $count) i};
}

# Returns in the middle of them: when so many have had their first turn, which sends another message.
sub begin_transfers {
	my ($count, $sent) = @_;
	my $last = sql(q{SELECT last_value FROM dgen.message_seq}) + $count + $sent;
	sql(transfers($count));
	becomes("SELECT last_value >= $last FROM dgen.message_seq", 't', "$sent transfers are under way");
}

my $sum = q{SELECT sum((state->>'balance')::int) FROM dgen.actors WHERE actor_type = 'account'};

sub settle {
	my ($name) = @_;
	becomes(q{SELECT count(*) FROM dgen.message WHERE kind <> 't'}, 0, "$name: all messages are handled");
	is(sql($sum), 97000, "$name: no money is lost or made");
	is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 0, "$name: nothing failed");
}

$_ = start_worker("load$_") for my ($one, $two) = (1, 2);
becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'two worker processes');
sql(q{SELECT dgen.cast('account', 'a' || i) FROM generate_series(0, 96) i});
sql(q{SELECT dgen.drop_actor_type('writer')});
settle('at first');

for my $round (1 .. 5) {
	begin_transfers(6000, 500 * $round);
	end_worker($one, 'KILL');
	$one = start_worker('load1');
}
settle('a worker is killed five times');

for my $mode (qw(fast immediate fast immediate)) {
	begin_transfers(6000, 1000);
	$node->stop($mode);
	$node->start;
}
settle('the server is restarted four times');
becomes(q{SELECT count(*) FROM dgen.workers}, 2, 'the workers have come back by themselves');

for (1 .. 10) {
	sql(transfers(2000));
	sql(q{SELECT pg_terminate_backend(pid) FROM dgen.workers});
	sql(q{SELECT pg_cancel_backend(pid) FROM dgen.workers});
}
settle('sessions are terminated and statements cancelled');
is(end_worker($_), 0, 'SIGTERM ends a worker well') for $one, $two;
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');

done_testing();
