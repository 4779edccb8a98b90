# A load in both lanes, for the tests of what operators do meanwhile (test/operations): senders, workers in the
# database and of libdgen; and the question afterwards whether each message was handled once.
#
#     use lib 'test/lib';
#     use Load;
#
#     my $load = Load->new($node);             # a node that is started, with @Load::settings
#     $load->start;
#     $load->during('VACUUM FULL', sub { ... });   # subtests: it is done, and load goes on
#     $load->finish;                           # nothing is lost, nothing done twice, indexes are whole
#
# The actors are those of test/torture: each turn writes a row, without a key, so that what happens twice is seen.
package Load;
use strict;
use warnings;
use Cwd 'getcwd';
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;
use Until;

our @settings = (
	"shared_preload_libraries = 'dgen'",
	'dgen.safety_net_interval = 86400', 'max_worker_processes = 20', 'max_connections = 60',
	'wal_level = logical', 'max_wal_senders = 10', 'deadlock_timeout = 200ms', 'fsync = off');

# One message in ten each: delayed, with an idempotency key, one that asks another actor and waits for the
# reply as a message, one that locks its actor.
my $senders = q{
CREATE TABLE torture.sent (tag text PRIMARY KEY, moves boolean NOT NULL);
ALTER TABLE torture.sent OWNER TO torture;
CREATE FUNCTION torture.send(type text, key text, luck int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	tag text := gen_random_uuid();
	message jsonb := jsonb_build_object('tag', tag);
BEGIN
	INSERT INTO torture.sent VALUES (tag, luck = 3);
	RETURN CASE luck
		WHEN 1 THEN dgen.cast(type, key, message, delay => '20 ms')
		WHEN 2 THEN dgen.cast(type, key, message, idempotency_key => tag)
		WHEN 3 THEN dgen.cast(type, key, message || jsonb_build_object('move',
			jsonb_build_object('type', CASE type WHEN 'inside' THEN 'rows' ELSE 'inside' END, 'key', key, 'amount', 1)))
		WHEN 4 THEN dgen.cast('inside', key, message || '{"lock": true}')
		WHEN 5 THEN dgen.request(type, key, message)
		ELSE dgen.cast(type, key, message) END;
END $$;
};

my $script = q{
\set key random(1, 30)
\set luck random(1, 10)
\set lane random(0, 1)
SELECT torture.send((ARRAY['inside', 'rows'])[:lane + 1], 'k' || :key, :luck);
};

# What is wrong, in words, or nothing.
my $wrong = q{
WITH expected AS (
	SELECT tag FROM torture.sent
	UNION ALL SELECT tag || s FROM torture.sent, unnest(ARRAY['>', '<']) AS s WHERE moves),
handled AS (SELECT tag, count(*) AS times FROM torture.turn GROUP BY tag),
actors AS (SELECT actor_type, actor_key, count(*) AS turns, max(n) AS n FROM torture.turn GROUP BY 1, 2)
SELECT concat_ws('; ',
	(SELECT count(*) || ' messages were not handled, as ' || min(tag) FROM expected WHERE tag NOT IN (SELECT tag FROM handled) HAVING count(*) > 0),
	(SELECT count(*) || ' messages were handled more than once, as ' || min(tag) FROM handled WHERE times > 1 HAVING count(*) > 0),
	(SELECT count(*) || ' messages were handled and not sent, as ' || min(tag) FROM handled WHERE tag NOT IN (SELECT tag FROM expected) HAVING count(*) > 0),
	(SELECT count(*) || ' actors lost changes of their state, as ' || min(actor_key) FROM actors WHERE turns <> n HAVING count(*) > 0),
	(SELECT count(*) || ' actors have another state than their turns made, as ' || min(actor_key) FROM actors a
		WHERE (dgen.state(actor_type, actor_key) ->> 'n')::bigint IS DISTINCT FROM n HAVING count(*) > 0),
	(SELECT count(*) || ' dead letters, as ' || min(error) FROM dgen.dead_letters HAVING count(*) > 0),
	(SELECT count(*) || ' messages wait, as: ' || min(dgen.explain_actor(actor_type, actor_key)) FROM dgen.messages HAVING count(*) > 0),
	(SELECT string_agg(indexrelid::regclass || ' is not valid', ', ') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE c.relnamespace = 'dgen'::regnamespace AND NOT indisvalid))
};

my $handled = q{SELECT NOT EXISTS (SELECT FROM dgen.messages)
	AND (SELECT count(*) + 2 * count(*) FILTER (WHERE moves) FROM torture.sent) <= (SELECT count(*) FROM torture.turn)};

my $amcheck = q{
SELECT count(public.bt_index_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'dgen'::regnamespace AND c.relam = 403 AND i.indisvalid AND i.indisready
};

# database: of its own, so that what broke in one is not met in the next.
sub new {
	my ($class, $node, %options) = @_;
	my $self = bless {
		node => $node, database => $options{database} // 'postgres', rate => $options{rate} // 150,
		script => PostgreSQL::Test::Utils::tempdir() . '/send.sql', processes => {},
	}, $class;
	append_to_file($self->{script}, $script);
	return $self;
}

sub set_up {
	my ($self) = @_;
	my $types = slurp_file('test/torture/types.sql');
	$types =~ s/^CREATE ROLE.*\n//m if $self->{node}->safe_psql('postgres', q{SELECT 1 FROM pg_roles WHERE rolname = 'torture'});
	$self->{node}->safe_psql($self->{database}, "$types; RESET ROLE; $senders; CREATE EXTENSION amcheck SCHEMA public");
	return $self;
}

# Statements by an operator, each in a transaction of its own. Whoever is chosen to end a deadlock has to
# say it again: a turn reads before it writes, which REINDEX may come in between.
sub operate {
	my ($self, @statements) = @_;
	for (1 .. 10) {
		my ($code, $output, $errors) = $self->{node}->psql($self->{database}, join(";\n", @statements), on_error_stop => 0);
		return if $errors !~ /ERROR/;
		die $errors if grep { !/deadlock detected/ } $errors =~ /ERROR:.*/g;
	}
	die "one deadlock after the other\n";
}

# The database, and the workers that it has on the server.
sub give_up {
	my ($self) = @_;
	$self->stop;
	$self->{node}->psql($self->{database}, 'SELECT dgen.stop_workers()');
	$self->{node}->safe_psql('postgres', "DROP DATABASE $self->{database} WITH (FORCE)");
}

sub sql { my ($self, $sql) = @_; return $self->{node}->safe_psql($self->{database}, $sql) }

# ---- senders and workers ----

sub run_in_background {
	my ($self, $name, @command) = @_;
	my $process = { out => '' };
	$process->{run} = IPC::Run::start(\@command, '<', \undef, '>&', \$process->{out});
	$self->{processes}{$name} = $process;
}

sub conninfo { my ($self) = @_; return $self->{node}->connstr($self->{database}) . ' user=torture' }

sub start_workers {
	my ($self) = @_;
	my $worker = Programs::build() . '/test/torture_worker';
	$self->sql('SELECT dgen.start_workers(2)');
	$self->run_in_background("worker $_", $worker, $self->conninfo, '/nonexistent') for 1, 2;
}

sub start_senders {
	my ($self) = @_;
	$self->run_in_background('senders', 'pgbench', '-n', '-c', 2, '-T', 3600, '-R', $self->{rate}, '--max-tries', 10,
		'-f', $self->{script}, $self->conninfo);
}

sub start {
	my ($self) = @_;
	$self->start_workers;
	$self->start_senders;
	$self->goes_on(20) or die 'the load does not begin';
}

sub stop_process {
	my ($self, $name, $signal) = @_;
	my $process = delete $self->{processes}{$name} or return '';
	$process->{run}->signal($signal);
	$process->{run}->finish;
	return $process->{out};
}

sub stop {
	my ($self) = @_;
	my $said = $self->stop_senders;
	$said .= $self->stop_process($_, 'TERM') for grep { /worker/ } sort keys %{ $self->{processes} };
	return $said;
}

# A sender that failed has ended by itself, and said why.
sub stop_senders {
	my ($self) = @_;
	my $said = $self->stop_process('senders', 'INT');
	return join '', grep { /error|aborted|ERROR|HINT/ } split /^/, $said;
}

# ---- what happened ----

# That many more messages are handled.
sub goes_on {
	my ($self, $more) = @_;
	my $turns = $self->sql('SELECT count(*) FROM torture.turn');
	return $self->{node}->poll_query_until($self->{database}, "SELECT count(*) >= $turns + $more FROM torture.turn");
}

# What is wrong once nothing is sent any more; '' if nothing is.
sub verdict {
	my ($self) = @_;
	my $said = $self->stop_senders;
	$self->drained;
	my ($code, $output, $errors) = $self->{node}->psql($self->{database}, $wrong);
	$said .= $output . $errors;
	($code, $output, $errors) = $self->{node}->psql($self->{database}, $amcheck);
	return $said . $errors;
}

# Without poll_query_until's patience where nothing moves any more.
sub drained {
	my ($self) = @_;
	my ($last, $since) = ('', time);
	return until_true(sub {
		my ($code, $output) = $self->{node}->psql($self->{database}, "$handled; SELECT count(*) FROM torture.turn");
		return 1 if $output =~ /^t/;
		($last, $since) = ($output, time) if $output ne $last;
		return time > $since + 20;
	});
}

# An operator's statements under load; then everything is handled once, and the load goes on.
sub during {
	my ($self, $name, $code) = @_;
	my $wrong = eval { $code->(); '' };
	$wrong = $@ unless defined $wrong;
	$wrong .= "the load does not go on\n" unless $self->goes_on(20);
	$wrong .= $self->verdict;
	is($wrong, '', $name);
	$self->start_senders unless $wrong;
	return !$wrong;
}

1;
