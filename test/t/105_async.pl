# Several operations under way on one connection: test/lib/async.c against a worker, also
# through restarts of the server; and how often a call flushes the log.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();

my $node = PostgreSQL::Test::Cluster->new('async');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'dgen'
fsync = on
autovacuum = off
wal_writer_delay = 10s
wal_writer_flush_after = 1GB
checkpoint_timeout = 1h
bgwriter_lru_maxpages = 0
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Takes the lines of TAP that a program printed for its own.
sub take_lines {
	my ($name, $output) = @_;
	for (split /\n/, $output) {
		/^(not )?ok - (.*)/ ? ok(!$1, "$name: $2") : diag($_);
	}
}

my $conninfo = $node->connstr('postgres');
my $log = "$PostgreSQL::Test::Utils::log_path/async_worker.log";
my $worker = IPC::Run::start(["$build/test/worker", "$conninfo application_name=worker"], '>', \my $nothing, '2>', $log);
$node->poll_query_until('postgres', q{SELECT count(*) FROM dgen.workers}, 1) or die;
sql(q{SELECT dgen.create_actor_type('silent')});

my $output = '';
IPC::Run::run([@Programs::run, "$build/test/async", $conninfo], '>', \$output, IPC::Run::timeout(300));
is($?, 0, 'test/lib/async.c ends well');
take_lines('async', $output);

# ---- the server restarts ----

for my $mode (qw(fast immediate)) {
	my $lines = '';
	my $client = IPC::Run::start([@Programs::run, "$build/test/async", $conninfo, 'restart'], '>', \$lines, IPC::Run::timeout(300));
	$client->pump until $lines =~ /started/;
	$node->stop($mode);
	$node->start;
	sql(q{SELECT dgen.send_reply(message_id, '7') FROM dgen.mailbox('silent', 'restart')});
	$client->finish;
	take_lines($mode, $lines);
	sql(q{SELECT dgen.delete_actor('silent', 'restart')});
}

# ---- every allocation fails once ----

$output = '';
IPC::Run::run([@Programs::run, "$build/test/async_memory", $conninfo], '>', \$output, IPC::Run::timeout(300));
is($?, 0, 'test/lib/async_memory.c ends well');
take_lines('memory', $output);

# ---- flushes of the log ----

# Of those who have told: a session does at its end, a worker when it waits.
my $flushes = $node->safe_psql('postgres', 'SHOW server_version_num') < 180000
	? 'SELECT wal_sync FROM pg_stat_wal'
	: q{SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'};

sub flushes_of {
	my $before = sql($flushes);
	sql(join '', @_);
	return sql($flushes) - $before;
}

sub answered {
	sql(q{SELECT dgen.request('silent', 'flush') FROM generate_series(1, 40)});
	return split /\n/, sql(q{SELECT id FROM dgen.request r WHERE status = 'p' AND dgen.send_reply(id, '1')});
}
cmp_ok(flushes_of(map { "SELECT dgen.await_reply($_);\n" } answered()), '>=', 40, 'replies that are collected in a transaction are flushed');
cmp_ok(flushes_of(map { "CALL dgen.await_any(ARRAY[$_]);\n" } answered()), '<', 10, 'those that await_any collects are not');
is(sql(q{SELECT count(*) FROM dgen.request WHERE actor_key = 'flush'}), 0, 'but collected');

sql(q{CREATE FUNCTION echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome
	LANGUAGE sql AS 'SELECT dgen.reply(message)';
	SELECT dgen.create_actor_type('echo', 'echo'); SELECT dgen.start_workers(1)});
sql(q{CALL dgen.ask('echo', 'first')});
my $before = sql($flushes);
sql("CALL dgen.ask('echo', 'flush', '1', '1 min');\n" x 200);
sql('SELECT dgen.stop_workers()');
$node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'dgen worker%'}, 0) or die;

note('flushes of 200 calls: ' . (sql($flushes) - $before));
# There may be some of others, but not one for each.
cmp_ok(sql($flushes) - $before, '<', 300, 'a call with dgen.ask takes one flush');


$worker->signal('TERM');
$worker->finish;

# ---- what is told is on disk ----

my (undef, undef, $error) = $node->psql('postgres', q{CALL dgen.ask('silent', 'durable', '1', '1 ms')});
like($error, qr/still open/, 'a call that times out goes on');
$node->stop('immediate');
$node->start;
is(sql(q{SELECT count(*) FROM dgen.request WHERE actor_key = 'durable'}), 1, 'also when the server crashes at once');
done_testing();
