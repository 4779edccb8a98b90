# A schema dgen that belongs to somebody else: its owner could replace functions that run
# with the rights of the extension's owner. And one that is called otherwise for a while.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('schema');
$node->init;
$node->append_conf('postgresql.conf', 'dgen.safety_net_interval = 1');
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE squatter; CREATE SCHEMA dgen AUTHORIZATION squatter');

my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION dgen');
like($err, qr/schema dgen exists already and belongs to role squatter/, 'the schema of another role is refused');

$node->safe_psql('postgres', 'ALTER SCHEMA dgen OWNER TO CURRENT_USER; CREATE EXTENSION dgen');
is($node->safe_psql('postgres', q{SELECT has_schema_privilege('squatter', 'dgen', 'USAGE')}), 'f', 'one of our own is taken');

$node->safe_psql('postgres', 'CREATE ROLE other SUPERUSER; CREATE DATABASE second');
$node->safe_psql('second', 'CREATE SCHEMA dgen AUTHORIZATION other; CREATE EXTENSION dgen');
pass('one of another superuser, as after a restore, too');

# ---- renamed, and renamed back ----

$node->safe_psql('postgres', q{
	CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$SELECT dgen.noreply(state)$$;
	SELECT dgen.create_actor_type('job', 'work');
	SELECT dgen.start_workers(2)});
ok($node->poll_query_until('postgres', 'SELECT count(*) FROM dgen.workers', 2), 'two workers work');

# One starts anew meanwhile, and knows no table.
$node->safe_psql('postgres', q{
	ALTER SCHEMA dgen RENAME TO other;
	SELECT pg_terminate_backend(min(pid)) FROM pg_stat_activity WHERE backend_type = 'dgen worker'});
$node->wait_for_log(qr/LOG:  (?:.* ends: |messages wait: schema of extension dgen must be named dgen, not "other")/);
$node->safe_psql('postgres', q{ALTER SCHEMA other RENAME TO dgen});
$node->safe_psql('postgres', q{SELECT dgen.cast('job', 'k')});
ok($node->poll_query_until('postgres', 'SELECT count(*) FROM dgen.messages', 0), 'what comes when it is renamed back is handled');
ok($node->poll_query_until('postgres', 'SELECT count(*) FROM dgen.workers', 2), 'by two workers');
unlike(slurp_file($node->logfile), qr/is not installed in this database/, 'nobody says that dgen is not installed');

$node->stop;
done_testing();
