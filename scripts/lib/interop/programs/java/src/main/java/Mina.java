import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.config.keys.KeyUtils;
import org.apache.sshd.common.keyprovider.FileKeyPairProvider;
import org.apache.sshd.common.session.Session;
import org.apache.sshd.common.session.SessionListener;
import org.apache.sshd.core.CoreModuleProperties;
import org.apache.sshd.sftp.client.SftpClient;
import org.apache.sshd.sftp.client.SftpClient.OpenMode;
import org.apache.sshd.sftp.client.SftpClientFactory;
import org.apache.sshd.sftp.client.extensions.CheckFileHandleExtension;
import org.apache.sshd.sftp.client.extensions.CheckFileNameExtension;
import org.apache.sshd.sftp.client.extensions.CopyDataExtension;
import org.apache.sshd.sftp.client.extensions.MD5FileExtension;
import org.apache.sshd.sftp.client.extensions.MD5HandleExtension;
import org.apache.sshd.sftp.client.extensions.SpaceAvailableExtension;
import org.apache.sshd.sftp.client.extensions.openssh.OpenSSHPosixRenameExtension;
import org.apache.sshd.sftp.client.extensions.openssh.OpenSSHStatPathExtension;

/** Apache MINA SSHD as a client, which uses md5-hash, and check-file in its own format. */
public final class Mina {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final SftpClient sftp;
    private final AtomicInteger keys;

    private Mina(SftpClient sftp, AtomicInteger keys) {
        this.sftp = sftp;
        this.keys = keys;
    }

    public static void main(String[] words) throws Exception {
        String fingerprint = words[4];
        AtomicInteger keys = new AtomicInteger();
        try (SshClient client = SshClient.setUpDefaultClient()) {
            client.setServerKeyVerifier((session, address, key) -> KeyUtils.getFingerPrint(key).equals(fingerprint));
            client.addSessionListener(new SessionListener() {
                @Override
                public void sessionEvent(Session session, Event event) {
                    keys.addAndGet(event == Event.KeyEstablished ? 1 : 0);
                }
            });
            if (words.length > 5) {
                CoreModuleProperties.REKEY_BYTES_LIMIT.set(client, Long.parseLong(words[5]));
            }
            client.start();
            int port = Integer.parseInt(words[1]);
            try (ClientSession session = client.connect(words[2], words[0], port).verify(PATIENCE).getSession()) {
                FileKeyPairProvider key = new FileKeyPairProvider(Path.of(words[3]));
                session.addPublicKeyIdentity(key.loadKeys(session).iterator().next());
                session.auth().verify(PATIENCE);
                try (SftpClient sftp = SftpClientFactory.instance().createSftpClient(session)) {
                    Mina mina = new Mina(sftp, keys);
                    Script.run(mina::step);
                }
            }
        }
    }

    private String step(String verb, String[] words) throws Exception {
        String first = words.length > 0 ? Script.name(words[0]) : "";
        String second = words.length > 1 ? Script.name(words[1]) : "";
        switch (verb) {
            case "charset":
                Script.names = Charset.forName(words[0]);
                sftp.setNameDecodingCharset(Script.names);
                return "";
            case "put":
                try (OutputStream out = sftp.write(second, OpenMode.Write, OpenMode.Create, OpenMode.Truncate)) {
                    Files.copy(Path.of(words[0]), out);
                }
                return "";
            case "append":
                try (OutputStream out = sftp.write(second, OpenMode.Write, OpenMode.Append);
                        InputStream in = Files.newInputStream(Path.of(words[0]))) {
                    in.skipNBytes(sftp.stat(second).getSize());
                    in.transferTo(out);
                }
                return "";
            case "get":
                try (InputStream in = sftp.read(first)) {
                    Files.write(Path.of(words[1]), in.readAllBytes());
                }
                return "";
            case "list":
                TreeSet<String> names = new TreeSet<>();
                for (SftpClient.DirEntry entry : sftp.readDir(first)) {
                    names.add(Script.bytes(entry.getFilename()) + "=" + entry.getAttributes().getSize());
                }
                return String.join("\t", names);
            case "rename":
                sftp.rename(first, second);
                return "";
            case "posix-rename":
                sftp.getExtension(OpenSSHPosixRenameExtension.class).posixRename(first, second);
                return "";
            case "mkdir":
                sftp.mkdir(first);
                return "";
            case "rmdir":
                sftp.rmdir(first);
                return "";
            case "remove":
                sftp.remove(first);
                return "";
            case "symlink":
                sftp.symLink(second, first);
                return "";
            case "readlink":
                return Script.bytes(sftp.readLink(first));
            case "stat":
                SftpClient.Attributes found = sftp.stat(first);
                long seconds = found.getModifyTime().toMillis() / 1000;
                return Integer.toOctalString(found.getPermissions()) + " " + found.getSize() + " " + seconds;
            case "chmod":
                sftp.setStat(first, new SftpClient.Attributes().perms(Integer.parseInt(words[1], 8)));
                return "";
            case "time":
                FileTime time = FileTime.fromMillis(Long.parseLong(words[1]) * 1000);
                sftp.setStat(first, new SftpClient.Attributes().accessTime(time).modifyTime(time));
                return "";
            case "truncate":
                sftp.setStat(first, new SftpClient.Attributes().size(Long.parseLong(words[1])));
                return "";
            case "copy":
                return copy(first, second);
            case "statvfs":
                var disk = sftp.getExtension(OpenSSHStatPathExtension.class).stat(first);
                return disk.f_frsize * disk.f_blocks + " " + disk.f_frsize * disk.f_bavail;
            case "space":
                var space = sftp.getExtension(SpaceAvailableExtension.class).available(first);
                return space.bytesAvailableToUser + " " + space.unusedBytesAvailableToUser;
            case "md5":
                return md5(first, words);
            case "check":
                return check(first, words);
            case "keys":
                return String.valueOf(keys.getAndSet(0));
            default:
                throw new IllegalArgumentException(verb);
        }
    }

    private String copy(String from, String to) throws Exception {
        CopyDataExtension copy = sftp.getExtension(CopyDataExtension.class);
        try (SftpClient.CloseableHandle source = sftp.open(from, OpenMode.Read);
                SftpClient.CloseableHandle target = sftp.open(to, OpenMode.Write, OpenMode.Create)) {
            copy.copyData(source, 0, 0, target, 0);
        }
        return "";
    }

    /** Runs md5 PATH name|handle START LENGTH QUICK, where QUICK is "right", "wrong" or "". */
    private String md5(String path, String[] words) throws Exception {
        long start = Long.parseLong(words[2]);
        long length = Long.parseLong(words[3]);
        byte[] quick = quick(path, start, words[4]);
        if (words[1].equals("name")) {
            return Script.hex(sftp.getExtension(MD5FileExtension.class).getHash(path, start, length, quick));
        }
        try (SftpClient.CloseableHandle handle = sftp.open(path, OpenMode.Read)) {
            return Script.hex(sftp.getExtension(MD5HandleExtension.class).getHash(handle, start, length, quick));
        }
    }

    /** Returns the MD5 of 2048 bytes from an offset on: a server with another hash there skips the rest. */
    private byte[] quick(String path, long start, String which) throws Exception {
        if (which.isEmpty()) {
            return new byte[0];
        }
        byte[] head = new byte[2048];
        int have;
        try (SftpClient.CloseableHandle handle = sftp.open(path, OpenMode.Read)) {
            have = sftp.read(handle, start, head, 0, head.length);
        }
        var digest = java.security.MessageDigest.getInstance("MD5").digest(Arrays.copyOf(head, have));
        digest[0] ^= which.equals("wrong") ? 1 : 0;
        return digest;
    }

    /** Runs check PATH name|handle ALGORITHMS START LENGTH BLOCK. */
    private String check(String path, String[] words) throws Exception {
        List<String> algorithms = List.of(words[2].split(","));
        long start = Long.parseLong(words[3]);
        long length = Long.parseLong(words[4]);
        int block = Integer.parseInt(words[5]);
        Map.Entry<String, Collection<byte[]>> found;
        if (words[1].equals("name")) {
            CheckFileNameExtension check = sftp.getExtension(CheckFileNameExtension.class);
            found = check.checkFileName(path, algorithms, start, length, block);
        } else {
            CheckFileHandleExtension check = sftp.getExtension(CheckFileHandleExtension.class);
            try (SftpClient.CloseableHandle handle = sftp.open(path, OpenMode.Read)) {
                found = check.checkFileHandle(handle, algorithms, start, length, block);
            }
        }
        return found.getKey() + " " + found.getValue().stream().map(Script::hex).collect(Collectors.joining(" "));
    }
}
