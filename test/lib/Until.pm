# Waiting for what no query can tell (for those there is poll_query_until):
#
#     use lib 'test/lib';
#     use Until;
#
#     ok(until_true(sub { -e $file }), 'the file is made');
package Until;
use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes 'usleep';

our @EXPORT = 'until_true';

# Looks until it is so, or for very long. Returns what it found, undef if it never was.
sub until_true {
	my ($condition) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) {
		my $value = $condition->();
		return $value if $value;
		usleep(100_000);
	}
	return;
}

1;
