# A process between clients and a server, on Unix sockets, that sees what passes.
#
#     my $relay = Relay->start($directory, $node, sub { my ($to_server, $bytes, $connection) = @_; ... });
#
# The function runs in that process, before the bytes go on. It returns true to let them, and
# false to cut the connection on both sides instead: they are gone then. $connection is a hash
# that stays with the connection.
package Relay;
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();

sub start {
	my ($class, $directory, $node, $passes) = @_;
	my $listener = IO::Socket::UNIX->new(Listen => 5, Local => "$directory/.s.PGSQL." . $node->port) or die "listen: $!";
	my $pid = fork // die "fork: $!";
	return bless { pid => $pid }, $class if $pid;
	$SIG{TERM} = sub { POSIX::_exit(0) };
	eval { relay($listener, $node->host . '/.s.PGSQL.' . $node->port, $passes); 1 } or print STDERR "relay: $@";
	POSIX::_exit(1);
}

sub stop {
	my ($self) = @_;
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
}

sub relay {
	my ($listener, $server, $passes) = @_;
	my $sockets = IO::Select->new($listener);
	my %ends;    # socket => [the other one, to the server?, connection]
	while (1) {
		for my $socket ($sockets->can_read) {
			if ($socket == $listener) {
				my $client = $listener->accept;
				my $to = IO::Socket::UNIX->new(Peer => $server) or close $client, next;
				my $connection = {};
				$ends{$client} = [$to, 1, $connection];
				$ends{$to} = [$client, 0, $connection];
				$sockets->add($client, $to);
				next;
			}
			my ($other, $to_server, $connection) = @{ $ends{$socket} || next };
			my $length = sysread $socket, my $bytes, 65536;
			if (!$length || !$passes->($to_server, $bytes, $connection)) {
				delete @ends{ $socket, $other };
				$sockets->remove($socket, $other);
				close $_ for $socket, $other;
				next;
			}
			for (my $written = 0; $written < $length;) {
				$written += syswrite($other, $bytes, $length - $written, $written) // last;
			}
		}
	}
}

1;
