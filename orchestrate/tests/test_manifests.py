"""The image's and the cluster's files: valid, and of one mind with the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from airflow.configuration import conf

from signalroom_orchestrate import capacity
from signalroom_orchestrate.dags import LONGEST

HERE = Path(__file__).parents[1]
CLUSTER = HERE / "kubernetes"
FILES = sorted(path for path in CLUSTER.glob("*.yaml") if path.name != "kustomization.yaml")
KUSTOMIZATION = yaml.safe_load((CLUSTER / "kustomization.yaml").read_text())
DOCUMENTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]
DEPLOYMENTS = {
    one["metadata"]["name"]: one["spec"] for one in DOCUMENTS if one["kind"] == "Deployment"
}
PODS = {name: spec["template"]["spec"] for name, spec in DEPLOYMENTS.items()}
#: Who has which secrets.
SECRETS = {
    "api-server": {"shared", "airflow"},
    "broker": {"broker"},
    "dag-processor": {"shared", "airflow"},
    "scheduler": {"shared", "airflow", "broker"},
    "triggerer": {"shared", "airflow"},
    "worker": {"shared", "pipelines", "broker"},
}


def variables(path):
    """The variables of a file, as kustomize reads it."""
    lines = (CLUSTER / path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


SETTINGS = variables("settings.env")


def containers(name):
    """All of a pod, those that run before it included."""
    return [*PODS[name].get("initContainers", ()), *PODS[name]["containers"]]


def test_the_dockerfile():
    linted = subprocess.run(
        [Path(sys.executable).parent / "hadolint", HERE / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (linted.returncode, linted.stdout) == (0, "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_manifests(path):
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_kustomization_names_all_of_them():
    assert {*KUSTOMIZATION["resources"]} == {path.name for path in FILES}
    own = {image["name"] for image in KUSTOMIZATION["images"]}
    used = {one["image"] for name in PODS for one in containers(name)}
    assert {name for name in used if ":" not in name} == own


def test_images_of_others_are_named_by_their_digest():
    used = {one["image"] for name in PODS for one in containers(name)} - {"signalroom"}
    used |= set(re.findall(r"^FROM (\S+)", (HERE / "Dockerfile").read_text(), re.MULTILINE))
    assert len(used) == 2
    assert all(re.fullmatch(r"\w+:[\w.-]+@sha256:[0-9a-f]{64}", one) for one in used)


def test_pods_restart_when_settings_or_secrets_change():
    """Kustomize makes them, with a hash in their names."""
    assert {"configMapGenerator", "secretGenerator"} <= KUSTOMIZATION.keys()
    assert "generatorOptions" not in KUSTOMIZATION
    assert not {one["kind"] for one in DOCUMENTS} & {"ConfigMap", "Secret"}
    made = {
        one["name"]: one["envs"]
        for kind in ("configMapGenerator", "secretGenerator")
        for one in KUSTOMIZATION[kind]
    }
    named = {
        reference["name"]
        for name in PODS
        for container in containers(name)
        for source in container.get("envFrom", ())
        for reference in source.values()
    }
    assert named == made.keys()
    assert made.pop("settings") == ["settings.env"]
    for name, files in made.items():
        assert files == [f"secrets/{name}.env"]
        assert variables(f"secrets.example/{name}.env")


@pytest.mark.parametrize("name", PODS)
def test_secrets_are_where_they_are_needed(name):
    """Those of vendors and of the warehouse are with the workers, those of Airflow are not."""
    found = {
        (source.get("secretRef") or {}).get("name")
        for container in containers(name)
        for source in container.get("envFrom", ())
    }
    found |= {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for container in containers(name)
        for variable in container.get("env", ())
        if "valueFrom" in variable
    }
    assert found - {None} == SECRETS[name]


def test_the_broker_asks_for_a_password():
    (broker,) = PODS["broker"]["containers"]
    assert "requirepass $BROKER_PASSWORD" in broker["args"][0]
    for name in ("scheduler", "worker"):
        (container,) = PODS[name]["containers"]
        password, address = container["env"]
        assert password["name"] == "BROKER_PASSWORD"
        assert address == {
            "name": "AIRFLOW__CELERY__BROKER_URL",
            "value": "redis://:$(BROKER_PASSWORD)@broker:6379/0",
        }


def test_who_may_connect_to_whom():
    """Nobody by default; and the broker connects to nobody."""
    policies = {
        one["metadata"]["name"]: one["spec"] for one in DOCUMENTS if one["kind"] == "NetworkPolicy"
    }
    assert policies["nobody-unless-below"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    served = {
        one["metadata"]["name"]: {port["port"] for port in one["spec"]["ports"]}
        for one in DOCUMENTS
        if one["kind"] == "Service"
    }
    for name, ports in served.items():
        spec = policies[name]
        assert spec["podSelector"] == {"matchLabels": {"app": name}}
        assert {port["port"] for rule in spec["ingress"] for port in rule["ports"]} == ports
        assert all(rule["from"] for rule in spec["ingress"])
    assert policies["broker"]["egress"] == []
    (rule,) = policies["broker"]["ingress"]
    (peer,) = rule["from"]
    (expression,) = peer["podSelector"]["matchExpressions"]
    has_password = {name for name, secrets in SECRETS.items() if "broker" in secrets} - {"broker"}
    assert {*expression["values"]} == has_password


def test_migration_comes_first():
    """A scheduler does it before it runs; who has Airflow's database waits for it."""
    commands = {
        name: " ".join(one["args"][0] for one in PODS[name].get("initContainers", ()))
        for name in PODS
    }
    assert "airflow db migrate" in commands["scheduler"]
    assert "airflow pools import" in commands["scheduler"]
    for name in {name for name, has in SECRETS.items() if "airflow" in has} - {"scheduler"}:
        assert "airflow db check-migrations" in commands[name]
    assert "meltano state list" in commands["worker"]


def test_a_release_ends_no_run():
    """A worker that has to go ends with the last of its tasks, however long one may take."""
    assert PODS["worker"]["terminationGracePeriodSeconds"] >= LONGEST.total_seconds()
    (worker,) = PODS["worker"]["containers"]
    # Celery is the first process and gets the signal: a shell would not pass it on.
    assert "command" not in worker
    assert worker["args"] == ["celery", "worker"]


def test_what_is_handed_out_has_a_slot():
    """Else it waits in Celery's queue, where its token runs out: a try is gone without a run."""
    expected = capacity.settings(
        workers=DEPLOYMENTS["worker"]["replicas"],
        slots=int(SETTINGS["AIRFLOW__CELERY__WORKER_CONCURRENCY"]),
        schedulers=DEPLOYMENTS["scheduler"]["replicas"],
    )
    assert {name: SETTINGS[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("workers", "slots", "schedulers", "parallelism"),
    ((2, 2, 1, 4), (2, 4, 2, 4), (3, 4, 2, 6), (1, 1, 2, 1)),
)
def test_slots(workers, slots, schedulers, parallelism):
    found = capacity.settings(workers=workers, slots=slots, schedulers=schedulers)
    assert found["AIRFLOW__CORE__PARALLELISM"] == str(parallelism)
    # A task waits as long as those before it run, if a worker is gone.
    assert (
        float(found["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"])
        >= timedelta(hours=2).total_seconds()
    )


def test_a_worker_has_memory_for_all_its_tasks():
    """A gigabyte each: of tap and loader, and of Meltano and Airflow around them."""
    (worker,) = PODS["worker"]["containers"]
    limit = int(worker["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert limit >= 1 + int(SETTINGS["AIRFLOW__CELERY__WORKER_CONCURRENCY"])


def test_a_pool_is_no_more_than_all_workers_run():
    pools = json.loads((HERE / "pools.json").read_text())
    slots = DEPLOYMENTS["worker"]["replicas"] * int(SETTINGS["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert all(pool["slots"] <= slots for pool in pools.values())


def test_schedules_run_from_the_first_deployment_on():
    assert SETTINGS["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"


def test_nobody_comes_in_from_outside():
    services = [one["spec"] for one in DOCUMENTS if one["kind"] == "Service"]
    assert services
    assert all(spec.get("type", "ClusterIP") == "ClusterIP" for spec in services)
    assert not {"externalIPs", "externalName"} & {name for spec in services for name in spec}
    assert not {one["kind"] for one in DOCUMENTS} & {"Ingress", "Gateway", "HTTPRoute"}
    assert not any("hostNetwork" in pod or "hostPort" in repr(pod) for pod in PODS.values())


@pytest.mark.parametrize("name", PODS)
def test_pods_need_no_disk_and_no_rights(name):
    pod = PODS[name]
    assert all(volume.get("emptyDir") == {} for volume in pod["volumes"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in containers(name):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_settings_are_airflows():
    """Each variable is a setting that this Airflow has."""
    given = {name for path in CLUSTER.rglob("*.env") for name in variables(path)}
    given |= {
        one["name"] for name in PODS for part in containers(name) for one in part.get("env", ())
    }
    given = {name for name in given if name.startswith("AIRFLOW__")}
    assert len(given) > 15
    for variable in given:
        _, section, option = variable.split("__", 2)
        sections = {name.upper(): name for name in conf.configuration_description}
        assert section in sections or section == "CELERY", variable
        if section in sections:
            options = conf.configuration_description[sections[section]]["options"]
            assert option.lower() in options, variable


def test_no_value_is_a_secret():
    for path in (CLUSTER / "secrets.example").iterdir():
        for name, value in variables(path).items():
            is_one = "<" not in value and value not in {"", "loader", "warehouse", "db.example.com"}
            assert not is_one, name
