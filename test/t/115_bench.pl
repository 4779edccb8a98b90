# dgen bench: what it reports, that it counts right and notices what is wrong, and that it
# leaves nothing behind. Never how fast anything is.
use strict;
use warnings;
use FindBin '$RealBin';
use IPC::Run qw(run start finish pump timeout);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = $ENV{DGEN_PROGRAM} // "$RealBin/../../worker/build/dgen";
plan skip_all => "the program dgen was not built: $program" unless -x $program;

my @dgen = (split(' ', $ENV{DGEN_WRAPPER} // ''), $program);
my ($out, $err, $status);

sub bench {
	my (@arguments) = @_;
	($out, $err) = ('', '');
	run [@dgen, 'bench', @arguments], '<', '/dev/null', '>', \$out, '2>', \$err;
	$status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	return $out;
}

sub fails {
	my ($expected, $pattern, $name, @arguments) = @_;
	bench(@arguments);
	is($status, $expected, "$name: status $expected");
	like($err, $pattern, "$name: the error");
	is($out, '', "$name: no figures");
}

# ---- the command line ----

delete @ENV{ grep { /^PG/ && $_ !~ /^PG_/ } keys %ENV };
fails(1, qr/bench takes WORKLOAD/, 'no workload');
fails(1, qr/there is no workload "frob"\ndgen: hint: Try "dgen bench --help"/, 'an unknown workload', 'frob');
fails(1, qr/--lane must be c or database, not "java"/, 'an unknown lane', 'drain', '--lane', 'java');
fails(1, qr/--handler is for --lane database/, 'a handler for workers in C', 'drain', '--handler', 'sql');
fails(1, qr/send has no use for --workers/, 'an option that the workload has no use for', 'send', '--workers', '2');
fails(1, qr/cast has no use for --rate/, 'a rate of what is as fast as it can', 'cast', '--rate', '5');
fails(1, qr/drain has no use for --rate/, 'a rate where nobody sends', 'drain', '--rate', '5');
fails(1, qr/call has no use for --messages/, 'an amount for what is measured by time', 'call', '--messages', '2');
fails(1, qr/--actors must be a whole number from 1 to \d+, not "0"/, 'no actors', 'drain', '--actors', '0');

# ---- a server ----

my $node = PostgreSQL::Test::Cluster->new('bench');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nfsync = off\nmax_worker_processes = 16\n");
$node->start;
$ENV{PGHOST}     = $node->host;
$ENV{PGPORT}     = $node->port;
$ENV{PGDATABASE} = 'postgres';

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub leftovers {
	return sql(q{SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'dgen\_bench%')
		+ (SELECT count(*) FROM dgen.actor_type) + (SELECT count(*) FROM dgen.message)
		+ (SELECT count(*) FROM dgen.actor) + (SELECT count(*) FROM dgen.request)});
}

fails(2, qr/database "nowhere" does not exist/, 'no such database', 'drain', '-d', 'nowhere');
fails(3, qr/extension dgen is not in this database\ndgen: hint: Run CREATE EXTENSION dgen/, 'no extension', 'drain');
sql(q{CREATE EXTENSION dgen; CREATE ROLE poor LOGIN; CREATE ROLE fit LOGIN;
	GRANT CREATE ON DATABASE postgres TO fit; GRANT USAGE ON SCHEMA dgen TO fit;
	GRANT EXECUTE ON FUNCTION dgen.create_actor_type, dgen.start_workers, dgen.stop_workers TO fit});

# ---- the workloads ----

my @side_keys = qw(check cpu_clients_ms cpu_clients_us_per_message cpu_workers_ms cpu_workers_us_per_message
	idle_looks idle_snapshots index_growth_bytes latency_us messages messages_per_s most_waiting rounds_per_s seconds sent
	table_growth_bytes wal_bytes wal_bytes_per_message);
my @brief = ('--time', '300ms', '--warm-up', '100ms');

# Runs it as a role that has what it needs and no more; returns what it reports.
sub report {
	my ($name, @arguments) = @_;
	bench(@arguments, '--json', '-U', 'fit');
	is("$status$err", '0', "$name: status 0, no error") or return {};
	is($out =~ tr/\n//, 1, "$name: one line");
	my $report = JSON::PP->new->decode($out);
	is_deeply([ sort keys %{ $report->{$_} } ], \@side_keys, "$name: figures of $_")
		for grep { $report->{$_} } qw(dgen raw hand_made);
	is_deeply([ @{ $report->{$_}{check} }{qw(lost doubled)} ], [ 0, 0 ], "$name: nothing lost or doubled by $_")
		for grep { $report->{$_} } qw(dgen raw hand_made);
	is($report->{dgen}{check}{left}, 0, "$name: nothing is unhandled");
	is(leftovers(), 0, "$name: nothing is left");
	return $report;
}

sub has_baselines {
	my ($name, $report) = @_;
	is_deeply([ sort keys %{ $report->{ratios} } ], [qw(hand_made raw)], "$name: ratios to both baselines");
	ok($report->{$_}{messages} > 0, "$name: messages of $_") for qw(dgen raw hand_made);
}

for my $lane (['c'], ['database'], ['database', '--handler', 'sql']) {
	my $name   = "drain, lane @$lane";
	my $report = report($name, 'drain', '--lane', @$lane, '--actors', 300, '--messages', 7, '--rounds', 2, @brief);
	has_baselines($name, $report);
	is($report->{dgen}{messages}, 2 * 300 * 7, "$name: messages of both measured rounds");
	is($report->{raw}{messages}, 2 * 300 * 7, "$name: the same raw");
	is($report->{dgen}{check}{actors}, 300, "$name: all actors");
	is(@{ $report->{dgen}{rounds_per_s} }, 2, "$name: two rounds");
	is($report->{dgen}{latency_us}, undef, "$name: no latency");
	ok($report->{dgen}{wal_bytes} > 0, "$name: WAL");
}
is(report('drain without a warm-up or baselines', 'drain', '--warm-up', 0, '--rounds', 1, '--actors', 1, '--messages', 50,
		'--workers', 1, '--no-baseline')->{raw}, undef, '--no-baseline: none');

for my $lane (qw(c database)) {
	for my $workload (qw(sustained call chain)) {
		my $name   = "$workload, lane $lane";
		my $report = report($name, $workload, '--lane', $lane, '--clients', 2, '--actors', 20, @brief);
		has_baselines($name, $report);
		next if $workload eq 'sustained' && $lane eq 'database';
		my $latency = $report->{dgen}{latency_us};
		is_deeply([ sort keys %$latency ], [qw(count max mean p50 p90 p99 p99.9)], "$name: latency");
		my @ordered = @$latency{qw(p50 p90 p99 p99.9 max)};
		is_deeply([ sort { $a <=> $b } @ordered ], \@ordered, "$name: percentiles rise");
	}
	my $idle = report("idle, lane $lane", 'idle', '--lane', $lane, '--workers', 3, @brief);
	is($idle->{dgen}{idle_snapshots}, 0, "idle, lane $lane: no snapshot is held");
	is($idle->{dgen}{messages}, 0, "idle, lane $lane: no messages");
}
has_baselines($_, report($_, $_, '--clients', 2, @brief)) for qw(send cast);

my $idle = report('idle actors', 'call', '--idle-actors', 500, @brief);
is($idle->{$_}{check}{idle_actors}, 500, "idle actors: so many, of $_") for qw(dgen raw hand_made);
$idle = report('idle actors, inline', 'call', '--lane', 'database', '--idle-actors', 500, '--no-baseline', @brief);
is($idle->{dgen}{check}{idle_actors}, 500, 'idle actors, inline: so many');

my $slow = report('a rate', 'send', '--clients', 2, '--rate', 10, '--no-baseline', '--time', '1s', '--warm-up', 0);
is($slow->{options}{rate}, 10, 'a rate: it is reported');
ok($slow->{dgen}{messages} < 100, 'a rate: no more is sent');

SKIP: {
	skip 'no /proc', 1 unless -r '/proc/self/stat';
	ok(defined report('CPU time', 'call', '--no-baseline', @brief)->{dgen}{cpu_workers_us_per_message}{server},
		'CPU time of a server on this host is known');
}

# ---- for people ----

like(bench('drain', '--actors', 20, @brief), qr/^dgen[ ]bench[ ]drain,[ ]lane[ ]c:[ ]20[ ]actors[ ]x[ ]10[ ]messages,[ ]2[ ]workers\n
	PostgreSQL[ ]\d.*\bfsync[ ]off.*\n\n[ ]+dgen[ ]+raw[ ]+dgen:it[ ]+hand-made[ ]+dgen:it\nmessages\/s[ ]+\d+[ ]+\d+[ ]+[\d.]+x
	.*^WAL,[ ]bytes\/message[ ]+\d.*^Nothing[ ]was[ ]lost[ ]or[ ]doubled:[ ]20[ ]actors/xms, 'a table');
is($err, '', 'a table: no progress, as this is no terminal');
bench('call', '--no-baseline', '--time', '1500ms', '--warm-up', 0, '--progress');
like($err, qr/^dgen: \w.*: 1 s, \d+ messages, \d+\/s\n/, '--progress');

# ---- wrong counts are noticed ----

sql(q{CREATE FUNCTION twice(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
	$$ SELECT dgen.noreply(jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0) + 2 * message::bigint)) $$;
	CREATE FUNCTION forgets(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
	$$ SELECT dgen.noreply(jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0)
		+ CASE message::bigint WHEN 17 THEN 0 ELSE message::bigint END)) $$;
	CREATE FUNCTION refuses(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
	$$ SELECT CASE message::bigint WHEN 17 THEN dgen.fail('no') ELSE
		dgen.noreply(jsonb_build_object('sum', COALESCE((state->>'sum')::bigint, 0) + message::bigint)) END $$;});
my @small = ('drain', '--lane', 'database', '--actors', 20, '--warm-up', 0, '--rounds', 1);
fails(7, qr/dgen: 0 actors lack messages, 20 have too many/, 'messages that count twice', @small, '--handler', 'twice');
fails(7, qr/dgen: 1 actors lack messages, 0 have too many/, 'one that does not count', @small, '--handler', 'forgets');
fails(7, qr/dgen: 1 actors lack messages, 0 have too many, and 1 messages were not handled/, 'one that is a dead letter',
	@small, '--handler', 'refuses');
fails(7, qr/dgen: 1 actors lack messages, 0 have too many, and 1 messages were not handled/, 'an actor that there is not at all',
	@small, '--messages', 1, '--handler', 'refuses');
is(leftovers(), 0, 'nothing is left of them');

# ---- refusals ----

fails(3, qr/role poor cannot create a schema.*hint: GRANT CREATE ON DATABASE/s, 'no right to create a schema', 'call', '-U', 'poor');
sql('GRANT CREATE ON DATABASE postgres TO poor');
fails(3, qr/role poor cannot create actor types\n.*hint: GRANT USAGE ON SCHEMA dgen/s, 'no right to create types', 'call',
	'-U', 'poor');
fails(3, qr/999 worker processes are too many.*Raise max_worker_processes \(16 now\)/s, 'too many worker processes', 'drain', '--lane',
	'database', '--workers', 999, '--no-baseline', '-d', 'postgres');
fails(3, qr/the run needs 1001 connections.*Raise max_connections/s, 'too many connections', 'send', '-c', 1000);
sql(q{CREATE SCHEMA dgen_bench});
fails(3, qr/schema "dgen_bench" exists, but dgen bench did not create it/, "somebody else's schema", 'send');
sql(q{DROP SCHEMA dgen_bench});
sql(q{SELECT dgen.create_actor_type('other', 'twice'); SELECT dgen.start_workers(1)});
fails(3, qr/in-database workers of others run in this database/, "somebody else's workers", 'drain', '--lane', 'database');
sql(q{SELECT dgen.stop_workers(); SELECT dgen.drop_actor_type('other')});

# ---- interruption ----

my $long = [@dgen, 'bench', 'sustained', '--time', '1h', '--no-baseline', '--progress'];

# Returns once messages flow.
sub start_long {
	my ($h, $progress) = (undef, '');
	$h = start [@{ $_[0] }], '<', '/dev/null', '>', '/dev/null', '2>', \$progress,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h until $progress =~ /[1-9]\d* messages/;
	return $h;
}

my $h = start_long($long);
fails(3, qr/another dgen bench runs in this database \(process \d+\)/, 'two at a time', 'send');
$h->signal('INT');
finish $h;
is($h->full_result(0) & 127, 2, 'SIGINT ends it as a signal does');
is(leftovers(), 0, 'SIGINT: nothing is left');

$h = start_long([ @$long, '--lane', 'database', '--hold-snapshot' ]);
is(sql(q{SELECT count(backend_xmin) FROM pg_stat_activity WHERE application_name = 'dgen bench snapshot' AND state = 'idle in transaction'}),
	1, '--hold-snapshot: a session has one');
$h->signal('TERM');
finish $h;
is($h->full_result(0) & 127, 15, 'SIGTERM ends it as a signal does');
is(leftovers(), 0, 'SIGTERM: nothing is left');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'dgen worker'}),
	'SIGTERM: no workers are left');

# The wrapper, if there is one, would be killed in its place.
$h = start_long([ $program, @{$long}[ scalar(@dgen) .. $#$long ] ]);
$h->signal('KILL');
finish $h;
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'dgen bench%'}) or die 'sessions stay';
isnt(leftovers(), 0, 'SIGKILL: objects are left');
bench('send', '--no-baseline', @brief);
is($status, 0, 'the next run goes well');
like($err, qr/removing what an earlier run left behind/, 'the next run says that it cleans up');
is(leftovers(), 0, 'the next run: nothing is left');

# The server goes away in the middle.
$h = start_long($long);
$node->stop('immediate');
finish $h;
is($h->result(0), 2, 'the server goes away: status 2');

done_testing();
