import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The steps from scripts/interop: a line for each step, with words separated by tabs. Each is answered with a line of "ok"
 * or "error" and a text. Each byte is one character of Latin-1, so names need not be UTF-8.
 */
final class Script {
    interface Step {
        String apply(String verb, String[] words) throws Exception;
    }

    /** The charset of names on the server. */
    static Charset names = StandardCharsets.UTF_8;

    static void run(Step step) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.ISO_8859_1);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t", -1);
            try {
                String said = step.apply(words[0], Arrays.copyOfRange(words, 1, words.length));
                out.println("ok\t" + said);
            } catch (Exception error) {
                out.println("error\t" + String.valueOf(error).replaceAll("\\s+", " "));
            }
        }
    }

    /** Returns a name on the server from the bytes in the script. */
    static String name(String word) {
        return new String(word.getBytes(StandardCharsets.ISO_8859_1), names);
    }

    /** Returns the bytes of a name for the answer. */
    static String bytes(String name) {
        return new String(name.getBytes(names), StandardCharsets.ISO_8859_1);
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte one : bytes) {
            text.append(String.format("%02x", one));
        }
        return text.toString();
    }

    private Script() {}
}
