// Apache commons-net on Java's own TLS. Called as ftp.py is.
//
// Java keeps sessions by the host and port of the socket below them, so a data connection never finds the one of its control connection. Here the
// socket below says that it is connected to the control connection's port: no reflection is needed.

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.security.cert.X509Certificate;
import javax.net.SocketFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPSClient;

public class Ftp extends FTPSClient {
    private final SSLContext context;
    private final boolean reuse;
    private final String version;

    /** Makes connections without TLS that are, as they say, to this port; 0: to their own. */
    private static class Plain extends SocketFactory {
        private final int port;

        Plain(int port) {
            this.port = port;
        }

        @Override
        public Socket createSocket() {
            return new Socket() {
                @Override
                public int getPort() {
                    return port == 0 ? super.getPort() : port;
                }
            };
        }

        @Override
        public Socket createSocket(String host, int port) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(String host, int port, InetAddress local, int localPort) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(InetAddress host, int port) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort) {
            throw new UnsupportedOperationException();
        }
    }

    private Ftp(SSLContext context, boolean reuse, String version) {
        super(false, context);
        this.context = context;
        this.reuse = reuse;
        this.version = version;
    }

    @Override
    protected Socket _openDataConnection_(String command, String argument) throws IOException {
        setSocketFactory(new Plain(reuse ? getRemotePort() : 0));
        Socket plain = super._openDataConnection_(command, argument);
        if (plain == null) {
            return null;
        }
        String host = getRemoteAddress().getHostAddress();
        SSLSocket data =
                (SSLSocket) context.getSocketFactory().createSocket(plain, host, plain.getPort(), true);
        data.setEnabledProtocols(new String[] {"TLSv" + version});
        try {
            data.startHandshake();
            if (reuse && command.equals("STOR")) {
                takeTicket(data);
            }
        } catch (IOException error) {
            data.close();
            getReply();
            return null;
        }
        return data;
    }

    /**
     * On TLS 1.3 Java uses a ticket once, and takes up new ones only when it reads, which it does not while it uploads. A server that sends a ticket on an
     * upload at all sends it at once.
     */
    private static void takeTicket(SSLSocket data) throws IOException {
        data.setSoTimeout(100);
        try {
            data.getInputStream().read();
        } catch (SocketTimeoutException nothingButTickets) {
            data.setSoTimeout(60000);
        }
    }

    public static void main(String[] arguments) throws Exception {
        TrustManager anyone = new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}

            public void checkServerTrusted(X509Certificate[] chain, String type) {}

            public X509Certificate[] getAcceptedIssuers() {
                return new X509Certificate[0];
            }
        };
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {anyone}, null);
        Ftp ftp = new Ftp(context, arguments[3].equals("reuse"), arguments[1]);
        ftp.setEnabledProtocols(new String[] {"TLSv" + arguments[1]});
        ftp.setEndpointCheckingEnabled(false);
        ftp.connect("127.0.0.1", Integer.parseInt(arguments[0]));
        ftp.login(arguments[4], arguments[5]);
        ftp.execPBSZ(0);
        ftp.execPROT("P");
        ftp.enterLocalPassiveMode();
        ftp.setFileType(FTP.BINARY_FILE_TYPE);
        int count = Integer.parseInt(arguments[2]);
        for (int at = 0; at < count; at++) {
            if (at % 2 == 0) {
                ftp.storeFile("/data/employees.csv.tmp", new ByteArrayInputStream(new byte[20000]));
            } else {
                ftp.listNames("/data");
            }
            System.out.println(ftp.getReplyString().trim());
        }
        ftp.sendNoOp();
        System.out.println(ftp.getReplyString().trim());
        ftp.logout();
        ftp.disconnect();
    }
}
