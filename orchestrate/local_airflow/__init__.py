"""Airflow on one machine, for trying it and for the proof that a worker may fail."""
