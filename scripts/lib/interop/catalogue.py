"""All clients, in the order of the table."""

from . import (
    asyncssh_client,
    curl,
    homeport,
    java_clients,
    lftp,
    node_client,
    openssh,
    paramiko_client,
    putty,
    rclone,
    scp,
    sshfs,
)

CLIENTS = [
    homeport.homeport,
    openssh.sftp,
    scp.scp,
    scp.legacy,
    openssh.ssh,
    lftp.lftp,
    rclone.rclone,
    curl.command,
    curl.library,
    putty.psftp,
    putty.pscp_sftp,
    putty.pscp_scp,
    paramiko_client.paramiko,
    asyncssh_client.asyncssh,
    sshfs.sshfs,
    node_client.node,
    java_clients.mina,
    java_clients.jsch,
]
