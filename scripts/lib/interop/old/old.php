<?php
// phpseclib, as Debian has it. Told by ../old_clients.py.

require 'phpseclib3/autoload.php';

use phpseclib3\Net\SFTP;

[, $port, $user, $local] = $argv;
$sftp = new SFTP('127.0.0.1', (int) $port, 20);
if (getenv('KEX')) {
    $sftp->setPreferredAlgorithms(['kex' => [getenv('KEX')]]);
}
function well($done)
{
    global $sftp;
    if ($done === false) {
        fwrite(STDERR, 'failed: ' . implode('; ', $sftp->getErrors()) . ' ' . $sftp->getLastSFTPError() . "\n");
        debug_print_backtrace();
        exit(1);
    }
    return $done;
}
well($sftp->login($user, getenv('PASSWORD')));
well($sftp->put('one', "$local/one", SFTP::SOURCE_LOCAL_FILE));
well($sftp->get('one', "$local/back"));
well($sftp->mkdir('d'));
well($sftp->put('d/two', "$local/one", SFTP::SOURCE_LOCAL_FILE));
well($sftp->rename('d/two', 'd/three'));
well($sftp->chmod(0640, 'd/three'));
well($sftp->symlink('one', 'link'));
echo 'size ', well($sftp->stat('link'))['size'], "\n";
echo 'link ', well($sftp->readlink('link')), "\n";
foreach (well($sftp->nlist('d')) as $name) {
    echo "name $name\n";
}
well($sftp->put('gone', "$local/one", SFTP::SOURCE_LOCAL_FILE));
well($sftp->delete('gone'));
$sftp->clearStatCache();
if ($sftp->stat('gone') === false) {
    echo "gone 2\n";
}
$sftp->disconnect();
