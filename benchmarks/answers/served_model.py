"""A model that nothing here was fitted to: multilingual-e5-small over HTTP, which takes each text for a question.

As behind many servers, no prefix tells questions from passages; the service has to find out how its cosines are read.
"""

from __future__ import annotations

import asyncio
import base64

from aiohttp import web
from kladez.v1 import space_service_pb2 as spaces_pb
from pydantic import SecretStr

from benchmarks import installation
from benchmarks.processes import Announce
from retrieval_service import server
from retrieval_service.client import Client
from retrieval_service.config import Settings
from retrieval_service.providers.local.e5 import open_e5

MODEL = "multilingual-e5-small"
CALIBRATION_SECONDS = 600.0
PAUSE_SECONDS = 1.0
LARGEST_REQUEST = 64 << 20


async def serve(_: None, announce: Announce) -> None:
    """`/v1/embeddings` of OpenAI's protocol on 127.0.0.1."""
    stop = server.stop_signals()
    embedder = await open_e5()

    async def embeddings(request: web.Request) -> web.Response:
        asked = await request.json()
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        embedded = await embedder.embed_queries(texts)
        rows = [
            {"object": "embedding", "index": index, "embedding": base64.b64encode(row.tobytes()).decode()}
            for index, row in enumerate(embedded.vectors)
        ]
        usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
        return web.json_response({"object": "list", "data": rows, "model": MODEL, "usage": usage})

    app = web.Application(client_max_size=LARGEST_REQUEST)
    app.router.add_post("/v1/embeddings", embeddings)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    announce(runner.addresses[0][1])
    await stop.wait()
    await runner.cleanup()
    await embedder.close()


def settings(port: int) -> Settings:
    """Those of a service that embeds with it."""
    return installation.settings(
        workers=1,
        embedder="openai",
        embedding_model=MODEL,
        openai_base_url=f"http://127.0.0.1:{port}/v1",
        openai_api_key=SecretStr("none"),
    )


async def read_space(client: Client) -> spaces_pb.Space:
    """The space that the tenant is searched in, as soon as it is known how its cosines are read."""
    async with asyncio.timeout(CALIBRATION_SECONDS):
        while True:
            listed = await client.list_spaces(spaces_pb.ListSpacesRequest())
            home = next(space for space in listed.spaces if space.is_home)
            if home.HasField("scale"):
                return home
            await asyncio.sleep(PAUSE_SECONDS)
