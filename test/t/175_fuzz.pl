# A short run of the fuzzer of the SQL interface (test/fuzz/sql): what is drawn is the same each time,
# to find what comes back. DGEN_FUZZ_SECONDS makes it longer, DGEN_SEED draws something else.
use strict;
use warnings;
use lib 'test/lib';
use Cwd 'getcwd';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($python) = grep { IPC::Run::run([ $_, '-c', 'import ctypes' ], '>&', \my $output) }
	grep { -x } map { "$_/python3" } split(/:/, $ENV{PATH}), '/usr/bin';
ok($python, 'there is a Python') or BAIL_OUT('scripts/setup installs python3');

my $node = PostgreSQL::Test::Cluster->new('fuzz');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nfsync = off\n" . slurp_file('test/fuzz/sql/server.conf'));
$node->start;
# The fuzzer's superuser; elsewhere the cluster's has the name of who runs this.
$node->safe_psql('postgres', q{DO $$ BEGIN CREATE ROLE postgres SUPERUSER LOGIN; EXCEPTION WHEN duplicate_object THEN END $$});

my $seconds = $ENV{DGEN_FUZZ_SECONDS} || 50;
my @options = ('--seconds', $seconds, '--log', $node->logfile);
push @options, '--seed', $ENV{DGEN_SEED} // 12;

local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => getpwuid($<));
my $output = '';
my $ended = IPC::Run::run([ $python, getcwd() . '/test/fuzz/sql/fuzz', @options ], '>&', \$output,
	IPC::Run::timeout($seconds * 2 + 600));
note($output);
ok($ended, 'no crash, no internal error, nothing left behind, nothing seen without the right to it') or diag($output);
my ($calls) = $output =~ / in (\d+) calls/;
cmp_ok($calls // 0, '>', 1000, 'of ' . ($calls // 0) . ' calls');

$node->stop('immediate');
done_testing();
