# The program dgen: every command, what it prints, and what it ends with.
use strict;
use warnings;
use FindBin '$RealBin';
use IPC::Run qw(run start finish pump timeout);
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top     = "$RealBin/../..";
my $program = $ENV{DGEN_PROGRAM} // "$top/worker/build/dgen";
plan skip_all => "the program dgen was not built: $program" unless -x $program;

# DGEN_RUN: words to put before it, such as valgrind and its options.
my @dgen = (split(' ', $ENV{DGEN_RUN} // ''), $program);
my $tmp  = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->allow_nonref;
my ($out, $err, $status);

# No input: from /dev/null, as a service has it.
sub dgen {
	my ($input, @arguments) = @_;
	($out, $err) = ('', '');
	run [@dgen, @arguments], '<', defined $input ? \$input : '/dev/null', '>', \$out, '2>', \$err;
	$status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	return $out;
}

sub prints {
	my ($expected, $name, @arguments) = @_;
	is(dgen(undef, @arguments), $expected, $name);
	is("$status$err", '0', "$name: status 0, no error");
}

sub fails {
	my ($expected, $pattern, $name, @arguments) = @_;
	dgen(undef, @arguments);
	is($status, $expected, "$name: status $expected");
	like($err, $pattern, "$name: the error");
}

sub write_file {
	my ($name, $text) = @_;
	open my $file, '>', "$tmp/$name" or die "$tmp/$name: $!";
	print $file $text;
	close $file or die "$tmp/$name: $!";
	return "$tmp/$name";
}

# What a command prints on a terminal of that width.
sub on_terminal {
	my ($columns, @arguments) = @_;
	my ($in, $shown) = ('', '');
	my $h = start ['sh', '-c', 'stty cols "$1" -echo -onlcr; shift; "$@"; echo "=$?"', 'sh', $columns, @dgen, @arguments],
		'<pty<', \$in, '>pty>', \$shown, timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h until $shown =~ /^=\d+\n/m;
	finish $h;
	return $shown;
}

# ---- without a server ----

delete @ENV{ grep { /^PG/ && $_ !~ /^PG_/ } keys %ENV };
$ENV{LC_ALL} = 'C';

like(dgen(undef, '--help'), qr/^Usage:\n  dgen COMMAND.*^Connection options:.*^Exit status:/ms, '--help');
is("$status$err", '0', '--help: status 0, no error');
is(dgen(undef, '-?'), dgen(undef, '--help'), '-? is --help');
is(dgen(undef, 'help'), dgen(undef, '--help'), 'help is --help');
prints("dgen 0.1.0\n", '--version', '--version');
prints("dgen 0.1.0\n", '-V', '-V');
for my $command (qw(cast call state actors messages dead explain types workers worker bench top)) {
	like(dgen(undef, $command, '--help'), qr/^dgen $command: .*^Usage:\n  dgen $command/ms, "$command --help");
	is("$status$err", '0', "$command --help: status 0, no error");
	is(dgen(undef, 'help', $command), dgen(undef, $command, '-?'), "help $command");
}

# The manual page knows the same commands and options.
my $page = slurp_file("$top/docs/dgen.1");
my %option;
for my $command (qw(cast call state actors messages dead explain types workers worker bench top)) {
	like($page, qr/^\.It Cm $command\b/m, "dgen(1) has $command");
	$option{$_} = 1 for dgen(undef, $command, '--help') =~ /^ +(?:-\w, )?--([a-z-]+)/mg;
}
like($page, qr/Fl -$_\b/, "dgen(1) has --$_") for sort keys %option;
SKIP: {
	skip 'no man', 1 unless run ['sh', '-c', 'command -v man groff'], '>', \$out;
	local $ENV{MAN_KEEP_STDERR} = 1;
	run ['man', '--warnings', '-l', '-Tutf8', '-Z', "$top/docs/dgen.1"], '>', \$out, '2>', \$err;
	is($err, '', 'man --warnings finds nothing');
}

fails(1, qr/no command/, 'no command');
fails(1, qr/there is no command "frob"\ndgen: hint: Try "dgen --help"/, 'unknown command', 'frob');
fails(1, qr/there is no command "frob"/, 'help for an unknown command', 'help', 'frob');
fails(1, qr/unknown or ambiguous option --frob/, 'unknown option', 'actors', '--frob');
fails(1, qr/unknown or ambiguous option -Z/, 'unknown letter', 'actors', '-Z');
fails(1, qr/option --limit needs an argument/, 'option without its argument', 'actors', '--limit');
fails(1, qr/option --json=1 takes no argument/, 'option with an argument too many', 'actors', '--json=1');
fails(1, qr/state has no option --timeout/, 'option of another command', 'state', 'a', 'b', '--timeout', '1');
fails(1, qr/state takes TYPE KEY/, 'too few arguments', 'state', 'a');
fails(1, qr/types takes only options/, 'too many arguments', 'types', 'a');
fails(1, qr/call takes only TYPE KEY \[JSON\]/, 'too many arguments of call', 'call', 'a', 'b', '1', '2');
fails(1, qr/--limit must be a whole number from 0 to \d+, not "x"/, 'limit that is no number', 'actors', '-n', 'x');
fails(1, qr/--limit must be a whole number from 0 to \d+, not "-1"/, 'negative limit', 'actors', '--limit=-1');
fails(1, qr/--timeout must be a time like .*, not "soon"/, 'timeout that is no time', 'call', 'a', 'b', '-t', 'soon');
fails(1, qr/--timeout must be a time like .*, not "5 weeks"/, 'timeout with an unknown unit', 'call', 'a', 'b', '-t', '5 weeks');
fails(1, qr/--timeout must be a shorter time, not "9999d"/, 'timeout too long', 'call', 'a', 'b', '-t', '9999d');
fails(1, qr/--priority must be a whole number from -32768 to 32767, not "40000"/, 'priority out of range', 'cast', 'a', 'b', '1', '--priority', '40000');
fails(1, qr/"frob" is not list, redrive or discard/, 'unknown verb of dead', 'dead', 'frob');
fails(1, qr/dead redrive takes message ids/, 'redrive without ids', 'dead', 'redrive');
fails(1, qr/"x1" is no message id/, 'redrive of something else', 'dead', 'redrive', '1', 'x1');
fails(1, qr/connection string: /, 'bad connection string', 'types', '-d', 'frob=1');
fails(1, qr/connection string: /, 'bad URI', 'state', 'a', 'b', '-d', 'postgresql://[');
fails(2, qr/^dgen: error: connection to server.*failed/, 'no server, for a listing', 'types', '-h', "$tmp/none");
fails(2, qr/^dgen: error: connection to server.*failed/, 'no server, for a message', 'cast', 'a', 'b', '1', '-h', "$tmp/none");
fails(1, qr/could not open "$tmp\/none.so": No such file/, 'worker without its file', 'worker', "$tmp/none.so");
fails(1, qr/could not load/, 'worker with another file', 'worker', "$RealBin/110_cli.pl");

# ---- a server without the extension ----

my $node = PostgreSQL::Test::Cluster->new('cli');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'\nfsync = off\n");
$node->start;
$ENV{PGHOST}     = $node->host;
$ENV{PGPORT}     = $node->port;
$ENV{PGDATABASE} = 'postgres';

my $hint = qr/^dgen: hint: Run CREATE EXTENSION dgen/m;
fails(3, $hint, 'a listing without the extension', 'actors');
fails(3, $hint, 'explain without the extension', 'explain', 'a', 'b');
fails(3, $hint, 'a call without the extension', 'call', 'a', 'b');
fails(2, qr/database "nowhere" does not exist/, 'no such database', 'types', '-d', 'nowhere');
fails(2, qr/database "nowhere" does not exist/, 'no such database, for a message', 'state', 'a', 'b', '-d', 'nowhere');

$node->safe_psql('postgres', q{
	CREATE EXTENSION dgen;
	SELECT dgen.create_actor_type('counter');
	SELECT dgen.create_actor_type('idle');
	CREATE ROLE nobody_in_particular LOGIN PASSWORD 'right';
	CREATE ROLE reader LOGIN;
	SELECT dgen.grant_read('counter', 'reader');
	CREATE DATABASE other;});

sub sql { return $node->safe_psql('postgres', $_[0]) }

# ---- connection options ----

{
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ("$tmp/none", 1, 'nowhere');
	my ($host, $port) = ($node->host, $node->port);
	like(dgen(undef, 'types', '-h', $host, '-p', $port, '-d', 'postgres'), qr/counter/, '-h, -p and -d');
	like(dgen(undef, 'types', "--host=$host", "--port=$port", '--dbname=postgres'), qr/counter/, 'their long names');
	like(dgen(undef, '-h', $host, '-p', $port, '-d', 'postgres', 'types'), qr/counter/, 'before the command');
	like(dgen(undef, 'types', '-d', "host='$host' port=$port dbname=postgres"), qr/counter/, 'a connection string');
	(my $escaped = $host) =~ s{/}{%2F}g;
	like(dgen(undef, 'types', '-d', "postgresql://$escaped:$port/postgres"), qr/counter/, 'a URI');
	like(dgen(undef, 'types', '-h', $host, '-p', $port, '-d', 'dbname=postgres'), qr/counter/,
		'a connection string and options');
	like(dgen(undef, 'types', '-h', "$tmp/none", '-d', "host='$host' port=$port dbname=postgres"), qr/counter/,
		'a connection string wins over options');
	is(dgen(undef, 'cast', 'idle', 'c', '1', '-d', "host=$tmp/none,$host port=1,$port dbname=postgres") > 0, 1,
		'several hosts');
	dgen(undef, 'state', 'idle', 'none', '-h', $host, '-p', $port, '-d', "post'gres\\");
	like($err, qr/database "post'gres\\" does not exist/, 'quotes in a name');
}
prints("", 'a role that may read nothing sees nothing', 'workers', '--json', '-U', 'reader');
fails(3, qr/permission denied for role "reader" to send to actor type "counter" \(SQLSTATE 42501\)/, 'a role without privileges', 'cast', 'counter', 'a', '1', '-U', 'reader');

# ---- a worker's shared object ----

my $source = write_file('counter.c', <<'END');
#include <string.h>
#include <unistd.h>
#include <dgen.h>

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + 1;

	(void) length;
	(void) user;
	if (strcmp(message, "\"fail\"") == 0)
		return dgen_turn_fail(turn, "told to fail", NULL);
	if (strcmp(message, "\"slow\"") == 0)
		sleep(2);
	if (strcmp(message, "\"hang\"") == 0)
		pause();
	if (strcmp(message, "\"echo\"") == 0)
		return dgen_turn_reply(turn, dgen_turn_state(turn, NULL), DGEN_STRLEN);
	dgen_turn_set_int64(turn, "n", n);
	return dgen_turn_reply_int64(turn, n);
}

const dgen_actor_type *
dgen_actor_types(size_t *count)
{
	static const dgen_actor_type types[] = {
		{.size = sizeof(dgen_actor_type), .name = "counter", .handle_cast = handle},
		{.size = sizeof(dgen_actor_type), .name = "second", .handle_cast = handle},
	};

	*count = 2;
	return types;
}
END
my $empty = write_file('empty.c', "#include <dgen.h>\nint nothing;\n");
my $none = write_file('none.c',
	"#include <dgen.h>\nconst dgen_actor_type *dgen_actor_types(size_t *count) { *count = 0; return 0; }\n");
my $sizes = write_file('sizes.c', <<'END');
#include <dgen.h>

const dgen_actor_type *
dgen_actor_types(size_t *count)
{
	static const dgen_actor_type types[] = {{.name = "counter"}};

	*count = 1;
	return types;
}
END
chomp(my $include = `pg_config --includedir`);
for my $file ($source, $empty, $none, $sizes) {
	(my $object = $file) =~ s/c$/so/;
	system($ENV{CC} // 'cc', '-shared', '-fPIC', "-I$top/include", "-I$include", '-o', $object, $file) == 0
		or die "could not compile $file";
}
my $object = "$tmp/counter.so";

fails(1, qr/has no function dgen_actor_types\n.*hint: "Worker programs"/, 'an object without the function', 'worker', "$tmp/empty.so");
fails(1, qr/has no actor types/, 'an object without actor types', 'worker', "$tmp/none.so");
fails(1, qr/the size of actor type 1 .* is not sizeof/, 'an actor type without its size', 'worker', "$tmp/sizes.so");
fails(1, qr/--jobs must be .*, not "0"/, 'no workers', 'worker', $object, '-j', '0');
fails(2, qr/database "nowhere" does not exist/, 'a worker without its database', 'worker', $object, '-d', 'nowhere');
fails(3, qr/extension dgen is not installed/, 'a worker without the extension', 'worker', $object, '-d', 'other', '-j', '3');
fails(3, qr/permission denied for role "reader" to work for actor type/, 'a worker without the privilege', 'worker', $object, '-U', 'reader');

# Started workers are seen in dgen.workers.
sub start_worker {
	my (@arguments) = @_;
	my %worker = (out => '', err => '');
	$worker{handle} = start [@dgen, 'worker', @arguments], '<', '/dev/null', '>', \$worker{out}, '2>', \$worker{err},
		timeout($PostgreSQL::Test::Utils::timeout_default);
	return \%worker;
}

sub stop_worker {
	my ($worker, $signal) = @_;
	$worker->{handle}->signal($signal) if $signal;
	finish $worker->{handle};
	my $result = $worker->{handle}->full_result(0);
	return $result & 127 ? 'signal ' . ($result & 127) : $result >> 8;
}

sub becomes {
	my ($query, $name) = @_;
	ok($node->poll_query_until('postgres', $query), $name);
}

sub workers {
	my ($count, $name) = @_;
	becomes("SELECT count(*) = $count FROM dgen.workers WHERE kind = 'external'", $name);
}

my $worker = start_worker($object, '-j', '3', '--name', 'numbers');
workers(3, 'worker -j 3 attaches three workers');
is(sql(q{SELECT string_agg(name, ' ' ORDER BY name) FROM dgen.workers}), 'numbers/1 numbers/2 numbers/3', 'with names');
is(sql(q{SELECT count(*) FROM dgen.actor_types WHERE actor_type = 'second'}), 1, 'and creates types that are missing');

# ---- cast, call, state ----

prints("1\n", 'call', 'call', 'counter', 'a');
prints("2\n", 'call with JSON', 'call', 'counter', 'a', '{"x": [1, "é"]}');
prints("3\n", 'call with JSON that begins with a minus', 'call', 'counter', 'a', '--', '-5');
prints("1\n", 'a key that begins with a minus', 'call', 'counter', '--', '-key');
prints("{\"n\": 3}\n", 'state', 'state', 'counter', 'a');
prints("{\"n\": 3}\n", 'state --json', 'state', 'counter', 'a', '--json');
prints("{\"n\": 3}\n", 'a reply that is an object', 'call', 'counter', 'a', '"echo"');
dgen('{"long":' . ('[' x 500) . (']' x 500) . "\n}", 'call', 'counter', 'in', '-');
is($out, "1\n", 'call with JSON from the standard input');
like(dgen(undef, 'cast', 'counter', 'b'), qr/^\d+\n$/, 'cast prints the id');
like(dgen(undef, 'cast', 'counter', 'b', 'null', '--json'), qr/^\{"message_id":\d+\}\n$/, 'cast --json');
prints('', 'cast --quiet', 'cast', 'counter', 'b', '[]', '-q');
like(dgen(undef, 'cast', 'counter', 'b', '--', '-1.5e3'), qr/^\d+\n$/, 'cast with JSON that begins with a minus');
ok($node->poll_query_until('postgres', q{SELECT dgen.state('counter', 'b') = '{"n": 4}'}), 'and they are handled');

dgen(undef, 'cast', 'idle', 'options', '1', '--delay', '2h', '--priority=-7', '--headers', '{"h": 1}', '--idempotency-key', 'once');
my $first = $out;
is(dgen(undef, 'cast', 'idle', 'options', '2', '--idempotency-key', 'once'), $first, '--idempotency-key sends once');
is(sql(q{SELECT status, priority, headers, not_before - sent_at BETWEEN '1:59' AND '2:01' FROM dgen.messages WHERE actor_key = 'options'}),
	'delayed|-7|{"h": 1}|t', 'the options of cast');

fails(4, qr/actor type "nope" does not exist \(SQLSTATE ZD001\)\ndgen: hint: /, 'unknown type', 'cast', 'nope', 'a', '1');
fails(4, qr/actor type "nope" does not exist/, 'state of an unknown type', 'state', 'nope', 'a');
fails(4, qr/there is no actor "none" of type "counter"/, 'state of an unknown actor', 'state', 'counter', 'none');
fails(4, qr/no reply to request \d+ before the timeout \(Actor "a" of type "idle" .*\) \(SQLSTATE ZD010\)/, 'a reply that does not come', 'call', 'idle', 'a', '1', '-t', '10ms');
fails(5, qr/^dgen: error: told to fail \(SQLSTATE ZD400\)$/m, 'a handler that fails', 'call', 'counter', 'a', '"fail"');
fails(1, qr/message is not valid JSON at byte 2/, 'invalid JSON', 'cast', 'counter', 'a', '{bad}');
fails(1, qr/message is not valid JSON/, 'invalid JSON in a call', 'call', 'counter', 'a', '');
fails(1, qr/cannot store/, 'JSON that the server cannot store', 'cast', 'counter', 'a', '"\u0000"');
fails(1, qr/actor key must have 1 to 512 bytes, not 0/, 'an empty key', 'cast', 'counter', '', '1');
fails(1, qr/actor key must have 1 to 512 bytes, not 513/, 'a long key', 'cast', 'counter', 'k' x 513, '1');
fails(1, qr/not valid UTF-8/, 'a key that is not UTF-8', 'cast', 'counter', "k\xff", '1');
fails(1, qr/not valid UTF-8/, 'a message that is not UTF-8', 'cast', 'counter', 'k', "\"\xc3\"");
fails(1, qr/headers is not a JSON object/, 'headers that are no object', 'cast', 'counter', 'k', '1', '--headers', '[]');
fails(1, qr/SQLSTATE 22021/, 'a listing of a key that is not UTF-8', 'messages', 'counter', "\xff");

# ---- listings ----

my @lines;

sub json_lines {
	my ($name, @arguments) = @_;
	dgen(undef, @arguments, '--json');
	@lines = map { eval { $json->decode($_) } } split /\n/, $out;
	is(scalar(grep { ref eq 'HASH' } @lines), scalar(split /\n/, $out), "$name --json: one object per line");
	is("$status$err", '0', "$name --json: status 0, no error");
	return @lines;
}

sql(q{SELECT dgen.cast('idle', 'tab	and
line' || chr(27), to_jsonb(repeat('x', 300)));
	SELECT dgen.cast('idle', '日本語', '{"wide": "日本"}');
	SELECT dgen.cast('idle', 'é', 'null')});

like(dgen(undef, 'types'), qr/^ +type +\| +owner .*^ counter \| \w+ +\| \(external\).*^\(3 rows\)$/ms, 'types');
is(join(' ', map { $_->{actor_type} } json_lines('types', 'types')), 'counter idle second', 'all of them');
like(dgen(undef, 'workers'), qr/^ +\d+ \| numbers\/1 \| external \| counter, second \| .* idle .*^\(3 rows\)$/ms, 'workers');
is((json_lines('workers', 'workers'))[0]{types}[0], 'counter', 'with their types');

like(dgen(undef, 'actors'), qr/^ counter \| a +\| idle   \| +\d+ \| [^|]+ \| \{"n": 3\}$/m, 'actors');
is(scalar(json_lines('actors', 'actors')), 4, 'all of them');
is(scalar(json_lines('actors of a type', 'actors', 'counter')), 4, 'of that type');
like(dgen(undef, 'actors', 'idle'), qr/^\(0 rows\)$/m, 'a type without actors');
is($status, 0, 'is no error');
like(dgen(undef, 'actors', 'counter', 'a'), qr/\Atype    \| counter\nkey     \| a\nstatus  \| idle\n.*^state   \| \{"n": 3\}\n\z/ms, 'a single actor');
is((json_lines('a single actor', 'actors', 'counter', 'a'))[0]{state}{n}, 3, 'its state');
fails(4, qr/there is no actor "none" of type "counter"/, 'an unknown actor', 'actors', 'counter', 'none');
fails(4, qr/there is no actor "none"/, 'an unknown actor --json', 'actors', 'counter', 'none', '--json');
fails(4, qr/there is no actor type "nope" that you can read/, 'actors of an unknown type', 'actors', 'nope');
is($out, '', 'and no table');
fails(4, qr/there is no actor type "nope"/, 'messages of an unknown type', 'messages', 'nope', 'a');
fails(4, qr/there is no actor type "idle"/, 'a type that the role may not read', 'actors', 'idle', '-U', 'reader');

dgen(undef, 'messages', 'idle');
like($out, qr/\| tab\\tand\\nline\\x1B \|/, 'control characters are escaped');
like($out, qr/x{300}/, 'nothing is cut in a pipe');
my ($header, $rule, @rows) = split /\n/, $out;
utf8::decode($_) for @rows;
my ($wide) = grep { /日|\x{65e5}/ } @rows;
my ($accented) = grep { /\x{e9} / } @rows;
is(index($accented, '| cast') - index($wide, '| cast'), 3, 'wide characters count twice');
is((json_lines('messages', 'messages', 'idle', 'options'))[0]{headers}{h}, 1, 'messages of an actor');
is(scalar(json_lines('messages --limit', 'messages', '--limit', '2')), 2, 'messages --limit');
dgen(undef, 'messages', '-n', '2');
like($out, qr/^\(2 rows\)$/m, 'a table with a limit');
like($err, qr/hint: There are more; --limit 0 shows all/, 'says that there are more');
dgen(undef, 'messages', '-n', '1000');
is($err, '', 'and not if there are not');
ok(scalar(json_lines('unlimited messages', 'messages', '--limit', '0')) > 4, '--limit 0 is no limit');

like(dgen(undef, 'explain', 'counter', 'a'), qr/^Actor "a" of type "counter" is idle/, 'explain');
like((json_lines('explain', 'explain', 'counter', 'a'))[0]{explanation}, qr/is idle/, 'with the explanation');
like(dgen(undef, 'explain', 'idle', 'é'), qr/no external worker is attached/, 'explain an actor that waits');
fails(4, qr/actor type "nope" does not exist/, 'explain an unknown type', 'explain', 'nope', 'a');

# ---- on a terminal ----

my $shown = on_terminal(60, 'messages', 'idle');
like($shown, qr/x\x{e2}\x{80}\x{a6}\r?$/m, 'a long text is cut with an ellipsis');
unlike($shown, qr/x{60}/, 'to what the terminal has room for');
like(on_terminal(200, 'messages', 'idle', '--json'), qr/x{300}/, 'JSON is not');
like(on_terminal(1, 'messages', 'idle'), qr/^=0\n/m, 'a terminal of one column');
sql(q{SELECT dgen.cast_many('idle', array_agg('many'::text), array_agg(to_jsonb(n))) FROM generate_series(1, 150) AS n});
$shown = on_terminal(300, 'messages', 'idle', 'many');
is(scalar(() = $shown =~ /\| many \|/g), 100, 'a terminal gets 100 rows');
is(scalar(() = on_terminal(300, 'messages', 'idle', 'many', '-n', '0') =~ /\| many \|/g), 150, 'or all with --limit 0');
is(scalar(() = dgen(undef, 'messages', 'idle', 'many') =~ /\| many \|/g), 150, 'and a pipe all');

# ---- lines of input ----

sub numbers { return sql("SELECT string_agg(message::text, ' ' ORDER BY seq) FROM dgen.mailbox('idle', '$_[0]')") }

is(dgen("1\n2\n3\n", 'cast', 'idle', 'l1'), "3 messages sent\n", 'lines');
is("$status$err" . numbers('l1'), '01 2 3', 'in their order');
is(dgen("1\r\n\n   \n2", 'cast', 'idle', 'l2', '-'), "2 messages sent\n", 'CRLF, blank lines, no line end at the end');
is(numbers('l2'), '1 2', 'and all are there');
is(dgen("\xef\xbb\xbf1\n", 'cast', 'idle', 'bom', '--json'), qq({"sent":1,"before":0,"bad":0}\n), 'a byte order mark, --json');
is(dgen("1\n", 'cast', 'idle', 'l3', '-q') . "$status$err", '0', '--quiet');
my $lines = write_file('lines', "1\n2\n");
prints("2 messages sent\n", 'lines of a file', 'cast', 'idle', 'l4', '-f', $lines);
is(dgen("1\n", 'cast', 'idle', 'l5', '-f', '-'), "1 message sent\n", '-f -');
fails(1, qr/could not open "$tmp\/none": No such file/, 'a file that does not exist', 'cast', 'idle', 'l4', '-f', "$tmp/none");
fails(1, qr/could not read the input after line 0: Is a directory/, 'a directory', 'cast', 'idle', 'l4', '-f', $tmp);
fails(1, qr/to send lines give a TYPE and a KEY/, 'a file and JSON', 'cast', 'idle', 'l4', '1', '-f', $lines);
fails(1, qr/with --key-from give a TYPE/, 'a key twice', 'cast', 'idle', 'l4', '-k', '/a');
fails(1, qr/--delay is for a message on the command line/, 'an option of single messages', 'cast', 'idle', 'l4', '-', '--delay', '1s');
fails(1, qr/TYPE must have 1 to 128 bytes, not 0/, 'an empty type', 'cast', '', '-k', '/a');
is(dgen('', 'cast', 'idle', 'l6', '-'), "0 messages sent\n", 'no line where lines were asked for');
is($status, 0, 'is no error');
dgen('', 'cast', 'idle', 'l6');
is($status, 1, 'no line where they were not: status 1');
like($err, qr/no message: the standard input is empty/, 'and an error');
like(dgen('', 'cast', 'idle', 'l6', 'null'), qr/^\d+\n$/, 'with JSON the input is not read');
like(dgen('x', 'cast', 'idle', 'l6', '--priority', '1'), qr/^\d+\n$/, 'nor with an option of single messages');

dgen(qq(1\n{bad\n2\n"\xff"\n"\\u0000"\n1e999999\n3\n), 'cast', 'idle', 'bad');
is($out, "3 messages sent\n", 'the other lines are sent');
is(numbers('bad'), '1 2 3', 'in their order');
is($status, 6, 'status 6');
like($err, qr/^dgen: line 2: message is not valid JSON at byte 2\ndgen: line 4: message is not valid UTF-8\ndgen: line 5: .*\ndgen: line 6: .*\ndgen: error: 4 lines could not be sent\n$/,
	'bad lines are reported with their numbers');
dgen("1\n\0\n2\n", 'cast', 'idle', 'nul', '--json');
is($out . $status, qq({"sent":2,"before":0,"bad":1}\n6), 'a NUL byte');
my $many_bad = join '', map { $_ % 2 ? "$_\n" : "{$_\n" } 1 .. 5000;
dgen($many_bad, 'cast', 'idle', 'halfbad');
is($out, "2500 messages sent\n", 'every second line is bad');
is(scalar(() = $err =~ /^dgen: line \d+: /mg), 2500, 'and reported');

dgen(qq({"id":"k1"}\n{"id":7}\n{"id":"a\\"b"}\n{"id":null}\n{}\n[\n{"id":""}\n{"id":"\\u0000"}\n{"id":1.5}\n), 'cast', 'idle', '--key-from', '/id');
is($out . $status, "3 messages sent\n6", '--key-from');
is(sql(q{SELECT string_agg(actor_key, ' ' ORDER BY message_id) FROM dgen.messages WHERE message ? 'id'}), 'k1 7 a"b', 'strings and whole numbers are keys');
is(join(' ', $err =~ /^dgen: line (\d+): /mg), '4 5 6 7 8 9', 'lines without a key are reported');
dgen(qq({"id":"x"}\n), 'cast', 'idle', '-k', 'id');
is($status, 6, 'a pointer without a slash finds nothing');
dgen('"' . ('é' x 2_000_000) . "\"\n1\n", 'cast', 'idle', 'long');
is($out . $err, "2 messages sent\n", 'a long line');

my $big = write_file('big', join '', map { "{\"n\": $_, \"id\": \"many$_\"}\n" } 1 .. 100_000);
my $began = time;
is(dgen(undef, 'cast', 'idle', 'big', '-f', $big), "100000 messages sent\n", '100,000 lines');
note('took ' . (time - $began) . ' s');
is(sql(q{SELECT count(*), array_agg((message->>'n')::int ORDER BY seq) = array_agg((message->>'n')::int ORDER BY (message->>'n')::int)
	FROM dgen.messages WHERE actor_key = 'big'}), '100000|t', 'all there, in their order');
is(dgen(undef, 'cast', 'idle', '-k', '/id', '-f', $big), "100000 messages sent\n", '100,000 lines with keys');
is(sql(q{SELECT count(DISTINCT actor_key) FROM dgen.messages WHERE actor_key LIKE 'many%' AND message ? 'n'}), '100000', 'each to its actor');

# Run again, an import sends what it had not sent. It is killed in the middle, with a batch
# that may have been committed and not been answered.
my @import = ('cast', 'idle', '--key-from', '/id', '--idempotency-key-from', '/n', '-f', $big);
sql(q{SELECT dgen.drop_actor_type('idle', discard => true), dgen.create_actor_type('idle')});
{
	my ($text, $errors) = ('', '');
	my $h = start [@dgen, @import], '<', '/dev/null', '>', \$text, '2>', \$errors, timeout($PostgreSQL::Test::Utils::timeout_default);
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM dgen.messages WHERE actor_type = 'idle')}) or die;
	$h->signal('KILL');
	finish $h;
	is($text, '', 'killed in the middle');
}
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%cast_many%' AND state = 'active' AND pid <> pg_backend_pid())}) or die;
my $sent_before = sql(q{SELECT count(*) FROM dgen.messages WHERE actor_type = 'idle'});
cmp_ok($sent_before, '<', 100_000, "it had sent $sent_before");
is(dgen(undef, @import), 100_000 - $sent_before . " messages sent, $sent_before had been sent before\n", 'run again: the others');
is(sql(q{SELECT count(*), count(DISTINCT message->>'n') FROM dgen.messages WHERE actor_type = 'idle'}), '100000|100000', 'each is there once');
is(dgen(undef, @import, '--json'), qq({"sent":0,"before":100000,"bad":0}\n), 'and again: none');
dgen(qq({"n":"a","m":1}\n{"n":"a","m":2}\n{"m":3}\n{"n":""}\n{"n":1e99}\n{"n":7}\n), 'cast', 'idle', 'once', '--idempotency-key-from', '/n');
is($out . $status, "2 messages sent, 1 had been sent before\n6", '--idempotency-key-from with a KEY');
is(join(' ', $err =~ /^dgen: line (\d+): /mg), '3 4 5', 'lines without one are reported, not sent');

# A line that was written is sent without waiting for the next one.
{
	my ($in, $text, $errors) = ("1\n", '', '');
	my $h = start [@dgen, 'cast', 'idle', 'slow', '-'], '<', \$in, '>', \$text, '2>', \$errors,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h while length $in;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.messages WHERE actor_key = 'slow'}), 'a slow pipe');
	$h->signal('INT');
	finish $h;
	is($h->full_result(0) & 127, 2, 'SIGINT ends it as a signal does');
	is($text, "1 message sent\n", 'after the summary');
	like($errors, qr/interrupted; lines after 1 were not sent/, 'and a word about the rest');
}

# The progress bar: only on a terminal.
{
	my ($in, $text) = ('', '');
	my $h = start ['sh', '-c', '"$@" 2>&1; echo "=$?"', 'sh', @dgen, 'cast', 'idle', 'bar', '-f', $big], '<pty<', \$in, '>pty>', \$text,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h until $text =~ /^=\d/m;
	finish $h;
	like($text, qr/\r\[#+ *\] +\d+%  \d+ messages, \d+\/s\e\[K.*\r\e\[K100000 messages sent/s, 'a progress bar');
}

# ---- dead letters ----

dgen(undef, 'cast', 'counter', 'dead', '"fail"');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.dead_letters WHERE actor_key = 'dead'}), 'a dead letter');
like(dgen(undef, 'dead'), qr/^ +\d+ \| counter \| dead \| cast \| +1 \| [^|]+ \| ZD400    \| told to fail \| "fail"$/m, 'dead');
is(dgen(undef, 'dead', 'list'), dgen(undef, 'dead'), 'dead list');
my ($letter) = json_lines('dead letters of an actor', 'dead', 'list', 'counter', 'dead');
is($letter->{error}, 'told to fail', 'dead list TYPE KEY');
like(dgen(undef, 'dead', 'list', 'idle'), qr/^\(0 rows\)$/m, 'dead list TYPE');
my $id = $letter->{message_id};
fails(4, qr/there is no dead letter 9999999/, 'redrive something else', 'dead', 'redrive', '9999999', $id);
is($out, "redriven $id\n", 'the other one is redriven');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM dgen.dead_letters WHERE message_id = $id"), 'it fails again');
prints(qq({"message_id":$id,"discarded":true}\n), 'dead discard --json', 'dead', 'discard', $id, '--json');
fails(4, qr/there is no dead letter $id/, 'dead discard again', 'dead', 'discard', $id);
fails(1, qr/--limit is for "dgen dead list"/, 'discard with a limit', 'dead', 'discard', $id, '-n', '1');

# ---- output ----

SKIP: {
	skip 'no /dev/full', 4 unless -c '/dev/full';
	for my $case (['actors'], ['messages', '--json'], ['cast', 'idle', 'full', '1'], ['--help']) {
		run [@dgen, @$case], '<', '/dev/null', '>', '/dev/full', '2>', \$err;
		is(($? >> 8) . $err, "1dgen: error: could not write to the standard output: No space left on device\n",
			"a full disk: @$case");
	}
}
{
	local $SIG{PIPE} = 'DEFAULT';
	run ['sh', '-c', '"$@" | head -n 1', 'sh', @dgen, 'messages', '--json'], '>', \$out, '2>', \$err;
	is(scalar(split /\n/, $out), 1, 'a pipe that ends early');
	is($err, '', 'is no error');
}

# ---- workers that end ----

my $sessions = sql(q{SELECT array_agg(pid) FROM dgen.workers});
$worker->{handle}->signal('HUP');
becomes("SELECT count(*) = 3 AND NOT bool_or(pid = ANY ('$sessions')) FROM dgen.workers", 'SIGHUP replaces the workers');
prints("1\n", 'which work', 'call', 'counter', 'hup');
$node->restart;
workers(3, 'workers connect again');
prints("2\n", 'and go on', 'call', 'counter', 'hup');
is(stop_worker($worker, 'TERM'), 0, 'SIGTERM: status 0');
like($worker->{err}, qr/^dgen: 3 workers for counter, second\n/, 'the log of a worker');
like($worker->{err}, qr/^dgen: worker \d: warning: .*connecting again in \d+ ms$/m, 'tells of lost connections');
workers(0, 'and they are gone');

for my $how ([], ['--threads']) {
	$worker = start_worker($object, '-v', @$how);
	workers(1, "one worker @$how");
	dgen(undef, 'cast', 'counter', "drained @$how", '"slow"');
	becomes(q{SELECT busy FROM dgen.workers WHERE kind = 'external'}, 'that is in a turn');
	is(stop_worker($worker, 'INT'), 0, 'SIGINT: status 0');
	is(sql("SELECT dgen.state('counter', 'drained @$how')"), '{"n": 1}', 'the turn was committed');
	like($worker->{err}, qr/^dgen: info: worker stopped$/m, '--verbose logs more');

	$worker = start_worker($object, @$how);
	workers(1, 'one more worker');
	dgen(undef, 'cast', 'counter', "hanging @$how", '"hang"');
	becomes(q{SELECT busy FROM dgen.workers WHERE kind = 'external'}, 'that hangs');
	$worker->{handle}->signal('TERM');
	pump $worker->{handle} until $worker->{err} =~ /a second signal stops immediately/;
	is(stop_worker($worker, 'TERM'), 'signal 15', 'a second signal ends it at once');
	is(sql("SELECT dgen.cancel('counter', actor_key, message_id) FROM dgen.messages WHERE actor_key = 'hanging @$how'"), 't', 'the message is still there');
	workers(0, 'and the worker is gone');
}

$worker = start_worker($object, '-q', '-j', '2', '--threads', '--name', 'thread');
workers(2, 'threads of one process');
is(sql(q{SELECT string_agg(name, ' ' ORDER BY name) FROM dgen.workers}), 'thread/1 thread/2', 'with names');
is(stop_worker($worker, 'TERM'), 0, 'which end with it');
is($worker->{err}, "dgen: stopping after the turns in progress; a second signal stops immediately\n", '--quiet announces nothing');
fails(1, qr/--grace cannot be used with --threads/, '--threads with an option of the supervisor', 'worker', $object, '--threads', '--grace', '1s');

$worker = start_worker($object, '-q', '--grace', '0');
workers(1, 'a worker without grace');
dgen(undef, 'cast', 'counter', 'late', '"hang"');
becomes(q{SELECT busy FROM dgen.workers WHERE kind = 'external'}, 'that hangs');
is(stop_worker($worker, 'TERM'), 4, 'a process that had to be killed: status 4');
like($worker->{err}, qr/^dgen: warning: worker 1, process \d+, did not stop in 1 ms and is killed\ndgen: warning: worker 1, .* in the turn of counter "late" for message \d+$/m,
	'and the log tells of it');
$worker = start_worker($object, '--turn-timeout', '200ms', '--max-deaths', '1');
is(stop_worker($worker), 5, 'more deaths than it may have: status 5');
like($worker->{err}, qr/^dgen: warning: the turn of counter "late" for message \d+ has taken more than 200 ms/m, 'the log says why');
is(sql(q{SELECT dgen.cancel('counter', 'late', message_id) FROM dgen.messages WHERE actor_key = 'late'}), 't', 'the message is still there');

# A new object takes the place of the old one while it is in use.
sub compile {
	my ($file) = @_;
	system($ENV{CC} // 'cc', '-shared', '-fPIC', "-I$top/include", "-I$include", '-o', "$tmp/new.so", $file) == 0 or die;
	rename "$tmp/new.so", "$tmp/rolling.so" or die;
}
compile($source);
$worker = start_worker("$tmp/rolling.so", '-j', '2');
workers(2, 'workers of an object');
compile(write_file('rolling.c', slurp_file($source) =~ s/"second"/"third"/r));
$worker->{handle}->signal('HUP');
becomes(q{SELECT count(*) = 2 AND bool_and('third' = ANY (types)) FROM dgen.workers}, 'SIGHUP brings a new object into use');
compile($empty);
$worker->{handle}->signal('HUP');
pump $worker->{handle} until $worker->{err} =~ /worker 1 was not replaced/;
like($worker->{err}, qr/^dgen: error: .*has no function dgen_actor_types/m, 'one that is of no use is reported');
prints("1\n", 'and the old one goes on', 'call', 'counter', 'rolled');
is(stop_worker($worker, 'TERM'), 0, 'until it is told to end');

# A password that is wrong is for good.
{
	my $hba = $node->data_dir . '/pg_hba.conf';
	my $rules = slurp_file($hba);
	open my $file, '>', $hba or die "$hba: $!";
	print $file "local all nobody_in_particular scram-sha-256\n$rules";
	close $file;
	$node->reload;
	local $ENV{PGPASSWORD} = 'wrong';
	fails(2, qr/password authentication failed/, 'a wrong password', 'types', '-U', 'nobody_in_particular');
	fails(2, qr/password authentication failed/, 'a wrong password of a worker', 'worker', $object, '-U', 'nobody_in_particular');
	$ENV{PGPASSWORD} = 'right';
	fails(3, qr/permission denied/, 'the right one', 'types', '-U', 'nobody_in_particular');
	delete $ENV{PGPASSWORD};
	fails(2, qr/no password supplied/, 'none', 'types', '-w', '-U', 'nobody_in_particular');
	fails(1, qr/no terminal to ask for a password/, '-W without a terminal', 'types', '-W', '-U', 'nobody_in_particular')
		unless -t STDIN || open my $terminal, '<', '/dev/tty';

	my ($in, $shown) = ('', '');
	my $h = start [@dgen, 'types', '-W', '-U', 'nobody_in_particular'], '<pty<', \$in, '>pty>', \$shown, '2>', \$err,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h until $shown =~ /Password: /;
	$in .= "right\n";
	finish $h;
	like($err, qr/permission denied/, '-W asks for it');
	unlike($shown, qr/right/, 'and does not show it');
}

# ---- the server goes away ----

{
	my ($in, $text, $errors) = ("1\n", '', '');
	my $h = start [@dgen, 'cast', 'idle', 'lost', '-'], '<', \$in, '>', \$text, '2>', \$errors,
		timeout($PostgreSQL::Test::Utils::timeout_default);
	pump $h while length $in;
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM dgen.messages WHERE actor_key = 'lost'}), 'a line was sent');
	$node->stop('immediate');
	$in = "2\n3\n";
	finish $h;
	is($h->full_result(0) >> 8, 2, 'a lost connection: status 2');
	is($text, "1 message sent\n", 'what was sent is known');
	like($errors, qr/All lines up to line 1 were sent or reported\.\n.*Whether lines 2 to 3 were sent is not known/, 'and what is not');
}

done_testing();
