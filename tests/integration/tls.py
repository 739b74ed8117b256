"""A certificate for servers on this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def certificate(directory: Path) -> Path:
    """One for 127.0.0.1 that signs itself; the key lies beside it."""
    program = shutil.which("openssl")
    assert program, "openssl is not installed: apt-get install openssl"
    path = directory / "redis.crt"
    command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(path.with_suffix(".key")), "-out", str(path), "-days", "1"]
    command += ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


def tls_options(path: Path, port: int) -> list[str]:
    """What a redis-server needs to listen for TLS with that certificate."""
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(path)]
    return [*options, "--tls-cert-file", str(path), "--tls-key-file", str(path.with_suffix(".key"))]
