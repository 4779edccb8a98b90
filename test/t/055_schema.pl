# A schema dgen that belongs to somebody else: its owner could replace functions that run
# with the rights of the extension's owner.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('schema');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE squatter; CREATE SCHEMA dgen AUTHORIZATION squatter');

my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION dgen');
like($err, qr/schema dgen exists already and belongs to role squatter/, 'the schema of another role is refused');

$node->safe_psql('postgres', 'ALTER SCHEMA dgen OWNER TO CURRENT_USER; CREATE EXTENSION dgen');
is($node->safe_psql('postgres', q{SELECT has_schema_privilege('squatter', 'dgen', 'USAGE')}), 'f', 'one of our own is taken');

$node->safe_psql('postgres', 'CREATE ROLE other SUPERUSER; CREATE DATABASE second');
$node->safe_psql('second', 'CREATE SCHEMA dgen AUTHORIZATION other; CREATE EXTENSION dgen');
pass('one of another superuser, as after a restore, too');

$node->stop;
done_testing();
