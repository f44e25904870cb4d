ARG BASE
FROM $BASE
COPY ca-certificates.crt /tmp/ca-certificates.crt
RUN PIP_CERT=/tmp/ca-certificates.crt pip install --no-cache-dir --user PyMySQL==1.0.2
