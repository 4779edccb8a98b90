# The supervisor: processes that die are replaced, the log says what they did, signals stop and
# replace them, and a service manager is told.
use strict;
use warnings;
use lib 'test/lib';
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Until;

my $build = Programs::build_checked();
my $tmp = PostgreSQL::Test::Utils::tempdir_short();

my $node = PostgreSQL::Test::Cluster->new('supervisor');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\ndgen.safety_net_interval = 86400\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

# ---- a supervisor ----

my $started = 0;
my %running;
END { local $?; kill 'KILL', keys %running }

sub start_supervisor {
	my ($words, @options) = @_;
	my %supervisor = (log => "$PostgreSQL::Test::Utils::log_path/supervisor_" . ++$started . '.log');
	create($supervisor{log});
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', $supervisor{log};
		exec @$words, @Programs::run, "$build/test/supervisor", @options, $node->connstr('postgres');
		die;
	}
	$supervisor{pid} = $running{$pid} = $pid;
	return \%supervisor;
}

sub logs {
	my ($supervisor, $pattern, $name) = @_;
	my $found = until_true(sub { slurp_file($supervisor->{log}) =~ $pattern });
	ok($found, $name) or diag(slurp_file($supervisor->{log}));
	return $found;
}

# Of wait, and the last line of the log.
sub ends {
	my ($supervisor, $signal, $result, $name) = @_;
	kill $signal, $supervisor->{pid} if $signal;
	waitpid $supervisor->{pid}, 0;
	$supervisor->{status} = $?;
	delete $running{ $supervisor->{pid} };
	my $log = slurp_file($supervisor->{log});
	like($log, qr/^result: $result \(/m, $name) or diag($log);
	unlike($log, qr/not ok|Sanitizer|runtime error|status 99/, "$name: no complaint");
	return $log;
}

# The processes of the log that were started last, in the order of their numbers.
sub processes {
	my ($supervisor) = @_;
	my %last;
	my $log = slurp_file($supervisor->{log});
	$last{$1} = $2 while $log =~ /^debug: worker (\d+) is process (\d+)$/mg;
	return map { $last{$_} } sort { $a <=> $b } keys %last;
}

sub workers {
	my ($count, $name) = @_;
	becomes(q{SELECT count(*) FROM dgen.workers}, $count, $name);
}

sub cast {
	my ($key, $message, $type) = @_;
	$type //= 'task';
	return sql("SELECT dgen.cast('$type', '$key', '$message')");
}

sub is_handled {
	my ($key, $name, $type) = @_;
	$type //= 'task';
	becomes("SELECT dgen.state('$type', '$key')->>'n'", 1, $name);
	is(sql("SELECT count(*) FROM dgen.messages WHERE actor_key = '$key'"), 0, "$name, once");
}

sub is_busy { my ($name) = @_; becomes(q{SELECT bool_or(busy) FROM dgen.workers}, 't', $name) }

sub create { my ($file) = @_; open my $made, '>', $file or die "$file: $!"; return $file }

# ---- a service manager ----

sub listen_at {
	my ($address) = @_;
	return IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $address) // die "$address: $!";
}

sub is_told {
	my ($socket, $pattern, $name) = @_;
	my $message = '';
	until_true(sub {
		vec(my $ready = '', fileno($socket), 1) = 1;
		return unless select $ready, undef, undef, 0.1;
		$socket->recv($message, 4096);
		return $message =~ $pattern;
	});
	like($message, $pattern, $name);
	return $message;
}


# ---- processes that die ----

my $manager = listen_at("$tmp/notify");
my $supervisor = do {
	local $ENV{NOTIFY_SOCKET} = "$tmp/notify";
	start_supervisor([], '-n', 3, '-r', 300);
};
is_told($manager, qr/^READY=1$/, 'the manager is told when all workers are attached');
is(sql(q{SELECT count(*) FROM dgen.workers}), 3, 'which they are');
is(scalar(my @three = processes($supervisor)), 3, 'in three processes');

my %deaths = (
	kill  => 'was ended by signal 9 \(Killed\)',
	segv  => 'was ended by signal 11 \(Segmentation fault(, core dumped)?\)',
	abort => 'was ended by signal 6 \(Aborted(, core dumped)?\)',
	exit  => 'called exit with status 3',
);
for my $deed (sort keys %deaths) {
	my $id = cast("by $deed", qq({"do": "$deed", "once": "$tmp/$deed"}));
	logs($supervisor,
		qr/^warning: worker \d, process \d+, $deaths{$deed} in the turn of task "by $deed" for message $id; starting again in \d+ ms$/m,
		"$deed: the log names the actor and the message");
	is_handled("by $deed", "$deed: the message is handled");
	workers(3, "$deed: the process is replaced");
}
my ($first) = (processes($supervisor))[-1];
kill 'TERM', $first;
logs($supervisor, qr/^warning: worker \d, process $first, returned 0; starting again/m, 'one that is told to stop by somebody else stops');
workers(3, 'and is replaced');

# ---- one after the other is replaced ----

my %before = map { $_ => 1 } processes($supervisor);
my $calls = IPC::Run::start(['psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{
	DO $$
	DECLARE least int := 1000; i int := 0;
	BEGIN
		WHILE NOT EXISTS (SELECT FROM dgen.actors WHERE actor_key = 'rolled') LOOP
			PERFORM pg_stat_clear_snapshot();
			least := least(least, (SELECT count(*)::int FROM dgen.workers));
			PERFORM dgen.cast('task', 'load ' || i % 10);
			COMMIT;
			i := i + 1;
		END LOOP;
		RAISE NOTICE 'never less than % workers', least;
	END $$}], '<', \undef, '2>', \my $least);
becomes(q{SELECT count(*) > 0 FROM dgen.actors WHERE actor_key LIKE 'load %'}, 't', 'there is load');
kill 'HUP', $supervisor->{pid};
like(is_told($manager, qr/^RELOADING=1$/m, 'SIGHUP: the manager is told'), qr/^MONOTONIC_USEC=\d{6,}$/m, 'with the time');
is_told($manager, qr/^READY=1$/, 'and again at the end');
cast('rolled', '{}');
ok($calls->finish, 'messages were sent all the time');
like($least, qr/never less than 3 workers/, 'there were always as many workers as before');
my $log = slurp_file($supervisor->{log});
my ($roll) = $log =~ /^info: replacing the processes(.*)^info: all processes are replaced$/ms;
for my $number (1 .. 3) {
	my ($pid, $stopped) = $roll =~ /worker $number is process (\d+)\n.*?stopping worker $number, process (\d+)\n/s;
	ok($pid && !$before{$pid}, "worker $number has a new process");
	ok($stopped && $before{$stopped}, 'that was there before the old one was told to stop');
}
becomes(q{SELECT count(*) FROM dgen.message}, 0, 'everything was handled');
unlike($roll, qr/^warning/m, 'without any trouble');

$log = ends($supervisor, 'TERM', 0, 'SIGTERM stops it');
is($supervisor->{status}, 0, 'with status 0');
is_told($manager, qr/^STOPPING=1$/, 'the manager is told');
workers(0, 'no worker is left');

# A new process that takes its time. Meanwhile the old one works, and is the only one.
create("$tmp/gate");
$supervisor = start_supervisor([], '-w', "$tmp/gate");
workers(1, 'one worker');
cast('before', '{}');
is_handled('before', 'handles a message');
my ($old) = processes($supervisor);
kill 'KILL', $old;
logs($supervisor, qr/^warning: worker 1, process $old, was ended by signal 9 \(Killed\); starting/m, 'a process that did nothing has no actor in the log');
workers(1, 'and is replaced');
($old) = processes($supervisor);
unlink "$tmp/gate";
kill 'HUP', $supervisor->{pid};
ok(until_true(sub { (processes($supervisor))[0] != $old }), 'a new process that is not attached yet');
my ($new) = processes($supervisor);
kill 'HUP', $supervisor->{pid};
cast("meanwhile $_", '{}'), is_handled("meanwhile $_", 'the old one handles messages') for 1 .. 3;
unlike(slurp_file($supervisor->{log}), qr/stopping worker/, 'and was not told to stop');
create("$tmp/gate");
logs($supervisor, qr/^debug: stopping worker 1, process $old\n.*^info: all processes are replaced$/ms, 'until the new one is attached');
logs($supervisor, qr/^debug: stopping worker 1, process $new\n.*^info: all processes are replaced$/ms,
	'which a SIGHUP that came meanwhile replaces in its turn');
is(sql('SELECT count(*) FROM dgen.workers'), 1, 'by one that works');
ends($supervisor, 'TERM', 0, 'SIGTERM stops it');

# A new process that does not get as far as the old ones.
$supervisor = start_supervisor([], '-n', 2, '-f', "$tmp/flaw");
workers(2, 'two workers');
($old) = processes($supervisor);
create("$tmp/flaw");
kill 'HUP', $supervisor->{pid};
logs($supervisor, qr/^warning: worker 1, process \d+, returned -1 \(invalid argument\)$/m, 'a new process fails');
logs($supervisor, qr/^warning: worker 1 was not replaced/m, 'so the old one is not replaced');
is(sql(q{SELECT count(*) FROM dgen.workers}), 2, 'and works on');
unlink "$tmp/flaw";
kill 'HUP', $supervisor->{pid};
logs($supervisor, qr/^info: all processes are replaced/m, 'the next SIGHUP succeeds');
logs($supervisor, qr/^debug: worker 1, process $old, returned 0/m, 'and the old process ends');
ends($supervisor, 'INT', 0, 'SIGINT stops it');

# A new process that never gets anywhere. A SIGHUP that comes meanwhile is another attempt.
$supervisor = start_supervisor([], '-n', 2, '-w', "$tmp/gate", '-a', 1000);
workers(2, 'two workers');
my @old = processes($supervisor);
unlink "$tmp/gate";
kill 'HUP', $supervisor->{pid};
ok(until_true(sub { (processes($supervisor))[0] != $old[0] }), 'a new process hangs');
kill 'HUP', $supervisor->{pid};
logs($supervisor, qr/(^warning: worker 1, process \d+, did not attach in 1000 ms and is killed\n.*^warning: worker 1 was not replaced.*){2}/ms,
	'and is killed, twice');
unlike(slurp_file($supervisor->{log}), qr/stopping worker|worker 2, process \d+, has not|all processes are replaced/, 'nothing else happens');
is_deeply([sort split /\n/, sql('SELECT pid > 0 FROM dgen.workers')], ['t', 't'], 'the old ones are there');
cast("kept $_", '{}'), is_handled("kept $_", 'and work') for 1 .. 3;

# The old one dies meanwhile: nobody has its number until there is a new one that is not hanging.
kill 'HUP', $supervisor->{pid};
ok(until_true(sub { slurp_file($supervisor->{log}) =~ /(replacing.*){3}worker 1 is process (\d+)/s }), 'a new process hangs again');
kill 'KILL', $old[0];
workers(1, 'and the old one dies');
logs($supervisor, qr/(worker 1 was not replaced.*){3}/s, 'the new one is killed');
create("$tmp/gate");
workers(2, 'the next one is not');
is((processes($supervisor))[1], $old[1], 'the other one was left alone');
kill 'HUP', $supervisor->{pid};
logs($supervisor, qr/^info: all processes are replaced/m, 'and is replaced when it is possible');
workers(2, 'two workers');
ends($supervisor, 'TERM', 0, 'SIGTERM stops it');

# ---- crash loops, and what trying again cannot mend ----

$supervisor = start_supervisor([], '-n', 2, '-d', 3, '-r', 20);
workers(2, 'two workers');
cast('poison', '{"do": "segv"}');
$log = ends($supervisor, undef, -7, 'more deaths than it may have end it');
like($log, qr/^error: stopping after more than 3 deaths in 60000 ms$/m, 'and the log says so');
is(scalar(() = $log =~ /Segmentation/g), 4, 'that was the fourth');
is(sql(q{SELECT count(*) FROM dgen.messages WHERE actor_key = 'poison'}), 1, 'the message is still there');
sql(q{SELECT dgen.cancel('task', 'poison', message_id) FROM dgen.messages WHERE actor_key = 'poison'});

create("$tmp/flaw");
$supervisor = start_supervisor([], '-n', 4, '-f', "$tmp/flaw");
$log = ends($supervisor, undef, -1, 'what a process returns ends the supervisor');
like($log, qr/^error: worker 1, process \d+, returned -1 \(invalid argument\): all are stopped$/m, 'and the log says so');
is(scalar(() = $log =~ /^debug: worker \d is process/mg), 1, 'the first one was alone');
unlink "$tmp/flaw";

# ---- stopping ----

$supervisor = start_supervisor([], '-n', 2);
workers(2, 'two workers');
cast('patient', qq({"do": "wait", "file": "$tmp/go"}));
is_busy('one is in a turn');
kill 'TERM', $supervisor->{pid};
logs($supervisor, qr/stopping worker.*stopping worker/s, 'a stop');
workers(1, 'the idle one stops at once');
create("$tmp/go");
$log = ends($supervisor, undef, 0, 'the other one ends its turn');
unlike($log, qr/killed/, 'nobody was killed');
is_handled('patient', 'what it did is committed');

$supervisor = start_supervisor([], '-g', 200);
workers(1, 'one worker');
my $id = cast('late', qq({"do": "hang", "once": "$tmp/late"}));
until_true(sub { -e "$tmp/late" });
$log = ends($supervisor, 'TERM', -6, 'a turn that takes longer than the grace period');
like($log, qr/^warning: worker 1, process \d+, did not stop in 200 ms and is killed$/m, 'is killed');
like($log, qr/was ended by signal 9 \(Killed\) in the turn of task "late" for message $id$/m, 'and the log says what it did');
workers(0, 'no worker is left');
$supervisor = start_supervisor([]);
is_handled('late', 'its message comes again');
ends($supervisor, 'TERM', 0, 'the next one stops');

$supervisor = start_supervisor([]);
workers(1, 'one worker');
cast('urgent', qq({"do": "hang", "once": "$tmp/urgent"}));
until_true(sub { -e "$tmp/urgent" });
kill 'TERM', $supervisor->{pid};
logs($supervisor, qr/a second signal stops immediately/, 'the first signal waits');
kill 'TERM', $supervisor->{pid};
waitpid $supervisor->{pid}, 0;
is($? & 127, 15, 'the second one ends all');
workers(0, 'no worker is left');

# ---- turns that take too long ----

$supervisor = start_supervisor([], '-t', 300);
my %endless = map { $_ => cast("endless $_", qq({"do": "hang", "once": "$tmp/endless $_"})) } 1 .. 2;
for (1 .. 2) {
	logs($supervisor, qr/^warning: the turn of task "endless $_" for message $endless{$_} has taken more than 300 ms: worker 1, process \d+, is killed$/m,
		'a turn that never ends is ended');
	logs($supervisor, qr/was ended by signal 9 \(Killed\) in the turn of task "endless $_" for message $endless{$_};/, 'with its process');
	is_handled("endless $_", 'the message comes again');
}
ends($supervisor, 'TERM', 0, 'it stops');

$supervisor = start_supervisor([]);
cast('slow', qq({"do": "hang", "once": "$tmp/slow"}), 'limited');
logs($supervisor, qr/^warning: the turn of limited "slow" for message \d+ has taken more than 10001 ms/m,
	'by default after the turn_timeout of its type, and more');
is_handled('slow', 'the message comes again', 'limited');
ends($supervisor, 'TERM', 0, 'it stops');

# ---- the supervisor dies ----

$supervisor = start_supervisor([], '-n', 2);
workers(2, 'two workers');
cast('bereft', qq({"do": "hang", "once": "$tmp/bereft"}));
until_true(sub { -e "$tmp/bereft" });
my @children = processes($supervisor);
is(scalar(@children), 2, 'two processes');
kill 'KILL', $supervisor->{pid};
waitpid $supervisor->{pid}, 0;
ok(until_true(sub { !grep { is_alive($_) } @children }), 'SIGKILL of the supervisor ends its processes');
workers(0, 'no worker is left');

# A zombie that nobody buries is dead.
sub is_alive {
	my ($pid) = @_;
	return -e "/proc/$pid/stat" && eval { slurp_file("/proc/$pid/stat") !~ /^\d+ \(.*\) [ZX]/ };
}

# ---- service managers ----

my $abstract = listen_at("\0dgen-test-$$");
{
	local $ENV{NOTIFY_SOCKET} = "\@dgen-test-$$";
	local $ENV{WATCHDOG_USEC} = 300_000;
	$supervisor = start_supervisor([]);
}
is_told($abstract, qr/^READY=1$/, 'an abstract socket');
is_told($abstract, qr/^WATCHDOG=1$/, "signs of life: $_") for 1 .. 3;
ends($supervisor, 'TERM', 0, 'it stops');
is_told($abstract, qr/^STOPPING=1$/, 'and says so');
{
	local $ENV{NOTIFY_SOCKET} = 'nonsense';
	$supervisor = start_supervisor([]);
}
logs($supervisor, qr/^warning: could not use NOTIFY_SOCKET: Invalid argument$/m, 'a socket that is none');
workers(1, 'is no reason not to run');
ends($supervisor, 'TERM', 0, 'it stops');

# ---- process 1 of a container ----

my ($unshare) = grep { IPC::Run::run([@$_, 'true'], '>&', \my $none) }
	[qw(unshare --pid --fork --mount-proc --kill-child)], [qw(unshare --map-root-user --user --pid --fork --mount-proc --kill-child)];
SKIP: {
	skip 'no PID namespaces here', 1 unless $unshare;
	local $ENV{PGUSER} = sql('SELECT current_user');    # in there it is another one
	$supervisor = start_supervisor($unshare, '-n', 2);
	workers(2, 'as process 1');
	like(slurp_file($supervisor->{log}), qr/^debug: worker 1 is process \d$/m, 'in a namespace');
	cast("parent $_", qq({"do": "orphan"})) for 1 .. 3;
	cast('crash', qq({"do": "segv", "once": "$tmp/crash"}));
	is_handled("parent $_", 'a process leaves orphans') for 1 .. 3;
	is_handled('crash', 'and one dies');
	workers(2, 'and is replaced');
	my ($init) = children_of($supervisor->{pid});
	ok(until_true(sub { children_of($init) == 2 }), 'the orphans are buried');
	kill 'TERM', $init;
	ends($supervisor, undef, 0, 'it stops');
	is($supervisor->{status}, 0, 'with status 0');
}

sub children_of {
	my ($pid) = @_;
	return split ' ', `ps -o pid= --ppid $pid`;
}

$node->stop;
done_testing();
