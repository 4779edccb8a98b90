# What is stored and cannot be sent to a worker, because it is too much text: a number such as 1e131071
# is 16 bytes as jsonb and 128 kB as text. Such a message fails alone, and others go on.
#
# The safety-net look is put off for a day. Nothing here makes the text of what is too large.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();

my $node = PostgreSQL::Test::Cluster->new('unsendable');
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

# jsonb of so many MB as text
sub mb { return "('[' || repeat('1e131071,', $_[0] * 8) || '1]')::jsonb" }

my $too_large = mb(600);
my $says = qr/^message of 75 kB, with what belongs to it, is 600 MB as text, more than the 512 MB that a client is sent$/;

sql(q{CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('ledger', max_attempts => 2, backoff => '0', max_backoff => '0')});

# One claim by hand, and what it took is handled: the keys and messages.
my $attach = q{SELECT FROM dgen.attach('by hand', ARRAY['ledger'], NULL)};
my $claim = q{
	CREATE TEMPORARY TABLE batch ON COMMIT DROP AS SELECT * FROM dgen.claim();
	SELECT string_agg(actor_key || ' ' || CASE WHEN pg_column_size(message) < 100 THEN message::text ELSE 'large' END, ', ' ORDER BY message_id) FROM batch};
my $handle = q{
	SELECT FROM (SELECT dgen.commit_turns(array_agg(n ORDER BY actor)) FROM (SELECT actor, count(*)::int AS n FROM batch GROUP BY 1) AS a HAVING count(*) > 0) AS b};

sub claims {
	my ($times) = @_;
	return sql("SET client_min_messages = warning; $attach;" . "BEGIN; $claim; $handle; COMMIT;" x $times);
}

# ---- a message ----

sql(qq{SELECT dgen.cast('ledger', 'a', '1'); SELECT dgen.cast('ledger', 'a', $too_large); SELECT dgen.cast('ledger', 'a', '2');
	SELECT dgen.cast('ledger', 'b', '3')});
is(claims(1), 'a 1, b 3', 'what is before it, and others, are claimed');
is(sql('SELECT count(*) FROM dgen.failed_attempt'), 0, 'and no attempt is counted until it is the first');
claims(1);
is(sql('SELECT attempts, last_sqlstate FROM dgen.messages WHERE attempts > 0'), '1|54000', 'its attempt fails, with the claim');
like(sql('SELECT last_error FROM dgen.messages WHERE attempts > 0'), $says, 'and the error says why');
is(claims(1), 'a 2', 'after the last one what is behind it is claimed at once');
is(sql('SELECT actor_key, attempts, sqlstate FROM dgen.dead_letters'), 'a|2|54000', 'and it is a dead letter');

# ---- readers ----

my $shown = qr/^"\(message of 75 kB is 600 MB as text, more than the 256 MB that a client is sent\)"$/;
like(sql('SELECT message FROM dgen.dead_letters'), $shown, 'dgen.dead_letters has a text in its place');
is(sql('SELECT jsonb_array_length(message) FROM dgen.dead_letter'), 4801, 'the message itself stays as it is');
my ($cli, $errors) = ('', '');
my @dgen = ($ENV{DGEN_PROGRAM} // 'worker/build/dgen', '-d', $node->connstr('postgres'));
IPC::Run::run([ @dgen, 'dead', '--json' ], '>', \$cli, '2>', \$errors);
like($cli, qr/"message":"\(message of 75 kB is 600 MB as text/, 'so has dgen dead') or diag($errors);
is(sql('SELECT dgen.redrive(message_id) IS NOT NULL FROM dgen.dead_letters'), 't', 'it can be sent again');
like(sql('SELECT message FROM dgen.messages'), $shown, 'dgen.messages has a text in its place');
IPC::Run::run([ @dgen, 'messages' ], '>', \$cli, '2>', \$errors);
like($cli, qr/message of 75 kB is 600 MB as text/, 'so has dgen messages') or diag($errors);
claims(3);
sql('SELECT dgen.discard(message_id) FROM dgen.dead_letters');

# ---- not only messages ----

sql(qq{SELECT dgen.cast('ledger', 'headers', '1', headers => jsonb_build_object('h', $too_large));
	SELECT dgen.cast('ledger', 'good', '1')});
is(claims(1), 'good 1', 'a message with headers that are too large fails, others do not');
claims(1);
like(sql(q{SELECT error FROM dgen.dead_letters WHERE actor_key = 'headers'}), qr/^headers of 75 kB, with what belongs to it, is 600 MB/, 'and the error names them');

sql(qq{SELECT dgen.cast('ledger', 'state', '1')});
sql(qq{$attach; BEGIN; SELECT FROM dgen.claim(); SELECT dgen.commit_turns(ARRAY[1], ARRAY[jsonb_build_object('s', $too_large)]); COMMIT});
like(sql(q{SELECT state FROM dgen.actors WHERE actor_key = 'state'}), qr/^"\(state of 75 kB is 600 MB/, 'dgen.actors has a text in place of a state');
like(sql(q{SELECT dgen.state('ledger', 'state')}), qr/^"\(state of 75 kB is 600 MB/, 'so has dgen.state');
sql(q{SELECT dgen.cast('ledger', 'state', '2'); SELECT dgen.cast('ledger', 'good', '2')});
is(claims(1), 'good 2', 'a message of an actor whose state is too large fails, others do not');
claims(1);
like(sql(q{SELECT error FROM dgen.dead_letters WHERE actor_key = 'state'}), qr/^state of 75 kB/, 'and the error names it');
sql(q{SELECT dgen.delete_actor('ledger', 'state'); SELECT dgen.discard(message_id) FROM dgen.dead_letters});

# ---- whoever asked ----

my $request = sql("SELECT dgen.request('ledger', 'asked', $too_large)");
claims(2);
my ($code, $out, $err) = $node->psql('postgres', "SELECT dgen.await_reply($request, '1 min')");
like($err, qr/ERROR:  message of 75 kB/, 'who asked gets the error');
is(sql('SELECT count(*) FROM dgen.dead_letters'), 1, 'and the message is a dead letter');
sql('SELECT dgen.discard(message_id) FROM dgen.dead_letters');

# One reply that is too large is an error of its request, and of no other.
my ($large, $small) = split /\n/, sql(q{SELECT dgen.request('ledger', 'r', '1'); SELECT dgen.request('ledger', 'r', '2')});
sql("SELECT dgen.send_reply($large, $too_large); SELECT dgen.send_reply($small, '7')");
is(sql("SELECT dgen.cast('ledger', 'r', '3') > 0"), 't', 'sent');
my $any = sql("CALL dgen.await_any(ARRAY[$large, $small], '1 min')");
like($any, qr/\{"request":$large,"error":"reply of 75 kB is 600 MB as text[^{}]*"sqlstate":"54000"[^{}]*\}/, 'dgen.await_any has an error for it');
like($any, qr/\{"request":$small,"reply":7\}/, 'and the other reply');
($large, $small) = split /\n/, sql(q{SELECT dgen.request('ledger', 'r', '1'); SELECT dgen.request('ledger', 'r', '2')});
sql("SELECT dgen.send_reply($large, $too_large); SELECT dgen.send_reply($small, '7')");
is(sql("SELECT request = $large, reply, sqlstate FROM dgen.await_replies(ARRAY[$large, $small], '1 min')"), "t||54000\nf|7|", 'so has dgen.await_replies');
claims(1);

# ---- a dead letter that its actor is told of ----

sql(qq{SELECT FROM dgen.attach('told', ARRAY['ledger'], NULL, dead_letters => ARRAY['ledger']);
	SELECT dgen.cast('ledger', 'told', $too_large, headers => jsonb_build_object('h', $too_large))});
claims(2);
is(sql(qq{SET client_min_messages = warning; $attach; BEGIN; SELECT kind, message, headers, sqlstate FROM dgen.claim(); SELECT FROM (SELECT dgen.commit_turns(ARRAY[1])) AS t; COMMIT}),
	'dead_letter|null||54000', 'the actor is told of its dead letter, without what cannot be sent');
sql('SELECT dgen.discard(message_id) FROM dgen.dead_letters');

# ---- a locked part ----

sql(q{SELECT dgen.cast('ledger', 'locked', '1')});
sql(qq{$attach; BEGIN; SELECT FROM dgen.claim(locked => true); SELECT dgen.commit_turns(ARRAY[1], ARRAY[jsonb_build_object('s', $too_large)], locks => ARRAY[true]); COMMIT});
my $part = 'BEGIN; SELECT kind FROM dgen.claim(locked => true); COMMIT;';
is(sql("$attach; " . $part x 3), '', 'a locked part that cannot be sent is not claimed');
is(sql(q{SELECT actor_key, attempts, sqlstate FROM dgen.dead_letters}), 'locked|2|54000', 'it becomes a dead letter');
is(sql(q{SELECT count(*) FROM dgen.locked}), 0, 'and the actor is locked no more');
sql(q{SELECT dgen.delete_actor('ledger', 'locked'); SELECT dgen.discard(message_id) FROM dgen.dead_letters});

# ---- much text, none of it too much ----

# 20 of 10 MB: a claim takes about 64 MB, and what is left is for the next one.
sql('SELECT dgen.cast(\'ledger\', \'much\' || i, ' . mb(10) . ') FROM generate_series(1, 20) AS i');
is(sql(qq{$attach; SET dgen.batch_duration = '1 min'; BEGIN; SELECT count(*) BETWEEN 2 AND 6 FROM dgen.claim(); ROLLBACK}), 't', 'a claim takes as much text as is good');
is(sql(qq{$attach; SET dgen.batch_bytes = '1 kB'; BEGIN; SELECT count(*) FROM dgen.claim(); ROLLBACK}), 1, 'and one message in any case');
claims(20);
is(sql('SELECT count(*) FROM dgen.messages') . sql('SELECT count(*) FROM dgen.dead_letters'), '00', 'in the end all are handled');

# Of three small messages of an actor a claim of up to 8 kB of text takes the first in any case, wherever the number is.
sub of_three {
	my ($message, $headers, $state) = (@_, ('NULL') x 2);
	my $claimed = sql(qq{SELECT dgen.create_actor_type('small');
		SELECT FROM dgen.attach('by hand', ARRAY['small'], NULL); SELECT dgen.cast('small', 'a');
		BEGIN; SELECT FROM dgen.claim(); SELECT dgen.commit_turns(ARRAY[1], ARRAY[$state]::jsonb[]); COMMIT;
		SELECT dgen.cast('small', 'a', ($message)::jsonb, headers => $headers) FROM generate_series(1, 3);
		SET dgen.batch_bytes = '1 kB'; SET dgen.batch_duration = '1 min'; -- the first turn may have been slow
		BEGIN; SELECT 'claimed ' || count(*) FROM dgen.claim(); ROLLBACK;
		SELECT dgen.detach(); SELECT dgen.drop_actor_type('small', discard => true)});
	return $claimed =~ /^claimed (\d+)$/m ? $1 : $claimed;
}
my $big = '1e10000';
is(of_three($_), 1, "$_ is much text") for "'$big'", "'-1e-10000'", "'[1, $big]'", qq{'{"abc": $big}'}, qq{'[[], {}, null, "a", $big]'},
	qq{'{"a": "b", "abc": {"abcde": [true, "abc", [$big]], "f": 1}}'}, "'[' || repeat('1,', 40) || '$big]'", q{to_jsonb(repeat('a', 1500))};
is(of_three($_), 3, "$_ is not") for "'1'", q{'{"abc": [1e10, -2.5e-3, {"d": [1e30]}]}'}, q{to_jsonb(repeat('a', 100))};
is(of_three("'1'", qq{'{"h": $big}'}), 1, 'headers count, too');
is(of_three("'1'", 'NULL', qq{'{"s": $big}'}), 1, 'so does a state');

# ---- with libdgen ----

sql(qq{SELECT dgen.create_actor_type('counter', max_attempts => 2, backoff => '1 ms', max_backoff => '1 ms');
	SELECT dgen.cast('counter', 'bad', $too_large); SELECT dgen.cast('counter', 'good', '{"add": 1}')});
my $log = "$PostgreSQL::Test::Utils::log_path/unsendable_worker.log";
my $worker = IPC::Run::start([ "$build/test/worker", $node->connstr('postgres') ], '<', \undef, '2>', $log);
becomes(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = 'bad'}, 1, 'with libdgen it becomes a dead letter');
sql(q{SELECT dgen.cast('counter', 'good', '{"add": 1}')});
becomes(q{SELECT count(*) FROM dgen.messages}, 0, 'and the others are handled');
is(sql(q{SELECT count(*) FROM dgen.dead_letters}), 1, 'all of them');
unlike(slurp_file($log), qr/reconnect|lost/i, 'the worker notices nothing');
$worker->signal('TERM');
ok($worker->finish, 'and ends well');

# ---- errors ----

$request = sql(q{SELECT dgen.request('ledger', 'error', '1')});
sql("SELECT dgen.fail_request($request, repeat(chr(252), 100000), repeat('Z', 100000))");
is(sql("SELECT octet_length(error), right(error, 3), octet_length(sqlstate) FROM dgen.request WHERE id = $request"), '4095|...|4096', 'an error is cut, at a character');

done_testing();
