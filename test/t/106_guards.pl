# What a callback may do with its handle, what becomes of it when an exception leaves a callback,
# and what a child may do after a fork: test/lib/guards.c and test/lib/throwing.cc.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build_checked();

my $node = PostgreSQL::Test::Cluster->new('guards');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub run_program {
	my ($name, @command) = @_;
	my ($lines, $err) = ('', '');
	IPC::Run::run([@Programs::run, @command, $node->connstr('postgres')], '>', \$lines, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	is($?, 0, "$name ends well") or diag($err);
	for (split /\n/, $lines) {
		/^(not )?ok - (.*)/ ? ok(!$1, "$name: $2") : diag($_);
	}
}

run_program('guards', "$build/test/guards");
is($node->safe_psql('postgres', 'SELECT count(*) FROM dgen.workers'), 0, 'no worker is left');

SKIP: {
	my $compiler = $ENV{CXX} // 'c++';
	skip "no $compiler", 1 unless IPC::Run::run(['sh', '-c', "command -v $compiler"], '>', \my $path);
	chomp(my $include = `pg_config --includedir`);
	chomp(my $libraries = `pg_config --libdir`);
	my $sanitize = $build =~ /address/ ? '-fsanitize=address,undefined' : '';
	system_or_bail(split(' ', "$compiler $sanitize -Wall -Wextra -Werror -Iinclude -isystem $include -o $build/test/throwing "
		. "test/lib/throwing.cc $build/libdgen.a -L$libraries -lpq -lpthread"));
	$node->safe_psql('postgres', q{SELECT dgen.create_actor_type('thrown')});
	run_program('throwing', "$build/test/throwing");
	is($node->safe_psql('postgres', q{SELECT string_agg(actor_key || ' ' || (state->>'n'), ', ' ORDER BY actor_key) FROM dgen.actors WHERE actor_type = 'thrown' AND actor_key <> 'client'}),
		'again 1, closed 1', 'each message was handled once');
}

$node->stop;
done_testing();
