"""Takes steps with Python's own ftplib, as small HR systems do, and prints what came of each as JSON.

Usage: ftp.py PLAN, where PLAN is JSON:
  {"host", "port", "implicit", "user", "password", "options": {"secure", "protect", "tls", "passive"}, "steps": [[VERB, ARGUMENT, ...], ...]}
Verbs: stor PATH FILE | retr PATH | nlst PATH | list PATH | mlsd PATH | size PATH | mdtm PATH | rename FROM TO | dele PATH | raw COMMAND
Each step, the login being the first, gives {"reply"} or {"lines"} or {"reply", "sha256", "size"}, or {"error"}.
"""

import ftplib
import hashlib
import json
import ssl
import sys

from implicit import Implicit


def context(version):
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version:
        exact = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        made.minimum_version = made.maximum_version = exact
    return made


def connect(plan):
    options = plan["options"]
    if plan["implicit"]:
        ftp = Implicit(context=context(options.get("tls")), timeout=60)
    elif options.get("secure", True):
        ftp = ftplib.FTP_TLS(context=context(options.get("tls")), timeout=60)
    else:
        ftp = ftplib.FTP(timeout=60)
    ftp.set_pasv(options.get("passive", True))
    ftp.connect(plan["host"], plan["port"])
    return ftp


def login(ftp, plan):
    # FTP_TLS.login() sends AUTH TLS first; plain FTP sends USER at once.
    reply = ftp.login(plan["user"], plan["password"])
    if plan["options"].get("secure", True) and plan["options"].get("protect", True):
        ftp.prot_p()
    return reply


def step(ftp, verb, *arguments):
    if verb == "stor":
        with open(arguments[1], "rb") as file:
            return {"reply": ftp.storbinary("STOR " + arguments[0], file)}
    if verb == "retr":
        parts = []
        reply = ftp.retrbinary("RETR " + arguments[0], parts.append)
        whole = b"".join(parts)
        return {"reply": reply, "sha256": hashlib.sha256(whole).hexdigest(), "size": len(whole)}
    if verb == "nlst":
        return {"lines": sorted(ftp.nlst(*arguments))}
    if verb == "list":
        lines = []
        reply = ftp.retrlines("LIST " + arguments[0], lines.append)
        return {"reply": reply, "lines": lines}
    if verb == "mlsd":
        return {"lines": sorted([name, facts] for name, facts in ftp.mlsd(arguments[0]))}
    if verb == "size":
        return {"reply": ftp.size(arguments[0])}
    if verb == "rename":
        return {"reply": ftp.rename(*arguments)}
    if verb == "dele":
        return {"reply": ftp.delete(arguments[0])}
    if verb == "raw":
        return {"reply": ftp.sendcmd(arguments[0])}
    raise SystemExit(f"unknown verb {verb}")


def tried(act):
    try:
        return act()
    except ftplib.Error as error:
        return {"error": str(error)}


def main():
    plan = json.loads(sys.argv[1])
    ftp = connect(plan)
    results = [tried(lambda: {"reply": login(ftp, plan)})]
    for verb, *arguments in plan["steps"]:
        results.append(tried(lambda: step(ftp, verb, *arguments)))
    try:
        ftp.quit()
    except (ftplib.Error, EOFError, OSError):
        pass  # a session that was refused may be gone already
    print(json.dumps(results))


main()
