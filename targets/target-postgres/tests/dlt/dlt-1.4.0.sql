CREATE SCHEMA everflow;
CREATE SCHEMA mautic;
CREATE SCHEMA posthog;
CREATE SCHEMA redtrack;
CREATE SCHEMA s3_exports;
CREATE TABLE everflow._dlt_loads (
    load_id character varying NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE everflow._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE everflow.daily_stats (
    date character varying NOT NULL,
    affiliate_id bigint NOT NULL,
    advertiser_id bigint NOT NULL,
    affiliate_label character varying,
    advertiser_label character varying,
    clicks bigint,
    conversions bigint,
    revenue double precision,
    payout double precision,
    profit double precision,
    _client_id character varying,
    _loaded_at timestamp with time zone,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE mautic._dlt_loads (
    load_id character varying NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE mautic._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE mautic.campaigns (
    id bigint NOT NULL,
    name character varying,
    events___100__id bigint,
    events___100__properties__email bigint,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE mautic.contacts (
    id bigint NOT NULL,
    is_published boolean,
    date_added timestamp with time zone,
    points bigint,
    fields__core__email__id character varying,
    fields__core__email__label character varying,
    fields__core__email__alias character varying,
    fields__core__email__type character varying,
    fields__core__email__value character varying,
    fields__core__email__normalized_value character varying,
    fields__core__city__id character varying,
    fields__core__city__label character varying,
    fields__core__city__alias character varying,
    fields__core__city__type character varying,
    fields__core__city__value character varying,
    fields__core__city__normalized_value character varying,
    fields__core__lifetime_value__id character varying,
    fields__core__lifetime_value__label character varying,
    fields__core__lifetime_value__alias character varying,
    fields__core__lifetime_value__type character varying,
    fields__core__lifetime_value__value character varying,
    fields__core__lifetime_value__normalized_value character varying,
    fields__core__orders__id character varying,
    fields__core__orders__label character varying,
    fields__core__orders__alias character varying,
    fields__core__orders__type character varying,
    fields__core__orders__value bigint,
    fields__core__orders__normalized_value bigint,
    fields__all__id bigint,
    fields__all__email character varying,
    fields__all__city character varying,
    fields__all__lifetime_value double precision,
    fields__all__orders bigint,
    owner__id bigint,
    owner__first_name character varying,
    ip_addresses___192_0_2_7__ip_address character varying,
    ip_addresses___192_0_2_7__id bigint,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL,
    fields__core__is_member__id character varying,
    fields__core__is_member__label character varying,
    fields__core__is_member__alias character varying,
    fields__core__is_member__type character varying,
    fields__core__is_member__value character varying,
    fields__core__is_member__normalized_value character varying,
    fields__core__last_order__id character varying,
    fields__core__last_order__label character varying,
    fields__core__last_order__alias character varying,
    fields__core__last_order__type character varying,
    fields__core__last_order__value timestamp with time zone,
    fields__core__last_order__normalized_value timestamp with time zone,
    fields__core__orders__normalized_value__v_text character varying,
    fields__all__is_member character varying,
    fields__all__last_order timestamp with time zone
);
CREATE TABLE mautic.contacts__tags (
    id bigint,
    tag character varying,
    _dlt_root_id character varying NOT NULL,
    _dlt_parent_id character varying NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE mautic.contacts__utmtags (
    id bigint,
    utm_campaign character varying,
    _dlt_root_id character varying NOT NULL,
    _dlt_parent_id character varying NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE mautic.emails (
    id bigint NOT NULL,
    name character varying,
    custom_html character varying,
    lists___1__id bigint,
    lists___1__name character varying,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE posthog._dlt_loads (
    load_id character varying NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE posthog._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE posthog.events (
    uuid character varying NOT NULL,
    id character varying,
    distinct_id character varying,
    event character varying,
    properties___browser character varying,
    properties___ip character varying,
    properties___set__email character varying,
    properties__plan_name character varying,
    properties__order_id bigint,
    properties__paid boolean,
    properties__price double precision,
    properties__ordered_at timestamp with time zone,
    "timestamp" timestamp with time zone,
    elements_chain character varying,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL,
    properties__order_id__v_text character varying,
    properties__price__v_text character varying
);
CREATE TABLE posthog.events__properties__items (
    value character varying,
    _dlt_parent_id character varying NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE posthog.experiments (
    id bigint NOT NULL,
    name character varying,
    feature_flag__id bigint,
    feature_flag__key character varying,
    reach bigint,
    reviewed_at timestamp with time zone,
    decision character varying,
    exposure_criteria__filter_test_accounts boolean,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE posthog.feature_flags (
    id bigint,
    key character varying,
    name character varying,
    active boolean,
    created_by__id bigint,
    created_by__email character varying,
    created_at timestamp with time zone,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE posthog.feature_flags__filters__groups (
    rollout_percentage bigint,
    _dlt_parent_id character varying NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE posthog.feature_flags__tags (
    value character varying,
    _dlt_parent_id character varying NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE redtrack._dlt_loads (
    load_id character varying NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE redtrack._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE redtrack.daily_spend (
    date character varying NOT NULL,
    source_id character varying NOT NULL,
    source_name character varying,
    source_alias character varying,
    clicks bigint,
    conversions bigint,
    cost double precision,
    _client_id character varying,
    _loaded_at timestamp with time zone,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
CREATE TABLE s3_exports._dlt_loads (
    load_id character varying NOT NULL,
    schema_name character varying,
    status bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_version_hash character varying
);
CREATE TABLE s3_exports._dlt_version (
    version bigint NOT NULL,
    engine_version bigint NOT NULL,
    inserted_at timestamp with time zone NOT NULL,
    schema_name character varying NOT NULL,
    version_hash character varying NOT NULL,
    schema character varying NOT NULL
);
CREATE TABLE s3_exports.orders_create (
    orders_id character varying,
    click_id character varying,
    order_total character varying,
    _file_name character varying NOT NULL,
    _row_id bigint NOT NULL,
    _file_date character varying,
    _client_id character varying,
    _loaded_at timestamp with time zone,
    _dlt_load_id character varying NOT NULL,
    _dlt_id character varying NOT NULL
);
INSERT INTO everflow._dlt_loads VALUES ('1796084287.027206', 'everflow', 0, '2026-12-01 00:18:07.713487+00', 'KAfmNe8rdtYYPW9ZErq/INTtx7uCIMlN/gF6sHlbN+I=');
INSERT INTO everflow._dlt_version VALUES (2, 10, '2026-12-01 00:18:07.636081+00', 'everflow', 'KAfmNe8rdtYYPW9ZErq/INTtx7uCIMlN/gF6sHlbN+I=', '{"version":2,"version_hash":"KAfmNe8rdtYYPW9ZErq/INTtx7uCIMlN/gF6sHlbN+I=","engine_version":10,"name":"everflow","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":false},"schema":{"name":"schema","data_type":"text","nullable":false}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":true},"status":{"name":"status","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"daily_stats":{"columns":{"date":{"name":"date","nullable":false,"primary_key":true,"data_type":"text"},"affiliate_id":{"name":"affiliate_id","nullable":false,"primary_key":true,"data_type":"bigint"},"advertiser_id":{"name":"advertiser_id","nullable":false,"primary_key":true,"data_type":"bigint"},"affiliate_label":{"name":"affiliate_label","data_type":"text","nullable":true},"advertiser_label":{"name":"advertiser_label","data_type":"text","nullable":true},"clicks":{"name":"clicks","data_type":"bigint","nullable":true},"conversions":{"name":"conversions","data_type":"bigint","nullable":true},"revenue":{"name":"revenue","data_type":"double","nullable":true},"payout":{"name":"payout","data_type":"double","nullable":true},"profit":{"name":"profit","data_type":"double","nullable":true},"_client_id":{"name":"_client_id","data_type":"text","nullable":true},"_loaded_at":{"name":"_loaded_at","data_type":"timestamp","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"name":"daily_stats","write_disposition":"merge","resource":"daily_stats","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false},"state":{"name":"state","data_type":"text","nullable":false},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational","config":{"propagation":{"tables":{"daily_stats":{"_dlt_id":"_dlt_root_id"}}}}}},"previous_hashes":["Zvcz7x6OiWWJbdr7s/e1hCq3BCFGzQWe/6Jms4jVX/M=","BmY2303gVXDdntIWyUcGyvkDCneLHP9ZJHdGLYRUL2g="]}');
INSERT INTO everflow.daily_stats VALUES ('2025-12-01', 7, 1, 'Partner', 'CCW', 90, 7, 100.5, 40.25, 60.25, '713', '2025-12-21 06:00:00+00', '1796084287.027206', 'pdHKMEmMDcqTDA');
INSERT INTO everflow.daily_stats VALUES ('2025-12-02', 7, 1, 'Partner', 'CCW', 90, 7, 100.5, 40.25, 60.25, '713', '2025-12-21 06:00:00+00', '1796084287.027206', '9vjfYH+2czDS9Q');
INSERT INTO everflow.daily_stats VALUES ('2025-12-03', 7, 1, 'Partner', 'CCW', 90, 7, 100.5, 40.25, 60.25, '713', '2025-12-21 06:00:00+00', '1796084287.027206', 'b7ZYyW/vavFs9g');
INSERT INTO mautic._dlt_loads VALUES ('1796084290.6734087', 'mautic', 0, '2026-12-01 00:18:11.808964+00', '6iLmSswYMd0+ai+KBnuJXBaMPdhqRD6RreAGFM+q5rI=');
INSERT INTO mautic._dlt_version VALUES (2, 10, '2026-12-01 00:18:11.588759+00', 'mautic', '6iLmSswYMd0+ai+KBnuJXBaMPdhqRD6RreAGFM+q5rI=', '{"version":2,"version_hash":"6iLmSswYMd0+ai+KBnuJXBaMPdhqRD6RreAGFM+q5rI=","engine_version":10,"name":"mautic","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":false},"schema":{"name":"schema","data_type":"text","nullable":false}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":true},"status":{"name":"status","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"contacts":{"columns":{"id":{"name":"id","nullable":false,"primary_key":true,"data_type":"bigint"},"is_published":{"name":"is_published","data_type":"bool","nullable":true},"date_added":{"name":"date_added","data_type":"timestamp","nullable":true},"points":{"name":"points","data_type":"bigint","nullable":true},"fields__core__email__id":{"name":"fields__core__email__id","data_type":"text","nullable":true},"fields__core__email__label":{"name":"fields__core__email__label","data_type":"text","nullable":true},"fields__core__email__alias":{"name":"fields__core__email__alias","data_type":"text","nullable":true},"fields__core__email__type":{"name":"fields__core__email__type","data_type":"text","nullable":true},"fields__core__email__value":{"name":"fields__core__email__value","data_type":"text","nullable":true},"fields__core__email__normalized_value":{"name":"fields__core__email__normalized_value","data_type":"text","nullable":true},"fields__core__city__id":{"name":"fields__core__city__id","data_type":"text","nullable":true},"fields__core__city__label":{"name":"fields__core__city__label","data_type":"text","nullable":true},"fields__core__city__alias":{"name":"fields__core__city__alias","data_type":"text","nullable":true},"fields__core__city__type":{"name":"fields__core__city__type","data_type":"text","nullable":true},"fields__core__city__value":{"name":"fields__core__city__value","data_type":"text","nullable":true},"fields__core__city__normalized_value":{"name":"fields__core__city__normalized_value","data_type":"text","nullable":true},"fields__core__lifetime_value__id":{"name":"fields__core__lifetime_value__id","data_type":"text","nullable":true},"fields__core__lifetime_value__label":{"name":"fields__core__lifetime_value__label","data_type":"text","nullable":true},"fields__core__lifetime_value__alias":{"name":"fields__core__lifetime_value__alias","data_type":"text","nullable":true},"fields__core__lifetime_value__type":{"name":"fields__core__lifetime_value__type","data_type":"text","nullable":true},"fields__core__lifetime_value__value":{"name":"fields__core__lifetime_value__value","data_type":"text","nullable":true},"fields__core__lifetime_value__normalized_value":{"name":"fields__core__lifetime_value__normalized_value","data_type":"text","nullable":true},"fields__core__orders__id":{"name":"fields__core__orders__id","data_type":"text","nullable":true},"fields__core__orders__label":{"name":"fields__core__orders__label","data_type":"text","nullable":true},"fields__core__orders__alias":{"name":"fields__core__orders__alias","data_type":"text","nullable":true},"fields__core__orders__type":{"name":"fields__core__orders__type","data_type":"text","nullable":true},"fields__core__orders__value":{"name":"fields__core__orders__value","data_type":"bigint","nullable":true},"fields__core__orders__normalized_value":{"name":"fields__core__orders__normalized_value","data_type":"bigint","nullable":true},"fields__all__id":{"name":"fields__all__id","data_type":"bigint","nullable":true},"fields__all__email":{"name":"fields__all__email","data_type":"text","nullable":true},"fields__all__city":{"name":"fields__all__city","data_type":"text","nullable":true},"fields__all__lifetime_value":{"name":"fields__all__lifetime_value","data_type":"double","nullable":true},"fields__all__orders":{"name":"fields__all__orders","data_type":"bigint","nullable":true},"owner__id":{"name":"owner__id","data_type":"bigint","nullable":true},"owner__first_name":{"name":"owner__first_name","data_type":"text","nullable":true},"ip_addresses___192_0_2_7__ip_address":{"name":"ip_addresses___192_0_2_7__ip_address","data_type":"text","nullable":true},"ip_addresses___192_0_2_7__id":{"name":"ip_addresses___192_0_2_7__id","data_type":"bigint","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true},"fields__core__is_member__id":{"name":"fields__core__is_member__id","data_type":"text","nullable":true},"fields__core__is_member__label":{"name":"fields__core__is_member__label","data_type":"text","nullable":true},"fields__core__is_member__alias":{"name":"fields__core__is_member__alias","data_type":"text","nullable":true},"fields__core__is_member__type":{"name":"fields__core__is_member__type","data_type":"text","nullable":true},"fields__core__is_member__value":{"name":"fields__core__is_member__value","data_type":"text","nullable":true},"fields__core__is_member__normalized_value":{"name":"fields__core__is_member__normalized_value","data_type":"text","nullable":true},"fields__core__last_order__id":{"name":"fields__core__last_order__id","data_type":"text","nullable":true},"fields__core__last_order__label":{"name":"fields__core__last_order__label","data_type":"text","nullable":true},"fields__core__last_order__alias":{"name":"fields__core__last_order__alias","data_type":"text","nullable":true},"fields__core__last_order__type":{"name":"fields__core__last_order__type","data_type":"text","nullable":true},"fields__core__last_order__value":{"name":"fields__core__last_order__value","data_type":"timestamp","nullable":true},"fields__core__last_order__normalized_value":{"name":"fields__core__last_order__normalized_value","data_type":"timestamp","nullable":true},"fields__core__orders__normalized_value__v_text":{"name":"fields__core__orders__normalized_value__v_text","data_type":"text","nullable":true,"variant":true},"fields__all__is_member":{"name":"fields__all__is_member","data_type":"text","nullable":true},"fields__all__last_order":{"name":"fields__all__last_order","data_type":"timestamp","nullable":true}},"name":"contacts","write_disposition":"merge","resource":"contacts","x-normalizer":{"seen-data":true}},"emails":{"columns":{"id":{"name":"id","nullable":false,"primary_key":true,"data_type":"bigint"},"name":{"name":"name","data_type":"text","nullable":true},"custom_html":{"name":"custom_html","data_type":"text","nullable":true},"lists___1__id":{"name":"lists___1__id","data_type":"bigint","nullable":true},"lists___1__name":{"name":"lists___1__name","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"name":"emails","write_disposition":"merge","resource":"emails","x-normalizer":{"seen-data":true}},"campaigns":{"columns":{"id":{"name":"id","nullable":false,"primary_key":true,"data_type":"bigint"},"name":{"name":"name","data_type":"text","nullable":true},"events___100__id":{"name":"events___100__id","data_type":"bigint","nullable":true},"events___100__properties__email":{"name":"events___100__properties__email","data_type":"bigint","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"name":"campaigns","write_disposition":"merge","resource":"campaigns","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false},"state":{"name":"state","data_type":"text","nullable":false},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}},"contacts__tags":{"name":"contacts__tags","columns":{"id":{"name":"id","data_type":"bigint","nullable":true},"tag":{"name":"tag","data_type":"text","nullable":true},"_dlt_root_id":{"name":"_dlt_root_id","data_type":"text","nullable":false,"root_key":true},"_dlt_parent_id":{"name":"_dlt_parent_id","data_type":"text","nullable":false,"parent_key":true},"_dlt_list_idx":{"name":"_dlt_list_idx","data_type":"bigint","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"parent":"contacts","x-normalizer":{"seen-data":true}},"contacts__utmtags":{"name":"contacts__utmtags","columns":{"id":{"name":"id","data_type":"bigint","nullable":true},"utm_campaign":{"name":"utm_campaign","data_type":"text","nullable":true},"_dlt_root_id":{"name":"_dlt_root_id","data_type":"text","nullable":false,"root_key":true},"_dlt_parent_id":{"name":"_dlt_parent_id","data_type":"text","nullable":false,"parent_key":true},"_dlt_list_idx":{"name":"_dlt_list_idx","data_type":"bigint","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"parent":"contacts","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational","config":{"propagation":{"tables":{"contacts":{"_dlt_id":"_dlt_root_id"},"emails":{"_dlt_id":"_dlt_root_id"},"campaigns":{"_dlt_id":"_dlt_root_id"}}}}}},"previous_hashes":["Uv174uXM//M5riZptcljJHGTi2sddWS2ODJdmalumWA=","oscYfEtfRkm5iYyc2z7PdxhXTfZQOFr3Ys8yPL3pLLs="]}');
INSERT INTO mautic.campaigns VALUES (1, 'Spring', 100, 1, '1796084290.6734087', 'zUcaKCoNg+8flg');
INSERT INTO mautic.contacts VALUES (2, true, '2025-11-01 10:00:00+00', 3, '1', 'Email', 'email', 'text', 'two@example.com', 'two@example.com', '1', 'City', 'city', 'text', NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, '1', 'Orders', 'orders', 'text', NULL, NULL, 2, 'two@example.com', NULL, NULL, NULL, 1, 'Admin', '192.0.2.7', 7, '1796084290.6734087', 'by/gT8ZBNsRpeA', '1', 'Is_Member', 'is_member', 'text', '1', '1', '1', 'Last_Order', 'last_order', 'text', '2025-11-01 10:00:00+00', '2025-11-01 10:00:00+00', '', '1', '2025-11-01 10:00:00+00');
INSERT INTO mautic.contacts VALUES (1, true, '2025-11-01 10:00:00+00', 3, '1', 'Email', 'email', 'text', 'one@example.com', 'one@example.com', '1', 'City', 'city', 'text', 'Sample City', 'Sample City', '1', 'Lifetime_Value', 'lifetime_value', 'text', '12.5', '12.5', '1', 'Orders', 'orders', 'text', 4, 4, 1, 'one@example.com', 'Sample City', 12.5, 4, 1, 'Admin', '192.0.2.7', 7, '1796084290.6734087', '33ymNpwefX5/7g', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO mautic.contacts__tags VALUES (1, 'vip', '33ymNpwefX5/7g', '33ymNpwefX5/7g', 0, 'pZbMHtyNNi6Jvg');
INSERT INTO mautic.contacts__tags VALUES (1, 'vip', 'by/gT8ZBNsRpeA', 'by/gT8ZBNsRpeA', 0, 'Y76VgtE5Gxg/cg');
INSERT INTO mautic.contacts__utmtags VALUES (4, 'spring', '33ymNpwefX5/7g', '33ymNpwefX5/7g', 0, 'daabbAIhEOwp5g');
INSERT INTO mautic.contacts__utmtags VALUES (4, 'spring', 'by/gT8ZBNsRpeA', 'by/gT8ZBNsRpeA', 0, 'efwqfkazPtl71g');
INSERT INTO mautic.emails VALUES (1, 'Welcome', '<p>', 1, 'All', '1796084290.6734087', 'YEGGQALc57MJzA');
INSERT INTO posthog._dlt_loads VALUES ('1796084289.5912597', 'posthog', 0, '2026-12-01 00:18:10.525871+00', 'Z4jA05faeZr8aua+Blt5bO7q3VSDbhmtChjOLY9Kh+o=');
INSERT INTO posthog._dlt_version VALUES (2, 10, '2026-12-01 00:18:10.353991+00', 'posthog', 'Z4jA05faeZr8aua+Blt5bO7q3VSDbhmtChjOLY9Kh+o=', '{"version":2,"version_hash":"Z4jA05faeZr8aua+Blt5bO7q3VSDbhmtChjOLY9Kh+o=","engine_version":10,"name":"posthog","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":false},"schema":{"name":"schema","data_type":"text","nullable":false}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":true},"status":{"name":"status","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"events":{"columns":{"uuid":{"name":"uuid","nullable":false,"primary_key":true,"data_type":"text"},"id":{"name":"id","data_type":"text","nullable":true},"distinct_id":{"name":"distinct_id","data_type":"text","nullable":true},"event":{"name":"event","data_type":"text","nullable":true},"properties___browser":{"name":"properties___browser","data_type":"text","nullable":true},"properties___ip":{"name":"properties___ip","data_type":"text","nullable":true},"properties___set__email":{"name":"properties___set__email","data_type":"text","nullable":true},"properties__plan_name":{"name":"properties__plan_name","data_type":"text","nullable":true},"properties__order_id":{"name":"properties__order_id","data_type":"bigint","nullable":true},"properties__paid":{"name":"properties__paid","data_type":"bool","nullable":true},"properties__price":{"name":"properties__price","data_type":"double","nullable":true},"properties__ordered_at":{"name":"properties__ordered_at","data_type":"timestamp","nullable":true},"timestamp":{"name":"timestamp","data_type":"timestamp","nullable":true},"elements_chain":{"name":"elements_chain","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true},"properties__order_id__v_text":{"name":"properties__order_id__v_text","data_type":"text","nullable":true,"variant":true},"properties__price__v_text":{"name":"properties__price__v_text","data_type":"text","nullable":true,"variant":true}},"write_disposition":"append","name":"events","resource":"events","x-normalizer":{"seen-data":true}},"feature_flags":{"columns":{"id":{"name":"id","data_type":"bigint","nullable":true},"key":{"name":"key","data_type":"text","nullable":true},"name":{"name":"name","data_type":"text","nullable":true},"active":{"name":"active","data_type":"bool","nullable":true},"created_by__id":{"name":"created_by__id","data_type":"bigint","nullable":true},"created_by__email":{"name":"created_by__email","data_type":"text","nullable":true},"created_at":{"name":"created_at","data_type":"timestamp","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"replace","name":"feature_flags","resource":"feature_flags","x-normalizer":{"seen-data":true}},"experiments":{"columns":{"id":{"name":"id","nullable":false,"primary_key":true,"data_type":"bigint"},"name":{"name":"name","data_type":"text","nullable":true},"feature_flag__id":{"name":"feature_flag__id","data_type":"bigint","nullable":true},"feature_flag__key":{"name":"feature_flag__key","data_type":"text","nullable":true},"reach":{"name":"reach","data_type":"bigint","nullable":true},"reviewed_at":{"name":"reviewed_at","data_type":"timestamp","nullable":true},"decision":{"name":"decision","data_type":"text","nullable":true},"exposure_criteria__filter_test_accounts":{"name":"exposure_criteria__filter_test_accounts","data_type":"bool","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"name":"experiments","write_disposition":"merge","resource":"experiments","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false},"state":{"name":"state","data_type":"text","nullable":false},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}},"events__properties__items":{"name":"events__properties__items","columns":{"value":{"name":"value","data_type":"text","nullable":true},"_dlt_parent_id":{"name":"_dlt_parent_id","data_type":"text","nullable":false,"parent_key":true},"_dlt_list_idx":{"name":"_dlt_list_idx","data_type":"bigint","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"parent":"events","x-normalizer":{"seen-data":true}},"feature_flags__filters__groups":{"name":"feature_flags__filters__groups","columns":{"rollout_percentage":{"name":"rollout_percentage","data_type":"bigint","nullable":true},"_dlt_parent_id":{"name":"_dlt_parent_id","data_type":"text","nullable":false,"parent_key":true},"_dlt_list_idx":{"name":"_dlt_list_idx","data_type":"bigint","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"parent":"feature_flags","x-normalizer":{"seen-data":true}},"feature_flags__tags":{"name":"feature_flags__tags","columns":{"value":{"name":"value","data_type":"text","nullable":true},"_dlt_parent_id":{"name":"_dlt_parent_id","data_type":"text","nullable":false,"parent_key":true},"_dlt_list_idx":{"name":"_dlt_list_idx","data_type":"bigint","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"parent":"feature_flags","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational","config":{"propagation":{"tables":{"experiments":{"_dlt_id":"_dlt_root_id"}}}}}},"previous_hashes":["H9ixlTX8KZ9xAAtjkSDo5uFi6UofCqBS017ciklsbSs=","30+0LzwiMuA1F2GdP5Bi2PWbi9ZFRICNuIF1XnEpkDo="]}');
INSERT INTO posthog.events VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'visitor', 'checkout', 'Firefox', '192.0.2.1', 'visitor@example.com', 'pro', 17, true, 9.5, '2025-12-01 08:00:00+00', '2025-12-01 08:30:00+00', '', '1796084289.5912597', 'cJzWFQ7iZby6OA', NULL, NULL);
INSERT INTO posthog.events VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000002', 'visitor', 'checkout', 'Safari', NULL, NULL, NULL, NULL, false, NULL, NULL, '2025-12-02 08:30:00+00', '', '1796084289.5912597', 'MiXpHxNb0im4nA', 'A-17', 'free');
INSERT INTO posthog.events__properties__items VALUES ('a', 'cJzWFQ7iZby6OA', 0, 'tOM9cIWsoHhIGA');
INSERT INTO posthog.events__properties__items VALUES ('b', 'cJzWFQ7iZby6OA', 1, '8YfaCE+4dT58ow');
INSERT INTO posthog.experiments VALUES (2, 'Price', 5, 'new-page', 40, '2025-11-02 10:00:00+00', 'none', true, '1796084289.5912597', 'eJbBU1GfvxEK/Q');
INSERT INTO posthog.feature_flags VALUES (5, 'new-page', 'New page', true, 1, 'flag@example.com', '2025-05-01 08:00:00+00', '1796084289.5912597', 'bj8lLKS1zMeHJg');
INSERT INTO posthog.feature_flags__filters__groups VALUES (50, 'bj8lLKS1zMeHJg', 0, '2A0gU0qqT/LGcg');
INSERT INTO posthog.feature_flags__tags VALUES ('web', 'bj8lLKS1zMeHJg', 0, 'ccz2ALxlI6JyUw');
INSERT INTO redtrack._dlt_loads VALUES ('1796084287.8539498', 'redtrack', 0, '2026-12-01 00:18:08.610445+00', 'xnCRR+XcQprtzE4xe+28aDUPjyrDdFWSmH1rV+1x/QQ=');
INSERT INTO redtrack._dlt_version VALUES (2, 10, '2026-12-01 00:18:08.551393+00', 'redtrack', 'xnCRR+XcQprtzE4xe+28aDUPjyrDdFWSmH1rV+1x/QQ=', '{"version":2,"version_hash":"xnCRR+XcQprtzE4xe+28aDUPjyrDdFWSmH1rV+1x/QQ=","engine_version":10,"name":"redtrack","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":false},"schema":{"name":"schema","data_type":"text","nullable":false}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":true},"status":{"name":"status","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"daily_spend":{"columns":{"date":{"name":"date","nullable":false,"primary_key":true,"data_type":"text"},"source_id":{"name":"source_id","nullable":false,"primary_key":true,"data_type":"text"},"source_name":{"name":"source_name","data_type":"text","nullable":true},"source_alias":{"name":"source_alias","data_type":"text","nullable":true},"clicks":{"name":"clicks","data_type":"bigint","nullable":true},"conversions":{"name":"conversions","data_type":"bigint","nullable":true},"cost":{"name":"cost","data_type":"double","nullable":true},"_client_id":{"name":"_client_id","data_type":"text","nullable":true},"_loaded_at":{"name":"_loaded_at","data_type":"timestamp","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"name":"daily_spend","write_disposition":"merge","resource":"daily_spend","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false},"state":{"name":"state","data_type":"text","nullable":false},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational","config":{"propagation":{"tables":{"daily_spend":{"_dlt_id":"_dlt_root_id"}}}}}},"previous_hashes":["KwrbbakJAgt+i+AWzI0SExDeM+BlBAiq3N6NPfHMXyw=","q3drV5pKi1yQggUfLXiG4/N4YeuyKmURzFHXeUq+/vY="]}');
INSERT INTO redtrack.daily_spend VALUES ('2025-12-01', 'google', 'Google', '', 12, 1, 3.5, '713', '2025-12-21 06:00:00+00', '1796084287.8539498', 'yAAParYF5EipqQ');
INSERT INTO redtrack.daily_spend VALUES ('2025-12-01', 'tiktok', 'Tiktok', '', 12, 1, 3.5, '713', '2025-12-21 06:00:00+00', '1796084287.8539498', 'IVuquFhJ8jhX+g');
INSERT INTO s3_exports._dlt_loads VALUES ('1796084288.7214403', 's3_exports', 0, '2026-12-01 00:18:09.360117+00', 'OGBLxYm0Dfs3pO/6PF8a9FH4ou+3YS2Bd28ymwSk60k=');
INSERT INTO s3_exports._dlt_version VALUES (2, 10, '2026-12-01 00:18:09.32205+00', 's3_exports', 'OGBLxYm0Dfs3pO/6PF8a9FH4ou+3YS2Bd28ymwSk60k=', '{"version":2,"version_hash":"OGBLxYm0Dfs3pO/6PF8a9FH4ou+3YS2Bd28ymwSk60k=","engine_version":10,"name":"s3_exports","tables":{"_dlt_version":{"name":"_dlt_version","columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":false},"schema":{"name":"schema","data_type":"text","nullable":false}},"write_disposition":"skip","resource":"_dlt_version","description":"Created by DLT. Tracks schema updates"},"_dlt_loads":{"name":"_dlt_loads","columns":{"load_id":{"name":"load_id","data_type":"text","nullable":false},"schema_name":{"name":"schema_name","data_type":"text","nullable":true},"status":{"name":"status","data_type":"bigint","nullable":false},"inserted_at":{"name":"inserted_at","data_type":"timestamp","nullable":false},"schema_version_hash":{"name":"schema_version_hash","data_type":"text","nullable":true}},"write_disposition":"skip","resource":"_dlt_loads","description":"Created by DLT. Tracks completed loads"},"orders_create":{"columns":{"orders_id":{"name":"orders_id","data_type":"text","nullable":true},"click_id":{"name":"click_id","data_type":"text","nullable":true},"order_total":{"name":"order_total","data_type":"text","nullable":true},"_file_name":{"name":"_file_name","nullable":false,"primary_key":true,"data_type":"text"},"_row_id":{"name":"_row_id","nullable":false,"primary_key":true,"data_type":"bigint"},"_file_date":{"name":"_file_date","data_type":"text","nullable":true},"_client_id":{"name":"_client_id","data_type":"text","nullable":true},"_loaded_at":{"name":"_loaded_at","data_type":"timestamp","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","name":"orders_create","resource":"orders_create","x-normalizer":{"seen-data":true}},"_dlt_pipeline_state":{"columns":{"version":{"name":"version","data_type":"bigint","nullable":false},"engine_version":{"name":"engine_version","data_type":"bigint","nullable":false},"pipeline_name":{"name":"pipeline_name","data_type":"text","nullable":false},"state":{"name":"state","data_type":"text","nullable":false},"created_at":{"name":"created_at","data_type":"timestamp","nullable":false},"version_hash":{"name":"version_hash","data_type":"text","nullable":true},"_dlt_load_id":{"name":"_dlt_load_id","data_type":"text","nullable":false},"_dlt_id":{"name":"_dlt_id","data_type":"text","nullable":false,"unique":true,"row_key":true}},"write_disposition":"append","file_format":"preferred","name":"_dlt_pipeline_state","resource":"_dlt_pipeline_state","x-normalizer":{"seen-data":true}}},"settings":{"detections":["iso_timestamp"],"default_hints":{"not_null":["_dlt_id","_dlt_root_id","_dlt_parent_id","_dlt_list_idx","_dlt_load_id"],"parent_key":["_dlt_parent_id"],"root_key":["_dlt_root_id"],"unique":["_dlt_id"],"row_key":["_dlt_id"]}},"normalizers":{"names":"snake_case","json":{"module":"dlt.common.normalizers.json.relational"}},"previous_hashes":["issLr5IySuwF7+MQR6Ko1NGYmhk2yc2PKOQp+gQaboI=","Lvk5NEJLo2gdfVgK7yJ7lN10wyvEKz9N6zmmE4LKekw="]}');
INSERT INTO s3_exports.orders_create VALUES ('100', '', '89.95', 'bucket/orders-create/report_2025-12-01T0000_a.csv', 0, '2025-12-01', '713', '2025-12-21 06:00:00+00', '1796084288.7214403', 'knMGfgk8bliFZQ');
INSERT INTO s3_exports.orders_create VALUES ('101', '', '89.95', 'bucket/orders-create/report_2025-12-01T0000_a.csv', 1, '2025-12-01', '713', '2025-12-21 06:00:00+00', '1796084288.7214403', '1Ju4wzSeKpxBFw');
INSERT INTO s3_exports.orders_create VALUES ('101', '', '89.95', 'bucket/orders-create/report_2025-12-01T0000_a.csv', 1, '2025-12-01', '713', '2025-12-21 06:00:00+00', '1796084288.7214403', 'T6d2KAJXOBhc4w');
ALTER TABLE ONLY everflow.daily_stats
    ADD CONSTRAINT daily_stats__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY mautic.campaigns
    ADD CONSTRAINT campaigns__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY mautic.contacts
    ADD CONSTRAINT contacts__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY mautic.contacts__tags
    ADD CONSTRAINT contacts__tags__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY mautic.contacts__utmtags
    ADD CONSTRAINT contacts__utmtags__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY mautic.emails
    ADD CONSTRAINT emails__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.events
    ADD CONSTRAINT events__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.events__properties__items
    ADD CONSTRAINT events__properties__items__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.experiments
    ADD CONSTRAINT experiments__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.feature_flags
    ADD CONSTRAINT feature_flags__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.feature_flags__filters__groups
    ADD CONSTRAINT feature_flags__filters__groups__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY posthog.feature_flags__tags
    ADD CONSTRAINT feature_flags__tags__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY redtrack.daily_spend
    ADD CONSTRAINT daily_spend__dlt_id_key UNIQUE (_dlt_id);
ALTER TABLE ONLY s3_exports.orders_create
    ADD CONSTRAINT orders_create__dlt_id_key UNIQUE (_dlt_id);
