"""The lines of ../README.md: reads what to do, does it with a library's client, answers."""

import os
import sys


class Cannot(Exception):
    """The library has no means to do it."""


def answer(act):
    try:
        said = "ok " + (act() or "")
    except Cannot as reason:
        said = f"cannot {reason}"
    except Exception as error:  # whatever the library tells its caller is what the test is about
        said = f"fail {type(error).__name__}: {error}"
    print(said.replace("\n", " "), flush=True)
    return said.startswith("ok")


def serve(client_of):
    """Makes a client of HOST, PORT, USER, PASSWORD and MODE, and lets it do what stdin says."""
    host, port, user, password, mode = sys.argv[1:]
    made = []
    if not answer(lambda: made.append(client_of(host, int(port), user, password, mode.split(",")))):
        sys.exit(1)
    client = made[0]
    for line in sys.stdin:
        verb, *fields = line.rstrip("\n").split("\t")
        if verb == "quit":
            break
        if verb == "mirror" and not hasattr(client, "mirror"):
            answer(lambda: mirror(client, *fields))
        else:
            answer(lambda: getattr(client, verb)(*fields))
    client.quit()


def mirror(client, local, remote):
    client.mkdir(remote)
    for name in sorted(os.listdir(local)):
        client.put(os.path.join(local, name), f"{remote}/{name}")


def listed(pairs):
    return "\t".join(f"{name}\t{size}" for name, size in sorted(pairs))
