# What operators do to tables and indexes, under load in both lanes.
use strict;
use warnings;
use lib 'test/lib';
use Load;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('tables');
$node->init;
$node->append_conf('postgresql.conf', join "\n", @Load::settings, "allow_in_place_tablespaces = on\n");
$node->start;
$node->safe_psql('postgres', q{CREATE TABLESPACE elsewhere LOCATION ''});

my %index = ('dgen.message' => 'message_order', map { ("dgen.$_" => "${_}_pkey") } qw(actor request delayed_message locked actor_type));
my %column = (map({ ($_ => 'mailbox') } keys %index), 'dgen.actor_type' => 'name');

# {t}: a table, {i}: its index, {n}: a name for a new one, {c}: a column. For each table, one after the other.
# Each may be said twice.
my @operations = (
	[ 'ANALYZE',                   'ANALYZE {t}' ],
	[ 'VACUUM',                    'VACUUM (FREEZE, INDEX_CLEANUP on) {t}' ],
	[ 'VACUUM FULL',               'VACUUM FULL {t}' ],
	[ 'CLUSTER',                   'CLUSTER {t} USING {i}', 'ALTER TABLE {t} SET WITHOUT CLUSTER' ],
	[ 'REINDEX TABLE',             'REINDEX TABLE {t}' ],
	[ 'REINDEX INDEX',             'REINDEX INDEX dgen.{i}' ],
	[ 'ALTER ... SET (...)',       'ALTER TABLE {t} SET (fillfactor = 50, autovacuum_enabled = off)', 'ALTER TABLE {t} RESET (autovacuum_enabled)',
		'ALTER INDEX dgen.{i} SET (fillfactor = 60)' ],
	[ 'SET LOGGED',                'ALTER TABLE {t} SET LOGGED' ],
	[ 'SET TABLESPACE',            'ALTER TABLE {t} SET TABLESPACE elsewhere', 'ALTER INDEX dgen.{i} SET TABLESPACE elsewhere',
		'REINDEX (TABLESPACE pg_default) TABLE {t}', 'ALTER TABLE {t} SET TABLESPACE pg_default' ],
	[ 'SET STATISTICS',              'ALTER TABLE {t} ALTER {c} SET STATISTICS 10' ],
	[ 'REPLICA IDENTITY',          'ALTER TABLE {t} REPLICA IDENTITY FULL', 'ALTER TABLE {t} REPLICA IDENTITY DEFAULT' ],
	[ 'CREATE INDEX',              'CREATE INDEX IF NOT EXISTS {n} ON {t} ({c})', 'DROP INDEX IF EXISTS dgen.{n}' ],
	[ 'CREATE INDEX CONCURRENTLY', 'CREATE INDEX CONCURRENTLY IF NOT EXISTS {n} ON {t} ({c})', 'REINDEX INDEX CONCURRENTLY dgen.{n}',
		'DROP INDEX CONCURRENTLY IF EXISTS dgen.{n}' ],
	[ 'REINDEX TABLE CONCURRENTLY', 'REINDEX TABLE CONCURRENTLY {t}' ],
	[ 'REINDEX INDEX CONCURRENTLY', 'REINDEX INDEX CONCURRENTLY dgen.{i}' ],
	[ 'REINDEX SCHEMA CONCURRENTLY', '=REINDEX SCHEMA CONCURRENTLY dgen' ],
	[ 'REINDEX SCHEMA',            '=REINDEX SCHEMA dgen' ],
);
push @operations, [ 'pg_repack', \&repack ] if have_repack();
@operations = grep { $_->[0] =~ /$ENV{DGEN_OPERATIONS}/ } @operations if $ENV{DGEN_OPERATIONS};

# A database that an operation has spoilt is not used any more.
my ($load, $made) = (undef, 0);
for my $operation (@operations) {
	my ($name, @statements) = @$operation;
	$load //= fresh();
	next if $load->during($name, sub { run(@statements) });
	$load->give_up;
	undef $load;
}
$load->give_up if $load;

my @complaints = grep { /PANIC|TRAP|XX\d{3}|terminated by signal/ } split /^/, slurp_file($node->logfile);
is(join('', @complaints), '', 'the log has no internal errors');
$node->stop;
done_testing();

sub fresh {
	my $database = 'load' . ++$made;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my $new = Load->new($node, database => $database)->set_up;
	$new->sql('CREATE EXTENSION pg_repack') if have_repack();
	$new->start;
	return $new;
}

sub run {
	my (@statements) = @_;
	return $statements[0]->() if ref $statements[0];
	return $load->operate($1) if $statements[0] =~ /^=(.*)/;
	$load->operate(map { my $table = $_; map { for_table($_, $table) } @statements } sort keys %index);
}

sub for_table {
	my ($statement, $table) = @_;
	my %word = (t => $table, i => $index{$table}, n => 'made_for_' . substr($table, 5), c => $column{$table});
	return $statement =~ s/\{(\w)\}/$word{$1}/gr;
}

# ---- pg_repack, where it is installed ----

sub have_repack {
	return scalar $node->safe_psql('postgres', q{SELECT 1 FROM pg_available_extensions WHERE name = 'pg_repack'});
}

sub repack {
	for my $table ('dgen.message', 'dgen.actor', 'dgen.request') {
		my $result = run_log([ 'pg_repack', '-d', $load->{database}, '-h', $node->host, '-p', $node->port, '-t', $table, '--wait-timeout', 10 ]);
		die "pg_repack $table\n" unless $result;
	}
}
