"""A DAG for each of Meltano's schedules, with a task for each tap and client.

Airflow parses this file again and again, so it does not call Meltano: the list of schedules is
written when the project is deployed (`make airflow-schedules`).
"""

from __future__ import annotations

from signalroom_orchestrate import config, dags

# Airflow collects the DAGs among a module's globals.
globals().update({dag.dag_id: dag for dag in dags.create_dags(config.schedules_file())})
