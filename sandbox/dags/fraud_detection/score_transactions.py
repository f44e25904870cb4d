"""Needs a Variable that is encrypted and a Connection: succeeds where both can be read.

Parses on Airflow 1.10 and on Airflow 3.
"""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG, Connection, Variable

    on_request = {"schedule": None}
    connection = Connection.get
except ImportError:
    from airflow import DAG
    from airflow.hooks.base_hook import BaseHook
    from airflow.models import Variable
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}
    connection = BaseHook.get_connection


def score():
    threshold = float(Variable.get("fraud_detection_threshold"))
    key = Variable.get("fraud_detection_api_key")
    store = connection("feature_store")
    if not (key and store.password and store.host):
        raise RuntimeError("the key or the connection is incomplete")
    return {"threshold": threshold, "length of the key": len(key)}


with DAG("p_fraud_detection_120__score_transactions", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(task_id="score", python_callable=score, pool="fraud_detection_gpu")
