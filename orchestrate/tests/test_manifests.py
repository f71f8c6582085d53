"""The image's and the cluster's files: valid, and of one mind with the project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from airflow.configuration import conf

HERE = Path(__file__).parents[1]
FILES = sorted(
    path for path in (HERE / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml"
)
DOCUMENTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]
PODS = {
    document["metadata"]["name"]: document["spec"]["template"]["spec"]
    for document in DOCUMENTS
    if document["kind"] in {"Deployment", "Job"}
}


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


def test_the_kustomization_names_all_but_the_secret():
    kustomization = yaml.safe_load((HERE / "kubernetes" / "kustomization.yaml").read_text())
    names = {path.name for path in FILES}
    assert {*kustomization["resources"]} == names - {"secret.example.yaml"}
    own = {image["name"] for image in kustomization["images"]}
    used = {one["image"] for pod in PODS.values() for one in pod["containers"]}
    assert {name for name in used if ":" not in name} == own


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
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_settings_are_airflows():
    """Each variable is a setting that this Airflow has."""
    variables = {
        name
        for document in DOCUMENTS
        for name in {**document.get("data", {}), **document.get("stringData", {})}
        if name.startswith("AIRFLOW__")
    }
    assert len(variables) > 10
    for variable in variables:
        _, section, option = variable.split("__", 2)
        sections = {name.upper(): name for name in conf.configuration_description}
        assert section in sections or section == "CELERY", variable
        if section in sections:
            options = conf.configuration_description[sections[section]]["options"]
            assert option.lower() in options, variable


def test_no_value_is_a_secret():
    (secret,) = (one for one in DOCUMENTS if one["kind"] == "Secret")
    for name, value in secret["stringData"].items():
        is_told = "<" in value or value in {"", "loader", "warehouse", "db.example.com"}
        assert is_told, name
    assert re.search(r"keep it out of git", (HERE / "kubernetes/secret.example.yaml").read_text())
