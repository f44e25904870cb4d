# The official image brings mysqlclient; the other two drivers are added where it lacks them.
ARG BASE
FROM $BASE
COPY ca-certificates.crt /tmp/ca-certificates.crt
RUN PIP_CERT=/tmp/ca-certificates.crt pip install --no-cache-dir apache-airflow==3.0.6 \
      mysqlclient PyMySQL==1.1.1 aiomysql==0.2.0
