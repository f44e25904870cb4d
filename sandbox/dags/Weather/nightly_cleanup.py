"""Runs daily, unless paused: the bed's old deployment has paused it. Parses on Airflow 1.10 and on Airflow 3."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    nightly = {"schedule": "@daily"}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    nightly = {"schedule_interval": "@daily"}


def clean():
    return "nothing to clean"


with DAG("p_weather_121__nightly_cleanup", start_date=datetime(2024, 1, 1), catchup=False, **nightly) as dag:
    PythonOperator(task_id="clean", python_callable=clean)
