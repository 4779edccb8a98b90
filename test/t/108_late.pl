# Calls that have no reply in time, several under way on one connection: test/lib/late.c.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build_checked();

my $node = PostgreSQL::Test::Cluster->new('late');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION dgen;
	CREATE ROLE sender LOGIN;
	SELECT dgen.create_actor_type('silent'), dgen.create_actor_type('hidden');
	SELECT dgen.grant_send('hidden', 'sender')});

my ($lines, $err) = ('', '');
IPC::Run::run([@Programs::run, "$build/test/late", $node->connstr('postgres'), $node->connstr('postgres') . ' user=sender'],
	'>', \$lines, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
is($?, 0, 'it ends well') or diag($err);
for (split /\n/, $lines) {
	/^(not )?ok - (.*)/ ? ok(!$1, $2) : diag($_);
}

# The same request is asked about again where its session was ended.
my $log = slurp_file($node->logfile);
my $asked = () = $log =~ /STATEMENT:  SELECT dgen\.await_reply\(\$1, '0'\)/g;
cmp_ok($asked, '<', 70, 'the server is not asked about each one');

$node->stop;
done_testing();
