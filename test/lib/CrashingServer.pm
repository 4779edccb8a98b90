# A server that is crashed, and goes on:
#
#     use lib 'test/lib';
#     use CrashingServer;
#
#     my $node = crashing_server('name', $workers, @settings);
#
# So many workers are in its database "postgres". The safety-net look is put off for a day: whatever is
# handled was announced.
package CrashingServer;
use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = 'crashing_server';

# PostgreSQL::Test::Cluster turns fsync and restart_after_crash off.
sub crashing_server {
	my ($name, $workers, @settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', join "\n", split(/\n\t*/, qq{
		shared_preload_libraries = 'dgen'
		dgen.databases = 'postgres'
		dgen.worker_count = $workers
		dgen.safety_net_interval = 86400
		max_worker_processes = 20
		fsync = on
		restart_after_crash = on}), @settings);
	$node->start;
	return $node;
}

1;
