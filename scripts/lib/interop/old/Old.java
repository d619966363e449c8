// JSch 0.1.55, the last release of its first author: no curve25519 in Debian's build, no encrypt-then-MAC, no GCM.
// Told by ../old_clients.py; run from its source, with the library on the class path.

import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import com.jcraft.jsch.SftpATTRS;
import com.jcraft.jsch.SftpException;

public class Old {
    public static void main(String[] args) throws Exception {
        String local = args[2];
        Session session = new JSch().getSession(args[1], "127.0.0.1", Integer.parseInt(args[0]));
        session.setPassword(System.getenv("PASSWORD"));
        session.setConfig("StrictHostKeyChecking", "no");
        session.connect(20_000);
        ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
        sftp.connect(20_000);
        sftp.put(local + "/one", "one");
        sftp.get("one", local + "/back");
        sftp.mkdir("d");
        sftp.put(local + "/one", "d/two");
        sftp.rename("d/two", "d/three");
        sftp.chmod(0640, "d/three");
        sftp.symlink("one", "link");
        SftpATTRS found = sftp.stat("link");
        System.out.println("size " + found.getSize());
        System.out.println("link " + sftp.readlink("link"));
        for (Object entry : sftp.ls("d")) {
            System.out.println("name " + ((ChannelSftp.LsEntry) entry).getFilename());
        }
        sftp.put(local + "/one", "gone");
        sftp.rm("gone");
        try {
            sftp.stat("gone");
        } catch (SftpException error) {
            System.out.println("gone " + error.id);
        }
        session.disconnect();
    }
}
