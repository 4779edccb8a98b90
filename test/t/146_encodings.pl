# Databases that are not in UTF-8. libdgen and `dgen` speak UTF-8 with all of them, and psql does so here. What one
# side cannot hold fails alone.
#
# The safety-net look is put off for a day.
use strict;
use warnings;
use lib 'test/lib';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Programs;
use Test::More;

my $build = Programs::build();
my $umlaut = "\xc3\xbc";

$ENV{PGCLIENTENCODING} = 'UTF8';
my $node = PostgreSQL::Test::Cluster->new('encodings');
$node->init;
$node->append_conf('postgresql.conf', q{
	shared_preload_libraries = 'dgen'
	dgen.safety_net_interval = 86400});
$node->start;

my $database = 'postgres';
sub sql { return $node->safe_psql($database, $_[0]) }

sub becomes {
	my ($query, $expected, $name) = @_;
	ok($node->poll_query_until($database, $query, $expected), "$database: $name") or diag(sql($query));
}

sub is_sql {
	my ($query, $expected, $name) = @_;
	is(sql($query), $expected, "$database: $name");
}

sub create {
	my ($encoding) = @_;
	$node->safe_psql('postgres', qq{CREATE DATABASE "$encoding" ENCODING '$encoding' LOCALE 'C' TEMPLATE template0});
	$database = $encoding;
	sql(q{CREATE EXTENSION dgen;
		SELECT dgen.create_actor_type('euro', max_attempts => 2, backoff => '1 ms', max_backoff => '1 ms');
		SELECT dgen.create_actor_type('other')});
}

my $log;
sub start_worker {
	$log = "$PostgreSQL::Test::Utils::log_path/encodings_$database.log";
	my $worker = IPC::Run::start([ "$build/test/encodings", $node->connstr($database) ], '<', \undef, '2>', $log);
	becomes('SELECT count(*) FROM dgen.workers', 1, 'a worker works');
	return $worker;
}

sub end_worker {
	my ($worker) = @_;
	$worker->signal('TERM');
	ok($worker->finish, "$database: the worker ends well");
	unlike(slurp_file($log), qr/reconnect|lost|do not commit/, "$database: and was never in need");
}

sub all_is_handled { becomes(q{SELECT count(*) FROM dgen.messages}, 0, $_[0]) }

sub dead_letters_of {
	my ($key) = @_;
	return "SELECT attempts, sqlstate, error FROM dgen.dead_letters WHERE actor_key = '$key'";
}

# The mailbox of a key is the same everywhere.
sub keys_are_the_same {
	is_sql("SELECT dgen.mailbox_of('$umlaut')", $node->safe_psql('postgres', "SELECT dgen.mailbox_of('$umlaut')"), 'the mailbox of a key is that of its UTF-8');
	sql("SELECT dgen.cast('euro', '$umlaut', '{\"what\": \"umlaut\"}')");
	becomes("SELECT state->>'name' FROM dgen.actor('euro', '$umlaut')", $umlaut, 'a message and a state that it can hold');
}

# ---- what libdgen sends and LATIN1 lacks ----

sql('CREATE EXTENSION dgen');
for my $encoding (qw(LATIN1 SQL_ASCII)) {
	create($encoding);
	my $worker = start_worker();
	my $latin1 = $encoding eq 'LATIN1';
	keys_are_the_same();

	# The good ones before and behind are in the same batches.
	sql(qq{SELECT dgen.pause('euro');
		SELECT dgen.cast('euro', 'good' || i, '{}') FROM generate_series(1, 5) AS i;
		SELECT dgen.cast('euro', what, jsonb_build_object('what', what)) FROM unnest(ARRAY['state', 'send', 'send to', 'fail', 'raise', 'no text', 'lock']) AS what;
		SELECT dgen.cast('euro', 'good' || i, '{}') FROM generate_series(1, 5) AS i;
		SELECT dgen.resume('euro')});
	all_is_handled('in the end nothing waits');
	is_sql(q{SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_key LIKE 'good%'}, 10, 'the good ones are handled once');
	my $lacks = qr/^2\|22P05\|character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"$/;
	for my $what ('state', 'send', 'send to') {
		if ($latin1) { like(sql(dead_letters_of($what)), $lacks, "$database: $what: fails alone") }
		else { is_sql(dead_letters_of($what), '', "$what: is nothing to it") }
	}
	my $costs = $latin1 ? 'costs 5 ?' : "costs 5 \xe2\x82\xac";
	is_sql(dead_letters_of('fail'), "1|ZD4XX|$costs", 'dgen_turn_fail is final');
	is_sql(dead_letters_of('raise'), "2|P0001|$costs", 'dgen_turn_raise is not');
	is_sql(dead_letters_of('no text'), '1|ZD400|bytes ??', 'what is no text becomes one');
	is_sql(dead_letters_of('lock'), "1|ZD400|$costs", 'a locked part can fail like that, too');

	if ($latin1) {
		my $output = '';
		IPC::Run::run([ "$build/test/encodings", $node->connstr($database), 'client' ], '>', \$output);
		/^(not )?ok - (.*)/ ? ok(!$1, "client: $2") : diag($_) for split /\n/, $output;
		is_sql(q{SELECT count(*) FROM dgen.actors WHERE actor_key LIKE 'many%'}, 296, 'what it can hold was sent');
		all_is_handled('and handled');
	}
	end_worker($worker);
}

# ---- what UTF-8 lacks, or is no text in it ----

for ([ 'WIN1252', 'chr(129)', '22P05', 'character, 0x81, that the client\'s encoding "UTF8" lacks' ],
	[ 'SQL_ASCII', 'chr(255)', '22021', 'byte, 0xff, that is no text in the client\'s encoding "UTF8"' ]) {
	my ($encoding, $bad, $sqlstate, $why) = @$_;
	if ($encoding eq 'SQL_ASCII') { $database = $encoding } else { create($encoding) }

	# A request whose reply cannot be sent, beside one whose reply can.
	my ($wrong, $right) = split /\n/, sql(q{SELECT dgen.request('other', 'a', '1'); SELECT dgen.request('other', 'a', '2')});
	sql("SELECT dgen.send_reply($wrong, to_jsonb($bad)); SELECT dgen.send_reply($right, '7')");
	my $any = sql("CALL dgen.await_any(ARRAY[$wrong, $right], '1 min')");
	like($any, qr/\{"request":$wrong,"error":"reply has a [^{}]*"sqlstate":"$sqlstate"[^{}]*\}/, "$database: a reply that cannot be sent is an error");
	like($any, qr/\{"request":$right,"reply":7\}/, "$database: and the other one comes");
	sql(q{SELECT dgen.delete_actor('other', 'a'); SELECT dgen.discard(message_id) FROM dgen.dead_letters});

	# A state that cannot be sent: made by a worker that can be sent all.
	sql("SELECT dgen.cast('euro', 'state', '{}')");
	sql("SET client_encoding = '$encoding'; SELECT FROM dgen.attach('by hand', ARRAY['euro'], NULL); BEGIN; SELECT FROM dgen.claim();
		SELECT dgen.commit_turns(ARRAY[1], ARRAY[jsonb_build_object('s', $bad)]); COMMIT; SELECT dgen.detach()");
	is_sql(q{SELECT state FROM dgen.actor('euro', 'state')}, to_json("(state has a $why)"), 'dgen.actors has a text in place of a state');

	my $worker = start_worker();
	sql(qq{SELECT dgen.pause('euro');
		SELECT dgen.cast('euro', 'good', '{}');
		SELECT dgen.cast('euro', 'message', jsonb_build_object('m', $bad));
		SELECT dgen.cast('euro', 'name', jsonb_build_object($bad, 1));
		SELECT dgen.cast('euro', 'headers', '{}', headers => jsonb_build_object('h', $bad));
		SELECT dgen.cast('euro', 'state', '{}');
		SELECT dgen.cast('euro', 'good', '{}')});
	sql(qq{SELECT dgen.cast('euro', $bad, '{}')}) if $encoding eq 'SQL_ASCII';
	is_sql(q{SELECT message FROM dgen.mailbox('euro', 'message')}, to_json("(message has a $why)"), 'dgen.messages has a text in its place');
	sql(q{SELECT dgen.resume('euro')});
	all_is_handled('in the end nothing waits');
	is_sql(q{SELECT state->>'n' FROM dgen.actor('euro', 'good')}, 2, 'the good ones are handled');
	for my $what (qw(message headers state)) {
		is_sql(dead_letters_of($what), "2|$sqlstate|$what has a $why", "a $what that cannot be sent fails alone");
	}
	is_sql(dead_letters_of('name'), "2|$sqlstate|message has a $why", 'so does a name in a message');
	is_sql(q{SELECT count(*) FROM dgen.dead_letters WHERE actor_key = '(actor key has a byte, 0xff, that is no text in the client''s encoding "UTF8")'}, 1, 'so does a key')
		if $encoding eq 'SQL_ASCII';
	for my $command ([ 'dead' ], [ 'dead', '--json' ], [ 'actors' ]) {
		my ($out, $err) = ('', '');
		IPC::Run::run([ $ENV{DGEN_PROGRAM} // 'worker/build/dgen', '-d', $node->connstr($database), @$command ], '<', \undef, '>', \$out, '2>', \$err);
		is($?, 0, "$database: dgen @$command works") or diag($err);
	}
	end_worker($worker);
}

sub to_json { return '"' . ($_[0] =~ s/"/\\"/gr) . '"' }

# ---- a callback that sets client_encoding on the connection of its turn ----

# The other ones are in the same batch. What was set is undone with the turn, in both ways.
sub test_callbacks_encoding {
	create('UTF8');
	sql(q{CREATE TABLE changed (n int);
		CREATE FUNCTION set_encoding() RETURNS trigger LANGUAGE plpgsql AS
			$$BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RETURN NULL; END$$;
		CREATE CONSTRAINT TRIGGER later AFTER INSERT ON changed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION set_encoding()});
	my $worker = start_worker();
	my @bad = ([ 'SET', q{SET client_encoding = 'LATIN1'} ], [ 'LOCAL', q{SET LOCAL client_encoding = 'LATIN1'} ]);
	my $casts = join ';', map { my ($key, $set) = @$_; "SELECT dgen.cast('euro', '$key', jsonb_build_object('what', 'sql', 'sql', \$q\$$set\$q\$))" } @bad;
	sql(qq{SELECT dgen.pause('euro');
		SELECT dgen.cast('euro', 'before', '{"what": "umlaut"}');
		$casts;
		SELECT dgen.cast('euro', 'back', jsonb_build_object('what', 'sql', 'sql', \$q\$SET client_encoding = 'LATIN1'; SET client_encoding = 'UTF8'\$q\$));
		SELECT dgen.cast('euro', 'behind', '{"what": "umlaut"}');
		SELECT dgen.resume('euro')});
	all_is_handled('in the end nothing waits');
	for (@bad) {
		is_sql("SELECT attempts, error, hint LIKE '%back to UTF8%' FROM dgen.dead_letters WHERE actor_key = '$_->[0]'",
			q{2|client_encoding of the connection must be UTF8, not LATIN1|t}, "$_->[0]: the turn fails");
	}
	is_sql(q{SELECT actor_key, state->>'name' FROM dgen.actors ORDER BY actor_key}, "back|$umlaut\nbefore|$umlaut\nbehind|$umlaut\n$umlaut sent|", 'the others are as they would be without it');
	end_worker($worker);

	# Nobody sees what the commit sets before it is done. What is claimed then is not run, and comes again.
	$worker = start_worker();
	sql(qq{SELECT dgen.pause('euro');
		SELECT dgen.cast('euro', 'commit', jsonb_build_object('what', 'sql', 'sql', 'INSERT INTO changed VALUES (1)'));
		SELECT dgen.resume('euro')});
	becomes(q{SELECT count(*) FROM dgen.actor('euro', 'commit')}, 1, 'a commit sets client_encoding');
	sql("SELECT dgen.cast('euro', 'later $umlaut', '{\"what\": \"umlaut\"}')");
	all_is_handled('and the worker goes on');
	is_sql("SELECT state->>'name', state->>'n' FROM dgen.actor('euro', 'later $umlaut')", "$umlaut|1", 'in a session whose encoding is UTF-8');
	is_sql(q{SELECT count(*) FROM dgen.dead_letters}, 2, 'and no message fails of that');
	$worker->signal('TERM');
	ok($worker->finish, "$database: the worker ends well");
	like(slurp_file($log), qr/client_encoding of the connection must be UTF8, not LATIN1.*deferred trigger/, "$database: its log says why it connected again");
	$database = 'postgres';
}
test_callbacks_encoding();

# ---- a client that is not in UTF-8 ----

$database = 'postgres';
sql(q{SELECT dgen.create_actor_type('euro', max_attempts => 1);
	SELECT dgen.cast('euro', 'a', to_jsonb(chr(252))); SELECT dgen.cast('euro', 'b', to_jsonb(chr(8364)))});
is_sql(q{SET client_encoding = 'LATIN1'; SELECT FROM dgen.attach('by hand', ARRAY['euro'], NULL); BEGIN; SELECT actor_key FROM dgen.claim();
	SELECT dgen.commit_turns(ARRAY[1]); COMMIT}, "a\n1", 'a worker in LATIN1 gets what it can be sent');
is_sql(dead_letters_of('b'), '1|22P05|message has a character, 0xe2 0x82 0xac, that the client\'s encoding "LATIN1" lacks', 'the other message is a dead letter');
is_sql(q{SELECT message FROM dgen.dead_letters}, "\"\xe2\x82\xac\"", 'which a client in UTF-8 sees as it is');
is_sql(q{SET client_encoding = 'LATIN1'; SELECT message FROM dgen.dead_letters}, to_json('(message has a character, 0xe2 0x82 0xac, that the client\'s encoding "LATIN1" lacks)'), 'and one in LATIN1 does not');

# ---- the name of a worker ----

# An error as the handler gives it, which ends in a dead letter that names the worker.
my $held = $node->background_psql($database);
$held->query_safe(q{SELECT FROM dgen.attach('worker ' || chr(8364), ARRAY['euro'], NULL)});
sql(q{SELECT dgen.cast('euro', 'c', '{}')});
$held->query_safe(q{BEGIN; SELECT FROM dgen.claim()});
my $name = '(worker name has a character, 0xe2 0x82 0xac, that the client\'s encoding "LATIN1" lacks)';
is_sql(q{SET client_encoding = 'LATIN1'; SELECT name FROM dgen.workers}, $name, 'dgen.workers has a text in place of a name');
is_sql(q{SELECT name FROM dgen.workers}, "worker \xe2\x82\xac", 'where it can be sent it is there');
like(sql(q{SET client_encoding = 'LATIN1'; SELECT dgen.explain_actor('euro', 'c')}), qr/\(worker "\(worker name has a character, 0xe2 0x82 0xac, .*/, 'dgen.explain_actor does so, too');
$held->query_safe(q{SELECT dgen.commit_turns(ARRAY[0], errors => ARRAY['no'], sqlstates => ARRAY['ZD4XX'], outcomes => ARRAY['error']); COMMIT});
is_sql(q{SET client_encoding = 'LATIN1'; SELECT worker FROM dgen.dead_letters WHERE actor_key = 'c'}, $name, 'and dgen.dead_letters');
$held->quit;

done_testing();
