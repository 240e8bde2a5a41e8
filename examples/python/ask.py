"""Asks a question and shows the answer as it is written, then what it was made from."""

import asyncio
import os
import sys
from contextlib import aclosing

from kladez.v1 import answer_service_pb2 as answers

from retrieval_service.client import CallFailed, connect, tls_from_environment


async def main(question: str) -> None:
    address, key = os.environ["KLADEZ_ADDRESS"], os.environ["KLADEZ_KEY"]
    request = answers.StreamAnswerRequest(question=question)
    async with connect(address, key, tls=tls_from_environment()) as client:
        try:
            async with aclosing(client.stream_answer(request)) as events:
                async for event in events:
                    if event.HasField("delta"):
                        print(event.delta.text, end="", flush=True)
                    elif event.HasField("completed"):
                        show_sources(event.completed.answer)
        except CallFailed as error:
            print(error.code, error.reason, error, file=sys.stderr)
            raise SystemExit(1) from error


def show_sources(answer: answers.Answer) -> None:
    cited = {number for citation in answer.citations for number in citation.numbers}
    print()
    for reference in answer.references:
        if reference.number in cited:
            print(f"[{reference.number}] {reference.title} {reference.url}".rstrip())


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "What do you sell?"))
