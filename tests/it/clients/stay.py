"""A sender that stays logged in and does what it is told, line by line on stdin; prints one line of JSON for each, and "in" first.

Usage: stay.py HOST PORT USER PASSWORD (explicit FTPS)
Lines:
  listen            wait for what the server says unasked, to the end of the connection
  stor PATH FILE    upload; tells whether the data connection showed the certificate of the control connection
  again             a second connection that resumes the TLS session of this one; tells whether that worked, and the certificate's fingerprint
  fresh             the same without resuming
"""

import ftplib
import hashlib
import json
import socket
import ssl
import sys


def context():
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def fingerprint(sock):
    digest = hashlib.sha256(sock.getpeercert(True)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


class Staying(ftplib.FTP_TLS):
    data_certificate = None

    def ntransfercmd(self, command, rest=None):
        plain, size = ftplib.FTP.ntransfercmd(self, command, rest)
        data = self.context.wrap_socket(plain, server_hostname=self.host, session=self.sock.session)
        self.data_certificate = fingerprint(data)
        return data, size


def connect(host, port, used):
    sock = socket.create_connection((host, port), 60)
    sock.recv(1000)
    sock.sendall(b"AUTH TLS\r\n")
    sock.recv(1000)
    secure = used.context.wrap_socket(sock, server_hostname=host, session=used.session)
    answer = {"resumed": secure.session_reused, "certificate": fingerprint(secure)}
    secure.close()
    return answer


class Fresh:
    session = None

    def __init__(self):
        self.context = context()


def main():
    host, port, user, password = sys.argv[1:]
    ftp = Staying(context=context(), timeout=60)
    ftp.connect(host, int(port))
    ftp.login(user, password)
    ftp.prot_p()
    print(json.dumps("in"), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "listen":
            try:
                answer = {"reply": ftp.getmultiline()}
                answer["after"] = ftp.sock.recv(100).decode()
            except (EOFError, OSError) as error:
                answer = {"reply": f"no reply: {error}"}
        elif words[0] == "stor":
            with open(words[2], "rb") as file:
                reply = ftp.storbinary("STOR " + words[1], file)
            same = ftp.data_certificate == fingerprint(ftp.sock)
            answer = {"reply": reply, "same_certificate": same}
        else:
            answer = connect(host, int(port), ftp.sock if words[0] == "again" else Fresh())
        print(json.dumps(answer), flush=True)


main()
