"""Parses on Airflow 1.10 and on Airflow 3, and is done in seconds: the DAG to try a deployment with."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def greet():
    return "Grüß Gott"


def count(greeting):
    print("a greeting of", len(greeting), "characters")


with DAG("p_demo_119__hello", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    first = PythonOperator(task_id="greet", python_callable=greet)
    second = PythonOperator(
        task_id="count",
        python_callable=count,
        op_kwargs={"greeting": "{{ ti.xcom_pull(task_ids='greet') }}"},
    )
    first >> second
