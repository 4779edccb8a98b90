# The programs of test/lib and bench, compiled once for all the tests that run them:
#
#     use lib 'test/lib';
#     use Programs;
#
#     my $build = Programs::build();    # a directory: "$build/test/worker"
#
# DGEN_BUILD is a directory in which they are already. DGEN_RUN, in @Programs::run, is put before
# each, such as "valgrind -q".
package Programs;
use strict;
use warnings;
use Cwd 'getcwd';
use PostgreSQL::Test::Utils;
use Test::More;

our @run = split ' ', $ENV{DGEN_RUN} // '';

# For where speed matters, or what the sanitizers say is read by nobody.
sub build { return $ENV{DGEN_BUILD} || build_with('') }

# With the sanitizers that find wrong memory, unless something else looks at it.
sub build_checked { return $ENV{DGEN_BUILD} || build_with(@run ? '' : 'address,undefined') }

sub build_with {
	my ($sanitize) = @_;
	my $build = "$PostgreSQL::Test::Utils::tmp_check/programs" . ($sanitize && "-$sanitize" =~ tr/,/-/r);
	plan skip_all => 'no headers of libpq' unless -e `pg_config --includedir` =~ s/\n//r . '/libpq-fe.h';
	system_or_bail('make', '-s', '-C', getcwd() . '/worker', 'programs', "BUILD=$build", "SANITIZE=$sanitize");
	return $build;
}

1;
