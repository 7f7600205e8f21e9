# The static binary and nothing it does not need, run by a user without rights.
#   docker build -t hnp-sync .
#   docker run --rm hnp-sync demo --once                      the whole story on stand-ins, no account needed
#   docker run -v $PWD/conf:/conf -p 8080:8080 hnp-sync serve --config /conf/hnp-sync.yaml
# In a container, listen must be 0.0.0.0:8080, and database a path in a volume that user 65532 may write.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /hnp-sync ./cmd/hnp-sync

FROM debian:bookworm-slim
# git (2.39, at least 2.38) with its http-backend is for the stand-ins of demo and dev; serve does not run it.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin hnp-sync \
 && install -d -o 65532 -g 65532 /data
COPY --from=build /hnp-sync /usr/local/bin/hnp-sync
USER 65532:65532
WORKDIR /data
EXPOSE 8080
ENTRYPOINT ["hnp-sync"]
CMD ["demo", "--once"]
