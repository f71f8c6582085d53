"""TLS in front of the tests' PostgreSQL, and certificates for it.

The embedded server is built without TLS, so that a proxy ends it: it answers libpq's SSLRequest
(https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL) and passes on what
comes then. `make compat-postgres` has servers that are built with TLS, and do it themselves.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from testserver import PROGRAMS, OtherCluster

if TYPE_CHECKING:
    from signalroom_target_postgres.embedded import EmbeddedPostgres

PASSPHRASE = "opensesame"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that signs what a test needs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._count = 0
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(self._name, self._key, ca=True)
        self.root = folder / f"{name}.crt"
        self.root.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, expired: bool = False, host: bool = False, locked: bool = False):
        """A certificate for a host, or for a user; the key of a locked one has a passphrase."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key, host=name if host else None, expired=expired)
        self._count += 1
        stem = f"{self.root.stem}-{self._count}"
        pair = Pair(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(PASSPHRASE.encode()) if locked else NoEncryption()
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        pair.key.chmod(0o600)
        return pair

    def _sign(self, subject, key, *, ca=False, host=None, expired=False):
        now = dt.datetime.now(dt.UTC)
        first, last = (now - 9 * _DAY, now - _DAY) if expired else (now - _DAY, now + _DAY)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(last)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            try:
                alternative = x509.IPAddress(ipaddress.ip_address(host))
            except ValueError:
                alternative = x509.DNSName(host)
            names = x509.SubjectAlternativeName([alternative])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@dataclass(frozen=True)
class TlsServer:
    """A server that has a port with TLS."""

    port: int
    #: Its address without TLS.
    libpq_url: str


@contextmanager
def tls_server(
    server: EmbeddedPostgres,
    folder: Path,
    pair: Pair | None,
    *,
    client_root: Path | None = None,
):
    """A server whose port has TLS, or has none where there is no `pair`.

    `client_root` is the authority whose certificates clients must have.
    """
    if os.environ.get(PROGRAMS):
        with _own_server(OtherCluster(folder), pair, client_root) as made:
            yield made
    else:
        with _proxy(server, pair, client_root) as port:
            yield TlsServer(port, server.libpq_url)


@contextmanager
def _own_server(cluster: OtherCluster, pair: Pair | None, client_root: Path | None):
    """A server of programs that were built with TLS."""
    cluster.home.mkdir()
    account = cluster._prepare()
    options = {"ssl": "off"}
    if pair is not None:
        options = {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}
        files = {"server.crt": pair.certificate, "server.key": pair.key}
        if client_root is not None:
            options["ssl_ca_file"] = "clients.crt"
            files["clients.crt"] = client_root
        for name, source in files.items():
            path = cluster.data / name
            path.write_bytes(source.read_bytes())
            path.chmod(0o600)
            account.chown(path)
    rule = (
        "hostssl all all all trust clientcert=verify-ca"
        if client_root
        else "host all all all trust"
    )
    rules = cluster.data / "pg_hba.conf"
    rules.write_text(f"{rule}\n{rules.read_text()}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sockets = cluster._socket_folder()
    options |= {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": sockets}
    given = " ".join(f"-c {name}={value}" for name, value in options.items())
    started = cluster._run(
        account, "pg_ctl", "start", "-w", "-l", "server.log", "-o", given, data=cluster.data
    )
    assert started.returncode == 0, cluster._log_tail()
    try:
        url = f"postgresql://postgres@/{{}}?host={sockets}&port={port}"
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE signalroom")
        yield TlsServer(port, url.format("signalroom"))
    finally:
        cluster._run(account, "pg_ctl", "stop", "-w", "-m", "immediate", data=cluster.data)


@contextmanager
def _proxy(server: EmbeddedPostgres, pair: Pair | None, client_root: Path | None):
    to = server.cluster.conninfo()
    address = Path(to["host"]) / f".s.PGSQL.{to['port']}"
    context = None
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        if client_root is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_root)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # closed at the end
                while True:
                    client, _ = listener.accept()
                    threading.Thread(
                        target=_serve, args=(client, address, context), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve(client: socket.socket, address: Path, context: ssl.SSLContext | None) -> None:
    with suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
        server.connect(str(address))
        if context and client.recv(8, socket.MSG_PEEK) == _SSL_REQUEST:
            client.recv(8)
            client.sendall(b"S")
            client = context.wrap_socket(client, server_side=True)
        with client:
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
