"""Start one Airflow component: put the secrets into airflow.cfg, then become an init with the component under it.

The template names a secret as @{entry} or, for the URL of a connection, @{entry:encoding}; entries are files of
SECRETS. Passwords are never part of a command line or of the environment. Keys are copied, because a mounted Secret
changes under a running process: a pod keeps the generation of keys that it started with.

The kubelet may mount a copy of the Secret that is older than the restart that wants its successor. So a restart for new
keys says which generation it is for (AIRFLOW_KEYS_GENERATION), and the component starts when that one is mounted.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import urllib.parse

import in_pod

TEMPLATE = pathlib.Path("/etc/airflow-launcher/airflow.cfg.template")
SECRETS = pathlib.Path("/etc/airflow-secrets")
RUN = pathlib.Path("/run/airflow")
TERMINATION_LOG = pathlib.Path("/dev/termination-log")

# The kubelet looks again at least every minute or so; the startup probe allows three.
LONGEST_WAIT_SECONDS = 150


def end(why):
    """Start nothing: the reason goes into the log and, where Kubernetes shows it, into the pod's status."""
    with contextlib.suppress(OSError):
        TERMINATION_LOG.write_text(why, encoding="utf-8")
    sys.exit(why)


def mounted():
    """Content by name of all that is mounted, as it was at one moment: a change replaces the folder behind a link."""
    while True:
        link = SECRETS / "..data"
        # The link itself: where it leads to may be gone in this moment.
        folder = link.resolve() if link.is_symlink() else SECRETS
        try:
            entries = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        except FileNotFoundError:
            continue
        if folder in (SECRETS, link.resolve()):
            return entries


def read(entries, name, parse):
    """One entry as `in_pod` reads it, which checks before a rollout what is read here."""
    if name not in entries:
        end(f"the secret {name} is not mounted in {SECRETS}")
    try:
        return parse(entries[name])
    except ValueError as problem:
        end(f"the secret {name} in {SECRETS} {problem}")


def generation(entries):
    return read(entries, "generation", in_pod.generation_of) if "generation" in entries else 0


def wait_for_keys():
    """What is mounted, as soon as its keys are of the generation that this pod was started for, or of a newer one."""
    text = os.environ.get("AIRFLOW_KEYS_GENERATION", "").strip()
    entries = mounted()
    if not text:
        return entries
    if not (text.isascii() and text.isdecimal()):
        end(f"the generation of the keys is a number, but AIRFLOW_KEYS_GENERATION is {text!r}")
    wanted = int(text)
    # PID 1 ignores SIGTERM unless it says otherwise, and a pod's end would wait for its whole grace.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    announced = False
    while generation(entries) < wanted:
        found = f"the mounted keys are of generation {generation(entries)}, this pod was started for {wanted}"
        if time.monotonic() > deadline:
            end(
                f"{found}: they did not change within {LONGEST_WAIT_SECONDS} s, so nothing was started. "
                "Has somebody put the Secret of the keys back (Argo CD, an ExternalSecret)? See docs/rotation.md"
            )
        if not announced:
            sys.stderr.write(f"{found}: waiting for the kubelet\n")
            announced = True
        time.sleep(0.2)
        entries = mounted()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return entries


def filled_in(template, entries):
    def secret(match):
        entry, form = match.group(1), match.group(2)
        if entry not in entries:
            end(f"airflow.cfg.template asks for the secret {entry}, which is not mounted in {SECRETS}")
        if form == ":latin-1":
            # The library encodes a password as Latin-1. So each byte becomes the character that it makes the same of.
            text = urllib.parse.quote(entries[entry].decode("latin-1"), safe="")
        elif form == ":utf-8":
            text = urllib.parse.quote(entries[entry], safe="")
        else:
            text = read(entries, entry, in_pod.text_of)
        # configparser takes a single % for the start of an interpolation
        return text.replace("%", "%%")

    return re.sub(r"@\{([a-z.-]+)(:latin-1|:utf-8)?\}", secret, template)


def write(name, content, mode=0o600):
    path = RUN / name
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(content)


def main(command):
    os.umask(0o077)
    entries = wait_for_keys()
    write("airflow.cfg", filled_in(TEMPLATE.read_text(encoding="utf-8"), entries).encode())
    for name, content in entries.items():
        if name.endswith("-private.pem") or name in ("jwks.json", "passwords.json"):
            write(name, content)
    signer = os.environ.get("AIRFLOW_SIGNING_KEY")
    if signer:
        os.environ["AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH"] = str(RUN / f"{signer}-private.pem")
        kid = read(entries, f"{signer}.kid", in_pod.kid_of)
        if kid not in read(entries, "jwks.json", in_pod.kids_of):
            end(f"the signing key {signer} (kid {kid}) is not in jwks.json: no other component would accept it")
        os.environ["AIRFLOW__API_AUTH__JWT_KID"] = kid
    # Files that tasks write must stay readable for other processes of the group, as in Airflow's own image.
    os.umask(0o002)
    # As PID 1, Python would miss an early SIGTERM and leave zombies. Only the component gets the signal, not its tasks.
    for init in (["tini", "--"], ["dumb-init", "--single-child", "--"]):
        if shutil.which(init[0]):
            os.execvp(init[0], [*init, *command])  # noqa: S606 (replacing this process is the purpose)
    end("the image has neither tini nor dumb-init")


main(sys.argv[1:])
