<?php
// PHP's own FTPS, which resumes the control connection's session and cannot be told not to. Called as ftp.py is; VERSION and HOW are not its to choose.
[, $port, , $count, , $user, $password] = $argv;
$ftp = ftp_ssl_connect('127.0.0.1', (int) $port, 60);
if (!@ftp_login($ftp, $user, $password)) {
    exit(1);
}
ftp_pasv($ftp, true);
for ($at = 0; $at < (int) $count; $at++) {
    if ($at % 2 === 0) {
        $bytes = fopen('php://memory', 'r+');
        fwrite($bytes, str_repeat('x', 20000));
        rewind($bytes);
        $done = @ftp_fput($ftp, '/data/employees.csv.tmp', $bytes, FTP_BINARY);
    } else {
        $done = @ftp_nlist($ftp, '/data') !== false;
    }
    echo $done ? "226\n" : (error_get_last()['message'] ?? 'failed') . "\n";
    error_clear_last();
}
echo ftp_raw($ftp, 'NOOP')[0], "\n";
