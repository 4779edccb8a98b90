# Copies of a database made under load, that go on where the original was: a parallel dump, a template, a
# logical subscriber, a standby. In each, what was sent is handled once.
use strict;
use warnings;
use lib 'test/lib';
use Load;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('original');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', join "\n", @Load::settings, '');
$node->start;

my %test = (dump => \&test_dump, template => \&test_template, subscriber => \&test_subscriber, owned => \&test_owned, standby => \&test_standby);
for my $name (qw(owned dump template subscriber standby)) {
	$test{$name}->() if $name =~ /$ENV{DGEN_OPERATIONS}/ || !$ENV{DGEN_OPERATIONS};
}
done_testing();

sub under_load {
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my $load = Load->new($node, database => $database)->set_up;
	$load->start;
	return $load;
}

# What the copy has of messages and turns fits together, once its workers have gone on.
sub goes_on_in {
	my ($copy, $name) = @_;
	$copy->start_workers;
	$copy->start_senders;
	ok($copy->goes_on(20), "$name: it goes on");
	is($copy->verdict, '', "$name: each message is handled once");
	$copy->give_up unless $name eq 'standby';
}

sub test_dump {
	my $load = under_load('dumped');
	my $dir  = PostgreSQL::Test::Utils::tempdir() . '/dump';
	my @connection = ('-h', $node->host, '-p', $node->port);
	command_ok([ 'pg_dump', @connection, '-Fd', '-j', 2, '-f', $dir, 'dumped' ], 'dump: pg_dump -j under load');
	ok($load->goes_on(20), 'dump: the original goes on');
	is($load->verdict, '', 'dump: each message of the original is handled once');
	$load->give_up;

	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	command_ok([ 'pg_restore', @connection, '-j', 2, '-d', 'restored', $dir ], 'dump: pg_restore -j');
	my $copy = Load->new($node, database => 'restored');
	$copy->sql('SELECT dgen.adopt_database()');
	goes_on_in($copy, 'dump');
}

# Nobody may be connected to what is copied.
sub test_template {
	my $load = under_load('shape');
	$load->stop_senders;
	$load->stop;
	$load->sql('SELECT dgen.stop_workers()');
	$node->safe_psql('postgres', 'CREATE DATABASE shaped TEMPLATE shape');
	my $copy = Load->new($node, database => 'shaped');
	$copy->sql('SELECT dgen.adopt_database()');
	goes_on_in($copy, 'template');
	$load->give_up;
}

# All tables are published; the subscriber takes over with a backlog.
sub test_subscriber {
	my $load = under_load('published');
	$load->sql(q{CREATE PUBLICATION everything FOR ALL TABLES; SELECT pg_create_logical_replication_slot('switch', 'pgoutput')});
	$node->safe_psql('postgres', 'CREATE DATABASE subscribed');
	command_ok([ 'sh', '-c', 'pg_dump -h "$1" -p "$2" -s published | psql -qXh "$1" -p "$2" -v ON_ERROR_STOP=1 subscribed', 'sh', $node->host, $node->port ],
		'subscriber: it has the schema');
	my $copy = Load->new($node, database => 'subscribed');
	$copy->sql('DROP PUBLICATION IF EXISTS everything; CREATE SUBSCRIPTION everything CONNECTION \'' . $node->connstr('published') =~ s/'/''/gr
		. '\' PUBLICATION everything WITH (create_slot = false, slot_name = switch)');
	$node->poll_query_until('subscribed', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel}) or die 'the tables are not copied';
	ok($load->goes_on(50), 'subscriber: the load goes on while all tables are published');

	$load->sql('SELECT dgen.stop_workers()');    # messages wait from here on
	my $said = $load->stop_senders;
	$load->stop;
	is($said, '', 'subscriber: no sender failed');
	my $lsn = $node->lsn('insert');
	$node->poll_query_until('postgres', "SELECT confirmed_flush_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = 'switch'") or die 'not replayed';
	my $count = 'SELECT count(*) FROM dgen.message';
	is($copy->sql($count), $load->sql($count), 'subscriber: it has the messages that wait, and no others');
	$copy->sql('ALTER SUBSCRIPTION everything DISABLE; ALTER SUBSCRIPTION everything SET (slot_name = NONE); DROP SUBSCRIPTION everything');
	$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('switch')});
	$copy->sql('SELECT dgen.adopt_database()');
	goes_on_in($copy, 'subscriber');
	$load->give_up;
}

# Of a role that has privileges, and a table.
sub test_owned {
	my $load = under_load('owned');
	$load->sql(q{CREATE ROLE bystander; GRANT USAGE ON SCHEMA dgen TO bystander; GRANT EXECUTE ON FUNCTION dgen.create_actor_type TO bystander;
		CREATE TABLE kept (a int); ALTER TABLE kept OWNER TO bystander;
		SELECT dgen.grant_send(name, 'bystander'), dgen.grant_read(name, 'bystander') FROM dgen.actor_type});
	ok($load->during('DROP OWNED, REASSIGN OWNED, DROP ROLE', sub {
		$load->sql(q{SELECT dgen.revoke_send(name, 'bystander'), dgen.revoke_read(name, 'bystander') FROM dgen.actor_type});
		$load->sql('REASSIGN OWNED BY bystander TO CURRENT_USER');
		$load->sql('DROP OWNED BY bystander');
		$load->sql('DROP ROLE bystander');
	}), 'owned: the load goes on');
	$load->give_up;
}

# The original is gone in the middle of it. What the standby does not have was not confirmed, because commits wait for it.
sub test_standby {
	my $load = under_load('followed');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$node->backup('base', backup_options => [ '--no-sync' ]);
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'}) or die 'it does not stream';
	$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = '*'});
	$node->reload;
	ok($load->goes_on(50), 'standby: the load goes on');
	$node->stop('immediate');
	$load->stop;
	$standby->safe_psql('postgres', q{ALTER SYSTEM RESET synchronous_standby_names});
	$standby->promote;
	$standby->reload;
	goes_on_in(Load->new($standby, database => 'followed'), 'standby');
	$standby->stop;
}
