"""A sender with a client certificate that keeps its TLS session from one control connection to the next.

Usage: certificate.py PORT VERSION USER PASSWORD CERTIFICATE KEY; VERSION is 1.2 or 1.3. Lines on stdin, each answered by one line:
  login   a new control connection that resumes the last one's session: the code of the login, and "resumed" or "fresh"
  stay    the same, and the connection stays
  noop    NOOP on the connection that stays: the code, or the line that came instead
"""

import socket
import ssl
import sys

port, version, user, password, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
exact = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
context.minimum_version = context.maximum_version = exact
context.load_cert_chain(certificate, key)
session = None
stayed = None


def login():
    global session
    plain = socket.create_connection(("127.0.0.1", int(port)), 60)
    plain.recv(1000)
    plain.sendall(b"AUTH TLS\r\n")
    plain.recv(1000)
    secure = context.wrap_socket(plain, server_hostname="localhost", session=session)
    for command in (f"USER {user}", f"PASS {password}"):
        secure.sendall(command.encode() + b"\r\n")
        reply = secure.recv(1000).decode()
    session = secure.session
    return secure, f"{reply[:3]} {'resumed' if secure.session_reused else 'fresh'}"


for line in sys.stdin:
    verb = line.strip()
    if verb == "noop":
        try:
            stayed.sendall(b"NOOP\r\n")
        except OSError:
            pass  # what it said before it closed is still to be read
        said = stayed.recv(1000).decode().strip()
        print(said[:3] if said.startswith("200") else said, flush=True)
        continue
    secure, said = login()
    if verb == "stay":
        stayed = secure
    else:
        secure.close()
    print(said, flush=True)
