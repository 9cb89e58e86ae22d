"""Certificates for the tests of TLS, made by the openssl command."""

import collections
import os
import subprocess

Pair = collections.namedtuple("Pair", "cert key ca")


def run(*args):
    subprocess.run(("openssl",) + args, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def stamp(date):
    """2020-01-31 as ASN.1 has it."""
    return date.replace("-", "")[2:] + "000000Z"


def make(folder, name, first=None, last=None, key=None):
    """A pair that signs itself, for 127.0.0.1; by default of a month, else from
    the first day to the last ("2020-01-31")."""
    cert = os.path.join(folder, name + ".crt")
    out = key or os.path.join(folder, name + ".key")
    if key is None:
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", out)
        os.chmod(out, 0o600)
    form = ["-new", "-key", out, "-subj", "/CN=" + name, "-addext",
            "subjectAltName=IP:127.0.0.1"]
    if first is None:
        run("req", "-x509", *form, "-days", "30", "-out", cert)
    else:
        dated(folder, name, form, cert, out, first, last)
    return Pair(cert, out, cert)


def dated(folder, name, form, cert, key, first, last):
    """Only `openssl ca` takes dates, and it wants a book."""
    at = os.path.join(folder, name + ".")
    with open(at + "cnf", "w") as f:
        f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%sbook\nrand_serial=yes\n"
                "new_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
                "copy_extensions=copy\n[p]\ncommonName=supplied\n" %
                (at, folder))
    open(at + "book", "w").close()
    run("req", *form, "-out", at + "csr")
    run("ca", "-batch", "-config", at + "cnf", "-selfsign", "-keyfile", key,
        "-in", at + "csr", "-out", cert, "-notext", "-startdate", stamp(first),
        "-enddate", stamp(last))
