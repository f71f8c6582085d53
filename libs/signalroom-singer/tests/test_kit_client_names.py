"""A client's credentials are in variables of its own."""

from __future__ import annotations

import pytest
import yaml

from signalroom_singer.settings.client_names import (
    client_variable,
    shared_variables_warning,
    taken_prefix,
)


@pytest.mark.parametrize(
    ("name", "prefix"),
    (
        ("tap", "TAP_"),
        ("tap-house", "TAP_"),
        ("target", "TARGET_"),
        ("meltano", "MELTANO_"),
        ("aws", "AWS_"),
        ("signalroom", "SIGNALROOM_"),
        ("google", "GOOGLE_"),
        ("Tap", "TAP_"),
        ("acme", None),
        ("tapas", None),
        ("acme-tap", None),
        ("client-tap", None),
        ("", None),
    ),
)
def test_names_whose_variables_are_somebody_elses(name, prefix):
    assert taken_prefix(name) == prefix


def test_no_variable_of_the_project_can_be_a_clients(pytestconfig):
    text = (pytestconfig.rootpath / "meltano.yml").read_text()
    plugins = yaml.safe_load(text)["plugins"]["extractors"]
    aliases = {
        alias
        for plugin in plugins
        for setting in plugin["settings"]
        for alias in setting.get("annotations", {}).get("signalroom", {}).get("variables", ())
    }
    assert {"EVERFLOW_API_KEY", "AWS_PROFILE", "S3_PREFIXES"} <= aliases
    for alias in (*aliases, "TARGET_POSTGRES_HOST", "TAP_EVERFLOW_API_KEY", "MELTANO_DATABASE_URI"):
        assert taken_prefix(alias.lower()) == f"{alias.partition('_')[0]}_"


def test_the_variable_of_a_setting():
    assert client_variable("acme-co", "sticky-s3", "bucket") == "ACME_CO_STICKY_S3_BUCKET"


class TestWarning:
    @pytest.fixture
    def said(self, tmp_path):
        (tmp_path / "clients").mkdir()

        def of(plugin, text=None):
            if text is not None:
                (tmp_path / "clients" / f"{plugin.partition('--')[2]}.yml").write_text(text)
            return shared_variables_warning(
                {"MELTANO_EXTRACTOR_NAME": plugin, "MELTANO_PROJECT_ROOT": str(tmp_path)}
            )

        return of

    def test_a_file_that_reads_the_projects_own_variables(self, said):
        text = "config: {api_key: $TAP_EVERFLOW_API_KEY, api_url: ${TAP_EVERFLOW_API_URL}}"
        assert said("tap-everflow--tap", text) == (
            "Client 'tap' reads TAP_EVERFLOW_API_KEY, TAP_EVERFLOW_API_URL. Variables that begin "
            "with TAP_ are read by others too, so this may be another client's account. Rename "
            "them in clients/tap.yml and where they are set, as in CLIENT_TAP_EVERFLOW_API_KEY."
        )

    def test_a_client_whose_file_is_elsewhere(self, said):
        assert said("tap-everflow--aws").startswith("Client 'aws' reads AWS_....")

    def test_a_file_that_was_corrected(self, said):
        assert said("tap-everflow--tap", "config: {api_key: $CLIENT_TAP_EVERFLOW_API_KEY}") is None

    def test_other_clients_and_taps_of_none(self, said):
        assert said("tap-everflow--acme", "config: {api_key: $TAP_EVERFLOW_API_KEY}") is None
        assert said("tap-everflow") is None
        assert shared_variables_warning({}) is None
