"""Sends half of a file, waits for a line on stdin, and ends the upload in a way that must not count.

Usage: cut.py HOST PORT explicit|implicit USER PASSWORD WAY PATH FILE
Prints "half" when half of the file is on its way, and at last the server's reply, if it could still give one.
Ways:
  reset    RST on the data connection (SO_LINGER 0)
  fin      FIN on the data connection without close_notify
  abort    ABOR, then the end of the data connection
  vanish   both connections end without a word
  whole    no cut at all: the rest follows, for a kill at the right moment
"""

import socket
import ssl
import struct
import sys

import ftplib


class Implicit(ftplib.FTP_TLS):
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


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def main():
    host, port, mode, user, password, way, path, name = sys.argv[1:]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    kind = Implicit if mode == "implicit" else ftplib.FTP_TLS
    ftp = kind(context=context, timeout=60)
    ftp.connect(host, int(port))
    ftp.login(user, password)
    ftp.prot_p()
    with open(name, "rb") as file:
        whole = file.read()
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd("STOR " + path)
    data.sendall(whole[: len(whole) // 2])
    print("half", flush=True)
    sys.stdin.readline()

    if way == "reset":
        reset(data)
    elif way == "fin":
        data.close()  # Python sends close_notify only in unwrap()
    elif way == "abort":
        ftp.sock.sendall(b"ABOR\r\n")
        data.close()
    elif way == "vanish":
        ftp.file.close()
        reset(ftp.sock)
        reset(data)
        print("gone", flush=True)
        return
    elif way == "whole":
        data.sendall(whole[len(whole) // 2 :])
        data.unwrap()
        data.close()
    try:
        print(ftp.getmultiline(), flush=True)
    except (EOFError, OSError) as error:
        print("no reply:", error, flush=True)


main()
