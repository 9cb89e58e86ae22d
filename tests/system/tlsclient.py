"""client.Conn over TLS."""

import socket
import ssl

from client import Conn


def trusting(pair=None):
    """A context that takes this pair's certificate only; any without one."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = pair is not None
    if pair is None:
        ctx.verify_mode = ssl.CERT_NONE
    else:
        ctx.load_verify_locations(pair.ca)
    return ctx


def hello(ctx=None):
    """The first bytes that a client says."""
    sent = ssl.MemoryBIO()
    s = (ctx or trusting()).wrap_bio(ssl.MemoryBIO(), sent)
    try:
        s.do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()


class TlsConn(Conn):
    def __init__(self, addr, ctx=None, timeout=20):
        raw = socket.create_connection(addr, timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        try:
            # A connection cut short is no end of an answer.
            self.sock = (ctx or trusting()).wrap_socket(
                raw, server_hostname=addr[0], suppress_ragged_eofs=False)
        except BaseException:
            raw.close()
            raise

    def serial(self):
        """Of the certificate that was shown."""
        return ssl.DER_cert_to_PEM_cert(self.sock.getpeercert(True))
