"""A certificate that this computer signs itself: browsers of other devices give the microphone to encrypted pages only."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from hrf_ser.errors import UserError

DAYS = 30


def self_signed(address: str) -> tuple[ssl.SSLContext, str]:
    """A certificate for an IP address and this computer, and its SHA-256 fingerprint. Its key is on the disk only meanwhile.

    Raises:
        UserError: the program openssl is missing, or makes none.
    """
    program = shutil.which("openssl")
    if program is None:
        raise UserError(
            "https=true: the program openssl, which makes the certificate, is not installed; install it, or use https=false."
        )
    with TemporaryDirectory(prefix="hrf_ser_") as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        line = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        line += ["-sha256", "-days", str(DAYS), "-subj", "/CN=hrf_ser demo"]
        names = ",".join(dict.fromkeys((f"IP:{address}", "IP:127.0.0.1", "DNS:localhost")))
        line += ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            raise UserError(f"https=true: openssl makes no certificate ({reason[0]}); update it, or use https=false.")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest().upper()
    return context, ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))
