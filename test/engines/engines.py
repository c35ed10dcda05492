"""Runs other engines on Iceberg tables: reads one JSON request per line and answers with one line.

Requests:
{"engine": "spark", "warehouse": folder, "sql": text}; the warehouse's catalog and its schema default are current
{"engine": "pyiceberg", "table": folder, "filter": text or null}
{"engine": "pyiceberg", "table": folder, "where": {"column": name, "is": "=" or "<" or ">=", "value": canonical}, "columns": [name]}
{"engine": "duckdb", "sql": text}
Spark's and DuckDB's statement may have parameters: "value": text, as :value and as ?. With "exact": true, values are answered in
the canonical form of Floe's log: numbers as their bits or digits, times with six digits, binary in base64.
{"engine": "equality-delete", "table": folder, "ts": partition, "column": name, "value": text}; no engine here has SQL for it
Answers: {"columns": [...], "rows": [[...]]}, or {"error": text}. An equality delete answers without rows.
"""
import base64
import datetime
import decimal
import json
import os
import struct
import sys
import tempfile
import uuid

answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
# Output of an engine must not mix with the answers.
os.dup2(2, 1)

sessions = {}
catalogs = {}


def spark():
    if "spark" not in sessions:
        from pyspark.sql import SparkSession

        local = tempfile.mkdtemp(dir=os.environ["FLOE_TEST_TEMPORARY"])
        settings = {
            "spark.driver.extraClassPath": os.environ["FLOE_TEST_ICEBERG_JAR"],
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={local} -Dderby.system.home={local}",
            "spark.local.dir": local,
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": local,
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        }
        builder = SparkSession.builder.master("local[1]").appName("floe-test")
        for name, value in settings.items():
            builder = builder.config(name, value)
        sessions["spark"] = builder.getOrCreate()
        sessions["spark"].sparkContext.setLogLevel("ERROR")
    return sessions["spark"]


def catalog(session, warehouse):
    if warehouse not in catalogs:
        name = f"warehouse{len(catalogs)}"
        setting = f"spark.sql.catalog.{name}"
        session.conf.set(setting, "org.apache.iceberg.spark.SparkCatalog")
        session.conf.set(f"{setting}.type", "hadoop")
        session.conf.set(f"{setting}.warehouse", warehouse)
        # Another program also commits to these tables.
        session.conf.set(f"{setting}.cache-enabled", "false")
        catalogs[warehouse] = name
    return catalogs[warehouse]


def canonical(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, (int, uuid.UUID)):
        return str(value)
    if isinstance(value, decimal.Decimal):
        # Spark's client changes the scale.
        text = format(value, "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    if isinstance(value, datetime.datetime):
        plain = value if value.tzinfo is None else value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return plain.isoformat(timespec="microseconds")
    if isinstance(value, datetime.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    if hasattr(value, "asDict"):
        return canonical(value.asDict())
    if isinstance(value, dict):
        return {key: canonical(one) for key, one in value.items()}
    return [canonical(one) for one in value]


def with_maps(type, value):
    """Arrow gives a map as a list of pairs."""
    import pyarrow

    if value is None:
        return None
    if pyarrow.types.is_map(type):
        return {key: with_maps(type.item_type, one) for key, one in value}
    if pyarrow.types.is_list(type) or pyarrow.types.is_large_list(type):
        return [with_maps(type.value_type, one) for one in value]
    if pyarrow.types.is_struct(type):
        return {field.name: with_maps(field.type, value[field.name]) for field in type}
    return value


def run_spark(request):
    session = spark()
    session.sql(f"USE {catalog(session, request['warehouse'])}.default")
    frame = session.sql(request["sql"], {"value": request["value"]} if "value" in request else {})
    return frame.columns, [list(row) for row in frame.collect()]


def run_pyiceberg(request):
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(request["table"])
    chosen = {} if request.get("filter") is None else {"row_filter": request["filter"]}
    if "where" in request:
        chosen = {"row_filter": comparison(table, request["where"]), "selected_fields": tuple(request["columns"])}
    arrow = table.scan(**chosen).to_arrow()
    rows = [{field.name: with_maps(field.type, row[field.name]) for field in arrow.schema} for row in arrow.to_pylist()]
    return arrow.column_names, [list(row.values()) for row in rows]


def comparison(table, where):
    from pyiceberg import expressions

    convert = {
        "boolean": bool,
        "int": int,
        "long": int,
        "float": float,
        "double": float,
        "date": datetime.date.fromisoformat,
        "time": datetime.time.fromisoformat,
        "timestamp": datetime.datetime.fromisoformat,
        "timestamptz": datetime.datetime.fromisoformat,
        "uuid": uuid.UUID,
        "binary": base64.b64decode,
        "string": str,
    }
    type = str(table.schema().find_field(where["column"]).field_type)
    value = convert.get(type, decimal.Decimal)(where["value"])
    kinds = {"=": expressions.EqualTo, "<": expressions.LessThan, ">=": expressions.GreaterThanOrEqual}
    return kinds[where["is"]](where["column"], value)


def run_duckdb(request):
    import duckdb

    if "duckdb" not in sessions:
        connection = duckdb.connect()
        for name in ("avro", "iceberg"):
            package = __import__(f"duckdb_extension_{name}")
            folder = os.path.join(os.path.dirname(package.__file__), "extensions", f"v{duckdb.__version__}")
            connection.execute(f"LOAD '{folder}/{name}.duckdb_extension'")
        connection.execute("SET TimeZone = 'UTC'")
        sessions["duckdb"] = connection
    result = sessions["duckdb"].execute(request["sql"], [request["value"]] if "value" in request else [])
    return [column[0] for column in result.description or []], [list(row) for row in result.fetchall()]


def delete_equal(request):
    session = spark()
    jvm = session._jvm
    iceberg = jvm.org.apache.iceberg
    table = iceberg.hadoop.HadoopTables(session._jsc.hadoopConfiguration()).load(request["table"])
    schema, spec = table.schema(), table.spec()
    by = schema.select(jvm.java.util.List.of(request["column"]))
    ids = session.sparkContext._gateway.new_array(jvm.int, 1)
    ids[0] = schema.findField(request["column"]).fieldId()
    partition = iceberg.PartitionData(spec.partitionType())
    partition.set(0, request["ts"])
    path = f"{request['table']}/data/ts={request['ts']}/equal-{len(os.listdir(request['table'] + '/data'))}.parquet"
    output = iceberg.encryption.EncryptedFiles.plainAsEncryptedOutput(table.io().newOutputFile(path))
    factory = iceberg.data.GenericAppenderFactory(schema, spec, ids, by, None)
    writer = factory.newEqDeleteWriter(output, iceberg.FileFormat.PARQUET, partition)
    record = iceberg.data.GenericRecord.create(by)
    record.setField(request["column"], request["value"])
    writer.write(record)
    writer.close()
    table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()
    return [], []


engines = {"spark": run_spark, "pyiceberg": run_pyiceberg, "duckdb": run_duckdb, "equality-delete": delete_equal}

for line in sys.stdin:
    request = json.loads(line)
    try:
        columns, rows = engines[request["engine"]](request)
        if request.get("exact"):
            rows = [[canonical(value) for value in row] for row in rows]
        answer = {"columns": columns, "rows": rows}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer, default=str) + "\n")
    answers.flush()
