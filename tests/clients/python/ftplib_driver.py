"""Python's own ftplib. Modes: explicit, implicit; active; reuse (data connections resume the TLS session of the control connection)."""

import calendar
import ftplib
import os
import socket
import ssl
import time

from lines import listed, serve


class Ftps(ftplib.FTP_TLS):
    reuse = False

    def ntransfercmd(self, cmd, rest=None):
        if not self.reuse:
            return super().ntransfercmd(cmd, rest)
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(plain, server_hostname=self.host, session=self.sock.session), size


class Implicit(Ftps):
    """FTPS from the first byte, which ftplib does not know by itself."""

    def connect(self, host="", port=0, timeout=-999, source_address=None):
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), self.timeout)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def auth(self):
        return "implicit"


class Client:
    def __init__(self, host, port, user, password, mode):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        kind = Implicit if "implicit" in mode else Ftps
        self.ftp = ftp = kind(context=context, timeout=60)
        ftp.reuse = "reuse" in mode
        ftp.connect(host, port)
        ftp.login(user, password)
        ftp.prot_p()
        ftp.set_pasv("active" not in mode)

    def put(self, local, remote):
        with open(local, "rb") as file:
            return self.ftp.storbinary("STOR " + remote, file)

    def keep(self, local, remote):
        self.put(local, remote)
        when = time.strftime("%Y%m%d%H%M%S", time.gmtime(os.stat(local).st_mtime))
        return self.ftp.sendcmd(f"MFMT {when} {remote}")

    def resume(self, local, remote):
        with open(local, "rb") as file:
            there = self.ftp.size(remote)
            file.seek(there)
            return self.ftp.storbinary("STOR " + remote, file, rest=there)

    def get(self, remote, local):
        with open(local, "wb") as file:
            return self.ftp.retrbinary("RETR " + remote, file.write)

    def list(self, folder):
        return listed((name, facts.get("size", 0)) for name, facts in self.ftp.mlsd(folder))

    def stat(self, path):
        when = self.ftp.sendcmd("MDTM " + path).split()[1]
        return f"{self.ftp.size(path)} {calendar.timegm(time.strptime(when[:14], '%Y%m%d%H%M%S'))}"

    def rename(self, old, new):
        return self.ftp.rename(old, new)

    def delete(self, path):
        return self.ftp.delete(path)

    def mkdir(self, path):
        return self.ftp.mkd(path)

    def quit(self):
        self.ftp.quit()


serve(Client)
