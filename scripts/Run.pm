# Runs commands so that nothing outlives the script that started them: a signal goes on
# to the command's whole process group, and the script waits for its end and tidies up.
package Run;
use strict;
use warnings;
use Exporter 'import';
use File::Temp qw(tempdir tempfile);
use POSIX ':sys_wait_h';
use Time::HiRes 'sleep';

our @EXPORT = qw(run run_lines scratch_dir server_account as_server stop_server make);

our $caught;           # the signal that ends this script
our $patience = 10;    # seconds from asking a command to end to killing it
my $child;             # where a signal goes on to: pid, or -pid for a group

$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub {
    my ($signal) = @_;

    # A command in the foreground of a terminal got the Ctrl-C itself, and may live on.
    return if $signal eq 'INT' && $child && $child > 0;
    $caught //= $signal;
    kill 'TERM', $child if $child;
    alarm $patience;
};
$SIG{ALRM} = sub { kill 'KILL', $child if $child };

sub start {
    my ($option, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if ($pid) {
        $child = $option->{foreground} ? $pid : -$pid;
        return $pid;
    }
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM);
    setpgrp unless $option->{foreground};
    if (my $output = $option->{output}) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>&', $output;
        open STDERR, '>&', $output;
    }
    no warnings 'exec';
    exec { $command[0] } @command or warn "$command[0]: $!\n";
    POSIX::_exit(127);
}

# The command has ended; what it left in its process group has to, too.
sub finish {
    my ($status) = @_;
    if ($child < 0) {
        kill 'TERM', $child;
        for (my $left = $patience * 20; $left && kill 0, $child; $left--) { sleep 0.05 }
        kill 'KILL', $child;
    }
    undef $child;
    alarm 0;
    my $died_of = $status & 127;
    $caught //= 'INT' if $died_of == 2 || $status >> 8 == 130;
    die "interrupted\n" if $caught;
    return $died_of ? 128 + $died_of : $status >> 8;
}

# Returns the command's exit status. With { foreground => 1 } it may use the terminal.
sub run {
    my $option = ref $_[0] ? shift : {};
    my $pid = start($option, @_);
    1 until waitpid($pid, 0) == $pid;
    return finish($?);
}

# Calls $each for every line of output, as it comes, and returns the exit status. The
# output goes through a file: a process left over by the command would keep a pipe open.
sub run_lines {
    my ($each, @command) = @_;
    my ($write, $name) = tempfile();
    open my $read, '<', $name or die "$name: $!\n";
    unlink $name;
    my $pid = start({ output => $write }, @command);
    my $rest = '';
    while (1) {
        my $ended  = waitpid($pid, WNOHANG) == $pid;
        my $status = $?;
        seek $read, 0, 1;    # forget the end of file
        while (defined(my $text = <$read>)) {
            $rest .= $text;
            next unless $rest =~ /\n\z/;
            $each->($rest);
            $rest = '';
        }
        if ($ended) {
            $each->("$rest\n") if length $rest;
            return finish($status);
        }
        sleep 0.02;
    }
}

# What a make above this one said concerns that one.
sub make {
    delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    return ('flock', 'Makefile', 'make', '-s', @_);
}

# PostgreSQL refuses to run as root: its server gets an account of its own then.
sub server_account {
    return $> ? () : getpwnam('postgres') ? 'postgres' : 'nobody';
}

# The words to put before a command that has to run as the server's user.
sub as_server {
    my ($home) = @_;
    my ($account) = server_account() or return ();
    my $group = (getpwnam $account)[3];
    return ('setpriv', "--reuid=$account", "--regid=$group", '--init-groups',
        'env', "HOME=$home", "USER=$account", "LOGNAME=$account");
}

# A directory that the server's user owns. Its path is short: a socket's path cannot
# be longer than 107 bytes.
sub scratch_dir {
    my $parent = $ENV{TMPDIR} // '/tmp';
    $parent = '/tmp' if length $parent > 60;
    my $dir = tempdir('dgen.XXXXXX', DIR => $parent);
    my ($account) = server_account();
    chown +(getpwnam $account)[2, 3], $dir if $account;
    return $dir;
}

# Stops the server of that data directory. False if it took more than a polite word.
sub stop_server {
    my ($bin, $data, $mode) = @_;
    my $pid_file = "$data/postmaster.pid";
    my @stop = (as_server('/'), "$bin/pg_ctl", '-s', '-w', '-t', 20, '-D', $data, 'stop', '-m');
    return 1 if !-e $pid_file || run(@stop, $mode) == 0;
    return 0 if !-e $pid_file || run(@stop, 'immediate') == 0;
    open my $file, '<', $pid_file or return 0;
    chomp(my $pid = <$file>);
    kill 'KILL', $pid;
    return 0;
}

1;
