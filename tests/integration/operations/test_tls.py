"""TLS between the service and its own client: who is believed, what is said when not, and files that are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kladez.v1 import tenant_service_pb2 as tenants_pb

from retrieval_service.client import CallFailed, Client, Tls, channels, connect
from tests.kits.certificate_files import Authority, Files, terminating_proxy
from tests.kits.service_kit import WAIT_SECONDS, Running, until
from tests.kits.tls_kit import secure

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = tenants_pb.ListTenantsRequest()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def files(authority: Authority) -> Files:
    return authority.issue("localhost", "127.0.0.1")


async def answers(client: Client) -> bool:
    await client.list_tenants(EVERYTHING)
    return True


async def fault(address: str, running: Running, tls: Tls) -> str:
    """What a client that cannot reach the service is told."""
    async with connect(address, running.key, tls=tls) as client:
        with pytest.raises(CallFailed) as caught:
            await client.list_tenants(EVERYTHING)
        assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "")
        return await client.why_unreachable()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_client_that_believes_the_authority_is_answered(
    running: Running, authority: Authority, files: Files, host: str
) -> None:
    async with (
        secure(running, files) as port,
        connect(f"https://{host}:{port}", running.key, tls=Tls(ca=authority.path)) as client,
    ):
        assert await answers(client)
        assert await client.why_unreachable() == ""


async def test_another_name_may_be_expected(running: Running, authority: Authority) -> None:
    files = authority.issue("kb.example")
    expecting = Tls(ca=authority.path, server_name="kb.example")
    async with (
        secure(running, files) as port,
        connect(f"https://127.0.0.1:{port}", running.key, tls=expecting) as client,
    ):
        assert await answers(client)


async def test_expired_certificate_is_said(running: Running, authority: Authority) -> None:
    files = authority.issue("localhost", is_expired=True)
    async with secure(running, files) as port:
        said = await fault(f"https://localhost:{port}", running, Tls(ca=authority.path))
    assert said.startswith("its certificate is not accepted (certificate has expired): renew it")


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(("kb.example",), "localhost"), (("localhost",), "other.example"), (("*.a.example",), "a.example")],
)
async def test_certificate_for_another_name_is_said(
    running: Running, authority: Authority, hosts: tuple[str, ...], expected: str
) -> None:
    async with secure(running, authority.issue(*hosts)) as port:
        tls = Tls(ca=authority.path, server_name=expected)
        said = await fault(f"https://localhost:{port}", running, tls)
    assert "Hostname mismatch" in said
    assert expected in said
    assert "KLADEZ_TLS_SERVER_NAME" in said


async def test_unknown_authority_is_said(running: Running, files: Files, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with secure(running, files) as port:
        for tls in (Tls(), Tls(ca=stranger.path)):
            said = await fault(f"https://localhost:{port}", running, tls)
            assert said.endswith("name its authority in KLADEZ_TLS_CA")


async def test_plain_client_of_a_secure_service_is_told(running: Running, files: Files) -> None:
    async with secure(running, files) as port:
        assert "https://" in await fault(f"localhost:{port}", running, Tls())


async def test_secure_client_of_a_plain_service_is_told(running: Running, authority: Authority) -> None:
    said = await fault(f"https://localhost:{running.port}", running, Tls(ca=authority.path))
    assert said.startswith("it does not speak TLS")


async def test_service_that_is_not_there_is_no_matter_of_certificates(running: Running) -> None:
    assert await fault("https://localhost:1", running, Tls()) == ""


async def test_only_known_clients_are_served_when_the_service_asks(
    running: Running, authority: Authority, files: Files, tmp_path: Path
) -> None:
    clients, strangers = Authority(tmp_path, "clients"), Authority(tmp_path, "strangers")
    known, unknown = clients.issue("gateway", name="known"), strangers.issue("gateway", name="unknown")
    async with secure(running, files, clients) as port:
        address = f"https://localhost:{port}"
        without = Tls(ca=authority.path)
        assert "asks for a client's certificate" in await fault(address, running, without)
        foreign = replace(without, certificate=unknown.certificate, key=unknown.key)
        assert "does not accept the client's certificate" in await fault(address, running, foreign)
        own = replace(without, certificate=known.certificate, key=known.key)
        async with connect(address, running.key, tls=own) as client:
            assert await answers(client)
            assert await client.why_unreachable() == ""


async def test_front_proxy_may_speak_tls_for_the_service(
    running: Running, authority: Authority, files: Files
) -> None:
    async with (
        terminating_proxy(files, running.port) as port,
        connect(f"https://localhost:{port}", running.key, tls=Tls(ca=authority.path)) as client,
    ):
        await client.wait_until_ready(WAIT_SECONDS)
        assert await answers(client)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
async def test_front_proxy_without_http2_is_said(
    running: Running, authority: Authority, files: Files, protocols: tuple[str, ...]
) -> None:
    async with terminating_proxy(files, running.port, protocols) as port:
        said = await fault(f"https://localhost:{port}", running, Tls(ca=authority.path))
    assert "ALPN h2" in said


async def test_renewed_certificate_is_shown_to_new_connections_and_streams_go_on(
    running: Running, authority: Authority, files: Files
) -> None:
    async with secure(running, files) as port, watching(authority, port) as stream:
        first = await shown(authority, port)
        assert (await stream.read()).status == health_pb2.HealthCheckResponse.SERVING
        authority.issue("localhost", "127.0.0.1")
        second = await shown(authority, port)
        assert second == pem_of(files) != first
        assert await shown(authority, port) == second
        assert not stream.done()
        assert (await health_over(stream.channel)).status == health_pb2.HealthCheckResponse.SERVING


async def test_wrong_files_leave_the_certificate_until_they_are_mended(
    running: Running, authority: Authority, files: Files, tmp_path: Path
) -> None:
    async with secure(running, files) as port:
        before = await shown(authority, port)
        good_key = files.key.read_bytes()
        for wrong in (b"", b"half a k", Authority(tmp_path, "other").issue("x", name="x").key.read_bytes()):
            files.key.write_bytes(wrong)
            assert await shown(authority, port) == before
        files.key.unlink()
        assert await shown(authority, port) == before
        files.key.touch(0o600)
        files.key.write_bytes(good_key)
        authority.issue("localhost")
        assert await shown(authority, port) == pem_of(files) != before


async def test_authority_of_clients_is_renewed_too(
    running: Running, authority: Authority, files: Files, tmp_path: Path
) -> None:
    clients = Authority(tmp_path, "clients")
    replaced = Authority(tmp_path, "replaced")
    theirs = replaced.issue("gateway", name="theirs")
    tls = Tls(ca=authority.path, certificate=theirs.certificate, key=theirs.key)
    async with secure(running, files, clients) as port:
        address = f"https://localhost:{port}"
        assert "does not accept the client's certificate" in await fault(address, running, tls)
        clients.path.write_bytes(replaced.path.read_bytes())
        async with connect(address, running.key, tls=tls) as client:
            await client.wait_until_ready(WAIT_SECONDS)
            assert await answers(client)


async def test_client_that_runs_for_long_takes_renewed_files(
    running: Running, authority: Authority, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next call goes over a new line, the stream over the old one to its end."""
    monkeypatch.setattr(channels, "LOOK_AGAIN_SECONDS", 0.02)
    clients, successors = Authority(tmp_path, "clients"), Authority(tmp_path, "successors")
    own = clients.issue("gateway", name="own")
    tls = Tls(ca=authority.path, certificate=own.certificate, key=own.key)
    async with (
        secure(running, files, clients) as port,
        connect(f"https://localhost:{port}", running.key, tls=tls) as client,
    ):
        line = client._channel
        assert isinstance(line, channels.RenewableChannel)
        stream = health_pb2_grpc.HealthStub(line).Watch(health_pb2.HealthCheckRequest())
        await stream.read()
        own.certificate.write_bytes(b"half written")
        await asyncio.sleep(0.1)
        assert await answers(client)
        clients.path.write_bytes(successors.path.read_bytes())
        successors.issue("gateway", name="own")
        await until(lambda: line.retiring == 1)
        assert await answers(client)
        assert not stream.done()
        stream.cancel()
        await until(lambda: line.retiring == 0)


class Watch:
    """An open stream, and the channel it runs over."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())

    async def read(self) -> health_pb2.HealthCheckResponse:
        return await self._call.read()

    def done(self) -> bool:
        return self._call.done()


@contextlib.asynccontextmanager
async def watching(authority: Authority, port: int) -> AsyncIterator[Watch]:
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        yield Watch(channel)


async def health_over(channel: grpc.aio.Channel) -> health_pb2.HealthCheckResponse:
    return await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())


async def shown(authority: Authority, port: int) -> str:
    """The certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=authority.path)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return ssl.DER_cert_to_PEM_cert(found)


def pem_of(files: Files) -> str:
    """The first certificate of the chain, as Python writes it."""
    first = (
        files.certificate.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(first))
