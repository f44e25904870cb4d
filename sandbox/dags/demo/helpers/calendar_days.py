"""No DAG: a module that lies in a folder below the DAG files."""

from datetime import date, timedelta


def days_between(first: date, last: date) -> list:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
