# The examples: each is built, run, and does what its first comment claims, also when a worker is
# killed on the way.
#
# DGEN_RUN is put before each of their programs, such as "valgrind -q".
use strict;
use warnings;
use Cwd 'abs_path';
use File::Basename 'dirname';
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(abs_path(__FILE__)) . '/../..';
my $examples = "$root/examples";
my @run = split ' ', $ENV{DGEN_RUN} // '';
my $node = PostgreSQL::Test::Cluster->new('examples');
$node->init;
$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
$node->start;
@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
sql('CREATE EXTENSION dgen; CREATE TABLE answer (caller text, reply jsonb, at timestamptz DEFAULT clock_timestamp());');

subtest 'installed' => \&installed;
subtest 'counter' => \&counter;
subtest 'bank'    => \&bank;
subtest 'limiter' => \&limiter;
subtest 'cart'    => \&cart;
subtest 'chat'    => \&chat;
subtest 'pollloop' => \&pollloop;
subtest 'python'  => \&python;
subtest 'commits' => \&commits;
done_testing();

# ---- building, running, asking ----

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name)
		or diag("it is: ", sql($query), "\n", sql('SELECT * FROM dgen.dead_letters LIMIT 3'));
}

# What make, or a run with sanitizers, was told concerns others: this is what users build.
sub make {
	my ($dir, @targets) = @_;
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL COPT)};
	my $output = '';
	my $ok = IPC::Run::run([ 'make', '-C', $dir, 'CFLAGS=-O2 -g -Werror', @targets ], '>&', \$output);
	ok($ok, join ' ', 'make', $dir =~ s/.*\///r, @targets) or diag($output);
	return $ok;
}

sub build {
	my ($name) = @_;
	-e "$root/worker/build/libdgen.a" || make("$root/worker", 'all');
	make("$examples/$name") or die "examples/$name cannot be built\n";
	make("$examples/$name", 'test') if -e "$examples/$name/test_$name.c";
}

# Processes of an example; with a type they are waited for as workers of it.
sub start {
	my ($count, $type, @command) = @_;
	unshift @command, @run if $command[0] =~ m{^\Q$examples\E} && -B $command[0];
	my @processes = map {
		my $process = { out => '', err => '' };
		$process->{run} = IPC::Run::start(\@command, '<', \undef, '>', \$process->{out}, '2>', \$process->{err});
		$process;
	} 1 .. $count;
	$node->poll_query_until('postgres', "SELECT count(*) >= $count FROM dgen.workers WHERE '$type' = ANY (types)")
		or diag(map { $_->{err} } @processes) if $type;
	return @processes;
}

sub kill_worker {
	my ($process) = @_;
	$process->{run}->signal('KILL');
	$process->{run}->finish;
}

sub stop {
	my (@processes) = @_;
	$_->{run}->signal('TERM') for @processes;
	my @bad = grep { !$_->{run}->finish } @processes;
	is(scalar(@bad), 0, 'stops in order when asked to') or diag(map { $_->{err} } @bad);
}

# Callers that work at the same time. For each of their calls there is a row in answer. Once a
# part of the calls is answered $halfway is called.
sub callers {
	my ($clients, $calls, $script, $halfway) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/callers.sql";
	sql('TRUNCATE answer');
	unlink $file;
	append_to_file($file, $script);
	my ($out, $err) = ('', '');
	my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $calls, '-f', $file ],
		'<', \undef, '>', \$out, '2>', \$err);
	if ($halfway) {
		$node->poll_query_until('postgres', 'SELECT count(*) > ' . $clients * $calls / 4 . ' FROM answer');
		$halfway->();
	}
	ok($pgbench->finish, 'the callers get to the end') or diag($err);
	is(sql('SELECT count(*) FROM answer'), $clients * $calls, 'and each call was answered once');
}

# ---- the examples ----

# Outside of the source tree: a copy of one directory, and a library that was installed.
sub installed {
	my $place = PostgreSQL::Test::Utils::tempdir();
	my $output = '';
	make("$root/worker", 'install', "prefix=$place/dgen", "BUILD=$place/build");
	local %ENV = (%ENV, PKG_CONFIG_PATH => "$place/dgen/lib/pkgconfig", LD_LIBRARY_PATH => "$place/dgen/lib");
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL COPT)};
	for my $name (qw(counter bank)) {
		system_or_bail('cp', '-R', "$examples/$name", "$place/$name");
		make("$place/$name", 'clean');
		make("$place/$name");
		make("$place/$name", 'test');
		ok(IPC::Run::run([ 'ldd', "$place/$name/$name" ], '>', \$output), "$name: ldd");
		like($output, qr{libdgen\.so\S* => \Q$place\E/dgen/lib/}, "$name uses the library that pkg-config named");
	}
}

sub counter {
	build('counter');
	my ($worker) = start(1, 'counter', "$examples/counter/counter");
	is(sql(q{CALL dgen.ask('counter', 'visits', '{"add": 5}')}), '5', 'it counts');
	is(sql(q{CALL dgen.ask('counter', 'visits')}), '6', 'null counts one');
	sql(q{SELECT dgen.cast('counter', 'many') FROM generate_series(1, 1000)});
	becomes(q{SELECT dgen.state('counter', 'many')}, '{"n": 1000}', 'no cast is lost');
	stop($worker);
	is($worker->{err}, '', 'it has nothing to complain about');
}

sub bank {
	build('bank');
	$node->command_ok([ 'psql', '-Xq', '-f', "$examples/bank/schema.sql" ], 'its tables');
	sql(q{INSERT INTO bank.account (name) SELECT 'a' || n FROM generate_series(1, 10) AS n});
	my ($first, $second) = start(2, 'account', "$examples/bank/bank");
	is(sql(qq{CALL dgen.ask('account', 'a$_', '{"deposit": 1000}')}), '{"booked": 1000}', "a$_ gets 1000") for 1 .. 10;

	$node->command_ok([ @run, "$examples/bank/bank", 'transfer', 'a1', 'a2', '300' ], 'a transfer');
	$node->command_checks_all([ @run, "$examples/bank/bank", 'transfer', 'a1', 'a2', '701' ],
		1, [ qr/insufficient funds/ ], [ qr/^$/ ], 'more than there is is refused');
	is(sql(q{SELECT string_agg(balance::text, ' ' ORDER BY name) FROM bank.account WHERE name IN ('a1', 'a2')}),
		'700 1300', 'and changes nothing');

	sql('ALTER TABLE bank.entry RENAME TO hidden');
	my $late = sql(q{SELECT dgen.request('account', 'a3', '{"deposit": 7}')});
	ok($node->poll_query_until('postgres', qq{SELECT concat_ws('|', last_error, last_sqlstate) FROM dgen.messages WHERE message_id = $late},
		'relation "bank.entry" does not exist|42P01'), 'what fails for another reason is recorded');
	sql('ALTER TABLE bank.hidden RENAME TO entry');
	is(sql(qq{SELECT dgen.await_reply($late, '60 s')}), '{"booked": 7}', 'and tried again');
	sql(q{UPDATE bank.account SET balance = 1000 WHERE name = 'a3'; DELETE FROM bank.entry WHERE amount = 7});

	# a11 has no account: money that was taken already has to come back.
	callers(8, 50, <<'SQL', sub { kill_worker($first) });
\set from random(1, 10)
\set to random(1, 11)
\set amount random(1, 900)
SELECT dgen.request('account', 'a' || :from, jsonb_build_object('transfer', :amount, 'to', 'a' || :to)) AS request \gset
INSERT INTO answer SELECT 'a' || :from, dgen.await_reply(:request, '2 min');
SQL
	is(sql('SELECT sum(balance) FROM bank.account'), '10000', 'the sum of all balances is what it was');
	is(sql(q{SELECT count(*) FROM bank.account AS a WHERE balance <> (SELECT sum(amount) FROM bank.entry WHERE account = a.name)}),
		'0', 'each balance is the sum of its entries');
	is(sql(q{SELECT count(*) FROM (SELECT transfer FROM bank.entry GROUP BY transfer HAVING sum(amount) NOT IN (0, 1000)) AS t}),
		'0', 'no transfer was done by half');
	is(sql(q{SELECT string_agg(DISTINCT coalesce(reply ->> 'refused', 'booked'), ', ' ORDER BY coalesce(reply ->> 'refused', 'booked')) FROM answer}),
		'booked, insufficient funds, no such account', 'there were transfers of every kind');
	is(sql(q{SELECT count(*) FROM dgen.actors WHERE actor_type = 'account' AND state <> '{}'}), '0', 'none is left open');
	is(sql('SELECT count(*) FROM dgen.dead_letters'), '0', 'nothing was given up');
	stop($second);
}

sub limiter {
	my $script = <<'SQL';
SELECT dgen.request('limiter', 'KEY') AS request \gset
INSERT INTO answer SELECT :client_id, dgen.await_reply(:request, '2 min');
SQL
	my $granted = q{SELECT count(*) FROM answer WHERE (reply ->> 'granted')::boolean};
	build('limiter');

	# One token an hour: none appears while the test runs.
	my ($first, $second) = start(2, 'limiter', "$examples/limiter/limiter", 50, 3_600_000);
	callers(8, 20, $script =~ s/KEY/hour/r, sub { kill_worker($first) });
	is(sql($granted), '50', '160 calls of 8 callers get the 50 tokens that there are');
	stop($second);

	my @workers = start(2, 'limiter', "$examples/limiter/limiter", 5, 100);
	my $began = sql('SELECT clock_timestamp()');
	callers(8, 50, $script =~ s/KEY/second/r);
	is(sql(qq{SELECT ($granted) <= 5 + extract(epoch FROM max(at) - '$began') / 0.1 FROM answer}),
		't', 'with one every 100 ms they never get more than 5 and those');
	cmp_ok(sql($granted), '>=', 5, 'nor less than the first 5');
	stop(@workers);
}

sub cart {
	build('cart');
	my ($first, $second) = start(2, 'cart', "$examples/cart/cart");
	sql(q{SELECT dgen.cast('voucher', 'WELCOME', '{"issue": 10}')});
	is(sql(q{CALL dgen.ask('cart', 'c0/1', '{"add": "tea", "price": 350, "count": 2}')}),
		'{"total": 700, "percent": 0}', 'a cart adds up');
	is(sql(q{CALL dgen.ask('cart', 'c0/1', '{"voucher": "WELCOME"}')}),
		'{"total": 630, "percent": 10}', 'a voucher gives a discount');
	is(sql(q{CALL dgen.ask('cart', 'c0/2', '{"voucher": "WELCOME"}')}),
		'{"total": 0, "percent": 0}', 'once per customer');
	is(sql(q{CALL dgen.ask('cart', 'c0/2', '{"voucher": "INVENTED"}')}), '{"total": 0, "percent": 0}', 'if it was issued');
	is(sql(q{SELECT dgen.state('voucher', 'INVENTED') IS NULL}), 't', 'nothing stays of one that was not');

	# Each caller is in all shops at once: customer c1 to c40, cart 0 to 7.
	callers(8, 40, <<'SQL', sub { kill_worker($first) });
\set customer random(1, 40)
SELECT dgen.request('cart', 'c' || :customer || '/' || :client_id, '{"voucher": "WELCOME"}') AS request \gset
INSERT INTO answer SELECT 'c' || :customer, dgen.await_reply(:request, '2 min');
SQL
	is(sql(q{SELECT string_agg(DISTINCT carts::text, ' ') FROM (SELECT count(*) FILTER (WHERE state ? 'percent') AS carts
		FROM dgen.actors WHERE actor_type = 'cart' AND actor_key LIKE 'c%' GROUP BY split_part(actor_key, '/', 1)) AS c}),
		'1', 'every customer has redeemed the voucher in exactly one cart');
	is(sql(q{SELECT count(*) FROM dgen.actors AS a WHERE actor_type = 'cart' AND state ? 'percent'
		AND dgen.state('voucher', 'WELCOME') ->> ('by:' || split_part(actor_key, '/', 1)) <> actor_key}),
		'0', 'and the voucher knows which');
	stop($second);
}

# The texts that a member has got, in order.
sub lines_of {
	my ($member) = @_;
	return sql(qq{SELECT string_agg(value ->> 'text', ' ' ORDER BY key)
		FROM jsonb_each(dgen.state('member', '$member')) WHERE key LIKE 'line:%'});
}

sub chat {
	my $say = sub { sql(qq{SELECT dgen.cast('room', 'lobby', jsonb_build_object('say', n::text, 'from', '$_[0]'))
		FROM generate_series($_[1], $_[2]) AS n}) };
	my $got = sub { becomes("SELECT dgen.state('member', '$_[0]') ->> 'n'", $_[1], "$_[0] has got $_[1] lines") };
	build('chat');
	my ($first, $second) = start(2, 'room', "$examples/chat/chat");

	sql(q{SELECT dgen.cast('room', 'lobby', '{"join": "ann"}')});
	$say->('ann', 1, 30);
	sql(q{SELECT dgen.cast('room', 'lobby', '{"join": "bob"}')});
	$say->('bob', 31, 33);
	$say->('a stranger', 100, 110);
	sql(q{SELECT dgen.cast('room', 'lobby', '{"leave": "bob"}')});
	$say->('ann', 34, 35);
	$got->('ann', 35);
	$got->('bob', 23);
	is(lines_of('ann'), join(' ', 1 .. 35), 'who is in hears every line, in order, and no stranger');
	is(lines_of('bob'), join(' ', 11 .. 33), 'a late joiner gets the last 20 lines first, and nothing after leaving');

	my ($reader) = start(1, undef, "$examples/chat/chat", 'follow', 'bob');
	ok(sees($reader, qr/lobby: bob: 33\n/), 'a reader gets what there is');
	sql(q{SELECT dgen.cast('room', 'lobby', '{"join": "bob"}')});
	sql(q{SELECT dgen.cast('room', 'lobby', '{"say": "\"hi\", \u00fc", "from": "bob"}')});
	ok(sees($reader, qr/lobby: bob: "hi", \xc3\xbc\n/), 'and new lines as they come');
	kill_worker($reader);

	# Several talk while somebody joins and a worker dies.
	sql(q{SELECT dgen.cast('room', 'hall', jsonb_build_object('join', 'p' || n)) FROM generate_series(0, 3) AS n});
	callers(4, 40, <<'SQL', sub { sql(q{SELECT dgen.cast('room', 'hall', '{"join": "late"}')}); kill_worker($first) });
INSERT INTO answer SELECT :client_id, to_jsonb(dgen.cast('room', 'hall', jsonb_build_object('from', 'p' || :client_id, 'say', gen_random_uuid())));
SQL
	$got->("p$_", 160) for 0 .. 3;
	becomes(q{SELECT count(*) FROM dgen.messages WHERE actor_type IN ('room', 'member')}, '0', 'all is handled');
	is(lines_of("p$_"), lines_of('p0'), "p$_ has read what p0 has read, in the same order") for 1 .. 3;
	like(lines_of('p0'), qr/\Q@{[ lines_of('late') ]}\E$/, 'the late one has it from some line on without a gap');
	stop($second);
}

sub sees {
	my ($process, $pattern) = @_;
	return PostgreSQL::Test::Utils::pump_until($process->{run}, IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default),
		\$process->{out}, $pattern);
}

sub pollloop {
	build('pollloop');
	my $path = PostgreSQL::Test::Utils::tempdir_short() . '/service';
	my ($service) = start(1, 'topic', "$examples/pollloop/pollloop", $path);
	my ($reader, $other) = map { IO::Socket::UNIX->new(Peer => $path) or die "$path: $!" } 1 .. 2;
	local $SIG{ALRM} = sub { die "the service does not answer\n" };
	alarm $PostgreSQL::Test::Utils::timeout_default;
	my $ask = sub { my ($socket, $line) = @_; print $socket "$line\n"; $socket->flush; return scalar <$socket> };

	is($ask->($reader, 'watch news'), "watching\n", 'a client watches');
	is($ask->($other, 'watch weather'), "watching\n", 'another watches something else');
	sql(q{SELECT dgen.cast('topic', 'news', '{"n": 1}')});
	is(scalar <$reader>, qq(news {"n": 1}\n), 'and is told');
	is($ask->($other, 'turns'), "1\n", 'the other is not');
	print $other "turns\n" x 200;
	$other->flush;
	is(join('', map { scalar <$other> } 1 .. 200), "1\n" x 200, 'many commands in one packet');

	sql(q{SELECT pg_terminate_backend(pid) FROM dgen.workers WHERE 'topic' = ANY (types)});
	sql(q{SELECT dgen.cast('topic', 'news', '{"n": 2}')});
	is(scalar <$reader>, qq(news {"n": 2}\n), 'also after the connection to the server was lost');
	close $reader;
	is($ask->($other, 'nonsense'), "watch KEY, or turns\n", 'a client that goes away disturbs nobody');
	alarm 0;
	stop($service);
	ok(!-e $path, 'the socket is gone');
}

sub python {
	my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg2' ], '>&', \my $output) }
		grep { -x } map { "$_/python3" } split(/:/, $ENV{PATH}), '/usr/bin';
	ok($python, 'there is a Python with psycopg2') or return diag('scripts/setup installs python3-psycopg2');
	my $worker = "$examples/python/worker.py";
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;

	$node->command_checks_all([ $python, $worker ], 1, [ qr/^$/ ], [ qr/actor type "poll" does not exist/ ],
		'what trying again cannot mend is said');
	sql(q{SELECT dgen.create_actor_type('poll', initial_state => '{"votes": {}, "closed": false, "results": {}}',
		max_attempts => 2, backoff => '1 ms')});
	my ($first, $second) = start(2, 'poll', $python, $worker);
	callers(4, 50, <<'SQL', sub { kill_worker($first) });
SELECT dgen.request('poll', 'drinks', jsonb_build_object('voter', gen_random_uuid(), 'vote', 'tea')) AS request \gset
INSERT INTO answer SELECT :client_id, dgen.await_reply(:request, '2 min');
SQL
	is(sql(q{CALL dgen.ask('poll', 'drinks')}), '{"tea": 200}', 'every vote counts once, though a worker was killed');
	is(sql(q{SELECT count(DISTINCT reply) FROM answer}), '200', 'one after the other');

	sql(q{SELECT pg_terminate_backend(pid) FROM dgen.workers WHERE 'poll' = ANY (types)});
	is(sql(q{CALL dgen.ask('poll', 'drinks', '{"close": true}')}), '{"tea": 200}', 'it connects again');
	becomes(q{SELECT dgen.state('poll', 'archive') -> 'results'}, '{"drinks": {"tea": 200}}', 'sends messages');
	my (undef, undef, $err) = $node->psql('postgres', q{\set VERBOSITY verbose
		CALL dgen.ask('poll', 'drinks', '{"voter": "ann", "vote": "tea"}')});
	like($err, qr/ERROR:  PO001: the poll is closed/, 'fails for good');
	sql(q{SELECT dgen.cast('poll', 'archive', '5')});
	becomes(q{SELECT attempts FROM dgen.dead_letters WHERE actor_key = 'archive'}, '2', 'and tries again');
	stop($second);

	# What else a turn can do. The states are kept by the client from one turn to the next.
	my ($other) = start(1, 'poll', $python, '-c', <<"PYTHON");
import sys, time
sys.path.insert(0, "$examples/python")
import worker
def handle(turn):
    m = turn.message if isinstance(turn.message, dict) else {}
    if turn.kind == "reply":
        turn.answer(turn.state["caller"], [turn.message, turn.correlation, turn.error])
    elif "ask" in m:
        turn.state["caller"] = turn.row.message_id
        turn.request("poll", m["ask"], m["with"], "corr", headers={"h": 1})
    elif "later" in m:
        turn.cast("poll", turn.key, None, delay_ms=m["later"], priority=3, idempotency_key="once")
    elif "until" in m and time.time() < m["until"]:
        raise worker.Retry("not yet", "20 ms")
    elif "fail" in m:
        raise worker.Failure("as you wish", "PO002")
    else:
        turn.state["n"] = turn.state.get("n", 0) + 1
        turn.reply([turn.state["n"], turn.headers])
        if "destroy" in m:
            turn.destroy()
worker.HANDLERS["poll"] = handle
worker.KEEP = 2
worker.main()
PYTHON
	is(sql(q{CALL dgen.ask('poll', 'e1', '{"ask": "e2", "with": {}}')}), '[[1, {"h": 1}], "corr", null]', 'a request between actors');
	is(sql(q{CALL dgen.ask('poll', 'e1', '{"ask": "e2", "with": {"fail": 1}}')}), '[null, "corr", "as you wish"]', 'and one that fails');
	sql(q{SELECT dgen.cast('poll', 'e3', '{"later": 20}') FROM generate_series(1, 3)});
	becomes(q{SELECT dgen.state('poll', 'e3') -> 'n'}, '1', 'a delayed message, once');
	is(sql(q{CALL dgen.ask('poll', 'e3', jsonb_build_object('until', extract(epoch FROM clock_timestamp()) + 1), '1 min')}),
		'[2, null]', 'a turn that is tried again');
	is(sql(q{SELECT count(*) FROM dgen.failed_attempt}), '0', 'counts no attempt');
	sql(q{SELECT dgen.cast('poll', 'e' || i % 5, '{}') FROM generate_series(1, 100) AS i});
	is(sql(q{CALL dgen.ask('poll', 'e3')}), '[23, null]', 'a state that the client has dropped is asked for');
	sql(q{BEGIN; SELECT dgen.cast('poll', 'e3', '{"destroy": true}'), dgen.cast('poll', 'e3', '{}'); COMMIT});
	is(sql(q{CALL dgen.ask('poll', 'e3')}), '[2, null]', 'a state that was destroyed begins anew');
	stop($other);
	is($other->{err}, '', 'it has nothing to complain about');

	# A turn that spoils the commit of its batch must not hold up the others.
	sql(q{SELECT dgen.cast('poll', 'p' || n, CASE WHEN n IN (7, 13) THEN '"bad"' ELSE '{"voter": "ann", "vote": "tea"}' END::jsonb)
		FROM generate_series(1, 20) AS n});
	my ($third) = start(1, 'poll', $python, '-c', <<"PYTHON");
import sys
sys.path.insert(0, "$examples/python")
import worker
worker.HANDLERS["poll"] = lambda turn: turn.cast("nobody", "x", 1) if turn.message == "bad" else worker.poll(turn)
worker.main()
PYTHON
	becomes(q{SELECT count(*) FROM dgen.actors WHERE actor_key ~ '^p\d+$' AND state #>> '{votes,ann}' = 'tea'}, '18', 'good turns commit');
	becomes(q{SELECT string_agg(actor_key || ' ' || attempts, ', ' ORDER BY actor_key) FROM dgen.dead_letters WHERE actor_key ~ '^p\d+$'},
		'p13 2, p7 2', 'bad ones become dead letters');
	stop($third);
}

sub commits {
	my $dir = "$examples/commits";
	build('commits');

	my $data = "$PostgreSQL::Test::Utils::tmp_check/commits.ndjson";
	IPC::Run::run([ 'sh', '-c', 'gzip -dc "$1/commits.ndjson.gz" | sed -n 1,3000p >"$2"', 'sh', $dir, $data ]);
	append_to_file($data, qq({"ts": $_->[0], "repo": "r", "file": "$_->[1]", "author": "$_->[2]", "added": 1, "deleted": 2}\n))
		for [ 3, 'a\"b', 'x/y' ], [ 2, 'a\\\\b', 'x/y' ], [ 1, 'a\\u0001b', 'x~y' ], [ 5, '\u00e4', 'x\"y' ], [ 4, 'z', 'x\\\\y' ],
			[ 6, 'z', 'x\"y' ], [ 7, 'z', 'x\"y' ], [ 8, 'a', 'x/y' ], [ 9, 'b', 'x/y' ], [ 9, 'Z', 'x/y' ], [ 9, 'Z', 'x\\u0002y' ];
	$node->command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-f', "$dir/events.sql", '-f', "$dir/actors.sql" ], 'the lane in PL/pgSQL');
	sql('SELECT dgen.start_workers(2)');
	$node->command_ok([ "$dir/load", '--wait', $data ], 'handles the events');

	my ($first, $second) = start(2, 'file_c', "$dir/service");
	my $again = IPC::Run::start([ 'psql', '-Xq', '-f', "$dir/send_again.sql" ]);
	$node->poll_query_until('postgres', q{SELECT count(*) > 100 FROM dgen.actors WHERE actor_type = 'file_c'});
	kill_worker($first);
	ok($again->finish, 'the lane in C gets the same');
	becomes(q{SELECT sum((state ->> 'changes')::bigint) FROM dgen.actors WHERE actor_type = 'author_c'}, '3011',
		'and handles them, though a process was killed');
	$node->command_like([ 'psql', '-X', '-f', "$dir/compare.sql" ], qr/compared \d+ files and \d+ authors.*equal/, 'with the same outcome');
	sql(q{SELECT dgen.cast('file_c', 'r/z', '{"ts": 1, "author": "new", "added": 0, "deleted": 0}')});
	becomes(q{SELECT count(*) FROM dgen.actors WHERE actor_type = 'author_c' AND actor_key = 'new'}, '1', 'one event more');
	$node->command_checks_all([ 'psql', '-X', '-f', "$dir/compare.sql" ], 3, [ qr/author.*new/s ], [ qr/2 actors .* differ/ ], 'is noticed');
	stop($second);
}
