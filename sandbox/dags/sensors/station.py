"""One of some hundred files that differ in nothing but a number. Parses on Airflow 1.10 and on Airflow 3."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def measure():
    return "NUMBER"


with DAG("p_sensors_122__station_NUMBER", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(task_id="measure", python_callable=measure)
