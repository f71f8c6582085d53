"""A DAG for each of Meltano's schedules, a task for each tap and client.

Meltano is not called here, as Airflow reads this file again and again: the list of schedules is
written when the project is deployed (`make airflow-schedules`).
"""

from __future__ import annotations

from signalroom_orchestrate import dags, place

# Airflow takes DAGs from a module's names.
globals().update({dag.dag_id: dag for dag in dags.of_schedules(place.schedules())})
