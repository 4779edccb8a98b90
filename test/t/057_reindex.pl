# Indexes made and made anew, CONCURRENTLY and not, tables rewritten, under load of senders and workers:
# nobody gets an error, each message is handled once, and amcheck finds
# each row in each index.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('indexed');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nmax_worker_processes = 20\ndgen.safety_net_interval = 1\nautovacuum = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my @tables = qw(message actor request idempotency_key delayed_message failed_attempt locked dead_letter actor_type);

sub consistent {
	my ($name) = @_;
	is(sql(q{SELECT string_agg(indexrelid::regclass || ' of ' || indrelid::regclass || ' is not valid', ', ') FROM pg_index WHERE indrelid::regclass::text LIKE 'dgen.%' AND NOT indisvalid}), '', "$name: all indexes are valid");
	is(sql(q{SELECT count(bt_index_check(indexrelid, true)) > 10 FROM pg_index i JOIN pg_class c ON c.oid = indexrelid WHERE indrelid::regclass::text LIKE 'dgen.%' AND relam = 403}), 't', "$name: and have all rows");
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE EXTENSION amcheck;
	CREATE TABLE sent (id bigint PRIMARY KEY);
	CREATE TABLE done (id bigint PRIMARY KEY);
	CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS $$
	BEGIN
		IF message->>'op' = 'once' AND ctx.attempt = 1 THEN RAISE EXCEPTION 'once'; END IF;
		IF message->>'op' = 'lock' AND ctx.kind <> 'locked' THEN RETURN dgen.lock(); END IF;
		INSERT INTO public.done VALUES (ctx.message_id);
		RETURN dgen.noreply(jsonb_build_object('n', coalesce((state->>'n')::integer, 0) + 1));
	END $$;
	SELECT dgen.create_actor_type('counter', 'count_up', backoff => '1 ms');
	SELECT dgen.start_workers(2);});

my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/send.sql", q{
\set k random(1, 200)
INSERT INTO sent SELECT dgen.cast('counter', 'k' || (:k + i), CASE i WHEN 1 THEN '{"op": "once"}' WHEN 2 THEN '{"op": "lock"}' ELSE '{}' END::jsonb) FROM generate_series(1, 5) AS i;
INSERT INTO sent SELECT dgen.cast('counter', 'k' || :k, '{}', delay => '5 ms', idempotency_key => gen_random_uuid()::text);
});
my ($out, $err) = ('', '');
my $load = IPC::Run::start(
	['pgbench', '-n', '-f', "$dir/send.sql", '-c', 2, '-T', 60, '-R', 100, '-h', $node->host, '-p', $node->port, 'postgres'],
	'>', \$out, '2>', \$err);

# ---- each statement ----

sub soon { return $node->poll_query_until('postgres', "SELECT count(*) > $_[0] + 20 FROM done") }

my $handled = 0;
for my $statement (
	(map { ("REINDEX TABLE CONCURRENTLY dgen.$_", "REINDEX TABLE dgen.$_") } @tables),
	'REINDEX INDEX CONCURRENTLY dgen.message_order',
	'REINDEX INDEX CONCURRENTLY dgen.actor_pkey',
	'CREATE INDEX CONCURRENTLY added_message ON dgen.message (sent_at)',
	'CREATE INDEX CONCURRENTLY added_actor ON dgen.actor (updated_at)',
	'CREATE UNIQUE INDEX CONCURRENTLY added_key ON dgen.actor (actor_key, type_id)',
	'CREATE INDEX added_block ON dgen.actor USING brin (version)',
	'DROP INDEX CONCURRENTLY dgen.added_message',
	'DROP INDEX CONCURRENTLY dgen.added_actor',
	'VACUUM FULL dgen.message', 'VACUUM FULL dgen.actor', 'VACUUM FULL dgen.request',
	'CLUSTER dgen.actor USING actor_pkey', 'CLUSTER dgen.message USING message_order',
	'ALTER TABLE dgen.actor SET (fillfactor = 60)', 'ALTER TABLE dgen.message SET (autovacuum_enabled = off)',
	'VACUUM dgen.actor', 'ANALYZE dgen.message') {
	my ($status, $stdout, $stderr) = $node->psql('postgres', $statement);
	diag("$statement: $stderr") if $status != 0;
	ok($status == 0 && soon($handled), $statement);
	$handled = sql('SELECT count(*) FROM done');
}

# ---- afterwards ----

sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO sent SELECT%'});
IPC::Run::finish($load);
unlike($err, qr/ERROR/, 'no sender got an error');
ok($node->poll_query_until('postgres', q{SELECT (SELECT count(*) FROM dgen.message) + (SELECT count(*) FROM dgen.delayed_message) + (SELECT count(*) FROM dgen.locked) = 0}),
	'all is handled');
is(sql(q{SELECT (SELECT count(*) FROM sent) = (SELECT count(*) FROM done),
		(SELECT count(*) FROM done) = (SELECT sum((state->>'n')::integer) FROM dgen.actor)}), 't|t', 'each message once, and each state is of all of them');
consistent('after all of it');
is(sql(q{SELECT count(*) FROM dgen.dead_letter}), 0, 'no dead letters');
my @errors = grep { !/once|terminating connection/ } slurp_file($node->logfile) =~ /(?:ERROR|PANIC): .*/g;
is(join("\n", @errors), '', 'and no errors in the log');

$node->stop;
done_testing();
