# nf-gpu with a software Vulkan driver (llvmpipe), so that it runs anywhere:
#
#   docker build -t nf-gpu . && docker run --rm -it -v "$PWD/runs:/nf-gpu/runs" nf-gpu demo
#
# With an NVIDIA card: docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all ... (the host's driver brings its own
# Vulkan). Untested: this was written on a machine without Docker.
FROM rust:slim-trixie AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:trixie-slim
# Any version of the loader and of Mesa will do, and Debian keeps only the newest: none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/nf-gpu /usr/local/bin/nf-gpu
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /usr/share/doc/nf-gpu/
WORKDIR /nf-gpu
ENTRYPOINT ["nf-gpu"]
CMD ["--help"]
