"""Current libcurl through pycurl, one handle for all transfers. Modes: explicit, implicit, active, sftp."""

import io
import os
import time
import urllib.parse

import pycurl
from lines import listed, serve


def seek(file, offset, origin):
    file.seek(offset, origin)
    return pycurl.SEEKFUNC_OK


class Client:
    def __init__(self, host, port, user, password, mode):
        self.scheme = "sftp" if "sftp" in mode else "ftps" if "implicit" in mode else "ftp"
        self.base = f"{self.scheme}://{host}:{port}"
        self.login = (user, password)
        self.active = "active" in mode
        self.curl = pycurl.Curl()
        self.list("/")

    def run(self, path, quote=(), **options):
        curl = self.curl
        curl.reset()
        out, head, said = io.BytesIO(), io.BytesIO(), []
        curl.setopt(pycurl.URL, self.base + urllib.parse.quote(path))
        curl.setopt(pycurl.USERNAME, self.login[0])
        curl.setopt(pycurl.PASSWORD, self.login[1])
        curl.setopt(pycurl.WRITEFUNCTION, out.write)
        curl.setopt(pycurl.HEADERFUNCTION, head.write)
        curl.setopt(pycurl.DEBUGFUNCTION, lambda kind, text: kind == pycurl.INFOTYPE_HEADER_IN and said.append(text))
        curl.setopt(pycurl.VERBOSE, 1)
        curl.setopt(pycurl.TIMEOUT, 120)
        if self.scheme != "sftp":
            curl.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
            curl.setopt(pycurl.SSL_VERIFYPEER, 0)
            curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        if self.active:
            curl.setopt(pycurl.FTPPORT, "-")
        for name, value in options.items():
            curl.setopt(getattr(pycurl, name), value)
        if quote:
            curl.setopt(pycurl.POSTQUOTE, [command.encode() for command in quote])
        try:
            curl.perform()
        except pycurl.error as error:
            last = said[-1].decode().strip() if said else ""
            raise RuntimeError(f"{error.args[1]} {last}") from None
        return out.getvalue(), head.getvalue().decode()

    def put(self, local, remote, **options):
        with open(local, "rb") as file:
            self.run(remote, UPLOAD=1, READDATA=file, SEEKFUNCTION=lambda *to: seek(file, *to), **options)

    def keep(self, local, remote):
        # By a command of the protocol, behind the upload.
        when = time.gmtime(os.stat(local).st_mtime)
        if self.scheme == "sftp":
            command = f'mtime "{time.strftime("%a, %d %b %Y %H:%M:%S GMT", when)}" {remote}'
        else:
            command = f"MFMT {time.strftime('%Y%m%d%H%M%S', when)} {remote}"
        self.put(local, remote, quote=[command])

    def resume(self, local, remote):
        self.put(local, remote, RESUME_FROM_LARGE=-1, INFILESIZE_LARGE=os.stat(local).st_size)

    def get(self, remote, local):
        with open(local, "wb") as file:
            file.write(self.run(remote)[0])

    def list(self, folder):
        text, _ = self.run(folder.rstrip("/") + "/")
        lines = (line.split(None, 8) for line in text.decode().splitlines())
        return listed((fields[8], fields[4]) for fields in lines)

    def stat(self, path):
        # Over FTP without the bytes, as `curl -I` does; over SFTP the time comes with the file only.
        body, _ = self.run(path, NOBODY=int(self.scheme != "sftp"), OPT_FILETIME=1)
        size = len(body) if self.scheme == "sftp" else int(self.curl.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD))
        return f"{size} {self.curl.getinfo(pycurl.INFO_FILETIME)}"

    def quoted(self, *commands):
        self.run("/", quote=commands, NOBODY=1)

    def rename(self, old, new):
        if self.scheme == "sftp":
            self.quoted(f'rename "{old}" "{new}"')
        else:
            self.quoted(f"RNFR {old}", f"RNTO {new}")

    def delete(self, path):
        self.quoted(f'rm "{path}"' if self.scheme == "sftp" else f"DELE {path}")

    def mkdir(self, path):
        self.quoted(f'mkdir "{path}"' if self.scheme == "sftp" else f"MKD {path}")

    def quit(self):
        self.curl.close()


serve(Client)
