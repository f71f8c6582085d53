"""The Dockerfile and the manifests are valid, and agree with each other and with the project."""

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

from signalroom_orchestrate.capacity import capacity_settings
from signalroom_orchestrate.dags import TASK_TIMEOUT

HERE = Path(__file__).parents[1]
CLUSTER = HERE / "kubernetes"
FILES = sorted(path for path in CLUSTER.glob("*.yaml") if path.name != "kustomization.yaml")
KUSTOMIZATION = yaml.safe_load((CLUSTER / "kustomization.yaml").read_text())
DOCUMENTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]
DEPLOYMENTS = {
    each["metadata"]["name"]: each["spec"] for each in DOCUMENTS if each["kind"] == "Deployment"
}
PODS = {name: spec["template"]["spec"] for name, spec in DEPLOYMENTS.items()}
#: The secrets of each pod.
SECRETS = {
    "api-server": {"shared", "airflow"},
    "broker": {"broker"},
    "dag-processor": {"shared", "airflow"},
    "scheduler": {"shared", "airflow", "broker"},
    "triggerer": {"shared", "airflow"},
    "worker": {"shared", "pipelines", "broker"},
}


def variables(path):
    """The variables of an env file, parsed as kustomize does."""
    lines = (CLUSTER / path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


SETTINGS = variables("settings.env")


def containers(name):
    """All containers of a pod, init containers included."""
    return [*PODS[name].get("initContainers", ()), *PODS[name]["containers"]]


def test_the_dockerfile():
    completed = subprocess.run(
        [Path(sys.executable).parent / "hadolint", HERE / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (completed.returncode, completed.stdout) == (0, "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_manifests(path):
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_kustomization_lists_all_manifests():
    assert {*KUSTOMIZATION["resources"]} == {path.name for path in FILES}
    own = {image["name"] for image in KUSTOMIZATION["images"]}
    used = {each["image"] for name in PODS for each in containers(name)}
    assert {name for name in used if ":" not in name} == own


def test_third_party_images_are_pinned_by_digest():
    used = {each["image"] for name in PODS for each in containers(name)} - {"signalroom"}
    used |= set(re.findall(r"^FROM (\S+)", (HERE / "Dockerfile").read_text(), re.MULTILINE))
    assert len(used) == 2
    assert all(re.fullmatch(r"\w+:[\w.-]+@sha256:[0-9a-f]{64}", each) for each in used)


def test_pods_restart_when_settings_or_secrets_change():
    """Kustomize generates ConfigMaps and Secrets with a hash of their content in their names."""
    assert {"configMapGenerator", "secretGenerator"} <= KUSTOMIZATION.keys()
    assert "generatorOptions" not in KUSTOMIZATION
    assert not {each["kind"] for each in DOCUMENTS} & {"ConfigMap", "Secret"}
    files_by_name = {
        each["name"]: each["envs"]
        for kind in ("configMapGenerator", "secretGenerator")
        for each in KUSTOMIZATION[kind]
    }
    named = {
        reference["name"]
        for name in PODS
        for container in containers(name)
        for source in container.get("envFrom", ())
        for reference in source.values()
    }
    assert named == files_by_name.keys()
    assert files_by_name.pop("settings") == ["settings.env"]
    for name, files in files_by_name.items():
        assert files == [f"secrets/{name}.env"]
        assert variables(f"secrets.example/{name}.env")


@pytest.mark.parametrize("name", PODS)
def test_secrets_are_where_they_are_needed(name):
    """Workers have the secrets of vendors and of the warehouse, and none of Airflow."""
    secrets = {
        (source.get("secretRef") or {}).get("name")
        for container in containers(name)
        for source in container.get("envFrom", ())
    }
    secrets |= {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for container in containers(name)
        for variable in container.get("env", ())
        if "valueFrom" in variable
    }
    assert secrets - {None} == SECRETS[name]


def test_the_broker_requires_a_password():
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


def test_network_policies():
    """By default nobody may connect; the broker may not connect to others."""
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in DOCUMENTS
        if each["kind"] == "NetworkPolicy"
    }
    assert policies["deny-by-default"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    served = {
        each["metadata"]["name"]: {port["port"] for port in each["spec"]["ports"]}
        for each in DOCUMENTS
        if each["kind"] == "Service"
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
    """A scheduler migrates before it starts; other users of Airflow's database wait for that."""
    commands = {
        name: " ".join(each["args"][0] for each in PODS[name].get("initContainers", ()))
        for name in PODS
    }
    assert "airflow db migrate" in commands["scheduler"]
    assert "airflow pools import" in commands["scheduler"]
    for name in {name for name, has in SECRETS.items() if "airflow" in has} - {"scheduler"}:
        assert "airflow db check-migrations" in commands[name]
    assert "meltano state list" in commands["worker"]


def test_a_release_interrupts_no_run():
    """A worker that is replaced finishes its tasks, which may take as long as their timeout."""
    assert PODS["worker"]["terminationGracePeriodSeconds"] >= TASK_TIMEOUT.total_seconds()
    (worker,) = PODS["worker"]["containers"]
    # Celery is process 1, so it gets the signal: a shell would not pass it on.
    assert "command" not in worker
    assert worker["args"] == ["celery", "worker"]


def test_every_queued_task_has_a_slot():
    """Otherwise its token expires in Celery's queue, and it fails without having run."""
    expected = capacity_settings(
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
    settings = capacity_settings(workers=workers, slots=slots, schedulers=schedulers)
    assert settings["AIRFLOW__CORE__PARALLELISM"] == str(parallelism)
    # While a worker is down, a task waits for those before it.
    assert (
        float(settings["AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT"])
        >= timedelta(hours=2).total_seconds()
    )


def test_a_worker_has_memory_for_all_its_tasks():
    """A gigabyte for each: the tap, the loader, Meltano and Airflow's task runner."""
    (worker,) = PODS["worker"]["containers"]
    limit = int(worker["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert limit >= 1 + int(SETTINGS["AIRFLOW__CELERY__WORKER_CONCURRENCY"])


def test_a_pool_has_at_most_as_many_slots_as_all_workers():
    pools = json.loads((HERE / "pools.json").read_text())
    slots = DEPLOYMENTS["worker"]["replicas"] * int(SETTINGS["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert all(pool["slots"] <= slots for pool in pools.values())


def test_dags_are_enabled_from_the_first_deployment_on():
    assert SETTINGS["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"


def test_nothing_is_exposed_outside_the_cluster():
    services = [each["spec"] for each in DOCUMENTS if each["kind"] == "Service"]
    assert services
    assert all(spec.get("type", "ClusterIP") == "ClusterIP" for spec in services)
    assert not {"externalIPs", "externalName"} & {name for spec in services for name in spec}
    assert not {each["kind"] for each in DOCUMENTS} & {"Ingress", "Gateway", "HTTPRoute"}
    assert not any("hostNetwork" in pod or "hostPort" in repr(pod) for pod in PODS.values())


@pytest.mark.parametrize("name", PODS)
def test_pods_need_no_disk_and_no_privileges(name):
    pod = PODS[name]
    assert all(volume.get("emptyDir") == {} for volume in pod["volumes"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in containers(name):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_settings_exist():
    """Each variable is a setting of this version of Airflow."""
    names = {name for path in CLUSTER.rglob("*.env") for name in variables(path)}
    names |= {
        each["name"] for name in PODS for part in containers(name) for each in part.get("env", ())
    }
    names = {name for name in names if name.startswith("AIRFLOW__")}
    assert len(names) > 15
    for variable in names:
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
