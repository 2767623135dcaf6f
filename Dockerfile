FROM rust:1.95-bookworm AS build
WORKDIR /build
# The dependencies first: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir -p src tests/it benches \
    && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs > benches/end_to_end.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin opsgram \
    && rm -r src
COPY migrations migrations
COPY config/opsgram.yaml config/sandbox.yaml config/
COPY scripts/examples scripts/examples
COPY assets assets
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin opsgram

FROM debian:bookworm-slim
# tini: a script may leave processes behind, and as the first process of the container the bot would have to bury them.
# No ca-certificates: the bot brings the roots that it trusts. Scripts that need more add it in an image of their own.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/opsgram --shell /usr/sbin/nologin opsgram
COPY --from=build /build/target/release/opsgram /usr/local/bin/opsgram
COPY config/opsgram.yaml /etc/opsgram/opsgram.yaml
COPY scripts/examples /etc/opsgram/scripts/examples
# The last two say where state goes, whatever the file says. For PostgreSQL, give OPSGRAM_DATABASE its address.
ENV OPSGRAM_CONFIG=/etc/opsgram/opsgram.yaml \
    OPSGRAM_DATA_DIR=/var/lib/opsgram \
    OPSGRAM_DATABASE=sqlite:///var/lib/opsgram/opsgram.db
USER opsgram
WORKDIR /var/lib/opsgram
VOLUME /var/lib/opsgram
# No port is opened: the bot calls Telegram, nobody calls the bot. How it is, it writes into a file.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["opsgram", "health"]
ENTRYPOINT ["tini", "--", "opsgram"]
CMD ["serve"]
