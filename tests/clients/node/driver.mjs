// basic-ftp (modes explicit, implicit) and ssh2-sftp-client (mode sftp). The lines are those of ../README.md.
// The libraries are taken from $ROSTERD_NODE_MODULES, so that none of them lies in the source tree.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";

const load = createRequire(path.join(process.env.ROSTERD_NODE_MODULES, "driver.js"));

class Cannot extends Error {}

class Ftps {
  static async logIn(host, port, user, password, mode) {
    const { Client } = load("basic-ftp");
    const self = new Ftps();
    self.client = new Client(60_000);
    const secure = mode.includes("implicit") ? "implicit" : true;
    await self.client.access({ host, port, user, password, secure, secureOptions: { rejectUnauthorized: false } });
    return self;
  }

  put(local, remote) {
    return this.client.uploadFrom(local, remote);
  }

  async keep(local, remote) {
    await this.put(local, remote);
    const when = fs.statSync(local).mtime.toISOString().replace(/\D/g, "").slice(0, 14);
    await this.client.send(`MFMT ${when} ${remote}`);
  }

  async resume(local, remote) {
    const there = await this.client.size(remote);
    await this.client.appendFrom(local, remote, { localStart: there });
  }

  get(remote, local) {
    return this.client.downloadTo(local, remote);
  }

  async list(folder) {
    return (await this.client.list(folder)).map((entry) => [entry.name, entry.size]);
  }

  async stat(remote) {
    return [await this.client.size(remote), Math.floor((await this.client.lastMod(remote)).getTime() / 1000)];
  }

  rename(from, to) {
    return this.client.rename(from, to);
  }

  delete(remote) {
    return this.client.remove(remote);
  }

  mkdir(remote) {
    return this.client.send(`MKD ${remote}`);
  }

  async mirror(local, remote) {
    await this.client.uploadFromDir(local, remote);
    await this.client.cd("/");
  }

  quit() {
    this.client.close();
  }
}

class Sftp {
  static async logIn(host, port, username, password) {
    const Client = load("ssh2-sftp-client");
    const self = new Sftp();
    self.client = new Client();
    await self.client.connect({ host, port, username, password, readyTimeout: 60_000 });
    return self;
  }

  put(local, remote) {
    return this.client.fastPut(local, remote);
  }

  async keep() {
    throw new Cannot("ssh2-sftp-client has no call for times");
  }

  async resume(local, remote) {
    const there = (await this.client.stat(remote)).size;
    await this.client.append(fs.createReadStream(local, { start: there }), remote);
  }

  get(remote, local) {
    return this.client.fastGet(remote, local);
  }

  async list(folder) {
    return (await this.client.list(folder)).map((entry) => [entry.name, entry.size]);
  }

  async stat(remote) {
    const there = await this.client.stat(remote);
    return [there.size, Math.floor(there.modifyTime / 1000)];
  }

  rename(from, to) {
    return this.client.rename(from, to);
  }

  delete(remote) {
    return this.client.delete(remote);
  }

  mkdir(remote) {
    return this.client.mkdir(remote);
  }

  mirror(local, remote) {
    return this.client.uploadDir(local, remote);
  }

  quit() {
    return this.client.end();
  }
}

async function answer(act) {
  let said;
  try {
    const value = await act();
    said = "ok " + (Array.isArray(value) ? value.flat().join("\t") : "");
  } catch (error) {
    said = error instanceof Cannot ? `cannot ${error.message}` : `fail ${error.message}`;
  }
  process.stdout.write(said.replaceAll("\n", " ") + "\n");
  return said.startsWith("ok");
}

const [host, port, user, password, modes] = process.argv.slice(2);
const mode = modes.split(",");
const kind = mode.includes("sftp") ? Sftp : Ftps;
let client;
const loggedIn = await answer(async () => {
  client = await kind.logIn(host, Number(port), user, password, mode);
});
if (!loggedIn) process.exit(1);
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [verb, ...fields] = line.split("\t");
  if (verb === "quit") break;
  await answer(() => client[verb](...fields));
}
await client.quit();
