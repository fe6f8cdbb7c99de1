"""paramiko. Mode winscp: each upload goes to NAME.filepart and is moved over NAME, as WinSCP does it by default."""

import os

import paramiko
from lines import listed, serve


class Client:
    def __init__(self, host, port, user, password, mode):
        self.through_part = "winscp" in mode
        self.ssh = paramiko.SSHClient()
        self.ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.ssh.connect(host, port, user, password, allow_agent=False, look_for_keys=False, timeout=60)
        self.sftp = self.ssh.open_sftp()

    def put(self, local, remote):
        if not self.through_part:
            self.sftp.put(local, remote)
            return
        part = remote + ".filepart"
        self.sftp.put(local, part, confirm=False)
        self.move_over(part, local, remote)

    def move_over(self, part, local, remote):
        # WinSCP keeps times unless told otherwise.
        self.sftp.posix_rename(part, remote)
        self.keep_time(local, remote)

    def keep_time(self, local, remote):
        when = int(os.stat(local).st_mtime)
        self.sftp.utime(remote, (when, when))

    def keep(self, local, remote):
        self.put(local, remote)
        self.keep_time(local, remote)

    def resume(self, local, remote):
        with open(local, "rb") as source, self.sftp.open(remote, "r+b") as target:
            target.set_pipelined(True)
            there = target.stat().st_size
            source.seek(there)
            target.seek(there)
            target.write(source.read())

    def get(self, remote, local):
        self.sftp.get(remote, local)  # prefetches: all READs are asked at once

    def list(self, folder):
        return listed((entry.filename, entry.st_size) for entry in self.sftp.listdir_attr(folder))

    def stat(self, path):
        there = self.sftp.stat(path)
        return f"{there.st_size} {there.st_mtime}"

    def rename(self, old, new):
        self.sftp.rename(old, new)

    def delete(self, path):
        self.sftp.remove(path)

    def mkdir(self, path):
        self.sftp.mkdir(path)

    def quit(self):
        self.ssh.close()


serve(Client)
