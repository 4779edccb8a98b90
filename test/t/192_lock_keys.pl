# The secret that the keys of actors' locks are made with: a prepared transaction has its locks after a restart and at a standby
# that takes over, where sessions compute the same keys; a copy of the database has them, too, and what is restored from a dump its own.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nmax_worker_processes = 20\nmax_prepared_transactions = 5\n");
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION dgen; SELECT dgen.create_actor_type('counter'); SELECT dgen.cast('counter', 'k'), dgen.cast('counter', 'other')});
$node->safe_psql('postgres', q{BEGIN; SELECT dgen.cancel('counter', 'k', 0); PREPARE TRANSACTION 'owner'});
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

my $secret = $node->safe_psql('postgres', 'SELECT secret FROM dgen.lock_secret');
my $claim = q{SELECT FROM dgen.attach('w', ARRAY['counter']); BEGIN; SELECT actor_key FROM dgen.claim(); ROLLBACK};

sub is_owned {
	my ($where, $owned) = @_;
	is($owned->safe_psql('postgres', $claim), 'other', "what a prepared transaction owns nobody claims, $where");
	like($owned->safe_psql('postgres', q{SELECT dgen.explain_actor('counter', 'k')}), qr/is owned by a prepared transaction/, "and that is said, $where");
	$owned->safe_psql('postgres', q{ROLLBACK PREPARED 'owner'});
	is($owned->safe_psql('postgres', $claim), "k\nother", "until it ends, $where");
}

$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
is_owned('at a standby that took over', $standby);
$standby->stop;
$node->start;
is_owned('after a restart', $node);

# ---- copies ----

$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is($node->safe_psql('copy', 'SELECT secret FROM dgen.lock_secret'), $secret, 'a copy by files has the secret');

my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";
$node->command_ok(['pg_dump', '-d', $node->connstr('postgres'), '-f', $dump], 'dumped');
unlike(slurp_file($dump), qr/lock_secret|\Q$secret\E/, 'a dump does not tell it');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump], 'restored');
is($node->safe_psql('restored', qq{SELECT count(*), bool_or(secret = '$secret') FROM dgen.lock_secret}), '1|f', 'what is restored has its own');
is($node->safe_psql('restored', "SELECT dgen.adopt_database(); $claim"), "\nk\nother", 'and works');
$node->stop;
done_testing();
