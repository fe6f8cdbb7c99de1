"""OpenSSL by Python's ssl: a sender that passes its control connection's session to its data connections.

Usage: ftp.py PORT VERSION COUNT HOW USER PASSWORD
VERSION is 1.2 or 1.3; HOW is reuse or fresh. COUNT data connections, uploads and listings in turn, then NOOP: a line for each, the reply.
All the senders in this folder are called like this and answer like this.
"""

import ftplib
import io
import ssl
import sys

port, version, count, how, user, password = sys.argv[1:]


class Sender(ftplib.FTP_TLS):
    def ntransfercmd(self, command, rest=None):
        plain, size = ftplib.FTP.ntransfercmd(self, command, rest)
        session = self.sock.session if how == "reuse" else None
        return self.context.wrap_socket(plain, server_hostname=self.host, session=session), size


context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
exact = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
context.minimum_version = context.maximum_version = exact
ftp = Sender(context=context, timeout=60)
ftp.connect("127.0.0.1", int(port))
ftp.login(user, password)
ftp.prot_p()
for at in range(int(count)):
    try:
        if at % 2 == 0:
            print(ftp.storbinary("STOR /data/employees.csv.tmp", io.BytesIO(b"x" * 20000)))
        else:
            print(ftp.retrlines("NLST /data", lambda line: None))
    except ftplib.Error as error:
        print(error)
print(ftp.sendcmd("NOOP"))
ftp.quit()
