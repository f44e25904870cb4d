"""A DAG file of more than one block: a lookup table follows, as comments. Parses on Airflow 1.10 and on Airflow 3."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def look_up():
    return 42


with DAG("p_fraud_detection_120__big_lookup", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(task_id="look_up", python_callable=look_up)

