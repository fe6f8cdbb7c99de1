# Net::FTP of Perl's own library, on IO::Socket::SSL. Modes: explicit, implicit, active. The lines are those of ../README.md.

use strict;
use warnings;
use Net::FTP;
use POSIX qw(strftime);

$| = 1;
my ($host, $port, $user, $password, $modes) = @ARGV;
my %mode = map { $_ => 1 } split /,/, $modes;
my $ftp;

# What the server said last, as a caller would print it.
sub sure {
    my ($done) = @_;
    return if $done;
    my $said = $ftp->message || $@ || "no reply";
    die $ftp->code . " $said";
}

sub answer {
    my ($act) = @_;
    my $said = eval { "ok " . ($act->() // "") };
    $said = "fail $@" unless defined $said;
    $said =~ s/[\r\n]+/ /g;
    print "$said\n";
    return $said =~ /^ok/;
}

sub log_in {
    my %how = (Port => $port, SSL_verify_mode => 0, Timeout => 60, Passive => $mode{active} ? 0 : 1);
    $how{SSL} = 1 if $mode{implicit};
    $ftp = Net::FTP->new($host, %how) or die "no connection: $@";
    if (!$mode{implicit}) { sure($ftp->starttls) }
    sure($ftp->login($user, $password));
    sure($ftp->prot("P"));
    sure($ftp->binary);
    return "";
}

sub put { my ($local, $remote) = @_; sure($ftp->put($local, $remote)); return "" }

sub keep {
    my ($local, $remote) = @_;
    put($local, $remote);
    my $when = strftime("%Y%m%d%H%M%S", gmtime((stat $local)[9]));
    sure($ftp->quot("MFMT", $when, $remote) == 2);
    return "";
}

sub resume {
    my ($local, $remote) = @_;
    open(my $file, "<:raw", $local) or die $!;
    seek($file, $ftp->size($remote), 0);
    sure($ftp->append($file, $remote));
    return "";
}

sub list_files {
    my ($folder) = @_;
    my @lines = $ftp->dir($folder);
    sure($ftp->ok);
    return join "\t", map { my @f = split ' ', $_, 9; ($f[8], $f[4]) } @lines;
}

sub mirror {
    my ($local, $remote) = @_;
    sure($ftp->mkdir($remote));
    for my $file (sort glob("'$local'/*")) {
        my ($name) = $file =~ m{([^/]+)$};
        put($file, "$remote/$name");
    }
    return "";
}

my %do = (
    put    => \&put,
    keep   => \&keep,
    resume => \&resume,
    get    => sub { sure($ftp->get(@_)); "" },
    list   => \&list_files,
    stat   => sub { $ftp->size($_[0]) . " " . $ftp->mdtm($_[0]) },
    rename => sub { sure($ftp->rename(@_)); "" },
    delete => sub { sure($ftp->delete(@_)); "" },
    mkdir  => sub { sure($ftp->mkdir(@_)); "" },
    mirror => \&mirror,
);

exit 1 unless answer(\&log_in);
while (my $line = <STDIN>) {
    chomp $line;
    my ($verb, @fields) = split /\t/, $line;
    last if $verb eq "quit";
    answer(sub { $do{$verb}->(@fields) });
}
$ftp->quit;
