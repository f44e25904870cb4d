ARG BASE
FROM $BASE
RUN apt-get update -q && apt-get install -y --no-install-recommends -q ca-certificates && rm -rf /var/lib/apt/lists/*
