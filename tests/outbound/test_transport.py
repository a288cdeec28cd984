"""Calls to the outside against real servers on the loopback: what is dialled, what is believed, and when we give up."""

import gzip
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.domain.outbound import OutboundPolicy, parse_outbound_allow
from gateway.domain.ports import Unreachable
from gateway.outbound import transport
from gateway.outbound.transport import Transport, system_resolve
from tests.outbound.servers import answering, certificate, dripping, serve, silent

LOOPBACK = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8"))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def to_loopback(_host: str, _port: int) -> Sequence[str]:
    return ("127.0.0.1",)


def make(
    policy: OutboundPolicy = LOOPBACK, *, limit_ms: int = 5_000, ca_file: Path | None = None, body_limit: int = 256 * 1024
) -> Transport:
    return Transport(
        policy, resolve=to_loopback, time_limit_ms=limit_ms, body_limit=body_limit, ca_file=None if ca_file is None else str(ca_file)
    )


def reason_of(caller: Transport, url: str, *, private_outbound: bool = True) -> str:
    with pytest.raises(Unreachable) as refusal:
        caller.get_json(url, private_outbound=private_outbound)
    assert str(refusal.value) == "The server could not be reached."
    return refusal.value.reason


class TestOrdinaryCalls:
    def test_document_comes_back_and_the_original_name_is_in_host(self) -> None:
        with serve(answering(b'{"issuer": "x"}')) as server:
            url = f"http://idp.example:{server.port}/.well-known/openid-configuration?a=b"
            assert make().get_json(url, private_outbound=True) == {"issuer": "x"}
        (request,) = server.requests
        assert request.startswith(b"GET /.well-known/openid-configuration?a=b HTTP/1.1\r\n")
        assert f"\r\nHost: idp.example:{server.port}\r\n".encode() in request
        assert b"\r\nAccept-Encoding: identity\r\n" in request

    def test_access_token_is_sent_as_bearer(self) -> None:
        with serve(answering(b"{}")) as server:
            make().get_json(f"http://idp.example:{server.port}/", private_outbound=True, bearer="at-1")
        assert b"\r\nAuthorization: Bearer at-1\r\n" in server.requests[0]

    def test_form_is_posted_and_any_status_comes_back(self) -> None:
        with serve(answering(b'{"error":"invalid_grant"}', status="400 Bad Request", headers=("X-Trace: 1",))) as server:
            url = f"http://idp.example:{server.port}/token"
            reply = make().post_form(url, {"code": "a b&c"}, private_outbound=True, auth=("client", "s:ecret/+"))
        assert reply.status == 400
        assert reply.headers["x-trace"] == "1"
        assert reply.json_object() == {"error": "invalid_grant"}
        (request,) = server.requests
        assert request.endswith(b"\r\n\r\ncode=a+b%26c")
        # "client:s%3Aecret%2F%2B" in base64: both parts are form-encoded first.
        assert b"\r\nAuthorization: Basic Y2xpZW50OnMlM0FlY3JldCUyRiUyQg==\r\n" in request

    @pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "401 Unauthorized"])
    def test_document_is_only_believed_with_status_200(self, status: str) -> None:
        with serve(answering(b"{}" if "204" not in status else b"", status=status)) as server:
            assert status[:3] in reason_of(make(), f"http://idp.example:{server.port}/")

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a": "\\ud800"}'])
    def test_what_is_no_json_object_is_refused(self, body: bytes) -> None:
        with serve(answering(body)) as server:
            assert "no JSON object" in reason_of(make(), f"http://idp.example:{server.port}/")

    def test_proxies_of_the_environment_are_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve(answering(b"{}", status="500 Proxy")) as proxy, serve(answering(b'{"direct": true}')) as server:
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert make().get_json(f"http://idp.example:{server.port}/", private_outbound=True) == {"direct": True}
        assert not proxy.requests

    def test_cookies_are_not_kept(self) -> None:
        with serve(answering(b"{}", headers=("Set-Cookie: a=b",))) as server:
            caller = make()
            for _ in range(2):
                caller.get_json(f"http://idp.example:{server.port}/", private_outbound=True)
        assert not any(b"cookie" in request.lower() for request in server.requests)


class TestWhereCallsMayGo:
    @pytest.mark.parametrize(
        ("policy", "private_outbound"),
        [(OutboundPolicy(), True), (LOOPBACK, False), (OutboundPolicy(LOOPBACK.allow, LOOPBACK.allow), True)],
    )
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_private_address_is_not_even_connected_to(self, policy: OutboundPolicy, *, private_outbound: bool, scheme: str) -> None:
        with serve(answering(b"{}")) as server:
            reason_of(make(policy), f"{scheme}://idp.example:{server.port}/", private_outbound=private_outbound)
        assert not server.requests

    @pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0"])
    def test_metadata_service_is_refused_whatever_is_allowed(self, address: str) -> None:
        everything = OutboundPolicy(allow=parse_outbound_allow("0.0.0.0/0,::/0"))
        caller = Transport(everything, resolve=lambda _host, _port: (address,), time_limit_ms=200)
        assert "never" in reason_of(caller, "http://metadata.example/latest")

    def test_forbidden_address_among_others_is_passed_over(self) -> None:
        with serve(answering(b'{"ok": 1}')) as server:
            caller = Transport(LOOPBACK, resolve=lambda _host, _port: ("169.254.169.254", "10.0.0.1", "127.0.0.1"))
            assert caller.get_json(f"http://idp.example:{server.port}/", private_outbound=True) == {"ok": 1}

    def test_name_server_that_changes_its_mind_wins_nothing(self) -> None:
        answers = iter([("127.0.0.1",), ("169.254.169.254",)])
        asked: list[str] = []

        def rebinding(host: str, _port: int) -> Sequence[str]:
            asked.append(host)
            return next(answers)

        with serve(answering(b'{"ok": 1}')) as server:
            caller = Transport(LOOPBACK, resolve=rebinding)
            # The first answer is checked and dialled; nobody asks a second time between check and dial.
            assert caller.get_json(f"http://rebind.example:{server.port}/", private_outbound=True) == {"ok": 1}
            assert asked == ["rebind.example"]
            assert "never" in reason_of(caller, f"http://rebind.example:{server.port}/")

    def test_next_address_is_tried_where_one_does_not_answer(self) -> None:
        with socket.create_server(("127.0.0.2", 0)) as closed:
            port = closed.getsockname()[1]
        with serve(answering(b'{"ok": 1}')) as server:
            addresses = ("::1", "127.0.0.1")
            both = OutboundPolicy(allow=parse_outbound_allow("127.0.0.0/8,::1/128"))
            caller = Transport(both, resolve=lambda _host, _port: addresses)
            assert caller.get_json(f"http://idp.example:{server.port}/", private_outbound=True) == {"ok": 1}
        assert "127.0.0.1" in reason_of(caller, f"http://idp.example:{port}/")

    def test_nothing_is_sent_twice(self) -> None:
        with serve(answering(b"", status="nonsense")) as server:
            caller = Transport(LOOPBACK, resolve=lambda _host, _port: ("127.0.0.1", "127.0.0.1"))
            with pytest.raises(Unreachable):
                caller.post_form(f"http://idp.example:{server.port}/token", {"code": "once"}, private_outbound=True)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
    def test_redirect_is_not_followed(self, status: str) -> None:
        with serve(answering(b'{"stolen": 1}')) as other:
            location = f"Location: http://idp.example:{other.port}/"
            with serve(answering(b"", status=status, headers=(location,))) as server:
                assert status[:3] in reason_of(make(), f"http://idp.example:{server.port}/")
                reply = make().post_form(f"http://idp.example:{server.port}/", {}, private_outbound=True)
        assert reply.status == int(status[:3])
        assert not other.requests

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "idp.example",
            "ftp://idp.example/",
            "file:///etc/passwd",
            "http://",
            "http://user:secret@idp.example/",
            "http://idp.example@evil/",
            "http://idp.example\\@evil/",
            "http://idp.example:99999/",
            "http://idp.example:x/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://%31%32%37.0.0.1/",
            "http://idp.example/\r\nX-Evil: 1",
            "http://idp.example/ HTTP/1.1",
            "http://idp.example/#fragment",
            "http://idp.exämple/",
            "http://idp.example/" + "x" * 5000,
        ],
        ids=lambda url: url[:40],
    )
    def test_url_that_could_be_read_in_two_ways_is_refused(self, url: str) -> None:
        asked: list[str] = []

        def resolve(host: str, _port: int) -> Sequence[str]:
            asked.append(host)
            return ()

        reason_of(Transport(LOOPBACK, resolve=resolve), url)
        assert not asked

    def test_header_cannot_be_injected_through_a_token(self) -> None:
        with pytest.raises(Unreachable):
            make().get_json("http://idp.example/", private_outbound=True, bearer="a\r\nX-Evil: 1")

    def test_unknown_name_is_unreachable(self) -> None:
        def unknown(_host: str, _port: int) -> Sequence[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        assert "does not resolve" in reason_of(Transport(LOOPBACK, resolve=unknown), "https://nowhere.example/")

    def test_operating_system_resolves_names(self) -> None:
        assert "127.0.0.1" in system_resolve("127.0.0.1", 80)


class TestEncryption:
    def test_certificate_is_checked_for_the_original_name(self, tmp_path: Path) -> None:
        ca_file, context = certificate(tmp_path, "idp.example")
        with serve(answering(b'{"ok": 1}'), tls=context) as server:
            assert make(ca_file=ca_file).get_json(f"https://idp.example:{server.port}/", private_outbound=True) == {"ok": 1}

    def test_certificate_of_the_address_instead_of_the_name_is_refused(self, tmp_path: Path) -> None:
        ca_file, context = certificate(tmp_path, "127.0.0.1", "other.example")
        with serve(answering(b"{}"), tls=context) as server:
            assert "CERTIFICATE_VERIFY_FAILED" in reason_of(make(ca_file=ca_file), f"https://idp.example:{server.port}/")
        assert not server.requests

    def test_unknown_authority_is_refused(self, tmp_path: Path) -> None:
        _, context = certificate(tmp_path, "idp.example")
        with serve(answering(b"{}"), tls=context) as server:
            assert "CERTIFICATE_VERIFY_FAILED" in reason_of(make(), f"https://idp.example:{server.port}/")
        assert not server.requests

    def test_server_is_asked_for_by_name(self, tmp_path: Path) -> None:
        ca_file, context = certificate(tmp_path, "idp.example")
        asked: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        with serve(answering(b"{}"), tls=context) as server:
            make(ca_file=ca_file).get_json(f"https://idp.example:{server.port}/", private_outbound=True)
        assert asked == ["idp.example"]


class TestLimits:
    def test_a_process_out_of_threads_keeps_no_slot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def exhausted(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(transport, "CALLS_PER_HOST", 1)
        caller = make(limit_ms=200)
        with monkeypatch.context() as out_of_threads:
            out_of_threads.setattr(threading.Thread, "start", exhausted)
            for _ in range(2):
                assert "no thread" in reason_of(caller, "http://idp.example:9/")

    def test_body_over_the_limit_is_refused(self) -> None:
        with serve(answering(b'{"a":"' + b"x" * 10_000_000 + b'"}')) as server:
            assert "more than 262144 bytes" in reason_of(make(), f"http://idp.example:{server.port}/")

    def test_body_at_the_limit_is_read(self) -> None:
        body = b'{"a":"' + b"x" * 91 + b'"}'
        with serve(answering(body)) as server:
            assert len(make(body_limit=99).get_json(f"http://idp.example:{server.port}/", private_outbound=True)) == 1
            assert "more than 98 bytes" in reason_of(make(body_limit=98), f"http://idp.example:{server.port}/")

    def test_endless_chunks_are_refused(self) -> None:
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        with serve(dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 100, chunk)) as server:
            assert "more than" in reason_of(make(), f"http://idp.example:{server.port}/")

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
    def test_compressed_body_is_refused_unread(self, encoding: str) -> None:
        bomb = gzip.compress(b'{"a":"' + b"x" * 10_000_000 + b'"}')
        with serve(answering(bomb, headers=(f"Content-Encoding: {encoding}",))) as server:
            assert "compressed" in reason_of(make(), f"http://idp.example:{server.port}/")

    @pytest.mark.parametrize(
        ("first", "drop"),
        [
            (b"", b"H"),
            (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
            (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
            (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        ],
        ids=["status", "header", "headers", "body", "chunks"],
    )
    def test_slow_drip_is_cut_off(self, first: bytes, drop: bytes) -> None:
        with serve(dripping(first, drop)) as server:
            reason = reason_of(make(limit_ms=200), f"http://idp.example:{server.port}/")
            assert "0.2 s" in reason or "too many headers" in reason or "100 headers" in reason
        assert_threads_end()

    def test_slow_drip_is_cut_off_under_encryption_too(self, tmp_path: Path) -> None:
        ca_file, context = certificate(tmp_path, "idp.example")
        with serve(dripping(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"), tls=context) as server:
            assert "0.2 s" in reason_of(make(limit_ms=200, ca_file=ca_file), f"https://idp.example:{server.port}/")
        assert_threads_end()

    def test_server_that_never_answers_is_cut_off(self) -> None:
        with serve(silent) as server:
            reason_of(make(limit_ms=100), f"http://idp.example:{server.port}/")
        assert_threads_end()

    def test_server_that_never_finishes_the_handshake_is_cut_off(self) -> None:
        with serve(silent) as server:
            reason_of(make(limit_ms=100), f"https://idp.example:{server.port}/")
        assert_threads_end()

    def test_name_server_that_never_answers_is_cut_off(self) -> None:
        over = threading.Event()
        caller = Transport(LOOPBACK, resolve=lambda _host, _port: ("127.0.0.1",) if over.wait(10) else (), time_limit_ms=100)
        try:
            assert "0.1 s" in reason_of(caller, "http://idp.example/")
        finally:
            over.set()
        assert_threads_end()

    def test_dead_server_takes_no_slot_from_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transport, "CALLS_PER_HOST", 1)
        over, begun = threading.Event(), threading.Event()

        def resolve(host: str, _port: int) -> Sequence[str]:
            if host == "dead.example":
                begun.set()
                over.wait(10)
            return ("127.0.0.1",)

        caller = Transport(LOOPBACK, resolve=resolve, time_limit_ms=400)
        with serve(answering(b'{"ok": 1}')) as server:
            stuck = threading.Thread(target=reason_of, args=(caller, f"http://dead.example:{server.port}/"))
            stuck.start()
            begun.wait(10)
            try:
                assert caller.get_json(f"http://alive.example:{server.port}/", private_outbound=True) == {"ok": 1}
                assert "too many calls" in reason_of(caller, f"http://dead.example:{server.port}/")
            finally:
                over.set()
                stuck.join()
            assert_threads_end()
            assert caller.get_json(f"http://dead.example:{server.port}/", private_outbound=True) == {"ok": 1}

    @pytest.mark.parametrize("hanging", [0.05, 30.0], ids=["hangs", "is only busy"])
    def test_nobody_queues_behind_a_server_that_hangs_but_behind_one_that_is_busy(
        self, monkeypatch: pytest.MonkeyPatch, hanging: float
    ) -> None:
        """Else those who wait for one dead server take every thread of the process, and nobody signs in anywhere."""
        monkeypatch.setattr(transport, "CALLS_PER_HOST", 1)
        monkeypatch.setattr(transport, "HANGING_SECONDS", hanging)
        over, begun = threading.Event(), threading.Event()

        def resolve(_host: str, _port: int) -> Sequence[str]:
            begun.set()
            over.wait(10)
            return ("127.0.0.1",)

        caller = Transport(LOOPBACK, resolve=resolve, time_limit_ms=20_000)
        with serve(answering(b'{"ok": 1}')) as server:
            url = f"http://idp.example:{server.port}/"
            first = threading.Thread(target=caller.get_json, args=(url,), kwargs={"private_outbound": True})
            first.start()
            begun.wait(10)
            if hanging < 1:
                assert "too many calls" in reason_of(caller, url)
                over.set()
            else:
                threading.Timer(0.1, over.set).start()
                assert caller.get_json(url, private_outbound=True) == {"ok": 1}
            first.join()


def assert_threads_end() -> None:
    """No working thread may outlive its call for long: a server that keeps them would take them all."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and thread.daemon and thread.name.startswith("Thread"):
            thread.join(5)
            assert not thread.is_alive()
