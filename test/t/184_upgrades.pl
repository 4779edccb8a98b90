# Upgrades while everything runs: senders, workers of libdgen and workers in the database. Later
# versions are made of this one, in a private copy of PostgreSQL of the test's own: 0.1.1 as a
# patch release, 0.2.0 with another table and other shared memory. Nothing may be lost or done
# twice, what has to wait waits, and everybody comes back without being told.
use strict;
use warnings;
use lib 'test/lib';
use Cwd 'getcwd';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Until;

plan skip_all => 'no headers of libpq' unless -e `pg_config --includedir` =~ s/\n//r . '/libpq-fe.h';

my $top = getcwd();
my $tmp = PostgreSQL::Test::Utils::tempdir_short();
my $config = `pg_config --bindir` =~ s/\n//r . '/pg_config';    # not that of the copy
my $node;
my $copt = $ENV{COPT} // '-O0';    # what the objects of the source tree, which are copied, have been built with

sub write_file {
	my ($name, $text) = @_;
	open my $file, '>', $name or die "$name: $!";
	print $file $text;
	close $file or die "$name: $!";
	return $name;
}

# ---- versions ----

sub edit {
	my ($file, $pattern, $text) = @_;
	my $content = slurp_file($file);
	$content =~ s/$pattern/$text/ or die "$file: no $pattern";
	write_file($file, $content);
}

# A copy of the source tree with another version, built; an upgrade script whose last line is $change.
sub make_version {
	my ($version, $change, @edits) = @_;
	my $tree = "$tmp/$version";
	my ($major, $minor, $patch) = split /\./, $version;
	mkdir $tree or die;
	system_or_bail('sh', '-c', 'cd "$1" && cp -a Makefile dgen.control META.json extension include sql worker test examples bench "$2"', 'sh', $top, $tree);
	edit("$tree/dgen.control", qr/default_version = '.*'/, "default_version = '$version'");
	edit("$tree/extension/base/base.h", qr/DGEN_VERSION ".*"/, qq(DGEN_VERSION "$version"));
	edit("$tree/include/dgen.h", qr/DGEN_VERSION_MINOR \d+/, "DGEN_VERSION_MINOR $minor");
	edit("$tree/include/dgen.h", qr/DGEN_VERSION_PATCH \d+/, "DGEN_VERSION_PATCH $patch");
	edit("$tree/include/dgen.h", qr/DGEN_VERSION_STRING ".*"/, qq(DGEN_VERSION_STRING "$version"));
	$_->($tree) for @edits;
	unlink glob "$tree/sql/dgen--*.sql";
	write_file("$tree/sql/dgen--0.1.0--$version.sql", "SELECT dgen._begin_update('0.1.0', '$version');\n$change\n");
	system_or_bail('make', '-s', '-C', $tree, "PG_CONFIG=$config", "COPT=$copt", 'all');
	return $tree;
}

my $marker = q{CREATE OR REPLACE FUNCTION dgen._installed_marker() RETURNS text LANGUAGE sql AS $$ SELECT '%s'::text $$;};
my %tree = ('0.1.0' => $top);
$tree{'0.1.1'} = make_version('0.1.1', sprintf($marker, '0.1.1'));
$tree{'0.2.0'} = make_version('0.2.0', sprintf($marker, '0.2.0') . "\nALTER TABLE dgen.actor ADD COLUMN extra integer;\n",
	sub {
		edit("$_[0]/extension/table/columns.h", qr/^\tACTOR_COLUMNS$/m, "\tACTOR_EXTRA,\n\tACTOR_COLUMNS");
		edit("$_[0]/extension/table/shapes.c", qr/^\t\{"state", JSONBOID, InvalidOid, true\},\n/m,
			qq(\t{"state", JSONBOID, InvalidOid, true},\n\t{"extra", INT4OID, InvalidOid, false},\n));
	},
	sub { edit("$_[0]/extension/shared/layout.h", qr/SHARED_NAME "dgen \d+"/, q{SHARED_NAME "dgen next"}) },
);
write_file("$tree{'0.2.0'}/sql/dgen--0.1.1--0.2.0.sql", slurp_file("$tree{'0.2.0'}/sql/dgen--0.1.0--0.2.0.sql") =~ s/0\.1\.0/0.1.1/r);

# A private copy of PostgreSQL, in which the versions are installed one after the other.
sub install {
	my ($version) = @_;
	system_or_bail('make', '-s', '-C', $tree{$version}, 'install', "PG_CONFIG=$config", ($version eq '0.1.0' ? () : "COPT=$copt"), "DESTDIR=$tmp/pg");
}
chomp(my $bin = `$top/scripts/private-postgres $tmp/pg`);
die 'no private copy' unless -x "$bin/postgres";
$ENV{PATH} = "$bin:$ENV{PATH}";

sub start_server {
	my ($name, $conf) = @_;
	install('0.1.0');
	unlink glob "$tmp/stop*";
	$node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', "dgen.safety_net_interval = 86400\nmax_worker_processes = 20\n$conf\n");
	$node->start;
	$node->safe_psql('postgres', q{
		CREATE EXTENSION dgen VERSION '0.1.0';
		CREATE TABLE sent (type text);
		CREATE FUNCTION count_up(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE sql AS
			$$ SELECT dgen.noreply(jsonb_build_object('n', COALESCE((state->>'n')::int, 0) + 1)) $$;
		SELECT dgen.create_actor_type('inside', 'count_up'), dgen.create_actor_type('outside')});
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sub error_of {
	my ($statement) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $statement, extra_params => ['-v', 'VERBOSITY=verbose']);
	return $err;
}

# ---- processes ----

my %running;
END { local $?; kill 'KILL', map { -$_ } keys %running }

sub spawn {
	my ($name, @command) = @_;
	my %process = (log => "$PostgreSQL::Test::Utils::log_path/upgrades_" . $node->name . "_$name.log");
	write_file($process{log}, '');
	my $pid = fork // die;
	if ($pid == 0) {
		setpgrp;
		open STDOUT, '>>', $process{log};
		open STDERR, '>&', \*STDOUT;
		exec @command;
		die;
	}
	$process{pid} = $running{$pid} = $pid;
	return \%process;
}

sub ends {
	my ($process, $signal) = @_;
	kill $signal, $process->{pid} if $signal;
	waitpid $process->{pid}, 0;
	delete $running{ $process->{pid} };
	return $?;
}

sub logs {
	my ($process, $pattern, $name) = @_;
	ok(until_true(sub { slurp_file($process->{log}) =~ $pattern }), $name) or diag(slurp_file($process->{log}));
}

# Sends to both types, a transaction each, in sessions of so many of them; connects again after errors.
sub start_sender {
	my ($name, $transactions) = @_;
	my $script = write_file("$tmp/$name.sql", qq{
		\\set VERBOSITY verbose
		DO \$\$ BEGIN
			FOR i IN 1 .. $transactions LOOP
				INSERT INTO sent VALUES ('inside'), ('outside');
				PERFORM dgen.cast('inside', 'k' || i % 7), dgen.cast('outside', 'k' || i % 7);
				COMMIT;
				PERFORM pg_sleep(0.01);
				EXIT WHEN i % 10 = 0 AND (pg_stat_file('$tmp/stop', true)).size IS NOT NULL;
			END LOOP;
		END \$\$});
	return spawn($name, 'sh', '-c', 'until [ -e "$1" ] || ! kill -0 "$PPID"; do psql -Xq -d "$2" -v ON_ERROR_STOP=1 -f "$3" || sleep 0.1; done', 'sh',
		"$tmp/stop", $node->connstr('postgres'), $script);
}

my @senders;
sub start_load { @senders = (start_sender('brief', 20), start_sender('long', 1_000_000)) }

# What the senders were refused, and nothing else may come to them.
sub stop_load {
	my ($allowed, $name) = @_;
	write_file("$tmp/stop", '');
	ends($_) for @senders;
	my @errors = map { grep { /ERROR|FATAL|error:/ } split /\n/, slurp_file($_->{log}) } @senders;
	my @others = grep { $_ !~ $allowed } @errors;
	is(scalar(@others), 0, $name) or diag(join "\n", @others);
	return @errors;
}

my $handler = q{
	#include <dgen.h>
	static int count_up(dgen_turn *turn, const char *message, size_t length, void *user)
	{
		(void) message, (void) length, (void) user;
		dgen_turn_set_int64(turn, "VERSION", dgen_turn_get_int64(turn, "VERSION", 0) + 1);
		dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
		return 0;
	}
	static const dgen_actor_type types[] = {{.size = sizeof(types[0]), .name = "outside", .handle_cast = count_up}};
	const dgen_actor_type *dgen_actor_types(size_t *count) { *count = 1; return types; }
};
chomp(my $include = `pg_config --includedir`);

# In place of the one that is there: with mv, as one does it.
sub make_handler {
	my ($version) = @_;
	write_file("$tmp/handler.c", $handler =~ s/VERSION/$version/gr);
	system_or_bail($ENV{CC} // 'cc', '-shared', '-fPIC', "-I$top/include", "-I$include", '-o', "$tmp/new.so", "$tmp/handler.c");
	rename "$tmp/new.so", "$tmp/handler.so" or die;
}

sub start_worker {
	my ($name, $version) = @_;
	return spawn($name, "$tree{$version}/worker/build/dgen", 'worker', '-d', $node->connstr('postgres'), '-j', 2, '--name', $name, "$tmp/handler.so");
}

# ---- what is looked at ----

my $handled = q{SELECT COALESCE(sum((state->>'n')::bigint), 0) FROM dgen.actors WHERE actor_type = };

# Both kinds of workers have work, and do it.
sub goes_on {
	my ($name) = @_;
	for my $type ('inside', 'outside') {
		my $before = sql("$handled '$type'");
		becomes("SELECT ($handled '$type') > $before + 20", 't', "$name: messages are handled $type the database");
	}
}

sub settles {
	my ($name) = @_;
	becomes('SELECT count(*) FROM dgen.messages', 0, "$name: everything is handled");
	is(sql("$handled '$_'"), sql("SELECT count(*) FROM sent WHERE type = '$_'"), "$name: nothing is lost or done twice $_") for 'inside', 'outside';
	is(sql('SELECT (SELECT count(*) FROM dgen.dead_letters) + (SELECT count(*) FROM dgen.failed_attempt)'), 0, "$name: nothing has failed");
}

# With the library that is installed now, and not with one that was replaced.
sub has_new_library {
	my ($name) = @_;
	my @pids = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker'});
	ok(until_true(sub {
		@pids = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'dgen worker'});
		my @maps = map { eval { slurp_file("/proc/$_/maps") } // '' } @pids;
		return @pids == 2 && 2 == grep { m{/dgen\.so$}m && !m{/dgen\.so \(deleted\)}m } @maps;
	}), $name);
}

# Another session's update may be in the way of a sender, and the other way round.
sub update_extension {
	my ($version) = @_;
	my $error = '';
	until_true(sub { ($error = error_of("ALTER EXTENSION dgen UPDATE TO '$version'")) !~ /deadlock/ });
	is($error, '', "ALTER EXTENSION dgen UPDATE TO '$version'");
	is(sql(q{SELECT dgen._installed_marker()}), $version, 'it is done');
}

# ---- not preloaded: the library comes with each new session ----

make_handler('v1');
start_server('plain', '');
is(sql('SELECT dgen.start_workers(2)'), 2, 'workers in the database');
my $old = start_worker('old', '0.1.0');
becomes(q{SELECT count(*) FROM dgen.workers}, 4, 'and others');
start_load();
goes_on('before');

my $early = start_worker('new', '0.2.0');
logs($early, qr/libdgen version 0\.2\.0 is newer than extension dgen version 0\.1\.0; connecting again/, 'a worker that is newer than the extension waits');

install('0.1.1');
goes_on('with the files of a patch release');
update_extension('0.1.1');
has_new_library('workers in the database take the new library');
goes_on('with a patch release');

install('0.2.0');
like(error_of(q{SELECT dgen.cast('inside', 'k')}),
	qr/ZD038: extension dgen has version 0\.1\.1 in this database, but the server's library is version 0\.2\.0.*Run ALTER EXTENSION dgen UPDATE/s,
	'a new session with the files of a minor release is told what to do');
like(error_of(q{SELECT dgen.start_workers(1)}), qr/ZD038: /, 'also who wants to start workers');
update_extension('0.2.0');
has_new_library('workers in the database take the new library');
goes_on('with a minor release');
becomes(q{SELECT string_agg(DISTINCT library_version, ' ' ORDER BY library_version) FROM dgen.worker}, '0.1.0 0.2.0', 'workers of both versions are attached');

# ---- two versions of a handler ----

my $v = sub { return "SELECT COALESCE(sum((state->>'v$_[0]')::bigint), 0) FROM dgen.actors WHERE actor_type = 'outside'" };
make_handler('v2');
kill 'HUP', $early->{pid};
logs($early, qr/all processes are replaced/, 'one supervisor gets a new handler');
my ($first, $second) = map { sql($v->($_)) } 1, 2;
becomes("SELECT (" . $v->(1) . ") > $first + 20 AND (" . $v->(2) . ") > $second + 20", 't', 'both handlers work side by side');
kill 'HUP', $old->{pid};
logs($old, qr/all processes are replaced/, 'the other one gets it, too');
$first = sql($v->(1));
goes_on('with the new handler');
is(sql($v->(1)), $first, 'the old one has gone');

is(ends($old, 'TERM'), 0, 'the old workers go');
goes_on('with new workers only');

# ---- nobody is there for a type ----

ends($early, 'TERM');
sql('SELECT dgen.stop_workers()');
my @errors = stop_load(qr/ZD038/, 'senders were only told of the update');
cmp_ok(scalar(grep { /ZD038/ } @errors), '>', 0, 'which they were');
sql(qq{INSERT INTO sent VALUES ('inside'), ('outside'); SELECT dgen.cast('inside', 'k1'), dgen.cast('outside', 'k1')});
like(sql(q{SELECT dgen.explain_actor('outside', 'k1')}),
	qr/waits, because no external worker is attached for its type \(\d+ messages? in its mailbox\)/, 'dgen.explain_actor says that no external worker is attached');
like(sql(q{SELECT dgen.explain_actor('inside', 'k1')}),
	qr/waits, because no worker runs for its type: dgen.start_workers starts some \(\d+ messages? in its mailbox\)/, 'and that none runs in the database');
$node->poll_query_until('postgres', q{SELECT min(sent_at) < clock_timestamp() - interval '3 s' FROM dgen.messages}) or die;
IPC::Run::run(["$tree{'0.2.0'}/worker/build/dgen", 'top', '-d', $node->connstr('postgres'), '-n', 1], '>', \my $shown);
like($shown, qr/outside.*waits, because no external worker is attached/, 'dgen top says so, too') or diag($shown);
like($shown, qr/inside.*waits, because no worker runs for its type/, 'of both');
$early = start_worker('back', '0.2.0');
is(sql('SELECT dgen.start_workers(2)'), 2, 'workers return');
settles('in the end');
ends($early, 'TERM');
$node->stop;

# ---- preloaded: the library comes with a restart ----

make_handler('v1');
start_server('preloaded', "shared_preload_libraries = 'dgen'\ndgen.databases = 'postgres'\ndgen.workers = 2");
$old = start_worker('old', '0.1.0');
becomes(q{SELECT count(*) FROM dgen.workers}, 4, 'workers, preloaded');
start_load();
goes_on('before');

install('0.2.0');
like(error_of('ALTER EXTENSION dgen UPDATE'), qr/ZD038: library of dgen in this session has version 0\.1\.0, but 0\.2\.0 is needed.*restart the server/s,
	'an update before the restart is refused');
goes_on('before the restart');
$node->restart;
logs($old, qr/extension dgen has version 0\.1\.0 in this database, but the server's library is version 0\.2\.0; connecting again/, 'workers wait for the update');
ok(until_true(sub { slurp_file($node->logfile) =~ /could not start workers in database "postgres" yet\n.*Extension dgen is not installed in version 0\.2/ }),
	'also those in the database');
like(error_of(q{SELECT dgen.cast('inside', 'k')}), qr/ZD038: .*Run ALTER EXTENSION dgen UPDATE/s, 'senders are told what to do');
update_extension('0.2.0');
goes_on('after the update');
becomes(q{SELECT count(*) FROM dgen.workers}, 4, 'all workers are back');
stop_load(qr/ZD038|57P0[123]|server closed the connection|connection to server .* failed|the database system is|connection to server was lost/, 'senders were only told of the update and the restart');
settles('in the end');
is(ends($old, 'TERM'), 0, 'the old workers end');
$node->stop;

done_testing();
