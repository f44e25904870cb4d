"""Fails when its run is started with {"fail": "yes"}, else succeeds. Parses on Airflow 1.10 and on Airflow 3."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def obey(wish):
    if wish == "yes":
        raise RuntimeError("failed, as requested")
    return "succeeded"


with DAG("p_demo_119__fails_on_request", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(
        task_id="obey",
        python_callable=obey,
        op_kwargs={"wish": "{{ (dag_run.conf or {}).get('fail', 'no') }}"},
    )
