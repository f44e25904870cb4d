"""One task of a minute, to restart things under. Parses on Airflow 1.10 and on Airflow 3.

A task's log goes with the scheduler's pod that ran it, so each time the task begins and each time it ends it leaves a
Variable: `sixty_seconds__<run id>__<began or ended>__<moment>`. A task that was killed has begun once more than it
ended, a doubled one has begun twice. Start the run with {"seconds": 5} for a shorter one.
"""

import time
from datetime import datetime

try:
    from airflow.providers.standard.operators.python import PythonOperator
    from airflow.sdk import DAG, Variable

    on_request = {"schedule": None}
except ImportError:
    from airflow import DAG
    from airflow.models import Variable
    from airflow.operators.python_operator import PythonOperator

    on_request = {"schedule_interval": None}


def note(run_id, what):
    moment = time.time()
    print(what, "at", moment)
    Variable.set("sixty_seconds__{}__{}__{}".format(run_id, what, moment), str(moment))


def sleep(run_id, seconds):
    note(run_id, "began")
    time.sleep(float(seconds))
    note(run_id, "ended")


with DAG("p_demo_119__sixty_seconds", start_date=datetime(2024, 1, 1), catchup=False, **on_request) as dag:
    PythonOperator(
        task_id="sleep",
        python_callable=sleep,
        op_kwargs={"run_id": "{{ run_id }}", "seconds": "{{ (dag_run.conf or {}).get('seconds', 60) }}"},
    )
