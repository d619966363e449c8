<?php
// phpseclib of Debian, controlled by scripts/interop; scripted.py describes the protocol.

require 'phpseclib3/autoload.php';

use phpseclib3\Net\SFTP;

[, $port, $user] = $argv;
$sftp = new SFTP('127.0.0.1', (int) $port, 20);
if (getenv('KEX')) {
    $sftp->setPreferredAlgorithms(['kex' => [getenv('KEX')]]);
}
// The cache of stat may be outdated.
$sftp->disableStatCache();

function well($done)
{
    global $sftp;
    if ($done === false) {
        throw new Exception($sftp->getLastSFTPError() ?: implode('; ', $sftp->getErrors()) ?: 'failed');
    }
    return $done;
}

function listed($path)
{
    global $sftp;
    $found = [];
    foreach (well($sftp->rawlist($path)) as $name => $attributes) {
        $found[] = "$name={$attributes['size']}";
    }
    return implode("\t", $found);
}

function described($path)
{
    global $sftp;
    $found = well($sftp->stat($path));
    return decoct($found['mode']) . " {$found['size']} {$found['mtime']}";
}

function resumed($local, $path)
{
    global $sftp;
    $size = well($sftp->stat($path))['size'];
    return nothing($sftp->put($path, $local, SFTP::SOURCE_LOCAL_FILE, $size, $size));
}

function nothing($done)
{
    well($done);
    return '';
}

$verbs = [
    'put' => fn ($local, $path) => nothing($sftp->put($path, $local, SFTP::SOURCE_LOCAL_FILE)),
    'get' => fn ($path, $local) => nothing($sftp->get($path, $local)),
    'put-resume' => fn ($local, $path) => resumed($local, $path),
    'list' => fn ($path) => listed($path),
    'mkdir' => fn ($path) => nothing($sftp->mkdir($path)),
    'make-path' => fn ($path) => nothing($sftp->mkdir($path, -1, true)),
    'rmdir' => fn ($path) => nothing($sftp->rmdir($path)),
    'remove' => fn ($path) => nothing($sftp->delete($path, false)),
    'remove-tree' => fn ($path) => nothing($sftp->delete($path, true)),
    'rename' => fn ($from, $to) => nothing($sftp->rename($from, $to)),
    'stat' => fn ($path) => described($path),
    'chmod' => fn ($path, $mode) => nothing($sftp->chmod(octdec($mode), $path)),
    'time' => fn ($path, $seconds) => nothing($sftp->touch($path, (int) $seconds, (int) $seconds)),
    'truncate' => fn ($path, $size) => nothing($sftp->truncate($path, (int) $size)),
    'symlink' => fn ($target, $path) => nothing($sftp->symlink($target, $path)),
    'readlink' => fn ($path) => well($sftp->readlink($path)),
];

well($sftp->login($user, getenv('PASSWORD')));
while (($line = fgets(STDIN)) !== false) {
    $words = explode("\t", rtrim($line, "\n"));
    $verb = array_shift($words);
    try {
        $said = $verbs[$verb](...$words);
        echo "ok\t$said\n";
    } catch (Throwable $error) {
        echo "error\t", strtr($error->getMessage(), "\n", ' '), "\n";
    }
}
$sftp->disconnect();
