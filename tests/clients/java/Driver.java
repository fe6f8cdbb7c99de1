// Apache Commons Net. Modes: explicit, implicit, active. The lines are those of ../README.md.

import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;
import org.apache.commons.net.util.TrustManagerUtils;

public class Driver {
    private interface Act {
        String run() throws Exception;
    }

    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMddHHmmss").withZone(ZoneOffset.UTC);
    private static final PrintStream OUT = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);

    private final FTPSClient ftp;

    private Driver(String host, int port, String user, String password, List<String> mode) throws Exception {
        ftp = new FTPSClient("TLS", mode.contains("implicit"));
        ftp.setTrustManager(TrustManagerUtils.getAcceptAllTrustManager());
        ftp.setEndpointCheckingEnabled(false);
        ftp.setControlEncoding("UTF-8");
        ftp.setDefaultTimeout(60_000);
        ftp.setBufferSize(64 * 1024);
        ftp.connect(host, port);
        sure(ftp.login(user, password));
        ftp.execPBSZ(0);
        ftp.execPROT("P");
        ftp.setFileType(FTP.BINARY_FILE_TYPE);
        if (mode.contains("active")) {
            ftp.enterLocalActiveMode();
        } else {
            ftp.enterLocalPassiveMode();
        }
    }

    private void sure(boolean done) throws IOException {
        if (!done) {
            throw new IOException(ftp.getReplyString());
        }
    }

    private String put(String local, String remote) throws IOException {
        try (InputStream file = new FileInputStream(local)) {
            sure(ftp.storeFile(remote, file));
        }
        return "";
    }

    private String keep(String local, String remote) throws IOException {
        put(local, remote);
        sure(ftp.setModificationTime(remote, TIME.format(Instant.ofEpochMilli(new File(local).lastModified()))));
        return "";
    }

    private String resume(String local, String remote) throws IOException {
        long there = Long.parseLong(ftp.getSize(remote));
        ftp.setRestartOffset(there);
        try (InputStream file = new FileInputStream(local)) {
            file.skipNBytes(there);
            sure(ftp.storeFile(remote, file));
        }
        return "";
    }

    private String get(String remote, String local) throws IOException {
        try (OutputStream file = new FileOutputStream(local)) {
            sure(ftp.retrieveFile(remote, file));
        }
        return "";
    }

    private String list(String folder) throws IOException {
        StringBuilder said = new StringBuilder();
        for (FTPFile file : ftp.listFiles(folder)) {
            said.append(file.getName()).append('\t').append(file.getSize()).append('\t');
        }
        sure(ftp.getReplyCode() < 300);
        return said.toString();
    }

    private String stat(String remote) throws IOException {
        return ftp.getSize(remote) + " " + ftp.mdtmInstant(remote).getEpochSecond();
    }

    private String mirror(String local, String remote) throws IOException {
        sure(ftp.makeDirectory(remote));
        File[] files = new File(local).listFiles();
        Arrays.sort(files);
        for (File file : files) {
            put(file.getPath(), remote + "/" + file.getName());
        }
        return "";
    }

    private String obey(String[] words) throws IOException {
        switch (words[0]) {
            case "put": return put(words[1], words[2]);
            case "keep": return keep(words[1], words[2]);
            case "resume": return resume(words[1], words[2]);
            case "get": return get(words[1], words[2]);
            case "list": return list(words[1]);
            case "stat": return stat(words[1]);
            case "rename": sure(ftp.rename(words[1], words[2])); return "";
            case "delete": sure(ftp.deleteFile(words[1])); return "";
            case "mkdir": sure(ftp.makeDirectory(words[1])); return "";
            case "mirror": return mirror(words[1], words[2]);
            default: throw new IllegalArgumentException(words[0]);
        }
    }

    private static boolean answer(Act act) {
        String said;
        try {
            said = "ok " + act.run();
        } catch (Exception error) {
            said = "fail " + error.getMessage();
        }
        OUT.println(said.replaceAll("[\r\n]+", " "));
        return said.startsWith("ok");
    }

    public static void main(String[] words) throws Exception {
        Driver[] made = new Driver[1];
        boolean in = answer(() -> {
            made[0] = new Driver(words[0], Integer.parseInt(words[1]), words[2], words[3], List.of(words[4].split(",")));
            return "";
        });
        if (!in) {
            System.exit(1);
        }
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null && !line.equals("quit"); line = lines.readLine()) {
            String[] fields = line.split("\t");
            answer(() -> made[0].obey(fields));
        }
        made[0].ftp.logout();
        made[0].ftp.disconnect();
    }
}
