"""Runs other engines on Iceberg tables: reads one JSON request per line and answers with one line.

Requests:
{"engine": "spark", "warehouse": folder, "sql": text}; the warehouse's catalog and its schema default are current
{"engine": "pyiceberg", "table": folder, "filter": text or null}
{"engine": "duckdb", "sql": text}
{"engine": "equality-delete", "table": folder, "ts": partition, "column": name, "value": text}; no engine here has SQL for it
Answers: {"columns": [...], "rows": [[...]]}, or {"error": text}. An equality delete answers without rows.
"""
import json
import os
import sys
import tempfile

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


def run_spark(request):
    session = spark()
    session.sql(f"USE {catalog(session, request['warehouse'])}.default")
    frame = session.sql(request["sql"])
    return frame.columns, [list(row) for row in frame.collect()]


def run_pyiceberg(request):
    from pyiceberg.table import StaticTable

    table = StaticTable.from_metadata(request["table"])
    chosen = {} if request.get("filter") is None else {"row_filter": request["filter"]}
    arrow = table.scan(**chosen).to_arrow()
    return arrow.column_names, [list(row.values()) for row in arrow.to_pylist()]


def run_duckdb(request):
    import duckdb

    if "duckdb" not in sessions:
        connection = duckdb.connect()
        for name in ("avro", "iceberg"):
            package = __import__(f"duckdb_extension_{name}")
            folder = os.path.join(os.path.dirname(package.__file__), "extensions", f"v{duckdb.__version__}")
            connection.execute(f"LOAD '{folder}/{name}.duckdb_extension'")
        sessions["duckdb"] = connection
    result = sessions["duckdb"].execute(request["sql"])
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
        answer = {"columns": columns, "rows": rows}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer, default=str) + "\n")
    answers.flush()
