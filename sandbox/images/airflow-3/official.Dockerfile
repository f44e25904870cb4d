# The official image brings mysqlclient; the other drivers are added where it lacks them. AIRFLOW_VERSION is its own.
ARG BASE
FROM $BASE
ARG DRIVERS
COPY ca-certificates.crt /tmp/ca-certificates.crt
RUN PIP_CERT=/tmp/ca-certificates.crt pip install --no-cache-dir apache-airflow==${AIRFLOW_VERSION} $DRIVERS
