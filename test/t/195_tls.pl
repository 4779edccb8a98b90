# With TLS: what was decrypted lies in memory, and no descriptor tells of it. And certificates,
# wakeups, restarts, connections that end.
use strict;
use warnings;
use lib 'test/lib';
use Cwd 'getcwd';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

plan skip_all => 'no TLS in this PostgreSQL' unless `pg_config --configure` =~ /--with-(open)?ssl/;
plan skip_all => 'no program openssl' if system('openssl version >/dev/null 2>&1');

my $build = Programs::build_checked();
my $tmp = PostgreSQL::Test::Utils::tempdir_short();
my $program = getcwd() . '/worker/build/dgen';

# ---- a server that takes nothing else ----

sub certificate {
	my ($name) = @_;
	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=dgen.test',
		'-addext', 'subjectAltName=DNS:dgen.test', '-keyout', "$tmp/$name.key", '-out', "$tmp/$name.crt");
	chmod 0600, "$tmp/$name.key";
}
certificate($_) for 'server', 'other';

my $node = PostgreSQL::Test::Cluster->new('tls');
$node->init;
$node->append_conf('postgresql.conf', qq{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400
	listen_addresses = '127.0.0.1'
	ssl = on
	ssl_cert_file = '$tmp/server.crt'
	ssl_key_file = '$tmp/server.key'
});
open my $hba, '>', $node->data_dir . '/pg_hba.conf' or die;
print $hba "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
close $hba;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dgen');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub conninfo {
	my ($authority) = @_;
	return "host=dgen.test hostaddr=127.0.0.1 port=" . $node->port . " dbname=postgres sslmode=verify-full sslrootcert=$tmp/"
		. ($authority // 'server') . '.crt';
}

# ---- processes ----

my %running;
END { local $?; kill 'KILL', keys %running }

sub start_worker {
	my ($name, $conninfo) = @_;
	my %worker = (log => "$PostgreSQL::Test::Utils::log_path/tls_$name.log");
	open my $log, '>', $worker{log} or die;
	close $log;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDERR, '>>', $worker{log};
		exec @Programs::run, "$build/test/worker", $conninfo;
		die;
	}
	$worker{pid} = $running{$pid} = $pid;
	return \%worker;
}

sub logs {
	my ($worker, $pattern, $name) = @_;
	until_true(sub { slurp_file($worker->{log}) =~ $pattern });
	like(slurp_file($worker->{log}), $pattern, $name);
}

sub end_worker {
	my ($worker, $signal) = @_;
	kill $signal // 'TERM', $worker->{pid};
	waitpid $worker->{pid}, 0;
	delete $running{ $worker->{pid} };
	return $?;
}

# Runs a program that prints TAP, and takes its lines for its own.
sub program {
	my ($name, @arguments) = @_;
	my $output = '';
	IPC::Run::run([@Programs::run, "$build/test/$name", @arguments], '>', \$output, IPC::Run::timeout(600));
	is($?, 0, "$name ends well");
	for (split /\n/, $output) {
		/^(not )?ok - (.*)/ ? ok(!$1, "$name: $2") : diag($_);
	}
}

sub dgen {
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([$program, @arguments, '-d', conninfo()], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(600));
	return $out . $err;
}

# ---- a worker, and its wakeups ----

my $worker = start_worker('worker', conninfo());
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'a worker is attached');
is(sql(q{SELECT bool_and(s.ssl) FROM dgen.workers w JOIN pg_stat_ssl s ON s.pid = w.pid}), 't', 'with TLS');
is(dgen('call', 'counter', 'a'), "$_\n", 'a call is answered') for 1 .. 20;
becomes(q{SELECT count(*) FROM dgen.workers WHERE NOT busy}, 1, 'the worker waits');
sql(q{SELECT dgen.cast('counter', 'b')});
becomes(q{SELECT dgen.state('counter', 'b')->>'n'}, 1, 'and is woken');

# ---- much at once, and large ----

program('large', conninfo());
like(dgen('bench', 'cast', '-T', '1s', '--warm-up', '0', '--actors', '10', '--no-baseline'), qr/"?messages|nothing was lost|casts/i, 'casts by callback')
	if -x $program;
is(sql(q{SELECT count(*) FROM dgen.messages}), 0, 'nothing is left');

# ---- the server restarts ----

$node->restart;
logs($worker, qr/connecting again/, 'a worker notices that the server has gone');
becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'and is attached again');
is(dgen('call', 'counter', 'a'), "21\n", 'it goes on');

# ---- the client goes: its session ends, also out of dgen.wait ----

becomes(q{SELECT count(*) FROM dgen.workers WHERE NOT busy}, 1, 'it waits');
my $log = -s $node->logfile;
end_worker($worker, 'KILL');
becomes(q{SELECT count(*) FROM dgen.workers}, 0, 'the session of a worker that was killed ends');
is(sql(q{SELECT count(*) FROM pg_stat_ssl WHERE ssl}), 0, 'all of them');

$worker = start_worker('again', conninfo());
becomes(q{SELECT count(*) FROM dgen.workers WHERE NOT busy}, 1, 'another one waits');
$log = -s $node->logfile;
is(end_worker($worker), 0, 'and stops when it is told to');
unlike(substr(slurp_file($node->logfile), $log), qr/ERROR|FATAL|SSL/, 'which the log of the server has no complaint about');

# ---- whom it does not know ----

$worker = start_worker('wary', conninfo('other'));
logs($worker, qr/certificate verify failed; connecting again/, 'a server with another certificate is none to work for');
end_worker($worker);
is(sql(q{SELECT count(*) FROM dgen.workers}), 0, 'nor does it');
$worker = start_worker('plain', conninfo() =~ s/verify-full/disable/r);
logs($worker, qr/no pg_hba\.conf entry .*no encryption/, 'nor may one come without TLS');
end_worker($worker, 'KILL');

$node->stop;
done_testing();
