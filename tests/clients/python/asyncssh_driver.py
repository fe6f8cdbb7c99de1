"""asyncssh, with its own parallel requests."""

import asyncio

import asyncssh
from lines import listed, serve


class Client:
    def __init__(self, host, port, user, password, mode):
        self.loop = asyncio.new_event_loop()
        self.ssh = self.wait(
            asyncssh.connect(host, port, username=user, password=password, known_hosts=None, client_keys=None, config=None)
        )
        self.sftp = self.wait(self.ssh.start_sftp_client())

    def wait(self, act):
        return self.loop.run_until_complete(act)

    def put(self, local, remote):
        self.wait(self.sftp.put(local, remote))

    def keep(self, local, remote):
        self.wait(self.sftp.put(local, remote, preserve=True))

    def resume(self, local, remote):
        async def continued():
            async with self.sftp.open(remote, "ab") as target:
                with open(local, "rb") as source:
                    source.seek(await self.sftp.getsize(remote))
                    await target.write(source.read())

        self.wait(continued())

    def get(self, remote, local):
        self.wait(self.sftp.get(remote, local))

    def list(self, folder):
        entries = self.wait(self.sftp.readdir(folder))
        return listed((entry.filename, entry.attrs.size) for entry in entries if entry.filename not in (".", ".."))

    def stat(self, path):
        there = self.wait(self.sftp.stat(path))
        return f"{there.size} {there.mtime}"

    def rename(self, old, new):
        self.wait(self.sftp.rename(old, new))

    def delete(self, path):
        self.wait(self.sftp.remove(path))

    def mkdir(self, path):
        self.wait(self.sftp.mkdir(path))

    def mirror(self, local, remote):
        self.wait(self.sftp.put(local, remote, recurse=True))

    def quit(self):
        self.ssh.close()


serve(Client)
