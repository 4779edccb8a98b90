# A test in namespaces of its own, in which an ordinary user may make networks and mount file
# systems:
#
#     use lib 'test/lib';
#     use Namespace 'ip link add dgen0 type veth peer name dgen1';
#
# The command is what the test needs to be able to do there. If it is not, the test goes on
# where it is, and $Namespace::missing says why. Before PostgreSQL::Test::Utils, which takes
# the standard output away.
package Namespace;
use strict;
use warnings;

our $missing;

sub import {
	my ($class, $command) = @_;
	my @unshare = ('unshare', '--user', '--map-current-user', '--net', '--mount', '--keep-caps');
	return if delete $ENV{DGEN_IN_NAMESPACE};
	open my $try, '-|', @unshare, 'sh', '-c', "($command) 2>&1" or return $missing = "unshare: $!";
	chomp($missing = join '', <$try>);
	if (!close $try) {
		$missing ||= "$command fails";
		return;
	}
	undef $missing;
	$ENV{DGEN_IN_NAMESPACE} = 1;
	exec @unshare, $^X, (map { "-I$_" } @INC), $0 or $missing = "unshare: $!";
}

1;
