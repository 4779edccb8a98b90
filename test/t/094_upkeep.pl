# What a client's worker does for all: never in a transaction that its client may leave open, and not lost
# when that is rolled back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('upkeep');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $name) or diag(sql($query));
}

sql(q{
	CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('mine');
	SELECT dgen.create_actor_type('other', retention => '1 ms');
	SELECT dgen.create_actor_type('ends', max_attempts => 1)});

sub worker {
	my ($type) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query(qq{SELECT worker_id > 0 FROM dgen.attach('$type', ARRAY['$type'])});
	return $session;
}

# ---- maintenance: due in a new database, since nobody has done it yet ----

my $cast = q{SELECT dgen.cast('other', 'a', '1', idempotency_key => 'k') > 0};
my $over = q{SELECT count(*) FROM dgen.idempotency_key WHERE expires_at < clock_timestamp()};
sql($cast);
becomes($over, 1, 'the time of a key is over');
my $mine = worker('mine');
$mine->query('BEGIN');
is($mine->query('SELECT count(*) FROM dgen.claim()'), 0, 'a worker of another type claims, and leaves its transaction open');
is(($node->psql('postgres', "SET statement_timeout = '1 min'; $cast"))[1], 't', 'nobody who sends with that key waits for it');
becomes($over, 1, 'its time is over again');
$mine->query('COMMIT');
$mine->query(q{CALL dgen.wait('1 ms')});
is(sql($over), 0, 'the worker has removed it before it slept');

# ---- charges ----

my $dead = q{SELECT string_agg(concat_ws(' ', actor_key, attempts, sqlstate), ', ' ORDER BY actor_key) FROM dgen.dead_letters};

# The third session that ends with this turn alone is charged with it: nobody has recorded that yet.
sub charge {
	my ($key) = @_;

	sql(qq{SELECT dgen.cast('ends', '$key', '1')});
	for (1 .. 3) {
		my $worker = worker('ends');

		$worker->query('BEGIN');
		is($worker->query('SELECT actor_key FROM dgen.claim()'), $key, "a worker has the message of $key");
		$worker->quit;
		becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'and is gone');
	}
}

charge('a');
$mine->query('BEGIN; SELECT count(*) FROM dgen.claim(); ROLLBACK');
is(sql($dead), '', 'a worker of another type does not record it in a claim that is rolled back');
my $ends = worker('ends');
is($ends->query("BEGIN; SELECT count(*) FROM dgen.claim(); $dead; ROLLBACK"), "0\na 1 ZD042", 'one of its type does');
is($ends->query("BEGIN; SAVEPOINT s; SELECT count(*) FROM dgen.claim(); $dead; ROLLBACK TO s; COMMIT"), "0\na 1 ZD042",
	'and again, as that was rolled back, and to a savepoint');
is(sql($dead), '', 'which was rolled back as well');
is($ends->query('BEGIN; SELECT count(*) FROM dgen.claim(); COMMIT'), 0, 'and once more');
is(sql($dead), 'a 1 ZD042', 'until it is committed');
$ends->query('BEGIN; SELECT count(*) FROM dgen.claim(); COMMIT');
is(sql($dead), 'a 1 ZD042', 'it was counted once');
$ends->quit;

becomes(q{SELECT count(*) FROM dgen.workers}, 1, 'no worker of the type is left');
charge('b');
$mine->query('BEGIN; SELECT count(*) FROM dgen.claim(); COMMIT');
is(sql($dead), 'a 1 ZD042', 'nobody else records it in a claim');
$mine->query(q{CALL dgen.wait('1 ms')});
is(sql($dead), 'a 1 ZD042, b 1 ZD042', 'but in its wait');
$mine->quit;

# ---- a worker that waits is called for what is due of any type ----

sql(q{SELECT dgen.cast('ends', 'late', '1', delay => '10 ms')});
becomes(q{SELECT bool_and(due) FROM (SELECT not_before < clock_timestamp() AS due FROM dgen.delayed_message) d}, 't', 'a message is due');
$mine = worker('mine');
$mine->query(q{CALL dgen.wait('1 ms')});
is(sql(q{SELECT status FROM dgen.messages WHERE actor_key = 'late'}), 'waiting', 'a worker of another type has moved it');
sql(q{SELECT dgen.cast('ends', 'later', '1', delay => '200 ms')});
$mine->query('SELECT count(*) FROM dgen.claim()');
$mine->query(q{CALL dgen.wait('1 min')}); # returns when it was called
is(sql(q{SELECT status FROM dgen.messages WHERE actor_key = 'later'}), 'waiting', 'and what becomes due while it sleeps');
$mine->quit;

$node->stop;
done_testing();
