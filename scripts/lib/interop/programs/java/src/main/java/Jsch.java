import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.JSchException;
import com.jcraft.jsch.Session;
import com.jcraft.jsch.SftpATTRS;
import com.jcraft.jsch.SftpStatVFS;
import com.jcraft.jsch.UIKeyboardInteractive;
import com.jcraft.jsch.UserInfo;
import java.nio.charset.Charset;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;

/** JSch as a client, which most Java programs and build tools use. */
public final class Jsch {
    private static final int PATIENCE_MILLIS = 60_000;

    private final Session session;
    private final ChannelSftp sftp;

    private Jsch(Session session, ChannelSftp sftp) {
        this.session = session;
        this.sftp = sftp;
    }

    public static void main(String[] words) throws Exception {
        JSch jsch = new JSch();
        String password = System.getenv("PASSWORD");
        String answers = System.getenv("ANSWERS");
        boolean hasKey = answers == null ? password == null : !System.getenv("WITH_KEY").isEmpty();
        if (hasKey) {
            jsch.addIdentity(words[3]);
        }
        Session session = jsch.getSession(words[2], words[0], Integer.parseInt(words[1]));
        session.setPassword(password);
        if (words[4].isEmpty()) {
            session.setConfig("StrictHostKeyChecking", "no");
        } else {
            jsch.setKnownHosts(words[4]);
            session.setConfig("StrictHostKeyChecking", "yes");
        }
        session.setTimeout(PATIENCE_MILLIS);
        if (answers != null) {
            session.setUserInfo(new Answers(answers));
            session.setConfig("PreferredAuthentications", "publickey,keyboard-interactive");
        }
        try {
            session.connect();
        } catch (JSchException refused) {
            // Each step is answered with the reason.
            Script.run((verb, arguments) -> {
                throw refused;
            });
            return;
        }
        try {
            ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
            sftp.connect(PATIENCE_MILLIS);
            Jsch client = new Jsch(session, sftp);
            Script.run(client::step);
        } finally {
            session.disconnect();
        }
    }

    /** Answers the questions of keyboard-interactive, each once. */
    private static final class Answers implements UserInfo, UIKeyboardInteractive {
        /** The answers by a part of the question. */
        private final Map<String, String> answers = new LinkedHashMap<>();

        Answers(String lines) {
            for (String line : lines.split("\n")) {
                String[] parts = line.split("\t", 2);
                answers.put(parts[0], parts[1]);
            }
        }

        @Override
        public String[] promptKeyboardInteractive(
                String destination, String name, String instruction, String[] prompts, boolean[] echo) {
            String[] said = new String[prompts.length];
            for (int at = 0; at < prompts.length; at++) {
                String prompt = prompts[at];
                String part = answers.keySet().stream().filter(prompt::contains).findFirst().orElse(null);
                if (part == null) {
                    return null;
                }
                said[at] = answers.remove(part);
            }
            return said;
        }

        @Override
        public String getPassphrase() {
            return null;
        }

        @Override
        public String getPassword() {
            return null;
        }

        @Override
        public boolean promptPassword(String message) {
            return false;
        }

        @Override
        public boolean promptPassphrase(String message) {
            return false;
        }

        @Override
        public boolean promptYesNo(String message) {
            return false;
        }

        @Override
        public void showMessage(String message) {}
    }

    private String step(String verb, String[] words) throws Exception {
        String first = words.length > 0 ? Script.name(words[0]) : "";
        String second = words.length > 1 ? Script.name(words[1]) : "";
        switch (verb) {
            case "charset":
                Script.names = Charset.forName(words[0]);
                sftp.setFilenameEncoding(words[0]);
                return "";
            case "put":
                sftp.put(words[0], second, ChannelSftp.OVERWRITE);
                return "";
            case "put-resume":
                sftp.put(words[0], second, ChannelSftp.RESUME);
                return "";
            case "get":
                sftp.get(first, words[1]);
                return "";
            case "get-resume":
                sftp.get(first, words[1], null, ChannelSftp.RESUME);
                return "";
            case "list":
                TreeSet<String> names = new TreeSet<>();
                for (ChannelSftp.LsEntry entry : sftp.ls(first)) {
                    names.add(Script.bytes(entry.getFilename()) + "=" + entry.getAttrs().getSize());
                }
                return String.join("\t", names);
            case "rename":
                sftp.rename(first, second);
                return "";
            case "mkdir":
                sftp.mkdir(first);
                return "";
            case "rmdir":
                sftp.rmdir(first);
                return "";
            case "remove":
                sftp.rm(first);
                return "";
            case "symlink":
                sftp.symlink(first, second);
                return "";
            case "readlink":
                return Script.bytes(sftp.readlink(first));
            case "hardlink":
                sftp.hardlink(first, second);
                return "";
            case "stat":
                SftpATTRS found = sftp.stat(first);
                return Integer.toOctalString(found.getPermissions()) + " " + found.getSize() + " " + found.getMTime();
            case "chmod":
                sftp.chmod(Integer.parseInt(words[1], 8), first);
                return "";
            case "time":
                sftp.setMtime(first, Integer.parseInt(words[1]));
                return "";
            case "statvfs":
                SftpStatVFS disk = sftp.statVFS(first);
                return disk.getSize() * 1024 + " " + disk.getAvailForNonRoot() * 1024;
            case "rekey":
                session.rekey();
                return "";
            default:
                throw new IllegalArgumentException(verb);
        }
    }
}
