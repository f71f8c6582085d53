"""What a record's names, texts and pairs say of secrets and personal data."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit_vendor import RowStream, RowTap
from singer_sdk import typing as th

from signalroom_singer import Sensitive
from signalroom_singer.privacy.redaction import MASK
from signalroom_singer.privacy.sensitive_fields import SensitiveFields, safe_message


def names_in(text):
    return text.split()


SECRET_NAMES = names_in("""
    api_token secret_api_token secret_api_token_backup live_events_token slack_bot_token
    slack_incoming_webhook widget_public_token verification_token api_key api_keys apiKey APIKey
    initial_password security_token conversions_apikey data_quality_token pixel_token
    postback_token google_analytics_key authorization_header consumerSecret tokenSecret
    clientSecret password Passwd secret notification_rest_api_key private_key client_secret
    refresh_token access_token accesstoken aws_secret_access_key session_token accessToken
    auth_token X-Api-Key X-Auth-Token webhook_url webhookUrl hook_url Authorization
    Proxy-Authorization Set-Cookie signing_key ssh_private_key smtp_password license_key
    pass_phrase passphrase_encrypted private_key_pem hmac_key basicAuth http_auth auth_header
    SharedAccessSignature connection_string deploy_key securityCode security_code cvv cvc cvv2
    sentry_key
    password_hash encryptionKey db.password token service_account_credentials jwt sentry_dsn
""")
PERSONAL_NAMES = names_in("""
    email email_address emailAddress e-mail accounting_contact_email failure_email email_md5
    reply_to_email contact_email emails customers_telephone phone work_phone cell_phone
    phoneNumber mobile fax first_name firstName last_name billing_first_name shipping_last_name
    middle_name full_name contact_name username instant_messaging_identifier viewers signature
    tax_id ssn check_ssn_last_4 iban date_of_birth birthday birthDate address_1 address_2
    drivers_license vat_number bank_account_number account_number routing_number
    billing_street_address postal_code zip_postal_code zipCode latitude $geoip_latitude
""")
DEVICE_NAMES = names_in("""
    ip user_ip session_user_ip conversion_user_ip postback_ip ip_address ipAddress ip_addresses
    ipAddresses $ip remote_host remoteHost REMOTE_ADDR user_agent userAgent http_user_agent
    $user_agent $raw_user_agent idfa idfa_md5 IDFA_SHA1 google_ad_id google_ad_id_sha1 gaid
    android_id android_id_md5 fingerprint device_fingerprint
""")
HARMLESS_NAMES = names_in("""
    key feature_flag_key group_key group_type short_id $lib token_count $ai_input_tokens
    $ai_total_cost_usd is_email_verified primary_key session_recording_masking_config
    surveys_opt_in cookieless_server_hash_mode $auth_status email_attribution_method
    affiliate_id_macro email_optout encoded_value network_tracking_domain_id is_use_secure_link
    coupon_code api_whitelist_ips session_definition authorization_required deduplicate_token
    rt_keyword postback_protected postback_status enable_ip_whitelist rt_placement_hashed pixel_id
    clickid fingerprint_settings tracking_hash email_id tokens webhook_id webhook_logs redirect_id
    is_published channel_url_trackables password_updated_at tokenName post_action date_identified
    order sessions has_password sheetId nextPageToken pageToken title auth_id cc_type tracking_num
    gateway_id coupon_discount_amount shipping_group_code passed compass_id bypass_cap api_key_name
    api_key_id api_key_count token_type secret_rotated_at password_policy public_key
    publishable_key idempotency_key next_page_token keyword keyboard tokenized_at pinned pin_count
    pinterest_id author authenticated_users hotkey sort_key cookie_consent_id email_type
    emails_sent email_stats email_count email_subject email_template email_domain from_name name
    campaign_name offer_name event_name shipping ship_date ip_id ip_count zip_file recipe equipment
    tip_amount clip_id phone_type phone_verified mobile_app_id mobile_notification cell_count
    device_brand device_model device_type os_version country region city geoip_country_code user_id
    user_name_field address_id is_contact_address_enabled android_version idfa_enabled has_phone
    signature_confirm first_seen last_seen last_name_changed_at street_type_id latitude_count
    faxed_at number_of_ips rt_ad_id rt_adgroup_id payout revenue sub1 adv5 utm_source
    pub_password_reset $exception_fingerprint ssl_fingerprint device_fullname deviceFullName
    campaign_full_name secret_menu_viewed cvv_result $feature/secret-offer
    $feature_enrollment/new-password account_name account_id
""")
NAMES = {
    **dict.fromkeys(SECRET_NAMES, Sensitive.SECRET),
    **dict.fromkeys(PERSONAL_NAMES, Sensitive.PERSON),
    **dict.fromkeys(DEVICE_NAMES, Sensitive.DEVICE),
}
PLANTED = "planted-value-0x7"
EVERYTHING = frozenset(Sensitive)
# However busy the machine is.
SLOWLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rule(left_out=EVERYTHING, **declared):
    return SensitiveFields(left_out, **declared)


@pytest.mark.parametrize("name", NAMES)
def test_names_say_what_is_left_out(name):
    record = {"id": 1, name: PLANTED}
    assert rule({NAMES[name]}).clean(dict(record)) == {"id": 1}
    others = EVERYTHING - {NAMES[name]}
    assert rule(others).clean(dict(record)) == record


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_other_names_are_loaded(name):
    assert rule().clean({"a": 1, name: PLANTED}) == {"a": 1, name: PLANTED}


@pytest.mark.parametrize(
    ("within", "name", "is_left_out"),
    (
        *((within, "key", True) for within in ("acme", "ssl", "tls", "certificate", "api", "auth")),
        *((within, "crt", True) for within in ("acme", "ssl")),
        *((within, "key", False) for within in ("filter", "flag", "properties")),
    ),
)
def test_a_key_within_a_certificate_is_a_private_one(within, name, is_left_out):
    cleaned = rule().clean({within: {"id": 1, name: PLANTED}})
    assert (name not in cleaned[within]) is is_left_out


@pytest.mark.parametrize("value", (None, True, False, 5))
@pytest.mark.parametrize("name", ("password", "emails", "ip"))
def test_flags_counts_and_nulls_stay(name, value):
    assert rule().clean({"id": 1, name: value}) == {"id": 1, name: value}


@pytest.mark.parametrize("value", ("", [], {}))
def test_an_empty_value_is_left_out_and_not_counted(value):
    fields = rule()
    assert fields.clean({"id": 1, "password": value}) == {"id": 1}
    assert not fields.left_out.counts


@pytest.mark.parametrize(
    ("name", "value"),
    (
        ("phone", 15_550_100_199),
        ("latitude", Decimal("52.5")),
        ("$geoip_longitude", 13.4),
        ("pin", 4711),
        ("zip", 10_115),
        ("password", 987_654_321),
        ("apiKey", 1_234_567_890_123),
        ("cvv", 123),
    ),
)
def test_numbers_that_are_personal_are_left_out(name, value):
    assert rule().clean({"id": 1, name: value}) == {"id": 1}


@pytest.mark.parametrize("value", ("{clickid}", "[token]", "{{token}}", "__TOKEN__", "%7Btoken%7D"))
def test_what_is_filled_in_later_is_no_secret(value):
    record = {"token": value, "url": f"https://example.com/?token={value}&a=1"}
    assert rule().clean(dict(record)) == record


# Texts


@pytest.mark.parametrize(
    ("text", "cleaned"),
    (
        ("https://user:hunter22@h.example/x", f"https://{MASK}@h.example/x"),
        ("postgresql://loader:p%40ss@db:5432/x", f"postgresql://{MASK}@db:5432/x"),
        ("https://0123456789abcdef0@o1.ingest.example/4", f"https://{MASK}@o1.ingest.example/4"),
        (
            "https://h.example/?access_token=abc&x=1#y",
            f"https://h.example/?access_token={MASK}&x=1#y",
        ),
        ("https://h.example/p?pass=a&sig=b&c=d", f"https://h.example/p?pass={MASK}&sig={MASK}&c=d"),
        ("https://h.example/p?key=abc", f"https://h.example/p?key={MASK}"),
        ("https://h.example/?hash=abc", f"https://h.example/?hash={MASK}"),
        ("https://h.example/?email=a%40b.c&x=1", f"https://h.example/?email={MASK}&x=1"),
        ("https://h.example/#access_token=abc", f"https://h.example/#access_token={MASK}"),
        ("token=abc&y=1", f"token={MASK}&y=1"),
        (
            "see https://hooks.slack.com/services/T0/B0/xyz now",
            f"see https://hooks.slack.com/{MASK} now",
        ),
        (
            "https://discord.com/api/webhooks/12/xyz",
            f"https://discord.com/api/webhooks/{MASK}",
        ),
        ("https://hooks.zapier.com/hooks/catch/1/xyz/", f"https://hooks.zapier.com/{MASK}"),
        ("https://api.telegram.org/bot1:xyz/send", f"https://api.telegram.org/{MASK}"),
        ("https://n8n.example.org/webhook/0a1b-22", f"https://n8n.example.org/webhook/{MASK}"),
        (
            "https://acme.webhook.office.com/webhookb2/xyz",
            f"https://acme.webhook.office.com/{MASK}",
        ),
        ("Authorization: Bearer abcdefgh1", f"Authorization: {MASK}"),
        ("curl -H 'x' Bearer abcdefgh12", f"curl -H 'x' Bearer {MASK}"),
        ("Basic dXNlcjpwYXNz", f"Basic {MASK}"),
        ("X-Api-Key: abcdef\nAccept: */*", f"X-Api-Key: {MASK}\nAccept: */*"),
        ("a xoxb-not-a-real-token b", f"a {MASK} b"),
        ("sk_live_notarealone", MASK),
        ("AIzaNotARealKeyAtAllButOfItsForm", MASK),
        ("EAANotARealTokenButOfTheFormOfThoseThatAreReal", MASK),
        ("phx_notarealkeyatall", MASK),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nx", f"{MASK}\nx"),
        ('{"a": {"access_token": "abc"}, "b": 1.50}', '{"a":{},"b":1.50}'),
        ('[["Authorization", "abc"]]', f'[["Authorization","{MASK}"]]'),
        ('{"n": {payout}, "api_secret": "abc"}', f'{{"n": {{payout}}, "api_secret": "{MASK}"}}'),
        ("x = {'password': 'a b', 'y': 'z'}", f"x = {{'password': '{MASK}', 'y': 'z'}}"),
        ('{"a": "{\\"password\\": \\"x\\"}"}', '{"a":"{}"}'),
        ('"{\\"secret\\": \\"x\\", \\"a\\": 1}"', '"{\\"a\\":1}"'),
        ("https://h.example/p?X-Amz-Signature=abc", f"https://h.example/p?X-Amz-Signature={MASK}"),
        ("https://h.example/p;jsessionid=abc", f"https://h.example/p;jsessionid={MASK}"),
        (
            "https://h.example/r?u=https%3A%2F%2Fg.example%2F%3Ftoken%3Dabc%26b%3D1",
            f"https://h.example/r?u=https%3A%2F%2Fg.example%2F%3Ftoken%3D{MASK}%26b%3D1",
        ),
        (
            "https://h.example/?a=b%2526api_key%253Dabc",
            f"https://h.example/?a=b%2526api_key%253D{MASK}",
        ),
        ("host=h user=u password=abc dbname=d", f"host=h user=u password={MASK} dbname=d"),
        ("Token token=abc", f"Token token={MASK}"),
        (
            "https://h.example/?user%5Bpassword%5D=abc",
            f"https://h.example/?user%5Bpassword%5D={MASK}",
        ),
        ("https://h.example/?authkey=abc", f"https://h.example/?authkey={MASK}"),
        ('api_key = "abcdef12"', f'api_key = "{MASK}"'),
        ("api_key: abcdef12", f"api_key: {MASK}"),
        ("curl -H 'X-Api-Key: abc' h.example", f"curl -H 'X-Api-Key: {MASK}' h.example"),
        ("<a><password>abc</password></a>", f"<a><password>{MASK}</password></a>"),
        ('{api_key: "abc", macro: {x}}', f'{{api_key: "{MASK}", macro: {{x}}}}'),
        ("let apiKey := 'abc'", f"let apiKey := '{MASK}'"),
        (
            '{"n": {x}, "b": "{\\"secret\\": \\"x\\"}"}',
            f'{{"n": {{x}}, "b": "{{\\"secret\\": \\"{MASK}\\"}}"}}',
        ),
        (
            'a:2:{s:8:"password";s:3:"abc";s:1:"x";i:1;}',
            f'a:2:{{s:8:"password";s:{len(MASK)}:"{MASK}";s:1:"x";i:1;}}',
        ),
        ("https://h.example/?e=ann%40mail.example&x=1", f"https://h.example/?e={MASK}&x=1"),
        ("https://h.example/u/ann@mail.example/x", f"https://h.example/u/{MASK}/x"),
    ),
)
def test_secrets_in_texts_are_masked(text, cleaned):
    assert rule().clean_text(text) == cleaned
    assert rule().clean({"a": {"note": [text]}}) == {"a": {"note": [cleaned]}}


@pytest.mark.parametrize(
    "text",
    (
        "The Basic plan costs 5",
        "Basic marketing and token validation",
        "a token = good",
        "https://h.example/?keyword=shoes&authors=2&token_count=3",
        "http://h.example:8080/p@q",
        "http://h.example/a:b@c",
        "mailto:team@example.com",
        "2026-01-31T23:59:59.000Z",
        "1.0E+5",
        "[1, 2]",
        '{"a": 1.50, "b": "x"}',
        "https://example.com/webhooks/",
        "https://docs.example.com/hooks/overview",
        "password reset: see the manual",
        "{not json",
        '{"n": {payout}, "api_secret": "{secret}", "b": "c"}',
        "utm_source=news&utm_medium=email",
        "https://h.example/?key=12&a=1",
        "https://h.example/?x=1%26utm_source%3Dnews%26token%3D{token}",
        "https://cdn.example/logo@2x.png",
        "https://h.example/@ann/post and lodash@4.17.21",
        "password: required",
        "token: {token}",
        "SELECT token FROM t WHERE password = 'x'",
        "Enter your password: then press OK",
        "<p>token</p><b>password</b>",
        'input:attr__name="password"attr__type="password"nth-child="2"',
        "key-note speech, pat-on-the-back",
    ),
)
def test_other_texts_stay_as_they_are(text):
    assert rule().clean_text(text) == text


# Pairs


@pytest.mark.parametrize("label", ("label", "name", "key", "header"))
@pytest.mark.parametrize("name", ("Authorization", "X-Api-Key", "Cookie", "password"))
def test_a_labelled_secret_is_masked(label, name):
    record = {"headers": {"list": [{label: name, "value": "abc"}]}}
    assert rule().clean(record)["headers"]["list"] == [{label: name, "value": MASK}]


@pytest.mark.parametrize(
    "pair",
    (
        {"label": "Accept", "value": "text/html"},
        {"key": "token", "value": "x", "type": "event"},
        {"key": "email", "value": ["a"], "operator": "exact", "type": "person"},
        {"name": "sub1", "value": "{clickid}"},
        {"name": "token", "value": "{token}"},
        {"name": "Password reset mail", "value": 5},
        {"name": "Password reset mail", "value": "sent"},
        {"label": "Forgot password?", "value": "yes"},
        {"key": "email", "label": "E-mail", "default": "{person.properties.email}"},
    ),
)
def test_other_pairs_stay_as_they_are(pair):
    assert rule().clean({"pairs": [dict(pair)]}) == {"pairs": [pair]}


@pytest.mark.parametrize(
    "pair",
    (
        {"id": "accessToken", "value": PLANTED},
        {"param": "api_key", "default": PLANTED},
        {"Key": "Password", "Value": PLANTED},
        {"label": "Your API key", "value": PLANTED},
    ),
)
def test_pairs_are_known_in_other_notations(pair):
    assert PLANTED not in json.dumps(rule().clean({"pairs": [pair]}))


# What streams declare


def test_streams_keep_and_leave_out_what_names_do_not_say():
    cleaned = rule(
        allowed={"filters.ip", "device_fullname"},
        secret={"integrations.params"},
        personal={"platform_username"},
    ).clean(
        {
            "filters": {"ip": ["192.0.2.1"]},
            "device_fullname": "Pixel",
            "integrations": [{"params": {"a": "b"}, "id": 1}],
            "platform_username": "x",
            "ip": "192.0.2.1",
        }
    )
    assert cleaned == {
        "filters": {"ip": ["192.0.2.1"]},
        "device_fullname": "Pixel",
        "integrations": [{"id": 1}],
    }


def test_declared_personal_data_is_loaded_where_it_is_asked_for():
    fields = rule({Sensitive.SECRET}, personal={"viewers_list"})
    assert fields.clean({"id": 1, "viewers_list": ["x"]}) == {"id": 1, "viewers_list": ["x"]}


def test_a_column_that_would_never_have_a_value_is_left_out():
    fields = rule()
    text, number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    assert fields.leaves_out_column("email", text)
    assert fields.leaves_out_column("latitude", {"type": ["number", "null"]})
    assert not fields.leaves_out_column("emails", number)
    assert not fields.leaves_out_column("is_email", text)
    assert not fields.leaves_out_column("password", {"type": ["boolean", "null"]})
    assert not fields.leaves_out_column("webhook", {"type": ["object", "null"]})


def test_what_was_left_out_is_counted_by_its_name():
    fields = rule()
    for _ in range(2):
        fields.clean({"owner": {"email": "a@example.com"}, "api_key": "x"})
    assert fields.left_out.counts == {
        (Sensitive.PERSON, "owner.email"): 2,
        (Sensitive.SECRET, "api_key"): 2,
    }


def test_more_names_than_are_kept_are_counted(monkeypatch):
    monkeypatch.setattr("signalroom_singer.privacy.omitted_fields._MOST_FIELDS", 2)
    fields = rule()
    for name in ("api_key", "password", "token", "api_key"):
        fields.clean({name: "x"})
    assert fields.left_out.counts == {
        (Sensitive.SECRET, "api_key"): 2,
        (Sensitive.SECRET, "password"): 1,
        (Sensitive.SECRET, "token"): 1,
    }
    fields.left_out.clear()
    assert fields.left_out.summary() == ""


def test_more_texts_than_are_kept_are_cleaned(monkeypatch):
    monkeypatch.setattr("signalroom_singer.privacy.sensitive_fields._MOST_TEXTS", 2)
    fields = rule()
    for number in (1, 2, 3, 1):
        url = f"https://example.com/{number}?token="
        assert fields.clean({"id": 1, "page": f"{url}{PLANTED}"})["page"] == f"{url}{MASK}"


def test_what_nests_too_deeply_is_left_out():
    deep = {"password": PLANTED}
    for _ in range(300):
        deep = {"a": [deep]}
    assert PLANTED not in json.dumps(rule().clean(deep))


# At any depth


@st.composite
def hiding_places(draw, leaf):
    """A record that has the leaf somewhere: in objects, lists, and texts that are JSON."""
    value = leaf
    for step in draw(st.lists(st.sampled_from(("object", "list", "text", "pair")), max_size=8)):
        if step == "object":
            value = {"a": 1, "nested": value, "b": None}
        elif step == "list":
            value = [{"c": 1}, value]
        elif step == "text":
            value = {"json_body": json.dumps(value)}
        else:
            value = {"label": "Accept", "value": value}
    return {"id": 1, "place": value}


@SLOWLY
@given(st.data(), st.sampled_from(sorted(NAMES)))
def test_nothing_planted_comes_through_at_any_depth(data, name):
    record = data.draw(hiding_places({"x": 1, name: PLANTED}))
    assert PLANTED not in json.dumps(rule().clean(record))


@SLOWLY
@given(st.data(), st.sampled_from(HARMLESS_NAMES))
def test_what_is_harmless_stays_word_by_word_at_any_depth(data, name):
    record = data.draw(hiding_places({name: PLANTED}))
    before = json.dumps(record)
    assert json.dumps(rule().clean(record)) == before


@SLOWLY
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_record_is_cleaned_and_cleaning_again_changes_nothing(value):
    once = rule().clean({"a": value})
    text = json.dumps(once)
    assert json.dumps(rule().clean(once)) == text


# Keys


class Visits(RowStream):
    """A report by two things that look personal, and one that does not."""

    primary_keys = ("ip", "page")
    schema = th.PropertiesList(
        th.Property("ip", th.StringType, required=True),
        th.Property("page", th.StringType, required=True),
        th.Property("email", th.StringType),
        th.Property("more", th.ObjectType(additional_properties=True)),
    ).to_dict()


def visits(**config):
    settings = {"api_url": "http://127.0.0.1:9", "api_key": "planted-key-of-a-test"}
    tap = RowTap(config=settings | config)
    return Visits(tap, tap.client)


def test_a_column_that_is_a_key_is_loaded_whatever_it_is_called():
    stream = visits()
    assert {"ip", "page"} <= stream.schema["properties"].keys()
    assert "email" not in stream.schema["properties"]
    row = stream.post_process({"ip": "192.0.2.1", "page": "/", "more": {"ip": "192.0.2.2"}})
    assert (row["ip"], row["page"], row["more"]) == ("192.0.2.1", "/", {})


def test_keys_that_differ_in_a_secret_alone_stay_two():
    stream = visits()
    pages = [f"https://shop.example/?token={number}" for number in (1, 2, 1)]
    keys = [stream.post_process({"ip": "192.0.2.1", "page": page})["page"] for page in pages]
    assert all(key.startswith(f"https://shop.example/?token={MASK}#") for key in keys)
    assert keys[0] == keys[2] != keys[1]


# Messages


def test_a_vendors_message_has_neither_secrets_nor_personal_data():
    body = {"message": "no access for ann@example.com", "request": {"email": "a", "api_key": "b"}}
    assert json.loads(safe_message(json.dumps(body))) == {
        "message": f"no access for {MASK}",
        "request": {},
    }
