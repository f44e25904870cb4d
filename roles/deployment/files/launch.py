"""Start one Airflow component: put the secrets into airflow.cfg, then become an init with the component under it.

The template names a secret as @{entry} or, for the URL of a PyMySQL connection, @{entry:pymysql}; entries are files of
SECRETS. Passwords are
never part of a command line or of the environment. Keys are copied, because a mounted Secret changes under a running
process: a pod keeps the generation of keys that it started with.
"""

import json
import os
import pathlib
import re
import shutil
import sys
import urllib.parse

TEMPLATE = pathlib.Path("/etc/airflow-launcher/airflow.cfg.template")
SECRETS = pathlib.Path("/etc/airflow-secrets")
RUN = pathlib.Path("/run/airflow")


def secret(match):
    entry, form = match.group(1), match.group(2)
    path = SECRETS / entry
    if not path.is_file():
        sys.exit(f"airflow.cfg.template asks for the secret {entry}, which is not mounted in {SECRETS}")
    text = path.read_text(encoding="utf-8")
    if form == ":pymysql":
        # PyMySQL encodes a password as Latin-1, the server knows it as UTF-8: this makes the one into the other.
        text = urllib.parse.quote(text.encode("utf-8").decode("latin-1"), safe="")
    # configparser takes a single % for the start of an interpolation
    return text.replace("%", "%%")


def write(name, content, mode=0o600):
    path = RUN / name
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_bytes(content)


def main(command):
    os.umask(0o077)
    rendered = re.sub(r"@\{([a-z.-]+)(:pymysql)?\}", secret, TEMPLATE.read_text(encoding="utf-8"))
    write("airflow.cfg", rendered.encode())
    for source in (*SECRETS.glob("*-private.pem"), *SECRETS.glob("jwks.json"), *SECRETS.glob("passwords.json")):
        write(source.name, source.read_bytes())
    signer = os.environ.get("AIRFLOW_SIGNING_KEY")
    if signer:
        os.environ["AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH"] = str(RUN / f"{signer}-private.pem")
        kid = (SECRETS / f"{signer}.kid").read_text(encoding="utf-8")
        if kid not in [key["kid"] for key in json.loads((RUN / "jwks.json").read_bytes())["keys"]]:
            sys.exit(f"the signing key {signer} (kid {kid}) is not in jwks.json: no other component would accept it")
        os.environ["AIRFLOW__API_AUTH__JWT_KID"] = kid
    # Files that tasks write must stay readable for other processes of the group, as in Airflow's own image.
    os.umask(0o002)
    # As PID 1, Python would miss an early SIGTERM and leave zombies. Only the component gets the signal, not its tasks.
    for init in (["tini", "--"], ["dumb-init", "--single-child", "--"]):
        if shutil.which(init[0]):
            os.execvp(init[0], [*init, *command])  # noqa: S606 (replacing this process is the purpose)
    sys.exit("the image has neither tini nor dumb-init")


main(sys.argv[1:])
