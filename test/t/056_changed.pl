# A table of dgen's that was changed (ZD039): workers in the database say so, and go on when it is as it was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('changed');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 1});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sql(q{
	CREATE EXTENSION dgen;
	CREATE FUNCTION work(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS $$SELECT dgen.noreply(state)$$;
	SELECT dgen.create_actor_type('job', 'work');
	SELECT dgen.start_workers(1);});
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'the worker works');

sql(q{BEGIN; SELECT dgen.cast('job', 'k', '1'); ALTER TABLE dgen.actor ADD COLUMN x integer; COMMIT});
$node->wait_for_log(qr/HINT:  Run ALTER TABLE dgen\.actor DROP COLUMN x/);
sql(q{ALTER TABLE dgen.actor DROP COLUMN x});
becomes(q{SELECT count(*) FROM dgen.messages}, 0, 'the message is handled when the table is as it was');

my $log = slurp_file($node->logfile);
is(() = $log =~ /LOG:  messages wait: table dgen\.actor was changed: column "x" was added/g, 1, 'the log says once what was changed');
like($log, qr/HINT:  Run ALTER TABLE dgen\.actor DROP COLUMN x/, 'and how to get back');
unlike($log, qr/ERROR:  table dgen\.actor was changed/, 'and nothing for each try');

$node->stop;
done_testing();
