"""Parses on Airflow 1.10 only. A schedule with an end and a catch-up: its runs are all in the past."""

from datetime import datetime

from airflow import DAG
from airflow.operators.bash_operator import BashOperator

dag = DAG(
    "p_fraud_detection_120__train_model",
    schedule_interval="@yearly",
    start_date=datetime(2021, 1, 1),
    end_date=datetime(2023, 1, 1),
    catchup=True,
)

BashOperator(task_id="train", bash_command="echo training on {{ ds }}", dag=dag)
