# No text from the database controls the terminal of who runs the program dgen: neither C0 and
# C1 controls nor bidirectional marks get there, in rows, JSON, errors, hints and explanations.
use strict;
use warnings;
use FindBin '$RealBin';
use IPC::Run 'run';
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = $ENV{DGEN_PROGRAM} // "$RealBin/../../worker/build/dgen";
plan skip_all => "the program dgen was not built: $program" unless -x $program;

# Escape, backspace, bell, carriage return, DEL, CSI, OSC, and marks that turn the order around.
my $evil = "\e]0;title\a\b\rx\x7f\x{9b}31m\x{9d}y\x{202e}z\x{2066}\x{200f}\x{061c}";
my $controls = qr/[\x00-\x09\x0b-\x1f\x7f-\x9f\x{061c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]/;

my $node = PostgreSQL::Test::Cluster->new('terminal');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dgen'");
$node->start;
delete @ENV{ grep { /^PG/ && $_ !~ /^PG_/ } keys %ENV };
@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

sub encoded { my ($text) = @_; utf8::encode($text); return $text }

sub sql {
	my ($sql) = @_;
	return $node->safe_psql('postgres', encoded($sql));
}

my ($all, $out);    # all that it writes, and what of it goes to the standard output

sub dgen {
	($out, my $err) = ('', '');
	run [$program, map { encoded($_) } @_], '<', '/dev/null', '>', \$out, '2>', \$err;
	$all = "$out$err";
	utf8::decode($_) or die "no UTF-8: $_" for $all, $out;
	return $?;
}

sub is_harmless {
	my ($name, $expected) = @_;
	unlike($all, $controls, "$name: nothing controls the terminal");
	like($all, $expected, "$name: and it is shown");
}

sql(q{CREATE EXTENSION dgen});
sql(qq{CREATE FUNCTION failing(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS
	\$\$ BEGIN RAISE 'error $evil' USING HINT = 'hint $evil
dgen: error: forged'; END \$\$});
sql(q{SELECT dgen.create_actor_type('failing', 'failing', max_attempts => 1)});
sql(q{SELECT dgen.create_actor_type('external')});
sql(qq{SELECT dgen.cast('external', 'k$evil', to_jsonb('m$evil'::text), headers => jsonb_build_object('h', '$evil'))});
sql(q{SELECT dgen.start_workers(1)});

my $shown = qr/\\x1B\]0;title\\x07\\x08\\rx\\x7F\\u009B31m\\u009Dy\\u202Ez\\u2066\\u200F\\u061C/;

dgen('messages');
is_harmless('messages', qr/k$shown/);
dgen('messages', '--json');
is_harmless('messages --json', qr/\\u202E/i);
is(JSON::PP->new->decode($out)->{actor_key}, "k$evil", 'which is the same value');
dgen('explain', 'external', "k$evil");
is_harmless('explain', qr/k$shown/);
dgen('explain', 'external', "k$evil", '--json');
is_harmless('explain --json', qr/\\u009b/i);

isnt(dgen('call', 'failing', 'k'), 0, 'a call whose handler fails');
is_harmless('its error', qr/error: error $shown/);
like($all, qr/hint: hint $shown\n  dgen: error: forged/, 'and its hint, in which nothing looks like a line of the program');
dgen('dead');
is_harmless('dead', qr/error $shown/);
dgen('dead', '--json');
is_harmless('dead --json', qr/\\u202E/i);
isnt(dgen('state', "no$evil", 'k'), 0, 'a type that there is not');
is_harmless('its name', qr/no$shown/);
isnt(dgen('types', "--no$evil"), 0, 'an option that there is not');
is_harmless('its name', qr/--no/);
isnt(dgen('types', '-d', "none$evil"), 0, 'a database that there is not');
is_harmless('what libpq says of it', qr/none/);
dgen('top', '--limit', '1');
is_harmless('top', qr/dgen top/);
dgen('top', '--limit', '1', '--json');
is_harmless('top --json', qr/"types"/);

sql(q{CREATE FUNCTION echo(ctx dgen.context, state jsonb, message jsonb) RETURNS dgen.outcome LANGUAGE plpgsql AS
	$$ BEGIN RETURN dgen.reply(message, jsonb_build_object('s', message)); END $$});
sql(q{SELECT dgen.create_actor_type('echo', 'echo')});
my $message = JSON::PP->new->allow_nonref->encode($evil);
dgen('call', 'echo', 'k', $message);
is_harmless('a reply', qr/\\u202E/i);
is(JSON::PP->new->allow_nonref->decode($out), $evil, 'which is the same value');
dgen('state', 'echo', 'k');
is_harmless('a state', qr/\\u202E/i);
is(JSON::PP->new->decode($out)->{s}, $evil, 'which is the same value');

$node->stop;
done_testing();
