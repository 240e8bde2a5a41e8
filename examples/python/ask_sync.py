"""Asks a question without asyncio, by the stubs that are generated from the protos."""

import os
import sys

import grpc
from kladez.v1 import answer_service_pb2 as answers
from kladez.v1 import answer_service_pb2_grpc as stubs

# Longer than the service's own limit, so that the service says how the call ended.
DEADLINE_SECONDS = 125


def main(question: str) -> None:
    metadata = [("authorization", f"Bearer {os.environ['KLADEZ_KEY']}")]
    request = answers.StreamAnswerRequest(question=question)
    # With TLS: grpc.secure_channel(address, grpc.ssl_channel_credentials()).
    with grpc.insecure_channel(os.environ["KLADEZ_ADDRESS"]) as channel:
        service = stubs.AnswerServiceStub(channel)
        try:
            for event in service.StreamAnswer(request, metadata=metadata, timeout=DEADLINE_SECONDS):
                if event.HasField("delta"):
                    print(event.delta.text, end="", flush=True)
        except grpc.RpcError as error:
            print(error.code().name, error.details(), file=sys.stderr)
            raise SystemExit(1) from error
    print()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "What do you sell?")
