"""A file name and texts outside ASCII: Wetterüberblick, 天気. Parses on Airflow 1.10 and on Airflow 3."""

from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def overview():
    return "sonnig, 天気"


with DAG("p_weather_121__wetter_ueberblick", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(task_id="overview", python_callable=overview)
