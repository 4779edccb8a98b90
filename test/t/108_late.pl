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
my $asked = () = $log =~ /STATEMENT:  SELECT dgen\.await_reply\(\$1, '1 us'\)/g;
cmp_ok($asked, '>', 0, 'the server is asked');
cmp_ok($asked, '<', 70, 'but not about each one');

# Somebody rewrites a table that the reason is read from: it is not waited for.
my $request = $node->safe_psql('postgres', q{SELECT dgen.request('silent', 'k')});
my $rewriter = $node->background_psql('postgres');
$rewriter->query_safe('BEGIN');
$rewriter->query_safe('LOCK TABLE dgen.paused');
my ($out, $late);
$node->psql('postgres', "SELECT dgen.await_reply($request, '10 ms')", stdout => \$out, stderr => \$err,
	timeout => $PostgreSQL::Test::Utils::timeout_default, timed_out => \$late);
ok(!$late, 'the reason for a timeout is not waited for');
like($err, qr/no reply to request $request before the timeout/, 'the timeout is told');
$rewriter->query_safe('COMMIT');
$rewriter->quit;

$node->stop;
done_testing();
