<?php
// PHP's ftp extension, ftp_ssl_connect (explicit only). The lines are those of ../README.md.

error_reporting(E_ALL);
// What PHP warns about is all that a caller learns of the server's reply.
set_error_handler(function (int $level, string $message): bool {
    throw new RuntimeException($message);
});

[, $host, $port, $user, $password, $modes] = $argv;

function sure(bool $done): string
{
    if (!$done) {
        throw new RuntimeException("no reason given");
    }
    return "";
}

function answer(callable $act): bool
{
    try {
        $said = "ok " . $act();
    } catch (DomainException $reason) {
        $said = "cannot " . $reason->getMessage();
    } catch (Throwable $error) {
        $said = "fail " . $error->getMessage();
    }
    echo str_replace(["\r", "\n"], " ", $said), "\n";
    return str_starts_with($said, "ok");
}

final class Client
{
    private FTP\Connection $ftp;

    public function __construct(string $host, int $port, string $user, string $password, string $modes)
    {
        $this->ftp = ftp_ssl_connect($host, $port, 60) ?: throw new RuntimeException("no connection");
        sure(ftp_login($this->ftp, $user, $password));
        sure(ftp_pasv($this->ftp, !str_contains($modes, "active")));
    }

    public function put(string $local, string $remote): string
    {
        return sure(ftp_put($this->ftp, $remote, $local, FTP_BINARY));
    }

    public function keep(string $local, string $remote): string
    {
        $this->put($local, $remote);
        $reply = ftp_raw($this->ftp, "MFMT " . gmdate("YmdHis", filemtime($local)) . " " . $remote);
        return sure(str_starts_with($reply[0], "213"));
    }

    public function resume(string $local, string $remote): string
    {
        return sure(ftp_put($this->ftp, $remote, $local, FTP_BINARY, FTP_AUTORESUME));
    }

    public function get(string $remote, string $local): string
    {
        return sure(ftp_get($this->ftp, $local, $remote, FTP_BINARY));
    }

    public function list(string $folder): string
    {
        $entries = ftp_mlsd($this->ftp, $folder);
        sure($entries !== false);
        return implode("\t", array_map(fn ($entry) => $entry["name"] . "\t" . ($entry["size"] ?? 0), $entries));
    }

    public function stat(string $path): string
    {
        return ftp_size($this->ftp, $path) . " " . ftp_mdtm($this->ftp, $path);
    }

    public function rename(string $from, string $to): string
    {
        return sure(ftp_rename($this->ftp, $from, $to));
    }

    public function delete(string $path): string
    {
        return sure(ftp_delete($this->ftp, $path));
    }

    public function mkdir(string $path): string
    {
        return sure(ftp_mkdir($this->ftp, $path) !== false);
    }

    public function mirror(string $local, string $remote): string
    {
        $this->mkdir($remote);
        foreach (glob("$local/*") as $file) {
            $this->put($file, $remote . "/" . basename($file));
        }
        return "";
    }

    public function quit(): void
    {
        ftp_close($this->ftp);
    }
}

$client = null;
$in = answer(function () use (&$client, $host, $port, $user, $password, $modes): string {
    $client = new Client($host, (int) $port, $user, $password, $modes);
    return "";
});
if (!$in) {
    exit(1);
}
while (($line = fgets(STDIN)) !== false) {
    $fields = explode("\t", rtrim($line, "\n"));
    $verb = array_shift($fields);
    if ($verb === "quit") {
        break;
    }
    answer(fn () => $client->$verb(...$fields));
}
$client->quit();
