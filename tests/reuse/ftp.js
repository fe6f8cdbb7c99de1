// Node's tls, with the control connection's newest session for each data connection. Called as ftp.py is.
'use strict';
const net = require('net');
const tls = require('tls');

const [port, version, count, how, user, password] = process.argv.slice(2);
const options = {
  rejectUnauthorized: false,
  minVersion: `TLSv${version}`,
  maxVersion: `TLSv${version}`,
};

let session;
let control;
let received = '';
let waiting = null;

function heard(chunk) {
  received += chunk;
  look();
}

// A reply ends with a line of three digits and a space.
function look() {
  const end = /^(\d{3} .*)\r\n/m.exec(received);
  if (waiting && end) {
    received = received.slice(end.index + end[0].length);
    const tell = waiting;
    waiting = null;
    tell(end[1]);
  }
}

function hear() {
  return new Promise((resolve) => {
    waiting = resolve;
    look();
  });
}

function ask(command) {
  control.write(`${command}\r\n`);
  return hear();
}

async function transfer(command, bytes) {
  const announced = await ask('EPSV');
  const plain = net.connect(Number(/\|\|\|(\d+)\|/.exec(announced)[1]), '127.0.0.1');
  const begun = await ask(command);
  if (!begun.startsWith('150')) return begun;
  const data = tls.connect({ ...options, socket: plain, session: how === 'reuse' ? session : undefined });
  data.on('error', () => {}); // The reply says what went wrong.
  data.resume();
  if (bytes) data.end(bytes);
  const reply = await hear();
  data.destroy();
  return reply;
}

async function main() {
  const plain = net.connect(Number(port), '127.0.0.1');
  control = plain;
  plain.on('data', heard);
  await hear();
  await ask('AUTH TLS');
  plain.removeAllListeners('data');
  control = tls.connect({ ...options, socket: plain });
  control.on('session', (newest) => { session = newest; });
  control.on('data', heard);
  for (const command of [`USER ${user}`, `PASS ${password}`, 'PBSZ 0', 'PROT P', 'TYPE I']) {
    await ask(command);
  }
  for (let at = 0; at < Number(count); at += 1) {
    const reply = at % 2 === 0
      ? await transfer('STOR /data/employees.csv.tmp', Buffer.alloc(20000, 'x'))
      : await transfer('NLST /data');
    console.log(reply);
  }
  console.log(await ask('NOOP'));
  control.end(`QUIT\r\n`);
}

main();
