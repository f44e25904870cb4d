"""Parses on Airflow 1.10 only: modules, a parameter and a keyword that Airflow 3 no longer has."""

from airflow import DAG
from airflow.operators.python_operator import PythonOperator
from airflow.utils.dates import days_ago

dag = DAG("p_demo_119__legacy_report", schedule_interval=None, start_date=days_ago(2000))


def report(**context):
    print("reporting for", context["execution_date"])
    return context["ds"]


PythonOperator(task_id="report", python_callable=report, provide_context=True, dag=dag)
