"""Start one Airflow component: write the secrets into airflow.cfg, then replace this process with an init that runs it.

The template refers to a secret as @{entry} or, in the URL of a connection, as @{entry:encoding}; entries are
files in SECRETS. Passwords never appear in a command line or in the environment. Keys are copied, because a mounted
Secret changes under a running process, and a pod must keep the generation of keys that it started with.

The kubelet may mount a stale copy of the Secret. So a restart for new keys sets the generation that it needs
(AIRFLOW_KEYS_GENERATION), and the component starts once that generation is mounted.
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

# The kubelet refreshes mounts about once a minute; the startup probe allows three minutes.
LONGEST_WAIT_SECONDS = 150


def end(why):
    """Exit without starting anything. The reason goes to the log and to the termination message in the pod's status."""
    with contextlib.suppress(OSError):
        TERMINATION_LOG.write_text(why, encoding="utf-8")
    sys.exit(why)


def mounted():
    """A consistent snapshot of all mounted entries, by name: a change replaces the folder behind a link."""
    while True:
        link = SECRETS / "..data"
        # Check the link itself, because its target may just have been removed.
        folder = link.resolve() if link.is_symlink() else SECRETS
        try:
            entries = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        except FileNotFoundError:
            continue
        if folder in (SECRETS, link.resolve()):
            return entries


def read(entries, name, parse):
    """One entry, parsed by `in_pod`, which also checks the entries before a rollout."""
    if name not in entries:
        end(f"the secret {name} is not mounted in {SECRETS}")
    try:
        return parse(entries[name])
    except ValueError as problem:
        end(f"the secret {name} in {SECRETS} {problem}")


def generation(entries):
    return read(entries, "generation", in_pod.generation_of) if "generation" in entries else 0


def wait_for_keys():
    """The mounted entries, once their keys have the generation that this pod was started for, or a newer one."""
    text = os.environ.get("AIRFLOW_KEYS_GENERATION", "").strip()
    entries = mounted()
    if not text:
        return entries
    if not (text.isascii() and text.isdecimal()):
        end(f"AIRFLOW_KEYS_GENERATION must be a number, but is {text!r}")
    wanted = int(text)
    # By default PID 1 ignores SIGTERM, and the deletion of the pod would take its whole grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    announced = False
    while generation(entries) < wanted:
        found = f"the mounted keys are of generation {generation(entries)}, this pod was started for {wanted}"
        if time.monotonic() > deadline:
            end(
                f"{found}: they did not change within {LONGEST_WAIT_SECONDS} s, so nothing was started. Has a "
                "controller restored the keys Secret (Argo CD, an ExternalSecret)? See docs/rotation.md"
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
            end(f"airflow.cfg.template refers to the secret {entry}, which is not mounted in {SECRETS}")
        if form == ":latin-1":
            # The library encodes a password as Latin-1, so each byte becomes the character with the same code.
            text = urllib.parse.quote(entries[entry].decode("latin-1"), safe="")
        elif form == ":utf-8":
            text = urllib.parse.quote(entries[entry], safe="")
        else:
            text = read(entries, entry, in_pod.text_of)
        # configparser reads a single % as the start of an interpolation
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
            end(
                f"the signing key {signer} (kid {kid}) is not in jwks.json, so no other component would accept its "
                "tokens"
            )
        os.environ["AIRFLOW__API_AUTH__JWT_KID"] = kid
    # Files that tasks write must stay readable by other processes of the group, as in Airflow's own image.
    os.umask(0o002)
    # As PID 1, Python would miss an early SIGTERM and leave zombies. The init forwards the signal to the component
    # only, not to its tasks.
    for init in (["tini", "--"], ["dumb-init", "--single-child", "--"]):
        if shutil.which(init[0]):
            os.execvp(init[0], [*init, *command])  # noqa: S606 (replacing this process is the purpose)
    end("the image has neither tini nor dumb-init")


main(sys.argv[1:])
