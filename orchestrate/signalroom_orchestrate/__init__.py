"""SignalRoom's schedules on Apache Airflow."""
