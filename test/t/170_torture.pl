# A short torture (test/torture): random workloads while a nemesis kills, stops and crashes, and a
# checker of the history. DGEN_TORTURE_SECONDS makes it longer, DGEN_SEED repeats what is drawn.
use strict;
use warnings;
use lib 'test/lib';
use Cwd 'getcwd';
use File::Temp 'tempdir';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build_with('address,undefined');

my ($python) = grep { IPC::Run::run([ $_, '-c', 'import psycopg2' ], '>&', \my $output) }
	grep { -x } map { "$_/python3" } split(/:/, $ENV{PATH}), '/usr/bin';
ok($python, 'there is a Python with psycopg2') or BAIL_OUT('scripts/setup installs python3-psycopg2');

# Sockets are in it: its path must not be long.
my $directory = tempdir('dgen.XXXXXX', DIR => length($ENV{TMPDIR} // '') > 60 ? '/tmp' : $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
my @options = ('--seconds', $ENV{DGEN_TORTURE_SECONDS} || 50);
push @options, '--seed', $ENV{DGEN_SEED} if defined $ENV{DGEN_SEED};
my $seconds = $options[1];

my $output = '';
my $ended = IPC::Run::run([ $python, getcwd() . '/test/torture/torture', '--worker', "$build/test/torture_worker",
	'--directory', $directory, @options ], '>&', \$output, IPC::Run::timeout($seconds * 2 + 600));
note($output);
ok($ended, 'nothing is lost, nothing is done twice or out of order, nothing is stuck') or diag($output);
my ($messages) = $output =~ /\bmessages: (\d+)/;
cmp_ok($messages // 0, '>', 100, 'of ' . ($messages // 0) . ' messages');
unless ($ended) {
	system('cp', $_, $PostgreSQL::Test::Utils::log_path) for glob "$directory/*.log";
}
done_testing();
